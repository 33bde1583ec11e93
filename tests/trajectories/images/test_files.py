"""Reading pictures: every format gives the same volume, every broken file one clear sentence."""

import gzip
import warnings
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
from PIL import Image
from posology.trajectories.images import ImageError, Volume, read_image

from .conftest import SPACING, dicom_slice, save


def agrees(found: Volume, values: np.ndarray) -> None:
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, values)
    assert found.spacing == pytest.approx(SPACING)


def test_a_dicom_series_is_put_in_order_and_rescaled(series: Path, values: np.ndarray) -> None:
    agrees(read_image(series), values)


def test_a_series_of_which_slices_run_from_head_to_foot(tmp_path: Path, values: np.ndarray) -> None:
    for number in range(4):
        turned = dicom_slice(values[number][::-1, ::-1], number * 2.0, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
        save(turned, tmp_path / f"{number}.dcm")
    agrees(read_image(tmp_path), values)


def test_a_multi_frame_file(tmp_path: Path, values: np.ndarray) -> None:
    data = dicom_slice(values, 0.0, NumberOfFrames=4, SpacingBetweenSlices=2.0)
    agrees(read_image(save(data, tmp_path / "a.dcm")), values)


def test_low_is_bright_in_monochrome1(tmp_path: Path) -> None:
    pixels = np.array([[0, 10], [20, 100]])
    data = dicom_slice(pixels, 0.0, intercept=0, PhotometricInterpretation="MONOCHROME1")
    assert read_image(save(data, tmp_path / "a.dcm")).values.tolist() == [[[100, 90], [80, 0]]]


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_nifti_in_its_own_directions(tmp_path: Path, values: np.ndarray, suffix: str) -> None:
    right_to_left = values.transpose(2, 1, 0)[::-1, ::-1]  # steps to the right and to the front, as RAS+ wants
    affine = np.diag([SPACING[2], SPACING[1], SPACING[0], 1])
    nibabel.save(nibabel.Nifti1Image(right_to_left, affine), tmp_path / f"a.{suffix}")
    agrees(read_image(tmp_path / f"a.{suffix}"), values)


def test_nifti_with_permuted_axes(tmp_path: Path, values: np.ndarray) -> None:
    affine = np.zeros((4, 4))
    affine[2, 0], affine[0, 1], affine[1, 2], affine[3, 3] = SPACING[0], -SPACING[2], -SPACING[1], 1
    nibabel.save(nibabel.Nifti1Image(values.transpose(0, 2, 1), affine), tmp_path / "a.nii")
    agrees(read_image(tmp_path / "a.nii"), values)


@pytest.mark.parametrize("space", ["left-posterior-superior", "RAS"])
def test_nrrd_in_its_own_directions(tmp_path: Path, values: np.ndarray, space: str) -> None:
    sign = 1 if space.startswith("left") else -1
    directions = np.diag([sign * SPACING[2], sign * SPACING[1], SPACING[0]])
    nrrd.write(str(tmp_path / "a.nrrd"), values.transpose(2, 1, 0), {"space": space, "space directions": directions})
    agrees(read_image(tmp_path / "a.nrrd"), values)


def test_png_of_eight_and_sixteen_bits(tmp_path: Path) -> None:
    for bits, top in ((np.uint8, 255), (np.uint16, 65535)):
        pixels = np.array([[0, 1, 2], [3, 4, top]], bits)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        found = read_image(tmp_path / "a.png", spacing=(1, 0.2, 0.2))
        assert found.values[0].tolist() == pixels.tolist()


def test_npy_of_two_and_three_axes(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", values)
    agrees(read_image(tmp_path / "a.npy", spacing=SPACING), values)
    np.save(tmp_path / "b.npy", values[0])
    assert read_image(tmp_path / "b.npy", spacing=SPACING).values.shape == (1, 5, 6)


def nothing(folder: Path, good: Path) -> Path:
    return folder / "absent.dcm"


def empty(folder: Path, good: Path) -> Path:
    (folder / "a.dcm").write_bytes(b"")
    return folder / "a.dcm"


def text(folder: Path, good: Path) -> Path:
    (folder / "a.dcm").write_text("a letter\n" * 50)
    return folder / "a.dcm"


def truncated_dicom(folder: Path, good: Path) -> Path:
    content = sorted(good.iterdir())[0].read_bytes()
    (folder / "a.dcm").write_bytes(content[:-20])
    return folder / "a.dcm"


def truncated_header(folder: Path, good: Path) -> Path:
    (folder / "a.dcm").write_bytes(sorted(good.iterdir())[0].read_bytes()[:150])
    return folder / "a.dcm"


def truncated_gzip(folder: Path, good: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.zeros((30, 30, 30), np.int16), np.eye(4)), folder / "b.nii.gz")
    content = (folder / "b.nii.gz").read_bytes()
    (folder / "a.nii.gz").write_bytes(content[: len(content) // 2])
    return folder / "a.nii.gz"


def truncated_nifti(folder: Path, good: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 9, 9), np.int16), np.eye(4)), folder / "b.nii")
    (folder / "a.nii").write_bytes((folder / "b.nii").read_bytes()[:500])
    return folder / "a.nii"


def mislabelled(folder: Path, good: Path) -> Path:
    (folder / "a.nrrd").write_bytes(sorted(good.iterdir())[0].read_bytes())
    return folder / "a.nrrd"


def missing_slice(folder: Path, good: Path) -> Path:
    (good / "2.dcm").unlink()
    return good


def repeated_slice(folder: Path, good: Path) -> Path:
    (good / "again.dcm").write_bytes((good / "2.dcm").read_bytes())
    return good


def two_series(folder: Path, good: Path) -> Path:
    save(dicom_slice(np.zeros((5, 6)), 99, series="1.2.4"), good / "other.dcm")
    return good


def mixed_folder(folder: Path, good: Path) -> Path:
    np.save(good / "a.npy", np.zeros((2, 2)))
    return good


def no_slices(folder: Path, good: Path) -> Path:
    (folder / "none").mkdir()
    return folder / "none"


def zero_size(folder: Path, good: Path) -> Path:
    return save(dicom_slice(np.zeros((0, 6)), 0), folder / "a.dcm")


def colour(folder: Path, good: Path) -> Path:
    return save(dicom_slice(np.zeros((5, 6)), 0, SamplesPerPixel=3, PhotometricInterpretation="RGB"), folder / "a.dcm")


def no_spacing(folder: Path, good: Path) -> Path:
    data = dicom_slice(np.zeros((5, 6)), 0)
    del data.PixelSpacing
    return save(data, folder / "a.dcm")


def wrong_orientation(folder: Path, good: Path) -> Path:
    return save(dicom_slice(np.zeros((5, 6)), 0, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), folder / "a.dcm")


def time_series(folder: Path, good: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 3), np.int16), np.eye(4)), folder / "a.nii")
    return folder / "a.nii"


def not_finite(folder: Path, good: Path) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.full((2, 2, 2), np.nan, np.float32), np.eye(4)), folder / "a.nii")
    return folder / "a.nii"


def flat_space(folder: Path, good: Path) -> Path:
    directions = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])
    header = {"space": "left-posterior-superior", "space directions": directions}
    nrrd.write(str(folder / "a.nrrd"), np.zeros((2, 2, 2)), header)
    return folder / "a.nrrd"


def png_without_spacing(folder: Path, good: Path) -> Path:
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(folder / "a.png")
    return folder / "a.png"


BROKEN = [
    (nothing, "no such file"),
    (empty, "an empty file"),
    (text, "no DICOM, NIfTI, NRRD, PNG or NPY file"),
    (truncated_dicom, "not a readable DICOM file"),
    (truncated_header, "not a readable DICOM file|no pixels"),
    (truncated_gzip, "damaged gzip|not a readable NIfTI"),
    (truncated_nifti, "not a readable NIfTI file"),
    (mislabelled, "named like NRRD, but holds DICOM: rename it"),
    (missing_slice, "slices are missing"),
    (repeated_slice, "holds repeats"),
    (two_series, "2 series in one folder"),
    (mixed_folder, "holds DICOM, NPY"),
    (no_slices, "an empty folder"),
    (zero_size, "no pixels"),
    (colour, "a colour picture"),
    (no_spacing, "no pixel spacing"),
    (wrong_orientation, "not two perpendicular directions"),
    (time_series, "expected one volume"),
    (not_finite, "not finite"),
    (flat_space, "do not span space"),
    (png_without_spacing, "PNG holds no spacing"),
]


@pytest.mark.parametrize(("broken", "message"), BROKEN, ids=[b.__name__ for b, _ in BROKEN])
def test_a_broken_file_is_one_clear_sentence(tmp_path: Path, series: Path, broken, message: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a decoder may complain on the way
        path = broken(tmp_path, series)
        with pytest.raises(ImageError, match=message) as caught:
            read_image(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_spacing_is_refused_where_the_file_holds_its_own(series: Path) -> None:
    with pytest.raises(ImageError, match="holds its own spacing"):
        read_image(series, spacing=SPACING)


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageError, match="not a readable NPY file"):
        read_image(tmp_path / "a.npy", spacing=SPACING)


def test_a_random_tail_never_escapes_as_a_foreign_error(tmp_path: Path, series: Path) -> None:
    """Bytes of a good file overwritten at random: a volume or an ImageError, never a decoder's own exception."""
    generator = np.random.default_rng(0)
    good = bytearray((series / "0.dcm").read_bytes())
    packed = bytearray(gzip.compress(bytes(good)))
    outcomes: dict[type, int] = {Volume: 0, ImageError: 0}
    for number in range(60):
        content = bytearray(good if number % 2 else packed)
        for place in generator.integers(132, len(content), 3):
            content[place] = generator.integers(256)
        file = tmp_path / "a.dat"
        file.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                outcomes[type(read_image(file))] += 1
            except ImageError:
                outcomes[ImageError] += 1
    assert min(outcomes.values()) >= 5


def test_nothing_that_stands_in_a_file_reaches_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = dicom_slice(np.zeros((5, 6)), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.PatientBirthDate = "Jane Doe, born 1950"  # no date: the decoder would quote it
        path = save(data, tmp_path / "a.dcm")
    caplog.clear()
    read_image(path)
    assert "Jane" not in caplog.text
