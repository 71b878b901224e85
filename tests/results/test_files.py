"""Reconstructions on disk: round trip, fastMRI reads them, bad files are refused in one sentence."""

import dataclasses
from pathlib import Path

import fastmri.data.transforms
import fastmri.evaluate
import h5py
import numpy as np
import pytest

from rsd_mri.errors import InputError
from rsd_mri.metrics.image_quality import evaluate_files
from rsd_mri.results.files import write_reconstruction
from rsd_mri.results.reading import read_reconstruction
from rsd_mri.results.reconstruction import PosteriorPart, PriorUse, Reconstruction
from rsd_mri.scan.scan import Geometry


def a_reconstruction(seed: int = 0, samples: bool = True) -> Reconstruction:
    rng = np.random.default_rng(seed)
    image = (rng.normal(size=(2, 12, 9)) + 1j * rng.normal(size=(2, 12, 9))).astype(np.complex64)
    return Reconstruction(
        magnitude=np.abs(image),
        image=image,
        csm=np.ones((2, 3, 12, 9), np.complex64),
        method="posterior",
        source=Path("scans/first.h5"),
        mask=np.arange(9) % 2 == 0,
        mask_source="zeros",
        acceleration=1.8,
        residual=np.array([1.01, 0.98], np.float32),
        sigma=np.array([0.01, 0.02], np.float32),
        seconds=np.array([0.5, 0.25]),
        title="Posterior mean",
        posterior=PosteriorPart(rng.random((4, 2, 12, 9), np.float32), rng.random((2, 12, 9), np.float32))
        if samples
        else None,
        prior=PriorUse("brain.safetensors", "ab" * 32, np.abs(image), 0.1 * np.abs(image)) if samples else None,
        seed=7,
        geometry=Geometry(
            (1.0, 1.2, 5.0), 0.5, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), ((0.0, 1.0, 2.0),) * 2
        ),
        notes=("two sets of maps: the head is larger than the field of view",),
        parameters={"steps": 18, "rule": "noise"},
    )


@pytest.mark.parametrize("samples", [True, False])
def test_what_is_written_is_read_back(tmp_path, samples):
    rec = a_reconstruction(samples=samples)
    back = read_reconstruction(write_reconstruction(tmp_path / "first_recon.h5", rec))
    names = [f.name for f in dataclasses.fields(Reconstruction) if f.name not in ("posterior", "prior")]
    parts = ["samples", "std", "half_width", "measured_part", "prior_part"]
    assert (back.prior is None) == (back.posterior is None) == (not samples)
    if samples:
        assert (back.prior.path, back.prior.sha256) == (rec.prior.path, rec.prior.sha256)
    for name in names + parts:
        expected, got = getattr(rec, name), getattr(back, name)
        if isinstance(expected, np.ndarray):
            assert got.dtype == expected.dtype, name
            np.testing.assert_array_equal(got, expected, err_msg=name)
        else:
            assert got == expected, name


def test_the_file_is_laid_out_as_promised(tmp_path):
    path = write_reconstruction(tmp_path / "first_recon.h5", a_reconstruction())
    with h5py.File(path) as file:
        assert file["reconstruction"].dtype == np.float32 and file["reconstruction"].shape == (2, 12, 9)
        assert file["reconstruction_complex"].dtype == np.complex64
        assert file["samples"].shape == (4, 2, 12, 9) and file["std"].shape == (2, 12, 9)
        assert bool(file.attrs["not_for_diagnostic_use"]) is True
        assert file.attrs["mask_source"] == "zeros" and file.attrs["acceleration"] == 1.8
        assert file.attrs["residual"].shape == (2,) and file.attrs["seed"] == 7
        assert file.attrs["method"] == "posterior" and file.attrs["version"]


def test_what_is_no_reconstruction_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such"):
        read_reconstruction(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match="HDF5"):
        read_reconstruction(tmp_path / "text.h5")
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["kspace"] = np.zeros(3)
    with pytest.raises(InputError, match=r"scan.h5.*`reconstruction`"):
        read_reconstruction(tmp_path / "scan.h5")


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_an_image_without_an_image_is_never_written(tmp_path, value):
    rec = dataclasses.replace(a_reconstruction(), magnitude=np.full((2, 12, 9), value, np.float32))
    with pytest.raises(InputError, match="rsd-mri inspect"):
        write_reconstruction(tmp_path / "bad_recon.h5", rec)
    assert not list(tmp_path.iterdir())


def test_fastmri_reads_the_file(tmp_path):
    """Its command opens `reconstruction` and crops it; its functions then agree with ours on the file."""
    rec = a_reconstruction()
    target = (1.1 * rec.magnitude).astype(np.float32)
    for folder in ("targets", "predictions"):
        (tmp_path / folder).mkdir()
    write_reconstruction(tmp_path / "predictions" / "first.h5", rec)
    with h5py.File(tmp_path / "targets" / "first.h5", "w") as file:
        file["reconstruction_rss"] = target
    with h5py.File(tmp_path / "predictions" / "first.h5") as file:
        read = fastmri.data.transforms.center_crop(file["reconstruction"][()], (9, 9))
    expected = fastmri.evaluate.ssim(fastmri.data.transforms.center_crop(target, (9, 9)), read).item()
    found = evaluate_files(tmp_path / "targets", tmp_path / "predictions")
    assert found.ssim == pytest.approx(expected, rel=1e-5)
