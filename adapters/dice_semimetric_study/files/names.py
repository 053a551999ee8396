"""What the name of a file tells: the format by its ending, and one spelling of what looks alike."""

import re
import unicodedata
from pathlib import PurePath

#: What is read, for texts.
READ = "NIfTI, NRRD, MetaImage, Analyze, PNG and TIFF"
#: As a regular expression: endings have no case, since .NII.GZ comes from other systems.
NIFTI = r"(?i:\.nii(?:\.gz)?)"
PICTURES = (".png", ".jpeg", ".jpg", ".jp2", ".bmp", ".gif")
DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
#: Endings of images that are not NIfTI, the longer ones of two first.
OTHERS = (
    *(".nii.bz2", ".nii.xz", ".nii.zst", ".nii.zip", ".nii.7z", ".img.gz", ".hdr.gz"),
    *(".hdr", ".img", ".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".mnc"),
    *(".gipl.gz", ".gipl", ".ome.tiff", ".ome.tif", ".tiff", ".tif", ".npy", ".npz", ".b2nd"),
    *(".mat", ".h5", ".hdf5"),
    *(*PICTURES, *DICOM_ENDINGS),
)
#: Of those, what is read: volumes, and pictures, which may also be views of a volume.
NRRD, META, ANALYZE = (".seg.nrrd", ".nrrd", ".nhdr"), (".mha", ".mhd"), (".hdr",)
STILLS = (".png", ".ome.tiff", ".ome.tif", ".tiff", ".tif")
VOLUMES = (*NRRD, *META, *ANALYZE)
#: How the name of a calibrator ends that ``calibrate`` keeps, and of no image.
CALIBRATOR = ".calibrator.npz"
_NIFTI = re.compile(rf"(.*){NIFTI}", re.DOTALL)


def is_nifti(name: str) -> bool:
    """Return whether a file is NIfTI by its name."""
    return _NIFTI.fullmatch(name) is not None


def is_npz(name: str) -> bool:
    """Return whether a file is an archive of NumPy's by its name."""
    return name.lower().endswith(".npz")


def is_compressed(path: PurePath) -> bool:
    """Return whether a file is compressed by gzip, by its name."""
    return path.suffix.lower() == ".gz"


def is_foreign(name: str) -> bool:
    """Return whether a file that is not NIfTI is read: a volume or a picture, by its name."""
    return other_format(name) in (*VOLUMES, *STILLS)


def other_format(name: str) -> str:
    """Return the ending of an image in a format other than NIfTI, or an empty string."""
    lower = name.lower()
    if not lower.endswith(OTHERS):
        return ""
    return next(end for end in OTHERS if lower.endswith(end))


def without_ending(name: str) -> str:
    """Return the name of an image without the ending of its format."""
    found = _NIFTI.fullmatch(name)
    return found.group(1) if found else name[: len(name) - len(other_format(name))]


def one_spelling(text: str) -> str:
    """Return text in Unicode's composed form (NFC): systems spell one and the same name in two."""
    return unicodedata.normalize("NFC", text)
