"""The worst, the median and the best ratio of each group of comparisons, naming the worst input."""

import statistics
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .libraries import EVERY, NUMPY

Row = dict[str, Any]
Ratio = Callable[[Row], float | None]

TITLES = {
    "region": "losses and scores of maps",
    "calibration": "calibration",
    "labels": "labels",
    "fusion": "fusion and agreement",
    "kernel": "kernel calibration",
}


class Line(NamedTuple):
    """A line of the table."""

    ours: str
    against: str
    count: int
    worst: float
    median: float
    best: float
    where: str


def is_tiny(row: Row) -> bool:
    """Whether the fixed cost of a call is all that it shows."""
    return row["input"].startswith(("tiny", "(1, 2, 8, 8)", "(1, 1, 8, 8)"))


def to_peer(name: str) -> Ratio:
    """Return the ratio to one peer."""

    def ratio(row: Row) -> float | None:
        seconds = row["peers"].get(name)
        return None if seconds is None or row["seconds"] is None else seconds / row["seconds"]

    return ratio


def fastest(row: Row) -> float | None:
    """Return the ratio to the fastest peer."""
    return row["peer_ratio"]


def numpys(row: Row) -> float | None:
    """Return the ratio to NumPy on the same memory."""
    return row["numpy_ratio"]


def memory(row: Row) -> float | None:
    """Return the ratio of the peaks of memory."""
    peaks = row["peer_peak"], row["peak"]
    return None if None in peaks else float(peaks[0] / peaks[1])


def lines(rows: list[Row]) -> Iterator[Line]:
    """Yield all lines that have rows."""
    timed = [row for row in rows if row["topic"] not in ("memory", "reading")]
    large = [row for row in timed if not is_tiny(row)]
    tiny = [row for row in timed if is_tiny(row)]
    for topic, title in TITLES.items():
        for library in (NUMPY, "torch"):
            some = _of(large, topic, library)
            yield from _line(f"{title}, {library}", "fastest peer", some, fastest)
    yield from _losses(_of(large, "losses", "torch"))
    gradients = [row for row in large if row["function"].startswith("dice_semimetric_loss")]
    some = _of(gradients, "modules", "JAX jit")
    yield from _line("loss and gradient, JAX jit", "optax, jitted", some, fastest)
    regression = [row for row in large if row["function"] == "kernel_regression"]
    for library, name in (("torch", "torch"), (NUMPY, "NumPy")):
        some = _of(regression, "kernel", library)
        formula = f"published formula, {name}"
        yield from _line(f"kernel_regression, {library}", formula, some, to_peer(formula))
    for library in EVERY[1:]:
        yield from _line(f"every function, {library}", NUMPY, _of(large, None, library), numpys)
    yield from _line(f"tiny inputs, {NUMPY}", "fastest peer", _of(tiny, None, NUMPY), fastest)
    yield from _line("tiny inputs, torch", "fastest peer", _of(tiny, None, "torch"), fastest)
    reading = [row for row in rows if row["topic"] == "reading"]
    for function in dict.fromkeys(row["function"] for row in reading):
        some = [row for row in reading if row["function"] == function]
        yield from _line(f"{function}, {NUMPY}", "reading both arrays once", some, fastest)
    for function, title in (
        ("DiceSemimetricLoss", "the loss"),
        ("kernel_regression", "regression"),
    ):
        some = [r for r in rows if r["topic"] == "memory" and r["function"] == function]
        for peer in dict.fromkeys(row["peer"] for row in some):
            yield from _line(f"memory of {title}, torch", peer, some, memory)


def _losses(rows: list[Row]) -> Iterator[Line]:
    """Yield the losses with their gradient, beside each peer."""
    entropy = [row for row in rows if "CE" in row["function"]]
    plain = [row for row in rows if "CE" not in row["function"]]
    softmax = [row for row in plain if row["input"].endswith(("softmax labels", "softmax soft"))]
    yield from _line("loss and gradient, torch", "MONAI", plain, to_peer("MONAI"))
    yield from _line("of these, softmax in float32", "MONAI", softmax, to_peer("MONAI"))
    nnunet = "nnU-Net's formula"
    yield from _line("loss and gradient, torch", nnunet, plain, to_peer(nnunet))
    yield from _line("with cross-entropy, torch", "MONAI", entropy, to_peer("MONAI"))


def _of(rows: Iterable[Row], topic: str | None, library: str) -> list[Row]:
    return [row for row in rows if topic in (None, row["topic"]) and row["library"] == library]


def _line(ours: str, against: str, rows: list[Row], ratio: Ratio) -> Iterator[Line]:
    found = sorted(
        ((value, row) for row in rows if (value := ratio(row)) is not None), key=lambda x: x[0]
    )
    if not found:
        return
    worst = found[0][1]
    threads = f"{worst['threads']} thread" + "s" * (worst["threads"] > 1)
    values = [value for value, _ in found]
    yield Line(
        ours,
        against,
        len(values),
        values[0],
        statistics.median(values),
        values[-1],
        f"{worst['function']}, {worst['input']}, {threads}",
    )


def short(value: float) -> str:
    """Write a ratio in a few digits."""
    if value < 0.095:
        return f"{value:.1g}"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"


def as_text(rows: list[Row], *, markdown: bool) -> str:
    """Return the table, how many times as long the other takes; what is slower is bold."""
    head = ("ours", "against", "n", "worst", "median", "best", "worst at")
    body = [
        (
            line.ours,
            line.against,
            str(line.count),
            *(_marked(value, markdown) for value in (line.worst, line.median, line.best)),
            line.where,
        )
        for line in lines(rows)
    ]
    if markdown:
        rule = tuple("---" for _ in head)
        return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body))
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in (head, *body)
    )


def _marked(value: float, markdown: bool) -> str:
    return f"**{short(value)}**" if markdown and value < 0.95 else short(value)
