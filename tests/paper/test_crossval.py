"""Cross-validated runs: exact resume after a kill anywhere, scores of cases, and bad input."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from dice_semimetric_study.faults import UsageError
from dice_semimetric_study.files import atomic
from paper_data import prepared_discs, write_discs

from benchmarks.paper import case_scores, crossval, samples, trainer
from benchmarks.paper.__main__ import main
from benchmarks.paper.cases import Case
from benchmarks.paper.config import Config
from benchmarks.paper.crossval import Machine, Study, run_name
from benchmarks.paper.data import Crops
from benchmarks.paper.datasets import Prepared, PreparedCase
from benchmarks.paper.distill_training import DistillConfig, teacher_of
from benchmarks.paper.losses import counted
from benchmarks.paper.samples import Samples, load_samples

SMALL = Config(train_split="all", model="unet-small", epochs=2, batch_size=2, labels="majority")
HEARD = DistillConfig(
    **asdict(SMALL), rung="kde", n_keys=20, teacher_model="unet-small", teacher_labels="majority",
    teacher_epochs=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are the same bit for bit only with the same number of threads."""
    number = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(number)


@pytest.fixture
def data(rng: np.random.Generator) -> Prepared:
    return prepared_discs(rng, [1, 2, 1, 0, 1, 1])


def files(out: Path) -> dict[str, bytes]:
    """Return what must not depend on interruptions: tables, and the weights."""
    found = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*.csv")}
    for path in out.rglob("checkpoint.pt"):
        state = torch.load(path, weights_only=True)["model"]
        found[str(path.relative_to(out))] = b"".join(v.numpy().tobytes() for v in state.values())
    return found


def test_every_case_with_samples_is_scored_once(data: Prepared, tmp_path: Path) -> None:
    scored = Study(data, tmp_path, folds=3).run(SMALL)
    assert scored.cases.tolist() == [0, 1, 2, 4, 5]
    assert scored.folds == [0, 1, 2]
    rows = [row for path in tmp_path.rglob("scores.csv") for row in csv.DictReader(path.open())]
    assert sorted(row["case"] for row in rows) == [f"case {k}" for k in (0, 1, 2, 4, 5)]
    assert scored.mean("dice") == pytest.approx(np.mean([float(row["dice"]) for row in rows]))
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == 3
    again = Study(data, tmp_path, folds=3, machine=Machine(train=False)).run(SMALL)
    np.testing.assert_array_equal(again.scores["bdice"], scored.scores["bdice"])


def test_training_never_sees_the_cases_that_are_scored(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[str]] = {}
    real = crossval.train

    def spy(config, cases, out, **options):
        seen[f"{out.parent.name}/{out.name}"] = {case.name for case in cases}
        return real(config, cases, out, **options)

    monkeypatch.setattr(crossval, "train", spy)
    Study(data, tmp_path, folds=3).run(HEARD)
    assert len(seen) == 6  # a teacher and a student for each fold
    for name, training in seen.items():
        rows = csv.DictReader((tmp_path / name / "scores.csv").open())
        assert not training & {row["case"] for row in rows}


class Killed(BaseException):
    """What a kill looks like to the code that it ends."""


@pytest.mark.parametrize("before", [True, False])
def test_a_kill_at_any_write_changes_nothing(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    one = Prepared(data.name, data._cases[:3])
    Study(one, tmp_path / "whole", folds=2).run(HEARD)
    real, writes = Path.replace, [0]

    def replaced(path, target):
        """Count the moments at which a file gets its name; die before or after one of them."""
        writes[0] += 1
        if writes[0] == kill and before:
            raise Killed
        result = real(path, target)
        if writes[0] == kill:
            raise Killed
        return result

    monkeypatch.setattr(atomic.Path, "replace", replaced)
    for kill in range(1, 100):
        writes[0] = 0
        try:
            Study(one, tmp_path / "broken", folds=2).run(HEARD)
            break
        except Killed:
            torch.rand(kill)  # the state of the generators must not matter
    assert kill > 5
    assert files(tmp_path / "broken") == files(tmp_path / "whole")


def test_a_process_killed_without_warning_goes_on(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture
) -> None:
    root = write_discs(tmp_path / "data", rng, {"Training": 5}, shape=(24, 24))

    def words(out: str) -> list[str]:
        options = ["table", "7", "--data", str(root), "--out", str(tmp_path / out), "--folds", "2"]
        options += ["--networks", "unet-small", "--augment", "shift", "--crop", "0"]
        return [*options, "--batch-size", "2", "--epochs", "9"]

    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.paper", *words("broken")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "broken").rglob("checkpoint.pt"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert len(list((tmp_path / "broken").rglob("result.json"))) < 4
    shown = []
    for out in ("broken", "whole"):
        main(words(out))
        shown.append(capsys.readouterr().out)
    assert shown[0].replace("--out broken", "--out whole") == shown[1]
    assert files(tmp_path / "broken") == files(tmp_path / "whole")


def test_a_checkpoint_of_another_model_is_named(data: Prepared, tmp_path: Path) -> None:
    study = Study(data, tmp_path, folds=2)
    study.run(SMALL)
    (study.folder(study.of_fold(SMALL, 0)) / "result.json").unlink()
    path = study.folder(study.of_fold(SMALL, 0)) / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    name = next(iter(state["model"]))
    state["model"][name] = torch.zeros(1, 2, 3)
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is of another network: .*--restart"):
        study.run(SMALL)
    other = replace(SMALL, lr=0.5)
    with pytest.raises(ValueError, match=r"another configuration \(lr: 0.01 there, 0.5 here\)"):
        study.run(other)
    fresh = Study(data, tmp_path, folds=2, machine=Machine(restart=True))
    assert fresh.run(other) is not None


def test_runs_on_data_that_have_changed_are_not_mixed(
    data: Prepared, tmp_path: Path, rng: np.random.Generator
) -> None:
    Study(data, tmp_path, folds=2).run(SMALL)
    more = Prepared(data.name, [*data._cases, *prepared_discs(rng, [1])._cases])
    more.cases = (*more.cases[:-1], "case 9")
    with pytest.raises(UsageError, match=r"scores other cases .* the data have changed"):
        Study(more, tmp_path, folds=2).run(SMALL)
    for path in tmp_path.rglob("result.json"):
        path.unlink()
    with pytest.raises(ValueError, match="trained on other cases: the data have changed"):
        Study(more, tmp_path, folds=2).run(SMALL)


def test_folds_without_foreground_are_named(rng: np.random.Generator, tmp_path: Path) -> None:
    data = prepared_discs(rng, [1] * 6)
    for case in data._cases[:5]:
        case.labels[...] = 0
    with pytest.raises(UsageError) as caught:
        Study(data, tmp_path, folds=3).require_foreground()
    text = str(caught.value)
    assert text.count("validation cases") == 2
    assert text.count("training cases") == 1
    assert "discs has folds without any case with foreground: fold" in text
    prepared = prepared_discs(rng, [1] * 6)
    Study(prepared, tmp_path, folds=3).require_foreground()
    with pytest.raises(UsageError, match="discs: folds must be from 2 to the 6 patients, got 7"):
        Study(prepared, tmp_path, folds=7)


def test_a_full_disk_is_told_and_nothing_is_lost(
    data: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    Study(data, tmp_path / "whole", folds=2).run(SMALL)
    study = Study(data, tmp_path / "full", folds=2)
    study.train_fold(study.of_fold(SMALL, 0))
    kept = files(tmp_path / "full")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # no checkpoint fits
    try:
        with pytest.raises(UsageError, match=r"fold1: .*File too large"):
            study.run(SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert files(tmp_path / "full") == kept
    study.run(SMALL)
    assert files(tmp_path / "full") == files(tmp_path / "whole")


def test_scores_of_a_case_pool_its_slices(rng: np.random.Generator) -> None:
    raters = rng.random((3, 4, 8, 24)) < np.linspace(0, 1, 24)  # three slices of four raters
    probs = (rng.random((3, 8, 24)) * (rng.random((3, 8, 24)) < 0.7)).astype(np.float32)
    cases = [Case(name, np.zeros((1, 8, 24)), r) for name, r in zip("aab", raters, strict=True)]
    rows = case_scores.score_samples(probs, cases)
    assert [row["case"] for row in rows] == ["a", "b"]
    for row, part in zip(rows, (slice(0, 2), slice(2, 3)), strict=True):
        prob, mean = probs[part], raters[part].mean(axis=1)
        majority = raters[part].sum(axis=1) > 2
        assert row["dice"] == pytest.approx(1 - reference.loss("sdl", prob >= 0.5, majority))
        levels = [k / 10 for k in range(1, 10)]
        bdice = [1 - reference.loss("sdl", prob >= np.float32(t), mean >= t) for t in levels]
        assert row["bdice"] == pytest.approx(np.mean(bdice))
        place = np.minimum((prob * 10).astype(int), 9)
        gaps = [abs((prob - majority)[place == k].sum()) for k in range(10)]
        assert row["ece"] == pytest.approx(sum(gaps) / prob.size, rel=1e-5)


def test_samples_are_the_tumour_at_the_asked_size(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 3, size=(5, 8, 8)).astype(np.uint8)
    image = rng.normal(size=(5, 1, 8, 8)).astype(np.float32)
    data = Prepared("ct", [PreparedCase("a", "a", "", 5, image, labels)], classes=2)
    got = Samples(data, [0], size=16)
    assert len(got) == 5
    assert got.names == ["a"] * 5
    for number in range(5):
        np.testing.assert_array_equal(got[number].raters[0, ::2, ::2], labels[number] == 2)
        assert got[number].image.shape == (1, 16, 16)
    assert isinstance(load_samples(data, [0]), list)


def test_what_is_read_when_asked_for_trains_as_what_is_kept(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Study(data, tmp_path / "kept", folds=2).run(SMALL)
    monkeypatch.setattr(samples, "KEPT", 0)
    Study(data, tmp_path / "read", folds=2, machine=Machine(workers=1)).run(SMALL)
    assert files(tmp_path / "kept") == files(tmp_path / "read")


def test_what_lies_around_a_shrunk_image_does_not_count(rng: np.random.Generator) -> None:
    config = replace(SMALL, augment="scale", crop=32, per="image")
    image, masks = rng.normal(size=(1, 24, 24)).astype(np.float32), np.ones((1, 24, 24), bool)
    crops = Crops([Case("a", image, masks)], config)
    shrunk = 0
    for crops.epoch in range(20):
        cut, label = crops[0]
        assert cut.shape == label.shape == (1, 32, 32)
        assert ((label == -1) | (label > 0.999)).all()
        inside = counted(config, label)[1]
        shrunk += bool((~inside).any())
        values = []
        for outside in (-9.0, 9.0):
            logits = torch.where(inside, 2.0, outside)[None]
            step = trainer.label_objective(config)(0)
            values.append(float(step(lambda _, x=logits: x, cut[None], label[None])))
        assert values[0] == pytest.approx(values[1])
    assert shrunk > 3


def test_half_precision_trains(data: Prepared, tmp_path: Path) -> None:
    study = Study(data, tmp_path, folds=2)
    half = replace(SMALL, precision="bfloat16")
    study.train_fold(study.of_fold(half, 0))
    log = list(csv.DictReader((study.folder(study.of_fold(half, 0)) / "log.csv").open()))
    whole = Study(data, tmp_path / "whole", folds=2)
    whole.train_fold(whole.of_fold(SMALL, 0))
    full = list(csv.DictReader((whole.folder(whole.of_fold(SMALL, 0)) / "log.csv").open()))
    for a, b in zip(log, full, strict=True):
        assert float(a["loss"]) != float(b["loss"])
        assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=0.05)


def test_runs_have_names_of_their_own() -> None:
    assert run_name(SMALL) == "unet-small-dml1-majority"
    assert run_name(replace(SMALL, ce_weight=1.0)) == "unet-small-ce-majority"
    assert run_name(HEARD) == "unet-small-dml1-kd-kde-0.001-from-unet-small"
    assert run_name(replace(HEARD, rung="dml")) == "unet-small-dml1-kd-dml-from-unet-small"


def test_students_of_all_losses_have_one_teacher() -> None:
    teachers = {teacher_of(replace(HEARD, loss=loss)) for loss in ("sdl", "dml1", "dml2")}
    assert teachers == {SMALL}


def test_the_result_says_what_was_run(data: Prepared, tmp_path: Path) -> None:
    study = Study(data, tmp_path, folds=2)
    study.run(SMALL)
    written = json.loads((study.folder(study.of_fold(SMALL, 1)) / "result.json").read_text())
    assert written["config"] == asdict(replace(SMALL, folds=2, fold=1, seed=1))
    assert written["processes"] == 1
    kept = torch.load(study.folder(study.of_fold(SMALL, 1)) / "checkpoint.pt", weights_only=True)
    assert set(kept) == {"config", "model", "history", "cases"}  # no more than a student needs
