"""The distillation ladder and the bandwidths as tests, Markdown and a figure."""

from pathlib import Path
from typing import Any

import numpy as np
from dice_semimetric_nifti.plots import BLUE, DARK, GREY, ORANGE, new_figure, save, style

from .statistics import paired_test

HEAD = {
    "dice": "Dice",
    "bdice": "BDice",
    "ece": "ECE (per case)",
    "ece_pooled": "ECE (pooled)",
    "ece_near": "ECE near (per case)",
    "ece_near_pooled": "ECE near (pooled)",
}
TESTED = ("dice", "bdice", "ece", "ece_near")
PAIRS = (
    ("+ce", "hard"),
    ("+dml", "hard"),
    ("+temperature", "hard"),
    ("+kde", "hard"),
    ("+kde, soft keys", "hard"),
    ("+kde", "+dml"),
    ("+kde", "+temperature"),
    ("+kde, soft keys", "+dml"),
)

Scores = dict[str, np.ndarray]


def paired_tests(
    cases: dict[str, dict[int, Scores]], teacher: dict[str, Scores], groups: np.ndarray
) -> dict[str, Any]:
    """Compare rows over the seeds that both have, and the teacher with itself calibrated."""
    found: dict[str, Any] = {}
    for name in ("temperature", "kernel"):
        found[f"teacher: {name} - raw"] = {
            key: paired_test(teacher[name][key], teacher["raw"][key], groups) for key in TESTED
        }
    for first, second in PAIRS:
        seeds = sorted(set(cases.get(first, {})) & set(cases.get(second, {})))
        if seeds:
            found[f"{first} - {second}"] = {
                key: paired_test(
                    np.mean([cases[first][s][key] for s in seeds], axis=0),
                    np.mean([cases[second][s][key] for s in seeds], axis=0),
                    groups,
                )
                for key in TESTED
            }
    return found


def markdown(report: dict[str, Any]) -> str:
    """Return the tables of a report."""
    counts, teacher = report["counts"], report["teacher"]
    lines = [
        "# Distillation from a calibrated teacher",
        "",
        f"The teacher on {counts['test']} test cases; calibrators fitted to the raters' means of "
        f"{counts['held']} other unseen cases "
        f"(temperature {teacher['fits']['temperature']['temperature']:.3f}, "
        f"bandwidth {teacher['fits']['kernel']['bandwidth']:g}):",
        "",
        *_table("teacher", {n: _plain(teacher[n]) for n in ("raw", "temperature", "kernel")}),
        "",
        "What the students hear, on the training cases (the kernel looks at their labels):",
        "",
        *_table("signal", {n: _plain(s) for n, s in report["signals"].items()}),
        "",
        "Students on the test cases, mean ± standard deviation over seeds:",
        "",
        *_table("student", {n: _spread(r) for n, r in report["runs"].items()}, " | seeds"),
        "",
        "Paired by patient (scores averaged over the seeds that both rows have and over the "
        "patient's cases; interval from a bootstrap of patients, p from Wilcoxon's signed-rank "
        "test, not corrected for the number of tests):",
        "",
        "| difference | score | mean [95 % interval] | p |",
        "|---|---|---|---|",
    ]
    for pair, tests in report["tests"].items():
        for key, test in tests.items():
            low, high = test["interval"]
            mean = f"{test['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"
            lines.append(f"| {pair} | {HEAD[key]} | {mean} | {test['p']:.2g} |")
    settings = ", ".join(f"{k} {v}" for k, v in report["config"].items() if k not in _VARIED)
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    wide = report["teacher_config"]
    lines += [
        "",
        f"Settings: {settings}. Teacher: {wide['model']}, labels {wide['labels']}, epochs "
        f"{wide['epochs']}, seed {wide['seed']}. {counts['train']} training cases, "
        f"{counts['patients']} patients in the test. {versions}. {report['machine']}.",
        "",
    ]
    return "\n".join(lines)


_VARIED = ("rung", "bandwidth", "key_labels", "seed")


def _table(kind: str, rows: dict[str, list[str]], more: str = "") -> list[str]:
    head = f"| {kind} | " + " | ".join(HEAD.values()) + more + " |"
    rule = "|" + "---|" * (1 + len(next(iter(rows.values()))))
    return [
        head,
        rule,
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()),
    ]


def _plain(scores: dict[str, float]) -> list[str]:
    return [f"{scores[key]:.4f}" for key in HEAD]


def _spread(run: dict[str, Any]) -> list[str]:
    cells = []
    for key in HEAD:
        values = run["scores"][key]
        spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.4f}{spread}")
    return [*cells, " ".join(map(str, run["seeds"]))]


def figure(report: dict[str, Any], path: Path) -> None:
    """Draw the ladder and the bandwidths, a dot for each seed."""
    picture = new_figure(9.6, 6.4)
    panels = picture.subplots(2, 2, width_ratios=(3, 2), sharex="col", sharey="row")
    ladder = {n: r for n, r in report["runs"].items() if not n.startswith("h = ")}
    sweep = {
        r["bandwidth"]: r for n, r in report["runs"].items() if n == "+kde" or n.startswith("h = ")
    }
    for row, (key, name) in enumerate((("dice", "Dice"), ("ece_near", "ECE near"))):
        for x, run in enumerate(ladder.values()):
            _dots(panels[row, 0], x, run["scores"][key], BLUE)
        for h in sorted(sweep):
            _dots(panels[row, 1], h, sweep[h]["scores"][key], ORANGE)
        if "+dml" in ladder:
            level = float(np.mean(ladder["+dml"]["scores"][key]))
            panels[row, 1].axhline(level, color=GREY, linestyle="--", label="+dml, no kernel")
            panels[row, 1].legend(fontsize=8, frameon=False)
        style(panels[row, 0], f"{name}: what the student hears", "", name)
        style(panels[row, 1], f"{name}: bandwidth of +kde", "" if row == 0 else "h", "")
    panels[1, 0].set_xticks(range(len(ladder)), list(ladder), rotation=20, ha="right")
    panels[1, 1].set_xscale("log")
    save(picture, path)


def _dots(axes: Any, x: float, values: list[float], color: str) -> None:
    axes.plot([x] * len(values), values, "o", color=color, markersize=4, alpha=0.6)
    axes.plot([x], [np.mean(values)], "_", color=DARK, markersize=18, markeredgewidth=2)
