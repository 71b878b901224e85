"""The prior that comes with the package."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.priors import GENERATION, PRIORS, RECONSTRUCTION
from rsd_mri.priors.prior import load_prior
from rsd_mri.protocol import DataSettings
from rsd_mri.reconstruction.calibration import read_calibration
from rsd_mri.reconstruction.finish import pooled_std
from rsd_mri.reconstruction.full_scans import undersampled
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, DiffPIR
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.simulation import simulate_folder, simulate_scan


def test_it_is_small_whole_and_named_in_its_card():
    assert all(path.stat().st_size < 8e6 for path in PRIORS.rglob("*.safetensors"))
    prior = load_prior(RECONSTRUCTION)
    assert prior.kind == "denoiser" and prior.teacher is not None and prior.teacher.kind == "teacher"
    text = (RECONSTRUCTION / "README.md").read_text()
    for one in (prior, prior.teacher):
        assert one.card.acceleration == 4.0
        assert one.sha256 in text


@pytest.mark.parametrize("name", ["diffpir", "shared", "varied"])
def test_its_samplers_have_intervals_at_every_acceleration(name):
    known = map(read_calibration, RECONSTRUCTION.glob("calibration-*.json"))
    law = (SAMPLERS[name].levels, 4, load_prior(RECONSTRUCTION).sha256)
    found = [c for c in known if c.sampler == name and (c.levels, c.samples, c.prior_hash) == law]
    assert sorted(round(c.acceleration, 1) for c in found) == [2.0, 2.8, 4.0, 5.7, 8.0]
    assert all(0.9 <= c.covered < 0.96 for c in found)


def test_the_generator_is_named_in_its_card():
    generator = load_prior(GENERATION, "generator")
    assert generator.card.acceleration == 4.0
    text = (GENERATION / "README.md").read_text()
    assert generator.sha256 in text and load_prior(GENERATION, "denoiser").sha256 in text


def test_generate_without_a_run_uses_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["generate", "-n", "3"])
    assert result.exit_code == 0, (result.output, result.exception)
    with h5py.File(tmp_path / "generated.h5") as file:
        assert {value.shape for value in file.values()} == {(3, 64, 64)}


@pytest.mark.long
def test_its_teacher_generates_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_teacher = CliRunner().invoke(app, ["generate", "-n", "1", "--with", "teacher", "--out", "taught.h5"])
    assert by_teacher.exit_code == 0, (by_teacher.output, by_teacher.exception)
    with h5py.File(tmp_path / "taught.h5") as file:
        assert file.attrs["network_calls"] == 35


def test_recon_without_options_uses_it(tmp_path):
    scan = Path(simulate_folder(tmp_path, 1, 1, 48, 4, 0.01, 2.0, 5)[0])
    result = CliRunner().invoke(app, ["recon", str(scan), "--samples", "2"])
    assert result.exit_code == 0, (result.output, result.exception)
    with h5py.File(tmp_path / f"{scan.stem}_recon.h5") as file:
        assert file.attrs["method"] == "posterior"
        assert file.attrs["prior_hash"] == load_prior(RECONSTRUCTION).sha256
        assert file["samples"].shape == (2, 1, 48, 48)


@pytest.mark.long
def test_where_samples_say_too_little_the_reconstructor_says_the_deviation():
    scan, _ = simulate_scan(DataSettings(slices=1, coils=4, noise=0.01), 5, 0, size=(48, 48))
    short = undersampled(scan, 2.5, 0)
    sampler = DiffPIR(levels=2, start="one-step")
    rec = reconstruct_scan(short, method_of("posterior", sampler=sampler, samples=1))
    alone = reconstruct_scan(short, method_of("one-step"))
    assert rec.samples.shape == (1, 1, 48, 48) and rec.std.any()
    # The first-order deviation of a magnitude, of one set the same whatever the image; of two by their shares.
    assert np.allclose(rec.std, alone.std, rtol=0.2, atol=1e-3 * alone.std.max())
    # Whatever it began from; samples that are drawn with full noise say it themselves.
    by_tv = reconstruct_scan(short, method_of("posterior", sampler=replace(sampler, start="tv"), samples=1))
    assert np.allclose(by_tv.std, alone.std, rtol=0.2, atol=1e-3 * alone.std.max())
    several = {noise: replace(sampler, noise=noise, extrapolation=0.0) for noise in (0.5, 1.0)}
    mixed, spread = (
        reconstruct_scan(short, method_of("posterior", sampler=one, samples=3)) for one in several.values()
    )
    assert np.allclose(spread.std[0], pooled_std(spread.samples[:, 0]))
    assert np.allclose(mixed.std[0] ** 2, pooled_std(mixed.samples[:, 0]) * alone.std[0], rtol=0.3, atol=1e-7)
