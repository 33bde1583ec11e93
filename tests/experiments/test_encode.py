"""`posology encode` on image files made here: what is read, what is left out, and events that a task can read."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from posology.experiments.cli import app
from posology.experiments.encode import images_in, read_images
from posology.patient_models.imaging.encoder import Encoder
from posology.patient_models.imaging.encoder_training import Rendered
from posology.patient_models.imaging.shipped import shipped_encoder
from posology.patient_models.imaging.unet import UNet, UNetConfig
from typer.testing import CliRunner


@pytest.fixture
def folder(tmp_path):
    """Three stacks of three slices, the lesion in the middle one, a broken file, and a table of them."""
    hu, _, size = Rendered(smallest=3.0, largest=5.0)(3, torch.Generator().manual_seed(2))
    where = tmp_path / "images"
    where.mkdir()
    lines = ["subject_id,time,path"]
    for row in range(3):
        empty = np.full((96, 96), -850.0)
        np.save(where / f"scan{row}.npy", np.stack([empty, hu[row].double().numpy(), empty]))
        lines.append(f"{row + 7},2030-01-0{row + 1} 12:00:00,images/scan{row}.npy")
    (where / "broken.npy").write_bytes(b"\\x93NUMPY no more")
    (tmp_path / "images.csv").write_text("\n".join(lines) + "\n")
    return tmp_path, size


def test_a_folder_is_read_and_what_is_broken_is_left_out(folder):
    tmp_path, size = folder
    result = CliRunner().invoke(
        app,
        ["encode", str(tmp_path / "images"), "--out", str(tmp_path / "read.parquet"), "--spacing", "5", "2.5", "2.5"],
    )
    assert result.exit_code == 0, result.output
    table = pq.read_table(tmp_path / "read.parquet").to_pydict()
    assert table["image"] == ["scan0.npy", "scan1.npy", "scan2.npy"] and table["slice"] == [1, 1, 1]
    lesion = size[:, 0] > 0
    ratio = torch.tensor(table["volume"])[lesion] / size[lesion, 0]
    assert ratio.log().abs().median() < 0.3 and len(table) == 2 + 9
    assert (tmp_path / "read.png").stat().st_size > 5000
    assert not (tmp_path / "read_events.parquet").exists()


def test_a_table_gives_events_as_well(folder):
    tmp_path, _ = folder
    arguments = [str(tmp_path / "images.csv"), "--out", str(tmp_path / "read.csv"), "--spacing", "5", "2.5", "2.5"]
    assert CliRunner().invoke(app, ["encode", *arguments]).exit_code == 0
    events = pq.read_table(tmp_path / "read_events.parquet").to_pandas()
    assert sorted(events.subject_id.unique()) == [7, 8, 9] and len(events) == 3 * 9
    assert {"IMAGING//CHEST_CT//TUMOR_VOLUME//cm3", "IMAGING//CHEST_CT//EMBEDDING_6"} <= set(events.code)
    assert events.numeric_value.notna().all()
    assert (tmp_path / "read.csv").read_text().startswith('"subject_id","time","image"')


def test_what_cannot_be_done_is_said(folder):
    tmp_path, _ = folder
    with pytest.raises(FileNotFoundError, match="no such"):
        images_in(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="none of 1 images"):
        read_images([tmp_path / "images" / "broken.npy"], shipped_encoder(), spacing=(5.0, 2.5, 2.5))
    deep = Encoder(UNet(UNetConfig(dimensions=3, pixel=(0.5, 0.5, 0.5))))
    with pytest.raises(ValueError, match="slices"):
        read_images([tmp_path / "images" / "scan0.npy"], deep)
