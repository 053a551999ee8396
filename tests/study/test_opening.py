"""Only regular files are opened, no more is inflated than the header claims, and all is named."""

import gzip
import os
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cases.blocks import Reading, read_blocks
from dice_semimetric_study.cases.study import Study
from dice_semimetric_study.faults import CaseError
from dice_semimetric_study.files import opening
from dice_semimetric_study.files.slabs import read_slabs
from dice_semimetric_study.files.volumes import read_geometry, read_header_of, read_volume
from study_files import AFFINE, save

DATA = np.random.default_rng(0).normal(size=(9, 8, 7)).astype(np.float32)
CONTENT = nib.Nifti1Image(DATA, AFFINE).to_bytes()


def slabs(path: Path) -> np.ndarray:
    return np.concatenate(list(read_slabs(path, 3, 2)))


WHOLE: list[Callable[[Path], object]] = [read_volume, slabs]
READERS = [*WHOLE, read_geometry, read_header_of]


@pytest.fixture(params=["at once", "stream", "zlib"])
def inflation(request, monkeypatch) -> str:
    """With libdeflate and ISA-L, where they are there, and without."""
    if request.param != "at once":
        monkeypatch.setattr(opening, "_deflate", None)
    if request.param == "zlib":
        monkeypatch.setattr(opening, "_open_gzip", gzip.open)
    return str(request.param)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Return what is no file, by what it is called in the reason."""
    found = {}
    for reason, end in (
        ("is a folder, not a file", ".nii.gz"),
        ("is a named pipe, not a file", ".nii"),
        ("is a socket, not a file", ".nii.gz"),
        ("is a device, not a file", ".nii"),
        ("is a link to a file that is not there", ".nii.gz"),
        ("cannot be read: Too many levels of symbolic links", ".nii"),
        ("is not there", ".nii.gz"),
    ):
        found[reason] = tmp_path / f"{len(found)} b{end}"
    folder, pipe, sock, device, broken, loop, _ = found.values()
    folder.mkdir()
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # the path of a socket must be short
        server.bind(sock.name)
        os.chdir(here)
        device.symlink_to("/dev/zero")
        broken.symlink_to("nowhere")
        loop.symlink_to(loop.name)
        yield found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_only_regular_files_are_opened(places: dict[str, Path]) -> None:
    for reason, path in places.items():
        for read in READERS:
            with pytest.raises(CaseError) as error:
                read(path)
            assert str(error.value) == f"{path.name} {reason}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_file_that_becomes_a_pipe_is_not_waited_for(tmp_path: Path, monkeypatch) -> None:
    os.mkfifo(tmp_path / "a.nii.gz")
    monkeypatch.setattr(opening, "require_regular", lambda path: None)
    with pytest.raises(CaseError, match=r"a.nii.gz is a named pipe"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("place", ["open", "read"])
def test_what_the_system_refuses_is_named(tmp_path: Path, monkeypatch, place, inflation) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(CONTENT))

    def refuse(*_: object) -> int:
        if place == "open":
            raise PermissionError(13, "Permission denied", str(path))
        return os.open("/proc/self/mem", os.O_RDONLY)  # at its beginning it cannot be read

    monkeypatch.setattr(opening, "_without_waiting", refuse)
    monkeypatch.setattr(opening, "_require_file", lambda *_: None)
    monkeypatch.setattr(os, "fstat", lambda _: path.stat())
    reason = "Permission denied" if place == "open" else "Input/output error"
    for read in READERS:
        with pytest.raises(CaseError) as error:
            read(path)
        assert str(error.value) == f"a.nii.gz cannot be read: {reason}"


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
@pytest.mark.parametrize("size", [1, 5000, (1 << 24) + 1])
def test_surplus_data_are_counted(tmp_path: Path, inflation, end: str, size: int) -> None:
    path = tmp_path / f"a{end}"
    longer = CONTENT + bytes(size)
    path.write_bytes(gzip.compress(longer, 1) if end == ".nii.gz" else longer)
    count = str(size) if size <= 1 << 24 or end == ".nii" else f"over {1 << 24}"
    for read in WHOLE:
        with pytest.raises(CaseError) as error:
            read(path)
        claimed = len(CONTENT)
        expected = f"a{end} holds {count} bytes more than the {claimed} that its header claims"
        assert str(error.value) == expected
    assert read_geometry(path).shape == DATA.shape


@pytest.mark.parametrize("level", [1, 9])
@pytest.mark.parametrize("zeros", [True, False])
def test_a_second_part_is_surplus_too(tmp_path: Path, inflation, level: int, zeros: bool) -> None:
    """Also where it is as long as the first, or the very same."""
    image = np.zeros((40, 40, 40), np.float32) if zeros else DATA
    content = nib.Nifti1Image(image, AFFINE).to_bytes()
    other = nib.Nifti1Image(image + 1, AFFINE).to_bytes()
    path = tmp_path / "a.nii.gz"
    for more in (content, other, other[:100]):
        path.write_bytes(gzip.compress(content, level) + gzip.compress(more, level))
        for read in WHOLE:
            with pytest.raises(CaseError, match=rf"a.nii.gz holds {len(more)} bytes more than"):
                read(path)
    parts = (content[:100], content[100:400], b"", content[400:])
    path.write_bytes(b"".join(map(gzip.compress, parts)) + bytes(1024))  # and padding of a tape
    np.testing.assert_array_equal(read_volume(path).data, image)
    np.testing.assert_array_equal(slabs(path), image.reshape(-1, order="F"))


def test_much_padding_is_surplus(tmp_path: Path, inflation) -> None:
    """Gzip reads zeros behind its data byte by byte."""
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(CONTENT))
    with path.open("r+b") as file:
        file.truncate(1 << 22)
    for read in (*WHOLE, read_header_of):
        with pytest.raises(CaseError, match=r"a.nii.gz holds more, in 4194304 bytes comp"):
            read(path)


def test_a_bomb_takes_no_memory(tmp_path: Path, inflation) -> None:
    path = tmp_path / "a.nii.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(CONTENT)
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    for read in WHOLE:
        with pytest.raises(CaseError, match=r"a.nii.gz holds over \d+ bytes more than"):
            read(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 << 20


def test_a_case_is_held_against_its_headers_before_it_is_inflated(
    tmp_path: Path, inflation
) -> None:
    mask = np.zeros((20, 24), np.uint8)
    for rater in (1, 2):
        save(tmp_path / f"ref/a/task01_seg0{rater}.nii.gz", mask)
    pred = save(tmp_path / "pred/a/task01.nii.gz", np.zeros((1 << 13, 1 << 12), np.uint8))
    (pair,), _ = Study(tmp_path / "ref", tmp_path / "pred").pairs()
    tracemalloc.start()
    for reorient in (False, True):
        with pytest.raises(CaseError, match=r"shapes: \(20, 24\) and \(8192, 4096\)"):
            list(read_blocks(pair, Reading(reorient=reorient)))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < pred.stat().st_size + (4 << 20)


def test_extensions_are_bounded(tmp_path: Path, inflation) -> None:
    content = bytearray(CONTENT)
    content[108:112] = np.float32(1 << 29).tobytes()  # vox_offset
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content + bytes(1 << 20)))
    for read in (*WHOLE, read_header_of):
        with pytest.raises(CaseError, match=r"a.nii.gz has a broken header: its voxels begin at"):
            read(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer.*git lfs pull"),
        (b"/annex/objects/MD5-s1--1\n", "is a git-annex pointer.*git annex get"),
        (b"\n <!DOCTYPE HTML PUBLIC>", "is an HTML page, not an image"),
        (b"\xef\xbb\xbf<html lang='de'>", "is an HTML page, not an image"),
        (b"<?xml version='1.0'?><Error>", "is an XML page, not an image"),
        (b'{"message": "Not Found"}', "is JSON, not an image"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG picture, whatever its name"),
        (b"NRRD0004\n", "is NRRD, whatever its name"),
        (b"ObjectType = Image\n", "is MetaImage, whatever its name"),
        (b"PK\3\4", "is a zip archive"),
    ],
)
def test_what_another_file_is(tmp_path: Path, content: bytes, reason: str) -> None:
    for name, held in (
        ("a.nii", content),
        ("a.nii.gz", content),
        ("b.NII.GZ", gzip.compress(content)),
        ("c.nii.gz", gzip.compress(content * 30)),
    ):
        (tmp_path / name).write_bytes(held)
        for read in READERS:
            with pytest.raises(CaseError, match=f"{name} {reason}"):
                read(tmp_path / name)


def test_names_that_promise_another_compression(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(gzip.compress(CONTENT))
    (tmp_path / "a.nii.gz").write_bytes(CONTENT)
    for read in READERS:
        with pytest.raises(CaseError, match=r"a.nii is compressed: its name must end in .nii.gz"):
            read(tmp_path / "a.nii")
        with pytest.raises(CaseError, match=r"a.nii.gz is corrupt: it is not compressed: re"):
            read(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("end", [".NII.GZ", ".Nii.gz", ".nii.GZ", ".NII", ".Nii"])
def test_endings_have_no_case(tmp_path: Path, inflation, end: str) -> None:
    path = tmp_path / f"a{end}"
    path.write_bytes(gzip.compress(CONTENT) if "gz" in end.lower() else CONTENT)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, DATA)
    np.testing.assert_array_equal(slabs(path), DATA.reshape(-1, order="F"))
