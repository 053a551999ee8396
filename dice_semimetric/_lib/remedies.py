"""What to write in place of labels and raters that are nearly right, for the end of an error."""

from collections.abc import Sequence

import array_api_compat as compat

from .checks import checks_apply
from .namespace import is_boolean, is_floating, sum_dtype
from .typing import Array, Namespace

#: So many axes an image has at most, that a label with one more is not meant as a label map.
_IMAGE_AXES = 3


def target_remedy(
    xp: Namespace, shape: tuple[int, ...], target: Array, names: tuple[str, str]
) -> str:
    """Return what to write for a target that does not fit a prediction of that shape."""
    images, classes, *spatial = shape
    pred, name = names
    batched = f"the axis of the images is missing: write {name}[None]"
    forms = [
        ([images, *spatial], _one_channel(xp, classes, len(spatial), target, name)),
        ([images, *spatial, classes], f"its classes are last: write {_moved(xp, name)}"),
        ([images, 1, *spatial], f"for labels write {name}[:, 0]"),
        ([images, *spatial, 1], f"for labels write {name}[..., 0]"),
    ]
    if images == 1:
        forms += [([classes, *spatial], batched), (spatial, batched)]
    found = list(target.shape)
    last = [images, *shape[1:-1]]
    if spatial and found in (last, [*last, 1], [images, 1, *last[1:]]):
        forms.append((found, f"the classes of {pred} are last: write {_moved(xp, pred)}"))
    if target.ndim == len(shape) and found[:1] + found[2:] == [images, *spatial]:
        forms.append((found, _raters(xp, classes, target, name)))
    remedy = next((text for form, text in forms if form == found), "")
    if remedy:
        return f"; {remedy}"
    differing = differing_axes(shape if len(found) == len(shape) else [images, *spatial], found)
    if found == [classes, *spatial]:
        differing += f"; if {batched}, and the same of {pred}"
    return differing


def differing_axes(expected: Sequence[int], found: Sequence[int]) -> str:
    """Return which axes of a shape have another length, if there are as many axes."""
    if len(expected) != len(found):
        return ""
    pairs = enumerate(zip(expected, found, strict=True))
    off = [f"axis {axis} is {got}, not {wanted}" for axis, (wanted, got) in pairs if got != wanted]
    return f": {' and '.join(off)}" if len(off) in (1, 2) else ""


def soft_remedy(
    xp: Namespace, target: Array, num_classes: int, name: str, *, class_axis: bool
) -> str:
    """Return what to write for soft labels of the foreground where all classes are wanted."""
    made = f"uniform_average(raters, num_classes={num_classes}, rater_axis=1)"
    if num_classes != 2:
        return f"soft labels have one channel a class, as {made} makes them"
    torch = compat.is_torch_namespace(xp)
    joined = (
        ("torch.cat" if torch else "concat") if class_axis else "torch.stack" if torch else "stack"
    )
    axis = "1" if torch else "axis=1"
    return (
        "for soft labels of the foreground write "
        f"{joined}([1 - {name}, {name}], {axis}), or of raters {made}"
    )


def floating_remedy(xp: Namespace, raters: Array, rater_axis: int, num_classes: int | None) -> str:
    """Return what to write for raters of a floating dtype."""
    if has_nan(xp, raters):
        return " with NaN, which is no vote; " + _share(xp, "raters", rater_axis, num_classes)
    if num_classes is None or num_classes == 1:
        return "; write raters > 0.5, or cast label maps to integers"
    return f"; write {as_integers(xp, 'raters')} to cast label maps to integers"


def missing_remedy(xp: Namespace, raters: Array, value: int, rater_axis: int) -> str:
    """Return what to write for masks of 0 and 255, or with a value for raters who are missing."""
    if value not in (-1, 255) or bool(xp.any((raters != 0) & (raters != 1) & (raters != value))):
        return ""
    if value == 255 and not bool(xp.any(raters == 1)):
        return "; of masks of 0 and 255 write raters > 0"
    call = f"{{np}}where(raters == {value}, {{np}}nan, raters)"
    share = _share(xp, call, rater_axis, None)
    return f"; if {value} stands for a missing rater, it is no vote: {share}"


def _share(xp: Namespace, raters: str, rater_axis: int, num_classes: int | None) -> str:
    """Return what to do without the raters that are NaN."""
    average = nanmean(xp, raters, rater_axis) if num_classes in (None, 1) else ""
    leave = "leave out the raters who are missing"
    return f"{leave}, or for the share of the others write {average}" if average else leave


def nanmean(xp: Namespace, array: str, rater_axis: int) -> str:
    """Return the call that gives the share of the raters that are not NaN, or nothing.

    Of a batch it keeps the raters' axis as that of the classes. ``{np}`` in the text stands for
    the library.
    """
    if compat.is_torch_namespace(xp):
        keep = ", keepdim=True" if rater_axis == 1 else ""
        return f"{array}.nanmean({rater_axis}{keep})".format(np="torch.")
    short = (
        (compat.is_numpy_namespace, "np."),
        (compat.is_cupy_namespace, "cp."),
        (compat.is_jax_namespace, "jnp."),
        (compat.is_dask_namespace, "da."),
    )
    np = next((name for known, name in short if known(xp)), "")
    keep = ", keepdims=True" if rater_axis == 1 else ""
    return f"{{np}}nanmean({array}, axis={rater_axis}{keep})".format(np=np) if np else ""


def has_fractions(xp: Namespace, array: Array) -> bool:
    """Return whether values that can be read are no whole numbers."""
    if not is_floating(xp, array) or not checks_apply(array):
        return False
    array = xp.astype(array, sum_dtype(xp, array), copy=False)
    return bool(xp.any((array != xp.floor(array)) & ~xp.isnan(array)))


def has_nan(xp: Namespace, array: Array) -> bool:
    """Return whether a value that can be read is NaN."""
    if not is_floating(xp, array) or not checks_apply(array):
        return False
    return bool(xp.any(xp.isnan(xp.astype(array, sum_dtype(xp, array), copy=False))))


def as_integers(xp: Namespace, array: str) -> str:
    """Return the call that makes integers."""
    return f"{array}.long()" if compat.is_torch_namespace(xp) else f"{array}.astype(int)"


def _moved(xp: Namespace, array: str) -> str:
    torch = compat.is_torch_namespace(xp)
    return f"{array}.movedim(-1, 1)" if torch else f"moveaxis({array}, -1, 1)"


def _one_channel(xp: Namespace, classes: int, rank: int, target: Array, name: str) -> str:
    """Return what to write for a target (B, *spatial) that is not of an integer dtype."""
    if rank > _IMAGE_AXES:
        return ""
    if classes == 1:
        return f"write {name}[:, None]"
    if has_fractions(xp, target):
        return soft_remedy(xp, target, classes, name, class_axis=False)
    return f"for labels write {as_integers(xp, name)}"


def _raters(xp: Namespace, classes: int, target: Array, name: str) -> str:
    """Return what to write for raters (B, R, *spatial), or nothing for what they cannot be."""
    number = target.shape[1]
    if number == 1:
        return ""
    masks, floating = name, is_floating(xp, target)
    if floating:
        if classes > 1 or has_fractions(xp, target):
            return ""
        masks = f"{name} > 0.5"
    elif classes > 1 and is_boolean(xp, target):
        masks = as_integers(xp, name)
    average = f"uniform_average({masks}, num_classes={classes}, rater_axis=1)"
    if has_nan(xp, target):
        average = nanmean(xp, name, 1) or average
    kind = "masks" if classes == 1 else "label maps"
    return f"of the {kind} of {number} raters along axis 1 write {average}"
