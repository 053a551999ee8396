"""The distillation ladder and the bandwidths as tests, Markdown and a figure."""

from pathlib import Path
from typing import Any

import numpy as np
from dice_semimetric_study.results.plots import (
    BLUE,
    DARK,
    GREY,
    ORANGE,
    new_figure,
    save,
    style,
)

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
        *_table("student", {n: _spread(r) for n, r in ladder(report).items()}, " | seeds"),
        "",
        "Bandwidths of +kde, over the seeds that each of them has (0 is +dml):",
        "",
        *_table("h", {n: _spread(r) for n, r in sweep(report).items()}, " | seeds"),
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
        f"`{report['command']}`",
        "",
        f"Settings: {settings}. Teacher: {wide['model']}, labels {wide['labels']}, epochs "
        f"{wide['epochs']}, seed {wide['seed']}. {counts['train']} training cases, "
        f"{counts['patients']} patients in the test. {versions}. {report['machine']}.",
        "",
    ]
    return "\n".join(lines)


_VARIED = ("rung", "bandwidth", "key_labels", "seed")


def ladder(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows that are no bandwidths."""
    return {n: r for n, r in report["runs"].items() if not n.startswith("h = ")}


def sweep(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return one row a bandwidth, all with the same seeds, and that without the kernel as 0."""
    runs = report["runs"]
    named = {
        f"{r['bandwidth']:g}": r for n, r in runs.items() if n == "+kde" or n.startswith("h = ")
    }
    rows = dict(sorted(named.items(), key=lambda item: float(item[0])))
    rows = ({"0": runs["+dml"]} if "+dml" in runs else {}) | rows
    shared = set.intersection(*(set(r["seeds"]) for r in rows.values())) if rows else set()
    return {name: _only(row, shared) for name, row in rows.items()} if shared else {}


def _only(row: dict[str, Any], seeds: set[int]) -> dict[str, Any]:
    kept = [i for i, seed in enumerate(row["seeds"]) if seed in seeds]
    scores = {key: [values[i] for i in kept] for key, values in row["scores"].items()}
    return {"seeds": [row["seeds"][i] for i in kept], "scores": scores}


def _table(kind: str, rows: dict[str, list[str]], more: str = "") -> list[str]:
    head = f"| {kind} | " + " | ".join(HEAD.values()) + more + " |"
    rule = "|" + "---|" * (head.count("|") - 1)
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
    rungs, bandwidths = ladder(report), sweep(report)
    without = bandwidths.pop("0", None)
    for row, (key, name) in enumerate((("dice", "Dice"), ("ece_near", "ECE near"))):
        for x, run in enumerate(rungs.values()):
            _dots(panels[row, 0], x, run["scores"][key], BLUE)
        for h, run in bandwidths.items():
            _dots(panels[row, 1], float(h), run["scores"][key], ORANGE)
        if without is not None:
            level = float(np.mean(without["scores"][key]))
            panels[row, 1].axhline(level, color=GREY, linestyle="--", label="+dml, no kernel")
            panels[row, 1].legend(fontsize=8, frameon=False)
        style(panels[row, 0], f"{name}: what the student hears", "", name)
        style(panels[row, 1], f"{name}: bandwidth of +kde", "" if row == 0 else "h", "")
    panels[1, 0].set_xticks(range(len(rungs)), list(rungs), rotation=20, ha="right")
    if bandwidths:
        panels[1, 1].set_xscale("log")
    save(picture, path)


def _dots(axes: Any, x: float, values: list[float], color: str) -> None:
    axes.plot([x] * len(values), values, "o", color=color, markersize=4, alpha=0.6)
    if len(values) > 1:
        axes.plot([x], [np.mean(values)], "_", color=DARK, markersize=18, markeredgewidth=2)
