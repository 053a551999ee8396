"""Single files: what is read, what is written, and files that are not what they claim."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.faults import CaseError
from dice_semimetric_study.files import opening as files
from dice_semimetric_study.files.atomic import write_bytes
from dice_semimetric_study.files.nifti import read_at_once
from dice_semimetric_study.files.volumes import read_geometry, read_volume
from dice_semimetric_study.files.writing import write_volume
from study_files import AFFINE, load, save


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", ">f4", ">i2"])
def test_reads_what_nibabel_reads(tmp_path: Path, rng: np.random.Generator, end, dtype) -> None:
    data = rng.integers(0, 100, (5, 6, 4)).astype(dtype)
    path = save(tmp_path / f"a{end}", data)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, data)
    assert volume.data.dtype == np.dtype(dtype).newbyteorder("=")  # not float64, as get_fdata
    np.testing.assert_allclose(volume.geometry.affine, AFFINE, atol=1e-6)
    assert read_geometry(path).shape == (5, 6, 4)


def test_wider_floats_become_float64(tmp_path: Path) -> None:
    """As nibabel makes them of integers with a large slope."""
    wide = np.array([[0, 1 << 62]])
    content = bytearray(nib.Nifti2Image(wide, AFFINE, dtype=np.int64).to_bytes())
    content[176:192] = np.array([1e300, 0]).tobytes()  # scl_slope, scl_inter
    (tmp_path / "a.nii").write_bytes(content)
    volume = read_volume(tmp_path / "a.nii")
    assert volume.data.dtype == np.float64
    assert volume.data.tolist() == [[0, np.inf]]


def test_reads_scaled_integers_and_nifti_2(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.arange(12, dtype=np.uint8).reshape(3, 4), AFFINE)
    path = tmp_path / "a.nii"
    scaled = bytearray(image.to_bytes())
    scaled[112:120] = np.array([0.5, 1.0], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(scaled)
    np.testing.assert_allclose(read_volume(path).data, np.arange(12).reshape(3, 4) / 2 + 1)
    two = nib.Nifti2Image(np.ones((3, 4), np.float32), AFFINE)
    nib.save(two, tmp_path / "b.nii.gz")
    volume = read_volume(tmp_path / "b.nii.gz")
    write_volume(tmp_path / "c.nii.gz", volume.data, volume)
    assert isinstance(nib.load(tmp_path / "c.nii.gz"), nib.Nifti2Image)


def test_trailing_axes_of_one_are_dropped_and_come_back(tmp_path: Path) -> None:
    data = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    volume = read_volume(save(tmp_path / "a.nii.gz", data))
    assert volume.data.shape == volume.geometry.shape == (3, 4)
    write_volume(tmp_path / "b.nii.gz", volume.data / 12, volume)
    np.testing.assert_allclose(load(tmp_path / "b.nii.gz")[0], data / 12, rtol=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_written_files_keep_geometry_and_no_text(tmp_path: Path, order: str) -> None:
    affine = np.array([[0, -0.7, 0, 5], [0.7, 0, 0.1, -3], [0, 0.2, 2.5, 9], [0, 0, 0, 1.0]])
    source = save(
        tmp_path / "a.nii.gz",
        np.zeros((3, 4, 2), np.int16),
        affine,
        descrip=b"Ann Miller",
        intent_code=1002,
        xyzt_units=10,
        cal_max=99,
    )
    like = read_volume(source)
    soft = np.asarray(np.linspace(0, 1, 24).reshape(3, 4, 2), order=order)
    write_volume(tmp_path / "soft.nii.gz", soft, like)
    write_volume(tmp_path / "hard.nii", soft > 0.5, like)
    for name, dtype, expected in (
        ("soft.nii.gz", np.float32, soft.astype(np.float32)),
        ("hard.nii", np.uint8, soft > 0.5),
    ):
        data, image = load(tmp_path / name)
        np.testing.assert_array_equal(data, expected)
        assert data.dtype == image.get_data_dtype() == dtype
        assert (image.dataobj.slope, image.dataobj.inter) == (1, 0)
        np.testing.assert_allclose(image.affine, affine, atol=1e-6)
        assert image.header["descrip"] == b""
        assert image.header["xyzt_units"] == 10
        assert (image.header["cal_min"], image.header["cal_max"]) == (0, 1)
        for code in ("qform_code", "sform_code"):
            assert image.header[code] == like.header[code]
    assert load(tmp_path / "soft.nii.gz")[1].header["intent_code"] == 0
    assert load(tmp_path / "hard.nii")[1].header["intent_code"] == 1002


def test_the_same_label_gives_the_same_bytes(tmp_path: Path) -> None:
    like = read_volume(save(tmp_path / "a.nii.gz", np.ones((3, 4), np.uint8)))
    for name in ("one", "two"):
        write_volume(tmp_path / f"{name}.nii.gz", like.data > 0, like)
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()


def broken(kind: str, path: Path) -> None:
    """Write a file with one fault."""
    good = nib.Nifti1Image(
        np.random.default_rng(0).random((40, 40)).astype(np.float32), AFFINE
    ).to_bytes()
    packed = gzip.compress(good)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    checksum = bytearray(packed)
    checksum[-6] ^= 0xFF
    huge = bytearray(good)
    huge[42:48] = np.array([30000] * 3, "<i2").tobytes()  # dim[1:4]
    huge[40:42] = np.array([3], "<i2").tobytes()
    kinds = {
        "empty": b"",
        "noise": bytes(range(256)) * 8,
        "not gzip": good,
        "cut gzip": packed[: len(packed) // 2],
        "cut in header": packed[:60],
        "flipped": bytes(flipped),
        "checksum": bytes(checksum),
        "short": gzip.compress(good[:-100]),
        "huge": gzip.compress(bytes(huge)),
        "header only": gzip.compress(good[:348]),
        "half a header": gzip.compress(good[:200]),
        "no dtype": gzip.compress(good[:70] + b"\x77\x77" + good[72:]),
    }
    path.write_bytes(kinds[kind])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", "is empty"),
        ("noise", "is corrupt"),
        ("not gzip", "is corrupt"),
        ("cut gzip", "is truncated"),
        ("cut in header", "truncated"),
        ("flipped", "corrupt|truncated|header"),
        ("checksum", "is corrupt"),
        ("short", "is truncated: 6652 of 6752 bytes"),
        ("huge", "claims 108000000000352 bytes"),
        ("header only", "truncated"),
        ("half a header", "not a NIfTI file, or its header is truncated"),
        ("no dtype", "broken header"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_faulty_files_are_named(
    tmp_path: Path, monkeypatch, kind: str, words: str, whole: bool
) -> None:
    if not whole:
        monkeypatch.setattr(files, "_deflate", None)
    broken(kind, tmp_path / "a b.nii.gz")
    with pytest.raises(CaseError, match=f"a b.nii.gz.*({words})"):
        read_volume(tmp_path / "a b.nii.gz")


def test_compressed_files_read_as_a_whole_or_as_a_stream(tmp_path: Path, monkeypatch) -> None:
    """libdeflate is asked where it is there; parts of a file, one behind the other, it cannot."""
    data = np.random.default_rng(0).normal(size=(9, 8, 7))
    content = nib.Nifti1Image(data, AFFINE).to_bytes()
    for name, parts in (("one", [content]), ("three", [content[:300], content[300:], b""])):
        (tmp_path / f"{name}.nii.gz").write_bytes(b"".join(map(gzip.compress, parts)))
    if files._deflate is not None:
        assert read_at_once(tmp_path / "one.nii.gz")[1] == content
    assert read_at_once(tmp_path / "three.nii.gz") is None
    for deflate in (files._deflate, None):
        monkeypatch.setattr(files, "_deflate", deflate)
        for name in ("one", "three"):
            volume = read_volume(tmp_path / f"{name}.nii.gz")
            np.testing.assert_array_equal(volume.data, data)
            assert volume.data.flags.writeable


def test_uncompressed_files_are_checked_too(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.ones((9, 9), np.uint8))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CaseError, match=r"a.nii is truncated or has a broken header: it claims"):
        read_volume(path)
    with pytest.raises(CaseError, match=r"b.nii is not there"):
        read_volume(tmp_path / "b.nii")


@pytest.mark.parametrize("dtype", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_colours_and_complex_numbers_are_refused(tmp_path: Path, dtype) -> None:
    path = save(tmp_path / "a.nii.gz", np.zeros((3, 4), dtype))
    with pytest.raises(CaseError, match="real numbers"):
        read_volume(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({252: [1, 0], 254: [0, 0], 256: np.float32([2, 2, 2])}, "its affine cannot be found: w2"),
        ({112: np.float32([0.5, np.nan])}, "Valid slope but invalid intercept"),
        ({42: np.int16([-5])}, r"has no voxels: its header claims shape \(-5, 6, 4\)"),
        ({70: np.int16([99])}, "data code 99 not recognized"),
        ({108: np.float32([384]), 348: [1], 352: np.int32([7])}, "has a broken header"),
    ],
    ids=["quaternion", "slope", "shape", "dtype", "extension"],
)
def test_a_broken_header_is_named_with_its_file(tmp_path: Path, changes, words: str) -> None:
    content = bytearray(nib.Nifti1Image(np.ones((5, 6, 4), np.uint8), AFFINE).to_bytes())
    content[352:352] = bytes(32 if 348 in changes else 0)
    for place, values in changes.items():
        new = np.asarray(values, np.uint8 if isinstance(values, list) else None).tobytes()
        content[place : place + len(new)] = new
    for end in (".nii", ".nii.gz"):
        path = tmp_path / f"a b{end}"
        path.write_bytes(gzip.compress(content) if end == ".nii.gz" else content)
        with pytest.raises(CaseError, match=f"^a b{end} .*{words}"):
            read_volume(path)


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
def test_a_damaged_header_is_a_fault_or_harmless(tmp_path: Path, end: str) -> None:
    good = nib.Nifti1Image(np.ones((5, 6, 4), np.float32), AFFINE).to_bytes()
    rng = np.random.default_rng(0)
    faults: list[str] = []
    for _ in range(300):
        content = bytearray(good)
        for place in rng.integers(0, 352, 4):
            content[place] = rng.integers(256)
        path = tmp_path / f"a{end}"
        path.write_bytes(gzip.compress(bytes(content)) if end == ".nii.gz" else content)
        for read in (read_volume, read_geometry):
            try:
                read(path)
            except CaseError as fault:
                faults.append(str(fault))
    assert 20 < len(faults) < 600
    assert all(f"a{end}" in fault for fault in faults)


@pytest.mark.parametrize("place", [108, 280, 300])  # vox_offset, srow_x, srow_y
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_headers_without_a_number_where_one_is_due(tmp_path: Path, place: int, value) -> None:
    content = bytearray(nib.Nifti1Image(np.ones((5, 6, 4), np.float32), AFFINE).to_bytes())
    content[place : place + 4] = np.float32(value).tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(CaseError, match=r"a.nii has a broken header"):
        read_volume(tmp_path / "a.nii")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a[1].txt"
    write_bytes(path, b"old")
    (tmp_path / ".a[1].txt.0123dead.part").write_bytes(b"left by a run that was killed")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a[1].txt"]
    assert path.read_bytes() == b"old"
