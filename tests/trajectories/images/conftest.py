"""Pictures written by the tests: one known volume in every format."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SPACING = (2.0, 0.5, 0.75)  # z, y, x in mm


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).integers(-200, 900, (4, 5, 6)).astype(np.int16)


def dicom_slice(
    pixels: np.ndarray, z: float, *, series: str = "1.2.3", intercept: float = -1024, **tags: object
) -> FileDataset:
    """One slice, pixels in Hounsfield units; its axes run to the left and to the back."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID, data.Modality, data.PatientName = series, "CT", "Somebody"
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.PixelSpacing = [SPACING[1], SPACING[2]]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.ImagePositionPatient = [0, 0, z]
    data.RescaleSlope, data.RescaleIntercept = 1, intercept
    data.PixelData = (pixels.astype(np.int32) - int(intercept)).astype(np.uint16).tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def save(data: FileDataset, path: Path) -> Path:
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


@pytest.fixture
def series(tmp_path: Path, values: np.ndarray) -> Path:
    """The volume as a DICOM series whose files are named in another order than they lie."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(len(values)):
        save(dicom_slice(values[number], number * SPACING[0]), folder / f"{(number * 3) % 4}.dcm")
    return folder
