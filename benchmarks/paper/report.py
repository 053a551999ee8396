"""The comparison as Markdown."""

from typing import Any

HEAD = {"dice": "Dice", "bdice": "BDice", "ece": "ECE (per case)", "ece_pooled": "ECE (pooled)"}


def markdown(report: dict[str, Any]) -> str:
    """Return the tables of a report that `compare` made."""
    seeds = report["seeds"]
    lines = [
        f"Mean ± standard deviation over {len(seeds)} seeds; {report['cases']['test']} test cases, "
        f"{report['groups']} patients:",
        "",
        "| loss : labels | " + " | ".join(HEAD.values()) + " |",
        "|" + "---|" * (len(HEAD) + 1),
    ]
    for name, table in report["runs"].items():
        cells = [_mean(table[key]) for key in HEAD]
        lines.append(f"| {name.replace(':', ' : ')} | " + " | ".join(cells) + " |")
    lines += ["", "Each seed:", "", "| loss : labels | seed | " + " | ".join(HEAD.values()) + " |"]
    lines.append("|" + "---|" * (len(HEAD) + 2))
    for name, table in report["runs"].items():
        for index, seed in enumerate(seeds):
            cells = [f"{table[key]['seeds'][index]:.4f}" for key in HEAD]
            lines.append(f"| {name.replace(':', ' : ')} | {seed} | " + " | ".join(cells) + " |")
    if report["tests"]:
        lines += [
            "",
            _TESTS,
            "",
            "| difference | score | mean [95 % interval] | p |",
            "|---|---|---|---|",
        ]
    for pair, tests in report["tests"].items():
        for key, test in tests.items():
            low, high = test["interval"]
            mean = f"{test['mean']:+.4f} [{low:+.4f}, {high:+.4f}]"
            lines.append(f"| {pair} | {HEAD[key]} | {mean} | {test['p']:.2g} |")
    settings = ", ".join(f"{key} {value}" for key, value in report["config"].items())
    versions = ", ".join(f"{key} {value}" for key, value in report["versions"].items())
    lines += [
        "",
        f"Settings: {settings}; {report['parameters']:,} parameters, "
        f"{report['cases']['train']} training cases. {versions}. {report['machine']}.",
        "",
        f"    {report['command']}",
        "",
    ]
    return "\n".join(lines)


_TESTS = (
    "Paired by patient (scores averaged over seeds and over the patient's cases; interval from a "
    "bootstrap of patients, p from Wilcoxon's signed-rank test):"
)


def _mean(cell: dict[str, Any]) -> str:
    spread = "" if cell["std"] is None else f" ± {cell['std']:.4f}"
    return f"{cell['mean']:.4f}{spread}"
