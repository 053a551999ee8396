"""The engine: exact resume after a kill anywhere, scores of every case, and bad input."""

import csv
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from dice_semimetric_study import UsageError
from paper_data import prepared_discs, write_discs

from benchmarks.paper import samples
from benchmarks.paper import study as engine
from benchmarks.paper.__main__ import main
from benchmarks.paper.config import Config
from benchmarks.paper.datasets import Prepared, open_prepared
from benchmarks.paper.records import run_name
from benchmarks.paper.study import Machine, Splits, Study

SMALL = Config(train_split="all", model="unet-small", epochs=2, batch_size=2, labels="majority")
STUDENT = replace(
    SMALL, rung="kde", n_keys=20, teacher_model="unet-small", teacher_labels="majority",
    teacher_epochs=2,
)  # fmt: skip


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
    scored = Study(data, tmp_path, Splits(3)).run(SMALL)
    assert scored.cases.tolist() == [0, 1, 2, 4, 5]
    assert scored.parts == [(0, 0), (0, 1), (0, 2)]
    rows = [row for path in tmp_path.rglob("scores.csv") for row in csv.DictReader(path.open())]
    assert sorted(row["case"] for row in rows) == [f"case {k}" for k in (0, 1, 2, 4, 5)]
    assert scored.mean("dice") == pytest.approx(np.mean([float(row["dice"]) for row in rows]))
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == 3
    again = Study(data, tmp_path, Splits(3), Machine(train=False)).run(SMALL)
    np.testing.assert_array_equal(again.scores["bdice"], scored.scores["bdice"])


def test_training_never_sees_the_cases_that_are_scored(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[str]] = {}
    real = engine.train

    def spy(config, cases, out, **options):
        seen[f"{out.parent.name}/{out.name}"] = {case.name for case in cases}
        return real(config, cases, out, **options)

    monkeypatch.setattr(engine, "train", spy)
    Study(data, tmp_path, Splits(3)).run(STUDENT)
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
    Study(one, tmp_path / "whole", Splits(2)).run(STUDENT)
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

    monkeypatch.setattr(Path, "replace", replaced)
    for kill in range(1, 100):
        writes[0] = 0
        try:
            Study(one, tmp_path / "broken", Splits(2)).run(STUDENT)
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
    deadline = time.monotonic() + 600  # that only a hang reaches
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
    study = Study(data, tmp_path, Splits(2))
    study.run(SMALL)
    (study.folder(study.parts(SMALL)[0]) / "result.json").unlink()
    path = study.folder(study.parts(SMALL)[0]) / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    name = next(iter(state["model"]))
    state["model"][name] = torch.zeros(1, 2, 3)
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is of another network: .*--restart"):
        study.run(SMALL)
    other = replace(SMALL, lr=0.5)
    with pytest.raises(ValueError, match=r"another configuration \(lr: 0.01 there, 0.5 here\)"):
        study.run(other)
    fresh = Study(data, tmp_path, Splits(2), Machine(restart=True))
    assert fresh.run(other) is not None


def test_runs_on_data_that_have_changed_are_not_mixed(
    data: Prepared, tmp_path: Path, rng: np.random.Generator
) -> None:
    Study(data, tmp_path, Splits(2)).run(SMALL)
    more = Prepared(data.name, [*data._cases, *prepared_discs(rng, [1])._cases])
    more.cases = (*more.cases[:-1], "case 9")
    with pytest.raises(UsageError, match=r"scores other cases .* the data have changed"):
        Study(more, tmp_path, Splits(2)).run(SMALL)
    for path in tmp_path.rglob("result.json"):
        path.unlink()
    with pytest.raises(ValueError, match="trained on other cases: the data have changed"):
        Study(more, tmp_path, Splits(2)).run(SMALL)


def test_folds_without_foreground_are_named(rng: np.random.Generator, tmp_path: Path) -> None:
    data = prepared_discs(rng, [1] * 6)
    for case in data._cases[:5]:
        case.labels[...] = 0
    with pytest.raises(UsageError) as caught:
        Study(data, tmp_path, Splits(3)).require_usable(SMALL)
    text = str(caught.value)
    assert text.count("validation cases") == 2
    assert text.count("training cases") == 1
    assert "discs has folds without any case with foreground: fold" in text
    prepared = prepared_discs(rng, [1] * 6)
    Study(prepared, tmp_path, Splits(3)).require_usable(SMALL)
    with pytest.raises(UsageError, match="discs: folds must be from 2 to the 6 patients, got 7"):
        Study(prepared, tmp_path, Splits(7))


def test_a_full_disk_is_named_and_nothing_is_lost(
    data: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    Study(data, tmp_path / "whole", Splits(2)).run(SMALL)
    study = Study(data, tmp_path / "full", Splits(2))
    study.make(study.parts(SMALL)[0])
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


def test_what_is_read_when_asked_for_trains_as_what_is_kept(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Study(data, tmp_path / "kept", Splits(2)).run(SMALL)
    monkeypatch.setattr(samples, "KEPT", 0)
    Study(data, tmp_path / "read", Splits(2), Machine(workers=1)).run(SMALL)
    assert files(tmp_path / "kept") == files(tmp_path / "read")


def test_half_precision_trains(data: Prepared, tmp_path: Path) -> None:
    study = Study(data, tmp_path, Splits(2))
    half = replace(SMALL, precision="bfloat16")
    study.make(study.parts(half)[0])
    log = list(csv.DictReader((study.folder(study.parts(half)[0]) / "log.csv").open()))
    whole = Study(data, tmp_path / "whole", Splits(2))
    whole.make(whole.parts(SMALL)[0])
    full = list(csv.DictReader((whole.folder(whole.parts(SMALL)[0]) / "log.csv").open()))
    for a, b in zip(log, full, strict=True):
        assert float(a["loss"]) != float(b["loss"])
        assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=0.05)


def test_runs_have_names_of_their_own() -> None:
    assert run_name(SMALL) == "unet-small-dml1-majority"
    assert run_name(replace(SMALL, ce_weight=1.0)) == "unet-small-ce-majority"
    assert run_name(STUDENT) == "unet-small-dml1-kd-kde-0.001-from-unet-small"
    assert run_name(replace(STUDENT, rung="dml")) == "unet-small-dml1-kd-dml-from-unet-small"


def test_the_result_says_what_was_run(data: Prepared, tmp_path: Path) -> None:
    study = Study(data, tmp_path, Splits(2))
    study.run(SMALL)
    written = json.loads((study.folder(study.parts(SMALL)[1]) / "result.json").read_text())
    assert written["config"] == asdict(replace(SMALL, folds=2, fold=1, seed=1))
    assert written["processes"] == 1
    kept = torch.load(study.folder(study.parts(SMALL)[1]) / "checkpoint.pt", weights_only=True)
    assert set(kept) == {"config", "model", "history", "cases"}  # no more than a student needs


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(data: Prepared, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="cannot write to"):
        Study(data, tmp_path / "locked" / "run", Splits(2)).run(SMALL)


@pytest.fixture
def folders(tmp_path: Path, rng: np.random.Generator) -> Prepared:
    splits = {"Training": 3, "Validation": 2, "Testing": 2}
    return open_prepared(write_discs(tmp_path / "folders", rng, splits, shape=(24, 24)))


SEEDED = replace(SMALL, train_split="Training", epochs=1)


def test_folders_take_the_place_of_folds(folders: Prepared, tmp_path: Path) -> None:
    study = Study(folders, tmp_path, Splits(0))
    scored = study.run(SEEDED, (0, 3))
    assert scored.parts == [(0, 0), (3, 0)]
    names = [folders.cases[case] for case in scored.cases]
    assert names == ["Testing/case01"] * 2 + ["Testing/case02"] * 2
    expected = [np.mean(scored.scores["dice"][scored.part_of == k]) for k in range(2)]
    assert scored.by_part("dice") == pytest.approx(expected)
    assert scored.mean("dice") == pytest.approx(np.mean(expected))
    assert len(scored.by_part("ece_seen_pooled")) == 2
    assert sorted(p.name for p in tmp_path.glob("unet-small-dml1-majority/*")) == ["seed0", "seed3"]
    for role in ("train", "test", "held"):
        absent = {"train": "Training", "test": "Testing", "held": "Validation"} | {role: "none"}
        broken = Study(folders, tmp_path, Splits(0, test=absent["test"]))
        config = replace(SEEDED, train_split=absent["train"], held_split=absent["held"])
        with pytest.raises(UsageError, match=f"no case in a folder none.*--{role}-split"):
            broken.cases(config, role)


def test_a_calibrated_network_is_the_network_and_changes_its_scores(
    folders: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(folders, tmp_path, Splits(0))
    raw = study.run(SEEDED)
    for method in ("temperature", "kernel"):
        config = replace(SEEDED, calibration=method)
        found = study.run(config)
        assert not np.array_equal(found.scores["ece_seen"], raw.scores["ece_seen"])
        written = json.loads((study.folder(config) / "result.json").read_text())
        assert set(written["calibration"]) == {"temperature" if method[0] == "t" else "bandwidth"}
    assert len(list(tmp_path.rglob("unet*/**/checkpoint.pt"))) == 1
    moved = replace(SEEDED, calibration="kernel", held_split="Testing")
    assert not study.is_finished(moved)  # it would be fitted to other cases
    other = Study(folders, tmp_path / "folds", Splits(2))
    with pytest.raises(UsageError, match="needs --folds 0"):
        other.run(replace(SEEDED, calibration="kernel"))


def test_seeds_and_folds_lie_apart(data: Prepared, tmp_path: Path) -> None:
    study = Study(data, tmp_path, Splits(2))
    names = [study.folder(part).name for part in study.parts(SMALL, (0, 5))]
    assert names == ["fold0", "fold1", "fold0-seed5", "fold1-seed5"]
    assert [part.seed for part in study.parts(SMALL, (0, 5))] == [0, 1, 5, 6]


def test_processes_share_the_folds(data: Prepared, tmp_path: Path) -> None:
    def made(*folds: int) -> list[bool]:
        study = Study(data, tmp_path, Splits(2), Machine(only_folds=folds))
        study.run(SMALL)
        return [study.is_finished(part) for part in study.parts(SMALL)]

    assert made(1) == [False, True]
    assert made(0) == [True, True]
