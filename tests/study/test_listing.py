"""What is found in a folder: images of other formats, other spellings, and what is no file."""

import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cases.layout import find_cases
from dice_semimetric_study.cases.listing import list_folder
from dice_semimetric_study.cases.pairing import pair_up
from dice_semimetric_study.cases.patients import match_patients, read_patients
from dice_semimetric_study.cases.regions import read_regions
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import UsageError
from dice_semimetric_study.files.names import READ, is_nifti, other_format, without_ending
from dice_semimetric_study.runs.logs import set_verbosity
from study_files import load, masks, save, study, touch

DICOM = bytes(128) + b"DICM"
NFC, NFD = (unicodedata.normalize(form, "käse_é") for form in ("NFC", "NFD"))

OTHER_RATERS = (
    *("seg03.mgz", "seg03.MNC", "seg03.nii.zst", "seg03.img", "seg03.JPG", "seg03.nii.bz2"),
    *("seg03.npz", "seg03", "seg03/IM1", "seg03/1.dcm"),
)


def faults(root: Path, **how) -> dict[str, str]:
    return {c.case: c.fault for c in find_cases(root, **how)}


def test_endings() -> None:
    for name in ("a.nii", "a.NII", "a.Nii.gz", "a.NII.GZ", "x\ny.nii.GZ"):
        assert is_nifti(name)
        assert without_ending(name) in ("a", "x\ny")
    for name, end in (
        ("a.HDR", ".hdr"),
        ("a.nii.bz2", ".nii.bz2"),
        ("a.seg.nrrd", ".seg.nrrd"),
        ("a.b.Png", ".png"),
        ("a.ome.tif", ".ome.tif"),
    ):
        assert (is_nifti(name), other_format(name)) == (False, end)
        assert name == without_ending(name) + name[-len(end) :]
    for name in ("a.txt", "nii", "a.niix", "a.gz", "a.nii.gz.part"):
        assert not is_nifti(name)
        assert not other_format(name)


@pytest.mark.parametrize("end", [".NII.GZ", ".Nii", ".nii.GZ"])
def test_a_rater_is_seen_whatever_the_case_of_the_ending(tmp_path: Path, end: str) -> None:
    ref, _ = study(tmp_path, cases=["a"])
    source = ref / "a/task01_seg02.nii.gz"
    data, _ = load(source)
    source.unlink()
    plain = save(tmp_path / f"x{'.nii.gz' if end.lower() == '.nii.gz' else '.nii'}", data)
    shutil.move(plain, ref / f"a/task01_seg02{end}")
    for options in ([], ["--pattern", "{case}/{task}_seg{rater}"]):
        out = tmp_path / f"out{len(options)}"
        assert main(["fuse", str(ref), "--method", "uniform", "--out", str(out), *options]) == 0
        fused, _ = load(out / "a/task01.nii.gz")
        np.testing.assert_allclose(fused, masks(0).mean(axis=0), rtol=1e-6)
    (case,) = find_cases(ref, pattern=f"{{case}}/task01_seg{{rater}}{end.lower()}", raters="any")
    assert "02" in case.masks
    assert case.masks["02"].name.endswith(end)


def test_images_of_other_formats_are_counted(tmp_path: Path) -> None:
    root = touch(tmp_path / "a", *(f"c{i}/task01_seg01.jpg" for i in range(329)))
    touch(root, "c0/x.mgz", "c1/task01_seg01.MNC", "c1/task01_seg01.img", "notes.txt")
    with pytest.raises(UsageError) as error:
        find_cases(root)
    assert str(error.value).startswith(
        f"no case in {root}: found 329 .jpg files, 1 .img file, 1 .mgz file and 1 .mnc file, and "
        f"only {READ} are read; expected files such as CASE/task01_seg01.nii.gz"
    )
    with pytest.raises(UsageError, match=r"found 329 \.jpg files.*such as \{case\}\.jpg"):
        find_cases(root, pattern="{case}.jpg")
    series = touch(tmp_path / "b", "s/IM001", "s/IM002", "s/1.2.840.17", content=DICOM)
    touch(series, "s/README.txt", "t/Makefile", "s/z.dcm")
    with pytest.raises(UsageError, match=r"found 3 DICOM files and 1 \.dcm file, and only NIfTI"):
        find_cases(series)
    nifti = touch(tmp_path / "c", "b/x.nii", "b/y.NII.GZ")
    with pytest.raises(UsageError, match=r"found 2 NIfTI files, such as b/x.nii; expected"):
        find_cases(nifti, pattern="{case}/z.nii.gz")


@pytest.mark.parametrize("name", OTHER_RATERS)
def test_a_rater_in_another_format_is_a_fault_of_the_case(tmp_path: Path, name: str) -> None:
    root = touch(tmp_path, *(f"{c}/task01_seg0{r}.nii.gz" for c in "ab" for r in (1, 2)))
    touch(root, f"b/task01_{name}", content=DICOM)
    found = faults(root)
    assert found["a"] == ""
    assert f"task01_{name.split('/', maxsplit=1)[0]} is " in found["b"]
    assert found["b"].endswith(f"and only {READ} are read")
    assert len(found) == 2


def test_a_case_in_another_format_is_a_fault_too(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/task01_seg01.nii.gz", "b/task01_seg01.mgz", "b/image.mgz")
    assert "task01_seg01.mgz is .mgz, and only" in faults(root)["b"]


def test_what_is_there_as_nifti_may_be_there_again(tmp_path: Path) -> None:
    """A preview, probabilities beside a prediction, an image in another format, a text."""
    root = touch(tmp_path / "a", "a/task01_seg01.nii.gz", "a/task01_seg01.png", "a/image.png")
    touch(root, "a/notes", "a/LICENSE.1", "overview.png")
    assert faults(root) == {"a": ""}
    root = touch(tmp_path / "b", "a/task01.nii.gz", "a/task01.npz")
    assert faults(root) == {"a": ""}


def test_images_alone_are_no_maps(tmp_path: Path) -> None:
    root = touch(tmp_path / "a", "a/image.nii.gz", "a/task01.mgz", "b/image.nii.gz")
    with pytest.raises(UsageError, match=r"found 1 \.mgz file"):
        find_cases(root)
    root = touch(tmp_path / "b", "a.nii.gz", "a_task01_seg01.mgz")
    with pytest.raises(UsageError, match=r"found 1 \.mgz file"):
        find_cases(root)


def test_other_formats_are_warned_of_where_they_may_be_something_else(
    tmp_path: Path, capsys
) -> None:
    set_verbosity()
    root = touch(tmp_path / "bare", "a.nii.gz", "a.npz", "b.nii", "c.nrrd", "d.nrrd", "loss.png")
    assert faults(root) == {"a": "", "b": ""}
    beside, other = capsys.readouterr().err.splitlines()
    assert beside.startswith(f"not read in {root}: 1 .npz file beside segmentations; the pattern")
    expected = "2 .nrrd files and 1 .png file; a pattern such as {case}.nrrd reads them"
    assert other == f"not read in {root}: {expected}"
    root = touch(tmp_path / "named", "a/A.nii.gz", "a/view.png")
    touch(root, "a/scan/1.dcm", "a/scan/2.dcm")
    assert faults(root, pattern="{case}/{rater}") == {"a": ""}
    assert "2 .dcm files and 1 .png file" in capsys.readouterr().err
    touch(root, "a/B.mgz")
    assert faults(root, pattern="{case}/{rater}.nii.gz") == {"a": ""}
    assert "2 .dcm files, 1 .mgz file and 1 .png file" in capsys.readouterr().err
    touch(root, "a/C.nii", "a/A.nii")
    assert faults(root, pattern="{case}/{rater}.nii.gz") == {"a": ""}
    assert "by the ending of --pattern: 1 .nii file\n" in capsys.readouterr().err
    (root / "a/A.nii").unlink()
    reason = faults(root, pattern="{case}/{rater}")["a"]
    assert "B.mgz is .mgz, and only NIfTI" in reason
    assert reason.endswith("(end --pattern in .nii.gz to leave other files out)")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_is_no_file_is_a_fault_of_its_case(tmp_path: Path, capsys) -> None:
    ref, pred = study(tmp_path, cases=[f"c{i}" for i in range(9)])
    paths = [pred / f"c{i}/task01.nii.gz" for i in range(6)]
    paths += [ref / "c6/image.nii.gz", pred / "c7/image.nii.gz"]
    for path in paths:
        path.unlink(missing_ok=True)
    os.mkfifo(paths[0])
    paths[1].mkdir()
    paths[2].symlink_to(paths[2].name)
    paths[3].symlink_to("nowhere")
    paths[4].symlink_to("/dev/zero")
    paths[5].mkdir()
    (paths[5] / "inner.nii.gz").write_bytes(b"x")
    os.mkfifo(paths[6])
    os.mkfifo(paths[7])
    words = {
        "c0": "task01.nii.gz is a named pipe, not a file",
        "c1": "task01.nii.gz is a folder, not a file",
        "c2": "task01.nii.gz cannot be read: Too many levels of symbolic links",
        "c3": "task01.nii.gz is a link to a file that is not there",
        "c4": "task01.nii.gz is a device, not a file",
        "c5": "task01.nii.gz is a folder, not a file",
        "c6": "image.nii.gz is a named pipe, not a file",
        "c7": "image.nii.gz is a named pipe, not a file",
    }
    found = faults(pred, follow_links=True) | {"c6": faults(ref)["c6"]}
    assert {case: found[case] for case in words} == words
    assert found["c8"] == ""
    assert "leads out of the folder" in faults(pred)["c4"]
    argv = ["evaluate", "--pred", str(pred), "--ref", str(ref), "--no-pictures", "--follow-links"]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 1
    text = capsys.readouterr().err
    for case, reason in words.items():
        assert f"{case} task01: {reason}" in text


def test_a_folder_that_is_named_as_its_file(tmp_path: Path) -> None:
    """As archives of some studies are unpacked."""
    root = touch(tmp_path, "a_seg.nii/a_seg.nii", "b_seg.nii/b_seg.nii")
    assert faults(root, pattern="**/{case}_seg.nii") == {"a": "", "b": ""}
    assert set(faults(root).values()) == {""}
    (root / "c_seg.nii").mkdir()
    assert faults(root)["c_seg"] == "c_seg.nii is a folder, not a file"


@pytest.mark.parametrize("flat", [True, False])
def test_names_that_look_alike_are_one(tmp_path: Path, flat: bool) -> None:
    mark = "_" if flat else "/"
    ref = touch(
        tmp_path / "ref",
        f"{NFC}{mark}task01_seg{NFC.replace('_', '')}.nii.gz",
        f"{NFD}{mark}task01_seg02.nii.gz",
        f"other{mark}task01_seg{NFD.replace('_', '')}.nii.gz",
        f"other{mark}task01_seg02.nii.gz",
    )
    cases = find_cases(ref)
    assert [c.case for c in cases] == [NFC, "other"]
    assert [c.fault for c in cases] == ["", ""]
    assert cases[0].masks.keys() == cases[1].masks.keys()
    assert all(p.is_file() for c in cases for p in c.paths)
    for pattern in (None, f"{NFD}{{case}}{mark}{{task}}", f"{NFC}{{case}}{mark}{{task}}"):
        form = NFD if pattern is None else NFD + "1"
        pred = touch(tmp_path / f"pred{pattern is None}", f"{form}{mark}task01.nii.gz")
        found = find_cases(pred, pattern=pattern)
        assert [c.case for c in found] == [NFC if pattern is None else "1"]
        if pattern is None:
            (pair,), alone = pair_up(cases, found)
            assert pair.case == NFC
            assert [f.case for f in alone] == ["other"]


def test_names_that_look_alike_and_stand_for_one_map_are_a_fault(tmp_path: Path) -> None:
    root = touch(tmp_path, f"{NFC}/task01.nii.gz", f"{NFD}/task01.nii.gz", "b/task01.nii.gz")
    if len(list(root.iterdir())) < 3:
        pytest.skip("the file system spells names in one way")
    reason = faults(root)[NFC]
    assert reason == (
        f"two files stand for one: {NFC}/task01.nii.gz and {NFC}/task01.nii.gz, "
        "whose names differ in their Unicode normalization (NFC, NFD) only"
    )


def test_patients_and_regions_in_either_spelling(tmp_path: Path) -> None:
    for one, other in ((NFC, NFD), (NFD, NFC)):
        table = tmp_path / "patients.csv"
        table.write_text(f"case,patient\n{one}1,{one}\n{one}2,{other}\n", encoding="utf-8")
        patients = read_patients(table)
        assert patients.of(other + "1") == patients.of(one + "2")
        assert match_patients(f"^{one}").of(other + "1") == NFC
        (tmp_path / "r.toml").write_text(f"[regions]\n'{one}' = [1]\n", encoding="utf-8")
        assert read_regions(tmp_path / "r.toml").class_of(NFC) == NFC
    table.write_text(f"case,patient\n{NFC},a\n{NFD},b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="two patients"):
        read_patients(table)


def test_links_to_folders_are_followed_when_asked_and_never_in_a_circle(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "a/x.nii")
    (root / "b").symlink_to(touch(tmp_path / "other", "y.nii"))
    (root / "c").symlink_to(root)
    (root / "a/above").symlink_to(root / "a")
    assert [f.name for f in list_folder(root, True).nifti] == ["a/x.nii", "b/y.nii"]
    found = list_folder(root, False)
    assert [f.name for f in found.nifti] == ["a/x.nii"]
    assert [error.filename for error in found.unreadable] == ["b", "c", "a/above"]
