"""Experiments: values that make no sense are refused, and a student names its teacher."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")


from benchmarks.paper.comparisons import LADDER
from benchmarks.paper.config import RUNGS, Config

SMALL = Config(crop=16, jitter=3, epochs=3, batch_size=2)
STUDENT = Config(
    train_split="all",
    model="unet-small",
    labels="majority",
    folds=3,
    fold=1,
    seed=1,
    rung="kde",
    n_keys=20,
    teacher_model="unet-small",
    teacher_labels="majority",
    teacher_epochs=2,
)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("loss", "dice", "loss must be one of dml1"),
        ("epochs", 0, "epochs must be at least 1"),
        ("crop", -1, "crop must be at least 0"),
        ("ce_weight", 1.5, "ce_weight must be from 0 to 1"),
        ("crop", 0, "jitter shifts a crop"),
    ],
)
def test_configurations_that_make_no_sense(field: str, value, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **{field: value})


def test_students_of_all_losses_have_one_teacher() -> None:
    teachers = {replace(STUDENT, loss=loss).teacher for loss in ("sdl", "dml1", "dml2")}
    plain = Config(train_split="all", model="unet-small", labels="majority", epochs=2)
    assert teachers == {replace(plain, folds=3, fold=1, seed=1)}


def test_students_of_all_seeds_have_one_teacher_without_folds() -> None:
    teachers = {replace(STUDENT, folds=0, fold=0, seed=seed).teacher for seed in range(3)}
    assert [teacher.seed for teacher in teachers] == [0]
    scaled = replace(STUDENT, rung="temperature", calibration="none").teacher
    assert (scaled.calibration, scaled.distilled) == ("temperature", False)


def test_the_names_of_rungs_are_those_of_the_ladder() -> None:
    assert {fields["rung"] for fields in LADDER.values()} == set(RUNGS)
