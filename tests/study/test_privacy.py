"""What may be passed on names no patient, no user and no folder above those of the study."""

import gzip
import hashlib
import json
import os
import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cases.patients import Patients, match_patients, read_patients
from dice_semimetric_study.cases.study import Names, Study
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import reason_of
from study_files import AFFINE, study

NAMES = {"c1": "Ann Miller MR-4711", "c2": "Ann Miller MR-4711", "c3": "Bob Jones MR-4712"}


def passed_on(out: Path) -> dict[str, str]:
    """Return the texts of all files, the records of cases among them."""
    files = [p for p in out.rglob("*") if p.is_file()]
    return {str(p.relative_to(out)): p.read_bytes().decode("latin1") for p in files}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a study in the home of a user, with a faulty case."""
    home = tmp_path / "home" / "carol_smith"
    study(home / "study", cases=tuple(NAMES))
    monkeypatch.setenv("HOME", str(home))
    (home / "study/pred/c3/task01.nii.gz").write_bytes(b"none")
    lines = [f"{case},{name}" for case, name in NAMES.items()]
    (home / "patients.csv").write_text("\n".join(["case,patient", *lines]))
    return home


@pytest.mark.parametrize(
    ("command", "by"),
    [
        ("evaluate", "table"),
        ("evaluate", "pattern"),
        ("agreement", "table"),
        ("compare", "table"),
        ("calibrate", "pattern"),
    ],
)
def test_no_name_and_no_path_is_passed_on(folder: Path, command: str, by: str) -> None:
    ref, pred, out = folder / "study/ref", folder / "study/pred", folder / "out"
    table = folder / "patients.csv"
    pattern = "c[12]|c3|Ann Miller MR-4711"
    whose = ["--patients", str(table)] if by == "table" else ["--patient-pattern", pattern]
    argv = {
        "evaluate": ["--pred", pred, "--ref", ref, "--report", out / "page.html"],
        "agreement": [ref],
        "compare": ["--pred", f"a={pred}", f"b={pred}", "--ref", ref, "--no-pictures"],
        "calibrate": [
            *("--fit-pred", pred, "--fit-ref", ref, "--pred", pred, "--ref", ref),
            *("--method", "temperature"),
        ],
    }[command]
    status = main([command, *map(str, argv), "--out", str(out), "--quiet", *whose])
    assert status == (command != "agreement")
    found = passed_on(out)
    assert len(found) > 5
    for name, text in found.items():
        for word in ("Miller", "MR-4711", "Jones", "MR-4712", "carol", str(folder), "of_case"):
            assert word not in text, (name, word)
    run = json.loads(found["a/run.json" if command == "compare" else "run.json"])
    digest = hashlib.sha256(table.read_bytes() if by == "table" else pattern.encode()).hexdigest()
    assert run["settings"]["patients"] == {
        "from": f"a {by}",
        "count": 2 if by == "table" else 3,
        "sha256": digest,
    }
    if command == "evaluate":
        assert digest in found["page.html"]
        assert "count: 2" in found["page.html"] or by == "pattern"
        assert "Scores of pred against ref" in found["page.html"]
        assert "resamples: 2000; confidence: 0.95; seed: 0" in found["page.html"]


def test_the_listed_digests_can_be_checked(folder: Path) -> None:
    study_folder, out = folder / "study", folder / "out"
    argv = ["--pred", str(study_folder / "pred"), "--ref", str(study_folder / "ref")]
    assert main(["evaluate", *argv, "--out", str(out), "--quiet", "--no-pictures"]) == 1
    files = json.loads((out / "run.json").read_text())["inputs"]
    lines = [f"{f['sha256']}  {f['path']}" for i in files for f in i["files"]]
    assert len(lines) == 10
    subprocess.run(
        ["sha256sum", "--check", "--strict"],
        input="\n".join(lines).encode(),
        cwd=study_folder,
        check=True,
        capture_output=True,
    )


def test_a_table_is_read_without_its_names(folder: Path) -> None:
    found = read_patients(folder / "patients.csv")
    assert found.of_case == {"c1": "1", "c2": "1", "c3": "2"}
    many = folder / "many.csv"
    many.write_text("case,patient\n" + "\n".join(f"c{i},p{i:02d}" for i in reversed(range(12))))
    assert read_patients(many).of_case == {f"c{i}": f"{i + 1:02d}" for i in range(12)}
    assert Patients().described(["a", "b"]) == {"from": "each case", "count": 2}
    assert match_patients("^.").described(["ab", "ac"])["count"] == 1
    given = Patients({"a": "Ann", "b": "Ann"}).described(["a", "b"])
    assert given == {"from": "a table", "count": 1, "sha256": given["sha256"]}
    assert len(given["sha256"]) == 64


def test_names_of_folders(folder: Path) -> None:
    one, two = folder / "val/pred", folder / "test/pred"
    names = Names(Study(folder, one), Study(one / "inner", two, mask=one))
    assert [names.of(p) for p in (folder, one, two, one / "inner")] == [
        "home",
        "pred",
        "pred (2)",
        "inner",
    ]
    assert names.of(two / "c1/task01.nii.gz") == "pred (2)/c1/task01.nii.gz"
    assert names.of(one / "inner/x.nii") == "inner/x.nii"
    assert names.of("/elsewhere/x.nii") == "x.nii"


def test_a_reason_names_the_file_alone(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        os.stat(tmp_path / "none.nii")
    assert reason_of(caught.value) == "none.nii: No such file or directory"
    assert reason_of(OSError("odd")) == "odd"
    assert reason_of(KeyError("k")) == "KeyError: 'k'"


@pytest.mark.parametrize("slab", [[], ["--slab", "20"]], ids=["whole", "slabs"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_maps_hold_no_text_of_their_source(tmp_path: Path, kind: Any, slab: list[str]) -> None:
    ref, pred = study(tmp_path, cases=("c1", "c2"))
    for path in (p for folder in (ref, pred) for p in folder.rglob("*.nii.gz")):
        source = nib.load(path)
        image = kind(np.asanyarray(source.dataobj), source.affine)
        texts = {"data_type", "db_name", "descrip", "aux_file", "intent_name"}
        for name in texts & {*image.header}:
            image.header[name] = b"Miller^A"
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Miller^Ann"))
        image.header["slice_end"] = 3
        nib.save(image, path)
        assert b"Miller" in gzip.decompress(path.read_bytes())
    fit = ["--fit-pred", str(pred), "--fit-ref", str(ref), "--pred", str(pred)]
    for argv in (
        ["fuse", str(ref), "--method", "staple"],
        ["agreement", str(ref), "--no-pictures"],
        ["calibrate", *fit, "--method", "temperature"],
    ):
        assert main([*argv, *slab, "--out", str(tmp_path / argv[0])]) == 0
        maps = [*(tmp_path / argv[0]).rglob("*.nii.gz")]
        assert len(maps) == 2
        for path in maps:
            assert b"Miller" not in gzip.decompress(path.read_bytes())
            written = nib.load(path)
            header = written.header
            assert type(header) is kind.header_class
            assert header["slice_end"] == 3  # what says how the voxels lie stays
            assert written.dataobj.offset == header.sizeof_hdr + 4
            np.testing.assert_allclose(header.get_best_affine(), AFFINE, rtol=1e-6)


PRIVATE = ("Miller", "Jones", "Evelyn", "Zoltan", "MR-47", "carol")
WHO = ("Ann_Miller_MR-4711", "Bob_Jones_MR-4712", "Evelyn_MR-4713", "Zoltan_MR-4714")


@pytest.fixture(params=["folders", "flat"])
def people(request: Any, tmp_path: Path) -> Path:
    """Return a study whose files have the names of people; one is broken, and one is missing."""
    home, flat = tmp_path / "carol_smith", request.param == "flat"
    ref, pred = study(home, cases=WHO, flat=flat, tasks=("task01", "task02"))
    broken, missing, mask = (
        f"{name}{'_' if flat else '/'}{task}.nii.gz"
        for name, task in zip(WHO[1:], ("task01", "task01", "task02_seg01"), strict=True)
    )
    (pred / broken).write_bytes(b"none")
    (pred / missing).unlink()
    (ref / mask).write_bytes(b"none")
    return home


@pytest.mark.parametrize(
    "call",
    [
        *("evaluate", "agreement", "compare", "calibrate", "fuse"),
        *("evaluate --missing worst", "compare --missing worst"),
    ],
)
def test_anonymous_results_name_no_case(
    people: Path, call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *options = call.split()
    ref, pred, out = people / "ref", people / "pred", people.parent / "out"
    argv = {
        "evaluate": ["--pred", pred, "--ref", ref],
        "agreement": [ref],
        "compare": ["--pred", f"a={pred}", f"b={pred}", "--ref", ref],
        "fuse": [ref, "--method", "staple"],
        "calibrate": [
            *("--fit-pred", pred, "--fit-ref", ref, "--pred", pred, "--ref", ref),
            *("--method", "temperature"),
        ],
    }[command]
    key = people.parent / "key.csv"
    argv += ["--out", out, "--report", out / "page.html", "--anonymise", "--names", key]
    assert main([command, *map(str, argv), *options, "--verbose"]) == 1
    shown = capsys.readouterr()
    texts = passed_on(out) | {"stdout": shown.out, "stderr": shown.err}
    if find_spec("pyarrow"):
        parquet = import_module("pyarrow.parquet")
        texts |= {f"{p} read": str(parquet.read_table(p)) for p in out.rglob("*.parquet")}
    assert len(texts) > 6
    for name, text in texts.items():
        for word in PRIVATE:
            assert word not in name
            assert word not in text, (name, word, text[max(0, text.find(word) - 200) :][:400])
    assert "case-001" in shown.err
    assert "case-004 task02: reference 1 " in shown.err
    table = [line.split(",") for line in key.read_text().splitlines()]
    assert table == [["name", "case"], *([f"case-00{i}", n] for i, n in enumerate(WHO, start=1))]
    if command not in ("compare",):
        assert (
            "data:image/png" not in texts["page.html"]
            or "not drawn: --anonymise" in texts["page.html"]
        )
        assert "files, by what they are instead of their names</summary>" in texts["page.html"]
        assert "sha256sum" not in texts["page.html"]
        assert "the image with the outlines" not in texts["page.html"]


def test_anonymous_scores_are_the_same(people: Path, tmp_path: Path) -> None:
    sides = ["--pred", str(people / "pred"), "--ref", str(people / "ref"), "--no-pictures", "-q"]
    table = tmp_path / "patients.csv"
    table.write_text("case,patient\n" + "".join(f"{n},{n[:3]}\n" for n in WHO))
    for whose in ([], ["--patients", str(table)], ["--patient-pattern", "^..."]):
        named, hidden = tmp_path / "named", tmp_path / "hidden"
        for out, how in (
            (named, []),
            (hidden, ["--anonymise"]),
            (hidden, ["--anonymise", "--resume"]),
        ):
            argv = ["evaluate", *sides, *whose, "--out", str(out), *how]
            assert main([*argv, *(["--overwrite"] if "--resume" not in how else [])]) == 1
        one, two = (json.loads((out / "summary.json").read_text()) for out in (named, hidden))
        assert one["overall"] == two["overall"]
        cases = [json.loads((out / "cases.json").read_text()) for out in (named, hidden)]
        alias = {name: f"case-00{i}" for i, name in enumerate(WHO, start=1)}
        for a, b in zip(*cases, strict=True):
            assert b["case"] == alias[a["case"]]
            assert b["patient"] == (b["case"] if not whose else str(WHO.index(a["case"]) + 1))
            names = ("case", "task", "patient")
            assert {k: v for k, v in a.items() if k not in names} == {
                k: v for k, v in b.items() if k not in names
            }


def test_images_that_are_asked_for_are_drawn(people: Path, tmp_path: Path) -> None:
    ref = people / "ref"
    argv = ["--pred", str(people / "pred"), "--ref", str(ref), "--no-pictures", "-q", "--anonymise"]
    if (ref / WHO[0]).is_dir():
        argv += ["--images", str(ref), "--image-pattern", "{case}/image.nii.gz"]
    else:
        argv += ["--images", str(ref), "--image-pattern", "{case}_image.nii.gz"]
    page = tmp_path / "page.html"
    assert main(["evaluate", *argv, "--out", str(tmp_path / "out"), "--report", str(page)]) == 1
    assert "the image with the outlines" in page.read_text()


def test_anonymous_usage(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = people.parent / "out"
    argv = ["agreement", str(people / "ref"), "--out", str(out), "--no-pictures"]
    assert main([*argv, "--names", "key.csv"]) == 2
    assert "--names has no use without --anonymise" in capsys.readouterr().err
    assert main([*argv, "--anonymise", "--names", str(out / "key.csv")]) == 2
    assert "must not lie in" in capsys.readouterr().err
    other = people.parent / "mine.csv"
    other.write_text("a,b\n")
    assert main([*argv, "--anonymise", "--names", str(other)]) == 2
    assert "did not write it" in capsys.readouterr().err
    assert other.read_text() == "a,b\n"
    scores = ["compare", "--scores", "a=x", "b=y", "--out", str(out), "--anonymise"]
    assert main(scores) == 2
    assert "--anonymise has no use with --scores" in capsys.readouterr().err
