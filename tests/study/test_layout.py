"""Which files belong to which case, and which prediction to which reference."""

from pathlib import Path

import pytest
from dice_semimetric_study.cases.layout import CaseFiles, find_cases
from dice_semimetric_study.cases.pairing import pair_up
from dice_semimetric_study.cases.patterns import compile_pattern
from dice_semimetric_study.faults import UsageError
from study_files import touch


def keys(cases: list[CaseFiles]) -> list[tuple[str, str]]:
    return [(c.case, c.task) for c in cases]


def test_qubiq_folders_with_splits_and_tasks(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "Training/case01/image.nii.gz",
        "Training/case01/task01_seg01.nii.gz",
        "Training/case01/task01_seg02.nii",
        "Training/case01/task02_seg01.nii.gz",
        "Validation/case01/task01_seg02.nii.gz",
        "Validation/case01/task01_seg01.nii.gz",
        "Validation/.hidden/task01_seg01.nii.gz",
        "Validation/case01/._task01_seg01.nii.gz",
        "Validation/case01/notes.txt",
    )
    cases = find_cases(tmp_path)
    assert keys(cases) == [
        ("Training/case01", "task01"),
        ("Training/case01", "task02"),
        ("Validation/case01", "task01"),
    ]
    assert [list(c.masks) for c in cases] == [["01", "02"], ["01"], ["01", "02"]]
    assert cases[0].image == tmp_path / "Training/case01/image.nii.gz"
    assert cases[0].label_name == "Training/case01/task01.nii.gz"
    assert not any(c.fault for c in cases)


def test_flat_folders(tmp_path: Path) -> None:
    ref = touch(
        tmp_path / "ref",
        "my_case 1_task01_seg01.nii.gz",
        "my_case 1_task01_seg02.nii.gz",
        "my_case 1.nii.gz",
        "ü_task01_seg01.nii",
        "ü_task01_seg02.nii",
        "ü_image.nii",
    )
    cases = find_cases(ref)
    assert keys(cases) == [("my_case 1", "task01"), ("ü", "task01")]
    assert [c.image.name for c in cases] == ["my_case 1.nii.gz", "ü_image.nii"]
    assert cases[0].label_name == "my_case 1_task01.nii.gz"
    named = touch(tmp_path / "named", "my_case 1_task01.nii.gz", "ü_task01.nii")
    bare = touch(tmp_path / "bare", "my_case 1.nii.gz", "ü.nii")
    for folder in (named, bare):
        pairs, faults = pair_up(cases, find_cases(folder))
        assert [p.case for p in pairs] == ["my_case 1", "ü"]
        assert not faults


def test_one_case_folder_alone(tmp_path: Path) -> None:
    folder = touch(tmp_path / "case07", "task01_seg01.nii.gz", "image.nii.gz")
    (case,) = find_cases(folder)
    assert (case.case, case.task, case.image) == ("case07", "task01", folder / "image.nii.gz")


def test_patterns(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "site1/p 1/liver/reader_A/mask.nii.gz",
        "site1/p 1/liver/reader_B/mask.nii.gz",
        "site1/p 1/liver/reader_B/other.nii.gz",
    )
    (case,) = find_cases(tmp_path, pattern="{case}/{task}/reader_{rater}/mask.nii.gz")
    assert (case.case, case.task, list(case.masks)) == ("site1/p 1", "liver", ["A", "B"])
    (case,) = find_cases(tmp_path, pattern="*/{case}/**/reader_{rater}/m*")
    assert (case.case, case.task, list(case.masks)) == ("p 1", "task01", ["A", "B"])
    assert compile_pattern("{case}/{case}_seg.nii").fullmatch("a/a_seg.nii")
    assert not compile_pattern("{case}/{case}_seg.nii").fullmatch("a/b_seg.nii")
    assert not compile_pattern("{case}.seg.nii").fullmatch("aXseg.nii")
    for wrong, words in (("{task}.nii", "must hold {case}"), ("{case}{x}", "got {x}")):
        with pytest.raises(UsageError, match=words):
            find_cases(tmp_path, pattern=wrong)


def test_missing_raters_lonely_images_and_doubles_are_faults(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *(f"case0{c}/task01_seg0{r}.nii.gz" for c in (1, 2) for r in (1, 2, 3)),
        "case03/task01_seg01.nii.gz",
        "case04/image.nii.gz",
        "case02/task01_seg03.nii",
    )
    faults = {c.case: c.fault for c in find_cases(tmp_path)}
    assert faults["case01"] == ""
    assert "two files stand for one: case02/task01_seg03.nii" in faults["case02"]
    assert "raters 02, 03 are missing" in faults["case03"]
    assert "no mask" in faults["case04"]
    lenient = {c.case: c.fault for c in find_cases(tmp_path, raters="any")}
    assert lenient["case03"] == ""


def test_folders_without_cases(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no case in"):
        find_cases(touch(tmp_path, "a.txt"))
    with pytest.raises(UsageError, match="is not a folder"):
        find_cases(tmp_path / "absent")
    with pytest.raises(UsageError, match="is not a folder"):
        find_cases(tmp_path / "a.txt")
    with pytest.raises(UsageError, match="is not a folder"):
        find_cases(tmp_path / ("a" * 300))


def files(*names: str) -> list[CaseFiles]:
    return [CaseFiles(name, "task01") for name in names]


def test_pairs_may_lack_leading_folders() -> None:
    pairs, faults = pair_up(files("Testing/case01", "Testing/case02"), files("case01", "case03"))
    assert [(p.reference.case, p.prediction.case) for p in pairs] == [("Testing/case01", "case01")]
    assert [(f.case, f.reason) for f in faults] == [
        ("Testing/case02", "there is no prediction"),
        ("case03", "there is a prediction but no reference"),
    ]


def test_pairs_are_never_guessed() -> None:
    for refs, preds in (
        (files("Training/case01", "Testing/case01"), files("case01")),
        (files("case01"), files("Training/case01", "Testing/case01")),
        (files("Training/case01"), files("Testing/case01")),
        (files("case1"), files("case11")),
        ([CaseFiles("case01", "task01")], [CaseFiles("case01", "task02")]),
    ):
        pairs, faults = pair_up(refs, preds)
        assert not pairs
        assert len(faults) == len(refs) + len(preds)
