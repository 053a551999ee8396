"""How far the raters of a study agree, and where they do not."""

from .agree import agree
from .case import CaseAgreement, agree_files

__all__ = ["CaseAgreement", "agree", "agree_files"]
