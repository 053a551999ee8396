"""Unknown keywords of the losses, refused with what is meant: other libraries have others."""

import difflib
import inspect
from typing import Any

#: What other libraries call it -> what to write here.
_MEANT = {
    "jaccard": "for the Jaccard loss use JaccardMetricLoss",
    "squared_pred": "no loss here squares the probabilities; leave it out",
    "soft_label": "soft labels need no switch; leave it out",
    "lambda_dice": "for the sum with a cross-entropy use DiceSemimetricCELoss",
    "lambda_ce": "for the sum with a cross-entropy use DiceSemimetricCELoss",
    "alpha": "for weights of the errors use CompatibleTverskyLoss",
    "beta": "for weights of the errors use CompatibleTverskyLoss",
    "num_classes": "the number of classes is read from the input; leave it out",
    "mode": "write softmax=True for multiclass, sigmoid=True for binary and multilabel",
    "from_logits": "for logits write softmax=True or sigmoid=True",
    "apply_nonlin": "write softmax=True or sigmoid=True",
    "smooth": "write smooth_nr= and smooth_dr=",
    "other_act": "the cross-entropy is of logits: write softmax=True or sigmoid=True",
    "ddp": "write process_group=torch.distributed.group.WORLD",
}
#: Other names of a keyword.
_SAME = {
    "ignore_idx": "ignore_index",
    "ignore_label": "ignore_index",
    "log_loss": "log",
    "eps": "smooth_dr",
    "epsilon": "label_smoothing",
    "smooth_factor": "label_smoothing",
    "batch_dice": "batch",
    "do_bg": "include_background",
    "class_weights": "weight",
    "class_weight": "weight",
    "weight_ce": "lambda_ce",
    "weight_dice": "lambda_dice",
}


class KnownKeywords:
    """Refuses keywords that a class does not take, before any base class names itself."""

    def __new__(cls, *_: Any, **options: Any) -> Any:
        """Return a new object, or raise TypeError that names the class called."""
        known = _known(cls)
        for name in options:
            if name not in known:
                raise TypeError(f"{cls.__name__} has no keyword {name!r}; {_remedy(name, known)}")
        return super().__new__(cls)


def _known(cls: type) -> list[str]:
    """Return the keywords of a class, and of its bases as long as it hands others on to them."""
    names: list[str] = []
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
        names += [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return names


def _remedy(name: str, known: list[str]) -> str:
    """Return what to write in place of a keyword that is not known."""
    others = [other for other, same in _SAME.items() if same == name]
    for other in (_SAME.get(name, ""), *others):
        if other in known:
            return f"write {other}="
    name = _SAME.get(name, name)
    if name in _MEANT:
        return _MEANT[name]
    near = difflib.get_close_matches(name, known, 1)
    return f"write {near[0]}=" if near else f"it takes {', '.join(known)}"
