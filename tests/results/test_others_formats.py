"""Images for BART and for ISMRMRD's tools, read back by them."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from rsd_mri.results.formats import FORMATS, NOTHING, save_as
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.scan import Geometry

SHAPE = (2, 12, 10)


@pytest.fixture
def rec():
    rng = np.random.default_rng(0)
    image = (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)).astype(np.complex64)
    return Reconstruction(
        magnitude=np.abs(image), image=image, csm=np.ones((2, 1, 12, 10), np.complex64), method="tv",
        source=Path("scan.h5"), mask=np.ones(10, bool), mask_source="full", acceleration=1.0,
        residual=np.ones(2, np.float32), sigma=np.ones(2, np.float32), seconds=np.ones(2),
        geometry=Geometry(
            (2.0, 1.5, 4.0), 0.0, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0),
            ((0.0, 0.0, -2.0), (0.0, 0.0, 2.0)),
        ),
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")
def test_bart_reads_its_format(rec, tmp_path):
    files = save_as(tmp_path / "a.cfl", rec)
    assert [f.name for f in files] == ["a.cfl", "a.hdr"]
    assert "ot for diagnostic use" in files[1].read_text()
    # Slices one and readout line 3, cut out by BART itself.
    for words in (["slice", "13", "1", "a", "b"], ["slice", "0", "3", "b", "c"]):
        subprocess.run(["bart", *words], cwd=tmp_path, check=True, timeout=60)
    assert np.array_equal(np.fromfile(tmp_path / "c.cfl", np.complex64), rec.image[1, 3])
    shown = subprocess.run(["bart", "show", "-m", "a"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "12" in shown.stdout.split() and "10" in shown.stdout.split()


def test_frames_are_barts_time(rec, tmp_path):
    later = replace(rec, image=2 * rec.image, frame={"repetition": 1})
    FORMATS["cfl"].write(tmp_path / "a.cfl", [replace(rec, frame={"repetition": 0}), later], NOTHING)
    sizes = [int(n) for n in (tmp_path / "a.hdr").read_text().splitlines()[1].split()]
    array = np.fromfile(tmp_path / "a.cfl", np.complex64).reshape(sizes, order="F")
    assert (sizes[10], sizes[13]) == (2, 2)
    assert np.array_equal(array.squeeze()[:, :, 1, 0], 2 * rec.image[0])


def test_ismrmrd_reads_its_format(rec, tmp_path):
    later = replace(rec, magnitude=2 * rec.magnitude, frame={"repetition": 1})
    FORMATS["mrd"].write(tmp_path / "a.mrd", [replace(rec, frame={"repetition": 0}), later], NOTHING)
    with ismrmrd.Dataset(str(tmp_path / "a.mrd"), "dataset", create_if_needed=False) as file:
        assert file.number_of_images("magnitude") == file.number_of_images("image") == 4
        first, last = file.read_image("magnitude", 0), file.read_image("magnitude", 3)
        whole = file.read_image("image", 1)
        header = ismrmrd.xsd.CreateFromDocument(file.read_xml_header())
    assert header.encoding[0].reconSpace.matrixSize.x == 12
    # x is the readout.
    assert np.array_equal(first.data[0, 0], rec.magnitude[0].T)
    assert np.array_equal(whole.data[0, 0], rec.image[1].T)
    assert np.array_equal(last.data[0, 0], 2 * rec.magnitude[1].T)
    assert (last.repetition, last.slice, first.image_type) == (1, 1, ismrmrd.IMTYPE_MAGNITUDE)
    assert tuple(last.position) == (0, 0, 2) and tuple(last.read_dir) == (1, 0, 0)
    assert tuple(first.field_of_view) == (24, 15, 4)
    assert "ot for diagnostic use" in ismrmrd.Meta.deserialize(first.attribute_string)["ImageComments"]
    with h5py.File(tmp_path / "a.mrd") as file:
        assert set(file["dataset"]) == {"xml", "magnitude", "image"}
