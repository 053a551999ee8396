"""What stands in which cell of the paper's tables."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from paper_data import prepared_discs

from benchmarks.paper.paper_numbers import numbers
from benchmarks.paper.recipe import Recipe
from benchmarks.paper.records import run_name
from benchmarks.paper.sources import QUBIQ, SCANS, Source
from benchmarks.paper.tables import TITLES, cells


def sources(rng: np.random.Generator, names: tuple[str, ...], raters: int) -> list[Source]:
    return [Source(name, prepared_discs(rng, [1] * 4, raters=raters)) for name in names]


def test_the_papers_numbers_agree_with_each_other() -> None:
    one, two, four, five, seven, eight = (numbers(n) for n in (1, 2, 4, 5, 7, 8))
    for name in QUBIQ:
        labels = "Uniform" if name == "Brain tumor T2" else "Weighted"
        assert two[name, "Ours"] == one[f"{name} | BDice", labels]
    assert four["QUBIQ", "Hard"] == one["All | BDice", "Majority"]
    assert four["QUBIQ", "DML1"] == one["All | BDice", "Weighted"]
    assert seven["DML", "QUBIQ"] == one["All | Dice", "Majority"]
    for name in SCANS:
        assert four[name, "DML1"] == five[name, "DML"] == eight[name, "0"]
        assert four[name, "Hard"] == five[name, "Hard"]
        assert five[name, "KDE"] == eight[name, "0.001"]
        assert numbers(3)["UNet-ResNet50 | Dice", f"{name} | Hard"] == seven["DML", name]
    for labels in ("Majority", "Random", "Uniform", "Weighted", "LS"):
        for score in ("Dice", "BDice"):
            mean = np.mean([one[f"{name} | {score}", labels] for name in QUBIQ])
            assert mean == pytest.approx(one[f"All | {score}", labels], abs=0.2)  # rounding apart


def test_every_number_of_the_paper_has_a_cell(rng: np.random.Generator) -> None:
    several, single = sources(rng, QUBIQ, 3), sources(rng, SCANS, 1)
    for table in (t for t in TITLES if isinstance(t, int)):
        found = cells(table, several + single, Recipe())
        shown = {(" | ".join(c.row), " | ".join(c.column)): c.paper for c in found}
        assert len(shown) == len(found)
        assert {place: n for place, n in shown.items() if n is not None} == numbers(table)


def test_cells_hold_the_runs_that_the_paper_describes(rng: np.random.Generator) -> None:
    several, single = sources(rng, ("Kidney", "Brain tumor T2"), 3), sources(rng, SCANS, 1)

    def runs(table: int, row: str, column: str) -> set[str]:
        found = cells(table, several + single, Recipe())
        wanted = [c for c in found if (" | ".join(c.row), " | ".join(c.column)) == (row, column)]
        return {run_name(config) for _, config in wanted[0].parts}

    net, student = "unet-resnet50", "unet-resnet18"
    assert runs(1, "Kidney | ECE", "LS") == {f"{net}-dml1-ls"}
    assert runs(2, "Brain tumor T2", "Ours") == {f"{net}-dml1-uniform"}
    assert runs(2, "Kidney", "Ours") == {f"{net}-dml1-weighted"}
    assert runs(2, "All", "Ours") == {f"{net}-dml1-uniform", f"{net}-dml1-weighted"}
    assert runs(2, "Kidney", "MRNet") == set()
    kd = f"{student}-dml1-kd"
    assert runs(3, "UNet-ResNet18 | Dice", "KiTS | KD") == {f"{kd}-kde-0.001-from-{net}"}
    assert runs(3, "UNet-ResNet50 | Dice", "LiTS | KD") == set()
    assert runs(4, "LiTS", "SDL") == {f"{student}-sdl-kd-dml-from-{net}"}
    assert runs(4, "QUBIQ", "DML2") == {f"{net}-dml2-weighted"}
    assert runs(5, "LiTS", "Hard") == {f"{student}-dml1-majority"}
    assert runs(5, "LiTS", "CE") == {f"{kd}-ce-from-{net}"}
    assert runs(7, "CE", "QUBIQ") == {f"{net}-ce-majority"}
    assert runs(8, "KiTS", "0") == {f"{kd}-dml-from-{net}"}
    assert runs(8, "KiTS", "0.005") == {f"{kd}-kde-0.005-from-{net}"}


def test_the_protocol_is_the_papers(rng: np.random.Generator) -> None:
    several, single = sources(rng, ("Kidney",), 3), sources(rng, ("LiTS",), 1)
    for source, epochs in ((several[0], 150), (single[0], 60)):
        config = Recipe().plain(source, "unet-resnet50")
        assert (config.epochs, config.batch_size, config.lr) == (epochs, 8, 0.01)
        assert (config.optimizer, config.weight_decay) == ("sgd", 5e-4)
        assert (config.ce_weight, config.loss, config.augment) == (0.25, "dml1", "scale")


def test_bandwidths_share_runs_with_the_ladder(rng: np.random.Generator) -> None:
    recipe = Recipe(
        networks=("unet-wide", "unet"), folds=0, paper=False, bandwidths=(1e-3, 1e-2),
        teacher_labels="uniform", teacher_epochs=7, sweep_seeds=(1,), seeds=(0, 1),
    )  # fmt: skip
    found = cells("distillation", sources(rng, ("mine",), 3), recipe)
    rows = {cell.row[1]: cell for cell in found}
    runs = {name: run_name(cell.parts[0][1]) for name, cell in rows.items()}
    assert runs["h, 0"] == runs["student, +dml"] == "unet-dml1-kd-dml-from-unet-wide"
    assert runs["h, 0.001"] == runs["student, +kde"]
    assert runs["h, 0.01"] == "unet-dml1-kd-kde-0.01-from-unet-wide"
    assert runs["teacher, raw"] == "unet-wide-dml1-uniform"
    assert runs["teacher, kernel"] == "unet-wide-dml1-uniform-kernel"
    seeds = [rows[name].seeds for name in ("h, 0", "teacher, raw", "student, hard")]
    assert seeds == [(1,), (0,), (0, 1)]
    teacher, student = (rows[name].parts[0][1] for name in ("teacher, raw", "student, +kde"))
    assert (teacher.labels, teacher.epochs, student.labels) == ("uniform", 7, "majority")
    signals = {name for name in rows if name.startswith("signal")}
    ladder = ("+dml", "+temperature", "+kde", "+kde, soft keys")
    assert signals == {f"signal, {name}" for name in ladder}
