"""NRRD, MetaImage, Analyze, PNG and TIFF give what the same image gives in NIfTI."""

import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study import CaseError, read_volume, write_volume
from dice_semimetric_study.cli import main
from dice_semimetric_study.files.foreign import files_of
from dice_semimetric_study.files.slabs import read_slabs
from dice_semimetric_study.files.volumes import read_geometry, read_header_of, read_voxels
from dice_semimetric_study.runs.records import stamped
from PIL import Image
from study_files import load, masks, rows, save, study

sitk = pytest.importorskip("SimpleITK")

VOLUMES = (".nrrd", ".seg.nrrd", ".nhdr", ".mha", ".mhd")
ANGLE = np.radians(20)
OBLIQUE = np.array(
    [[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]]
)
DIRECTIONS = {
    "plain": np.eye(3),
    "flipped": np.diag([-1.0, 1.0, -1.0]),
    "permuted": np.eye(3)[[2, 0, 1]],
    "oblique": OBLIQUE,
}


def write(path: Path, data: np.ndarray, direction: Any = None, *, packed: bool = False) -> Path:
    """Write an array with axes (x, y, z) by SimpleITK alone."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    if data.ndim == 3:
        image.SetSpacing((0.7, 0.9, 2.5))
        image.SetOrigin((-13.25, 40.5, 7.125))
        image.SetDirection((np.eye(3) if direction is None else direction).ravel())
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), packed)
    return path


@pytest.mark.parametrize("end", VOLUMES)
@pytest.mark.parametrize("kind", DIRECTIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_volume_lies_where_it_lies_in_nifti(tmp_path: Path, end: str, kind: str, dtype) -> None:
    data = np.random.default_rng(0).integers(0, 99, (5, 6, 7)).astype(dtype)
    expected = read_voxels(write(tmp_path / "a.nii.gz", data, DIRECTIONS[kind]))
    path = write(tmp_path / f"a{end}", data, DIRECTIONS[kind], packed=kind == "oblique")
    found, geometry = read_voxels(path)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected[0])
    np.testing.assert_allclose(geometry.affine, expected[1].affine, atol=2e-5)
    assert geometry.shape == read_geometry(path).shape == (5, 6, 7)
    vectors = list(read_slabs(path, 3, 3))
    assert [v.size for v in vectors] == [90, 90, 30]
    np.testing.assert_array_equal(np.concatenate(vectors), data.ravel(order="F"))


@pytest.mark.parametrize("end", [".nrrd", ".mha"])
def test_one_plane_and_components(tmp_path: Path, end: str) -> None:
    plane = np.arange(12, dtype=np.float32).reshape(3, 4)
    found, geometry = read_voxels(write(tmp_path / f"a{end}", plane))
    np.testing.assert_array_equal(found, plane)
    np.testing.assert_array_equal(geometry.affine, np.diag([-1, -1, 1, 1]))
    several = np.random.default_rng(0).random((3, 4, 5, 2), np.float32)
    image = sitk.GetImageFromArray(np.moveaxis(several, -1, 0).T.copy(), isVector=True)
    image = sitk.Compose(
        *(sitk.GetImageFromArray(several[..., c].T.copy()) for c in range(several.shape[-1]))
    )
    sitk.WriteImage(image, str(tmp_path / f"b{end}"))
    np.testing.assert_array_equal(read_voxels(tmp_path / f"b{end}")[0], several)


@pytest.mark.parametrize("end", [".nrrd", ".mhd"])
@pytest.mark.parametrize("kind", DIRECTIONS)
def test_a_case_scores_the_same_in_each_format(tmp_path: Path, end: str, kind: str) -> None:
    """Each side in NIfTI and in another format, with raters of both formats in one case."""
    truth = masks(0, 3, (9, 10, 8)).astype(np.uint8)
    prob = np.clip(truth.mean(axis=0) + 0.1, 0, 1).astype(np.float32)
    for r, mask in enumerate(truth):
        write(tmp_path / f"nifti/a/task01_seg{r}.nii.gz", mask, DIRECTIONS[kind])
        mixed = end if r else ".nii.gz"
        write(tmp_path / f"mixed/a/task01_seg{r}{mixed}", mask, DIRECTIONS[kind])
    write(tmp_path / "p/a/task01.nii.gz", prob, DIRECTIONS[kind])
    write(tmp_path / f"q/a/task01{end}", prob, DIRECTIONS[kind])
    write(tmp_path / f"m/a/task01{end}", truth[0], DIRECTIONS[kind])
    found = []
    for ref in ("nifti", "mixed"):
        for pred in ("p", "q"):
            for more in ((), ("--slab", "200")):
                out = tmp_path / f"{ref}{pred}{len(more)}"
                argv = ["evaluate", "--pred", tmp_path / pred, "--ref", tmp_path / ref, "-q"]
                argv += ["--out", out, "--mask", tmp_path / "m", "--no-pictures", *more]
                assert main([str(a) for a in argv]) == 0
                found.append(rows(out / "cases.csv"))
    assert all(one == found[0] for one in found)


def test_axes_that_lie_otherwise_are_noticed(tmp_path: Path, capsys) -> None:
    truth = masks(0, 1, (9, 10, 8))[0].astype(np.uint8)
    write(tmp_path / "r/a.nii.gz", truth)
    write(tmp_path / "p/a.nrrd", np.flip(truth, 0), np.diag([-1.0, 1, 1]))
    argv = ["evaluate", "--pred", str(tmp_path / "p"), "--ref", str(tmp_path / "r"), "-q"]
    argv += ["--no-pictures", "--out", str(tmp_path / "o"), "--affine-tolerance", "0.01"]
    image = sitk.ReadImage(str(tmp_path / "p/a.nrrd"))
    image.SetOrigin((-13.25 + 8 * 0.7, 40.5, 7.125))  # of the first voxel, now on the other side
    sitk.WriteImage(image, str(tmp_path / "p/a.nrrd"))
    assert main(argv) == 1
    assert "flipped axes (RPS, not LPS)" in (text := capsys.readouterr().err)
    assert "--allow-reorient" in text
    assert main([*argv, "--allow-reorient", "--overwrite"]) == 0
    assert float(rows(tmp_path / "o/cases.csv")[0]["dice"]) == 1


def test_maps_are_written_where_the_raters_lie(tmp_path: Path) -> None:
    truth = masks(0, 3, (9, 10, 8)).astype(np.uint8)
    for r, mask in enumerate(truth):
        write(tmp_path / f"r/a/task01_seg{r}.nrrd", mask, OBLIQUE)
    like = write(tmp_path / "x.nii.gz", truth[0], OBLIQUE)
    for more in ((), ("--slab", "200")):
        out = tmp_path / f"o{len(more)}"
        assert main(["fuse", str(tmp_path / "r"), "--method=uniform", f"--out={out}", *more]) == 0
        data, image = load(out / "a/task01.nii.gz")
        np.testing.assert_allclose(data, truth.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(image.affine, nib.load(like).affine, atol=1e-5)
    volume = read_volume(tmp_path / "r/a/task01_seg0.nrrd")
    write_volume(tmp_path / "y.nii", volume.data, volume)
    np.testing.assert_array_equal(load(tmp_path / "y.nii")[0], truth[0])


def test_analyze_is_read_by_nibabel(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(-9, 99, (4, 5, 6)).astype(np.int16)
    for kind in (nib.AnalyzeImage, nib.Nifti1Pair):
        nib.save(kind(data, np.diag([-2.0, 3, 4, 1])), tmp_path / f"{kind.__name__}.img")
        path = tmp_path / f"{kind.__name__}.hdr"
        found, geometry = read_voxels(path)
        np.testing.assert_array_equal(found, data)
        np.testing.assert_allclose(geometry.affine, nib.load(path).affine)
        assert files_of(path) == (path, path.with_suffix(".img"))
    with path.with_suffix(".img").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(CaseError, match=r"Nifti1Pair\.hdr is truncated.*Nifti1Pair\.img has 100"):
        read_voxels(path)
    path.with_suffix(".img").unlink()
    with pytest.raises(CaseError, match=r"Nifti1Pair\.img is not there"):
        read_geometry(path)


def picture(path: Path, values: np.ndarray, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values, **how).save(path)
    return path


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16])
@pytest.mark.parametrize("end", [".png", ".tif"])
def test_grey_values_are_what_is_stored(tmp_path: Path, end: str, dtype) -> None:
    values = np.arange(12).reshape(3, 4) * (1 if dtype != np.uint16 else 5000)
    values = (values % 2 if dtype is bool else values).astype(dtype)
    path = picture(tmp_path / f"a{end}", values)
    found, geometry = read_voxels(path)
    np.testing.assert_array_equal(found, values.T)  # x first, as everywhere
    assert found.dtype == (np.uint8 if dtype is bool else dtype)
    assert geometry.shape == (4, 3)
    expected = sitk.ReadImage(str(path))
    sitk.WriteImage(expected, str(tmp_path / "a.nii"))
    if end == ".png":
        nifti, where = read_voxels(tmp_path / "a.nii")
        np.testing.assert_array_equal(nifti != 0, found != 0)
        np.testing.assert_allclose(where.affine, geometry.affine)


@pytest.mark.parametrize("dtype", [">u2", "<u2", "<i4", "<f4"])
def test_bytes_are_in_the_order_of_the_machine(tmp_path: Path, dtype: str) -> None:
    values = (np.arange(12).reshape(3, 4) * 5000).astype(dtype)
    found, _ = read_voxels(picture(tmp_path / "a.tif", values))
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found, values.T)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_are_not_stretched(tmp_path: Path, bits: int) -> None:
    """A PNG of two bits holds the labels 0 to 3, and pillow shows them as 0 to 255."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    labels = np.arange(8) % (1 << bits)
    line = b"".join(
        bytes([sum(int(v) << (8 - bits * (i + 1)) for i, v in enumerate(part))])
        for part in labels.reshape(-1, 8 // bits)
    )
    head = struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" + line))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b""))
    np.testing.assert_array_equal(read_voxels(path)[0].ravel(), labels)


def test_pages_of_a_tiff_are_planes(tmp_path: Path) -> None:
    data = np.random.default_rng(0).random((4, 5, 6), np.float32)
    pages = [Image.fromarray(np.ascontiguousarray(data[..., z].T)) for z in range(6)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    found, geometry = read_voxels(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, data)
    assert geometry.shape == (4, 5, 6)
    vectors = np.concatenate(list(read_slabs(tmp_path / "a.tif", 3, 4)))
    np.testing.assert_array_equal(vectors, data.ravel(order="F"))
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=[Image.new("F", (9, 9))])
    with pytest.raises(CaseError, match=r"b\.tif has pages of different sizes"):
        read_voxels(tmp_path / "b.tif")


def test_colours_are_refused_or_mapped_as_asked(tmp_path: Path) -> None:
    index = np.array([[0, 1], [2, 1]], np.uint8)
    palette = Image.fromarray(index).convert("P")
    palette = Image.frombytes("P", (2, 2), index.tobytes())
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    palette.save(tmp_path / "p.png")
    with pytest.raises(CaseError, match=r"p\.png has a palette: give --colours index"):
        read_voxels(tmp_path / "p.png")
    np.testing.assert_array_equal(read_voxels(tmp_path / "p.png", colours="index")[0], index.T)
    grey = np.stack([index * 100] * 3, -1)
    path = picture(tmp_path / "g.png", grey)
    with pytest.raises(CaseError, match=r"g\.png holds colours \(RGB\).*: give --colours grey"):
        read_voxels(path)
    np.testing.assert_array_equal(read_voxels(path, colours="grey")[0], index.T * 100)
    clear = np.concatenate([grey, np.full((2, 2, 1), 255, np.uint8)], -1)
    found = read_voxels(picture(tmp_path / "c.png", clear), colours="grey")[0]
    np.testing.assert_array_equal(found, index.T * 100)
    clear[1, 1, 3] = 7
    with pytest.raises(CaseError, match="partly transparent"):
        read_voxels(picture(tmp_path / "c.png", clear), colours="grey")
    grey[0, 1] = (1, 2, 3)
    with pytest.raises(CaseError, match=r"not grey, such as \(1, 2, 3\)"):
        read_voxels(picture(tmp_path / "g.png", grey), colours="grey")


def pictures(root: Path, end: str = ".png") -> Path:
    """Write a study of PNGs, masks of 0 and 255 and predictions of 8 bits, and as NIfTI."""
    for case in ("a", "b"):
        seen = masks(ord(case), 3)
        prob = np.rint(seen.mean(axis=0) * 200).astype(np.uint8)
        for r, mask in enumerate(seen):
            picture(root / f"ref/{case}/task01_seg{r}{end}", mask.T.astype(np.uint8) * 255)
            save(root / f"nifti/{case}/task01_seg{r}.nii.gz", mask.astype(np.uint8), np.eye(4))
        picture(root / f"pred/{case}{end}", prob.T)
        save(root / f"maps/{case}/task01.nii.gz", (prob / np.float32(255)), np.eye(4))
        colour = np.random.default_rng(0).integers(0, 255, (*seen.shape[:0:-1], 3), np.uint8)
        picture(root / f"ref/{case}/image{end}", colour)
    return root


def evaluated(root: Path, pred: str, ref: str, *more: str) -> list[dict[str, str]]:
    out = root / "out" / "_".join((pred, ref, *more)).replace("/", "_")
    argv = ["evaluate", "--pred", str(root / pred), "--ref", str(root / ref), "--out", str(out)]
    assert main([*argv, "-q", "--report", str(out) + ".html", *more]) == 0
    assert "the image has another shape" not in (out.parent / f"{out.name}.html").read_text()
    return rows(out / "cases.csv")


@pytest.mark.parametrize("end", [".png", ".tif"])
def test_a_study_of_pictures(tmp_path: Path, end: str) -> None:
    root = pictures(tmp_path, end)
    expected = evaluated(root, "maps", "nifti")
    scales = ("--scale", "255", "--pred-scale", "255")
    assert evaluated(root, "pred", "ref", *scales) == expected
    assert evaluated(root, "pred", "ref", *scales, "--slab", "200") == expected
    out = tmp_path / "fused"
    argv = ["fuse", str(root / "ref"), "--method", "uniform", "--scale", "255", "-q"]
    assert main([*argv, "--out", str(out)]) == 0
    np.testing.assert_allclose(load(out / "a/task01.nii.gz")[0], masks(97, 3).mean(axis=0))
    labelled = tmp_path / "labelled"
    argv = ["fuse", str(root / "ref"), "--method", "majority", "--label", "255", "-q"]
    assert main([*argv, "--out", str(labelled)]) == 0
    majority = masks(97, 3).sum(axis=0) > 1
    np.testing.assert_array_equal(load(labelled / "a/task01.nii.gz")[0], majority)


def test_what_a_mask_of_255_needs_is_named(tmp_path: Path, capsys) -> None:
    root = pictures(tmp_path)
    argv = ["evaluate", "--pred", str(root / "pred"), "--ref", str(root / "ref")]
    assert main([*argv, "--out", str(tmp_path / "o")]) == 1
    assert "give --scale 255 (for predictions --pred-scale 255)" in capsys.readouterr().err
    more = ["--pred-scale", "255", "--overwrite"]
    assert main([*argv, "--out", str(tmp_path / "o"), *more]) == 1
    assert (
        "give --scale 255 (for predictions --pred-scale 255); for labels give --label 255"
        in capsys.readouterr().err
    )
    for more, words in (
        (["--scale", "255", "--label", "255"], "--scale has no use with --label"),
        (["--pred-scale", "255", "--ignore", "9"], "--pred-scale has no use with --ignore"),
        (["--scale", "0"], "--scale: must be above 0"),
        (["--scale", "inf"], "--scale: must be above 0"),
        (["--colours", "red"], "argument --colours: invalid choice"),
    ):
        assert main([*argv, "--out", str(tmp_path / "o"), *more]) == 2
        assert words in capsys.readouterr().err


def test_without_simpleitk_one_reads_what_to_install(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path / "a.nrrd", np.zeros((3, 4, 5), np.uint8))
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    words = r"a\.nrrd is read by SimpleITK, which is missing: pip install 'dice-semimetric\[formats"
    with pytest.raises(CaseError, match=words):
        read_voxels(path)


def broken(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "another":
        path.write_bytes(b"<html>" + bytes(99))
    elif how == "claims":
        old = b"sizes: 5 6 7" if b"NRRD" in content else b"DimSize = 5 6 7"
        assert old in content
        path.write_bytes(content.replace(old, old.replace(b"5 6 7", b"50000 60000 7000")))
    elif how == "elsewhere":
        old = b"ElementDataFile = LOCAL" if path.suffix == ".mha" else b"\n\n"
        new = b"ElementDataFile = /etc/x" if path.suffix == ".mha" else b"\ndata file: ../x\n\n"
        path.write_bytes(content.replace(old, new, 1))


@pytest.mark.parametrize("end", [".nrrd", ".mha", ".png", ".tif"])
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "truncated|cannot be read|corrupt|broken"),
        ("empty", "is empty"),
        ("another", "is an HTML page"),
        ("claims", "is truncated or has a broken header: it claims"),
        ("elsewhere", "must name one file beside it"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, end: str, how: str, words: str) -> None:
    still = end in (".png", ".tif")
    if still and how in ("claims", "elsewhere"):
        return
    data = np.random.default_rng(0).integers(0, 200, (5, 6, 7)).astype(np.uint8)
    path = (
        picture(tmp_path / f"a{end}", data[..., 0]) if still else write(tmp_path / f"a{end}", data)
    )
    broken(path, how)
    with pytest.raises(CaseError, match=words) as caught:
        read_voxels(path)
    assert str(caught.value).startswith(f"a{end} ")
    assert "\n" not in str(caught.value)


def test_a_file_of_voxels_beside_its_header_counts(tmp_path: Path) -> None:
    """Resuming notices that it changed, and it must be a plain file."""
    path = write(tmp_path / "a.mhd", np.zeros((3, 4, 5), np.uint8))
    raw = tmp_path / "a.raw"
    path.write_text(path.read_text().replace("= a.raw", "= ./a.raw"), newline="\r\n")
    assert files_of(path) == (path, raw)
    before = stamped([path, path])
    assert len(before) == 2
    raw.write_bytes(bytes(59) + b"\1")
    assert stamped([path]) != before
    raw.unlink()
    with pytest.raises(CaseError, match=r"a\.raw is not there"):
        read_geometry(path)


def test_nifti_is_preferred_and_pictures_are_views(tmp_path: Path) -> None:
    from dice_semimetric_study import find_cases

    ref, _ = study(tmp_path, cases=["a", "b"])
    for name in ("task01_seg01.nrrd", "task01_seg02.png", "image.png"):
        (ref / "a" / name).write_bytes(b"a view")
    before = find_cases(ref)
    assert all(p.name.endswith(".nii.gz") for case in before for p in case.paths)
    assert all(not case.fault for case in before)
    (ref / "a/task01_seg03.nii.gz").rename(ref / "a/task01_seg03.nrrd")
    assert find_cases(ref)[0].masks["03"].name == "task01_seg03.nrrd"
    (ref / "a/task01_seg03.mha").write_bytes(b"x")
    assert "two files stand for one" in find_cases(ref)[0].fault
    chosen = find_cases(ref, pattern="{case}/{task}_seg{rater}.nrrd", raters="any")
    assert [sorted(case.masks) for case in chosen] == [["01", "03"]]


def test_the_header_of_other_formats_is_one_of_nifti(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", np.zeros((3, 4, 5), np.uint8), OBLIQUE)
    header = read_header_of(path)
    np.testing.assert_allclose(header.get_best_affine(), read_geometry(path).affine, atol=1e-5)
    wide = picture(tmp_path / "a.png", np.zeros((1, 40_000), np.uint8))
    assert read_header_of(wide).get_data_shape() == (40_000,)
