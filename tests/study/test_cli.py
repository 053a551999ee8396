"""The command from its first moment to its last: one line on Ctrl-C, and none for ``| head``."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.evaluate import evaluate as evaluating
from dice_semimetric_study.scores import devices
from study_files import COMMAND, study


def argv_of(root: Path, *options: str) -> list[str]:
    sides = ["--pred", str(root / "pred"), "--ref", str(root / "ref")]
    return ["evaluate", *sides, "--out", str(root / "out"), "--resamples", "100", *options]


def normal_interrupts() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and so would what follows."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_beside(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, whose modules come before those that are installed."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *argv],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=normal_interrupts,
    )


@pytest.mark.parametrize("more", [["--json", "-"], ["--dry-run"], [], ["--help"]])
def test_a_reader_that_has_enough(tmp_path: Path, more: list[str]) -> None:
    study(tmp_path, cases=[f"c{i}" for i in range(3)])
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, *argv_of(tmp_path, "--no-pictures", *more)],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == (0 if "--help" in more else 141)  # argparse keeps quiet itself


@pytest.mark.parametrize("slow", ["numpy", "nibabel", "tqdm"])
def test_stopped_while_it_starts(tmp_path: Path, slow: str) -> None:
    (tmp_path / f"{slow}.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n"
    )
    done = run_beside(tmp_path, "-m", "dice_semimetric_study", *argv_of(tmp_path))
    assert done.stderr == "dice-semimetric: stopped by the user\n"
    assert done.returncode == 130


@pytest.mark.parametrize("seen", ["files.json", "records/*.json", "cases.csv", "run.json"])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_stopped_at_any_moment(tmp_path: Path, seen: str, jobs: str) -> None:
    study(tmp_path, cases=[f"c{i:02d}" for i in range(20)])
    run = subprocess.Popen(
        [*COMMAND, *argv_of(tmp_path, "--jobs", jobs)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=normal_interrupts,  # noqa: PLW1509
    )
    while run.poll() is None and not list((tmp_path / "out").glob(seen)):
        time.sleep(0.005)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert (run.returncode, err.count("\n")) in ((130, 1), (0, 0)), err
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_that_is_only_begun_does_not_outlive_a_stop(tmp_path: Path, monkeypatch) -> None:
    from dice_semimetric_study.files import atomic

    def stopped(path: Path, begin: Any = atomic._new_part) -> None:
        begin(path)
        raise KeyboardInterrupt

    study(tmp_path, cases=["c0"])
    monkeypatch.setattr(atomic, "_new_part", stopped)
    assert main(argv_of(tmp_path)) == 130
    assert not list(tmp_path.rglob("*.part"))


DESTROYED = """
class Destroyed:
    def __del__(self):
        raise KeyboardInterrupt
Destroyed()
for _ in range(1000):
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("how", "struck"),
    [(["-m", "dice-semimetric"], "raise KeyboardInterrupt"), (["dice-semimetric.py"], DESTROYED)],
    ids=["text", "destructor"],
)
def test_stopped_where_python_forgets_it(tmp_path: Path, how: list[str], struck: str) -> None:
    (tmp_path / "dice-semimetric.py").write_text(
        "import sys, time\nfrom dice_semimetric_study import cli\n"
        "from dice_semimetric_study.actions import completion\n"
        f"completion.run = lambda _: exec({struck!r}, globals())\n"
        "sys.exit(cli.main(['completion', 'bash']))\n"
    )
    done = run_beside(tmp_path, *how)
    assert done.stderr == "dice-semimetric: stopped by the user\n"
    assert done.returncode == 130


@pytest.mark.parametrize("what", ["nibabel", "numpy"])
@pytest.mark.parametrize("how", ["raise ImportError('no module')", "raise MemoryError", "1/0"])
def test_what_keeps_it_from_its_start(tmp_path: Path, what: str, how: str) -> None:
    (tmp_path / f"{what}.py").write_text(how)
    done = run_beside(tmp_path, "-m", "dice_semimetric_study", *argv_of(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("dice-semimetric: cannot start: ")


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("evaluate", "results.extras.import_module"),
        ("evaluate", "scores.devices.score_files"),
        ("evaluate", "evaluate.evaluate.summarize"),
        ("evaluate", "results.plots.save"),
        ("calibrate", "calibrate.fit.voxels_of"),
    ],
)
def test_stopped_within_the_import_of_a_compiled_module(
    tmp_path: Path, monkeypatch, capsys, command: str, place: str
) -> None:
    study(tmp_path)

    def stop(*_: object, **__: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:  # as those of pybind11 do
            raise ImportError("initialization failed") from error

    module, _, name = f"dice_semimetric_study.{place}".rpartition(".")
    monkeypatch.setattr(import_module(module), name, stop)
    fit = ["--fit-pred", str(tmp_path / "pred"), "--fit-ref", str(tmp_path / "ref")]
    more = [*fit, "--method", "temperature"] if command == "calibrate" else []
    assert main([command, *argv_of(tmp_path)[1:], *more]) == 130
    text = capsys.readouterr()
    assert "stopped by the user" in text.out + text.err
    assert "ImportError" not in text.out + text.err


def test_the_tables_of_a_stopped_run_say_so(tmp_path: Path, monkeypatch, capsys) -> None:
    study(tmp_path)
    seen = []

    def stop(pair, **how):
        seen.append(pair)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return score(pair, **how)

    score = devices.score_files
    monkeypatch.setattr(devices, "score_files", stop)
    assert main(argv_of(tmp_path, "--report", str(tmp_path / "page.html"))) == 130
    words = "stopped by the user after 2 of 3 cases"
    text = capsys.readouterr()
    assert text.err.count("\n") == 1
    assert text.out.startswith(words)
    for name in ("summary.json", "run.json"):
        assert json.loads((tmp_path / "out" / name).read_text())["stopped"] == words
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["overall"]["cases"] == {"scored": 2, "faulty": 0}
    assert summary["faults"] == []
    assert words.capitalize() in (tmp_path / "page.html").read_text()
    assert main(argv_of(tmp_path, "--resume")) == 0
    assert "stopped" not in json.loads((tmp_path / "out/summary.json").read_text())


@pytest.mark.parametrize(
    "how", ["ImportError('no such file')", "AttributeError('x')", "MemoryError"]
)
def test_a_part_that_is_broken_is_left_out(tmp_path: Path, how: str) -> None:
    study(tmp_path)
    for package in ("matplotlib", "pyarrow"):
        (tmp_path / "broken" / package).mkdir(parents=True)
        (tmp_path / "broken" / package / "__init__.py").write_text(f"raise {how}")
    path = os.pathsep.join([str(tmp_path / "broken"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*COMMAND, *argv_of(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0
    assert "BDice" in done.stdout
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "cases.parquet left out",
        "raters.parquet left out",
        "among_raters.parquet left out",
        "the pictures left out",
    ]
    names = {p.name for p in (tmp_path / "out").iterdir() if p.is_file()}
    assert {"summary.json", "cases.csv", "cases.json", "run.json"} <= names


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a = " + b"[" * 20000, "regions"),
        (b"\xff\xfe", "regions"),
        (b"[regions", "regions"),
        (None, "Is a directory"),
    ],
)
def test_regions_that_cannot_be_read(tmp_path: Path, capsys, content, words: str) -> None:
    study(tmp_path)
    path = tmp_path / "regions.toml"
    path.mkdir() if content is None else path.write_bytes(content)
    for flag in ("--regions", "--patients"):
        assert main(argv_of(tmp_path, flag, str(path))) == 2
        (line,) = capsys.readouterr().err.splitlines()
        if flag == "--regions":
            assert words in line
            assert str(path) in line


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_what_has_no_end_is_not_read_to_it(tmp_path: Path, capsys) -> None:
    study(tmp_path)
    for flag in ("--regions", "--patients"):
        assert main(argv_of(tmp_path, flag, "/dev/zero")) == 2
        assert "it has more than 64 MiB" in capsys.readouterr().err


def test_no_memory(tmp_path: Path, monkeypatch, capsys) -> None:
    study(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(evaluating, "summarize", fail)
    assert main(argv_of(tmp_path, "--no-pictures")) == 1
    assert capsys.readouterr().err == "dice-semimetric: there is not enough memory\n"
