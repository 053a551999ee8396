"""One page about a study that a person opens in a browser: `write_report`.

The page is one file. Styles, program and pictures are in it, it asks no network for anything, and
its policy forbids a browser to. All names of cases, raters and files are escaped.
"""

from .chosen import Scored
from .page import check_report, write_report

__all__ = ["Scored", "check_report", "write_report"]
