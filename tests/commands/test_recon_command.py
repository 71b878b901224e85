"""`recon` and `calibrate` through the command line, with an untrained prior."""

import json

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import WHOLE_IMAGES, Inputs, build_denoiser, save_prior
from rsd_mri.protocol import NetworkSettings, Protocol
from rsd_mri.simulation import simulate_folder


def call(*arguments, code=0):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == code, (done.output, done.exception)
    return done


def last(done):
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("recon")
    protocol = Protocol(network=NetworkSettings(channels=4, multipliers=(1, 2)))
    torch.manual_seed(0)
    denoiser = build_denoiser(protocol, WHOLE_IMAGES)
    save_prior(path / "prior.safetensors", "denoiser", denoiser, protocol, WHOLE_IMAGES, Card(acceleration=2.0))
    inputs = Inputs()
    save_prior(path / "generator.safetensors", "generator", build_denoiser(protocol, inputs), protocol, inputs, Card())
    simulate_folder(path / "under", 1, 1, 64, 4, 0.01, 4.0, 0)
    simulate_folder(path / "full", 2, 2, 64, 4, 0.01, None, 1)
    return path


@pytest.mark.parametrize("sampler", ["diffpir", "few-step", "annealing", "langevin", "dps", "a-dps"])
def test_every_sampler(folder, sampler):
    (scan,) = (folder / "under").glob("*.h5")
    prior = folder / "prior.safetensors"
    options = ["--sampler", sampler, "--levels", 3, "--samples", 2, "--consistency", "--prior", prior]
    one = last(call("recon", scan, *options, "--out", folder / sampler, "--json"))["reconstructions"][0]
    assert one["checks"]["peak_mib"] > 1
    assert {"prior_share", "held_out_error", "measured_dispersion"} <= set(one["checks"])
    assert any("R=" in note and "prior was learned" in note for note in one["notes"])
    with h5py.File(folder / sampler / f"{scan.stem}_recon.h5") as file:
        assert json.loads(file.attrs["parameters"])["sampler"] == sampler
        assert json.loads(file.attrs["checks"]) == one["checks"]
        assert file["prior_part"].shape == file["measured_part"].shape == file["reconstruction"].shape


@pytest.mark.long
def test_sampling_through_a_generator(folder):
    """The run folder's generator is taken; its images fit the data better after the warm start than before."""
    (scan,) = (folder / "under").glob("*.h5")
    common = ["--sampler", "noise-space", "--samples", 2, "--prior", folder, "--json"]
    one = last(call("recon", scan, *common, "--levels", 4, "--out", folder / "noise"))["reconstructions"][0]
    assert one["prior"].endswith("generator.safetensors")
    assert "held_out_error" not in one["checks"]
    with h5py.File(folder / "noise" / f"{scan.stem}_recon.h5") as file:
        assert file["samples"].shape[0] == 2 and np.isfinite(file["reconstruction"][()]).all()
        assert file["std"][()].max() > 0


def test_generators_and_samplers_that_do_not_fit_are_refused(folder):
    (scan,) = (folder / "under").glob("*.h5")
    said = call("recon", scan, "--sampler", "noise-space", code=2).output
    assert "needs a one-step generator" in said
    said = call("recon", scan, "--prior", folder / "generator.safetensors", code=2).output
    assert "noise-space only" in said
    said = call("recon", scan, "--prior", folder / "prior.safetensors", "--sampler", "noise-space", code=2).output
    assert "a generator is needed here" in said


@pytest.mark.long
def test_calibrate_then_recon(folder):
    common = ["--prior", folder / "prior.safetensors", "--samples", 2, "--levels", 2]
    found = last(call("calibrate", folder / "full", "--accel", 3, "--out", folder / "c.json", *common, "--json"))
    assert found["images"] == 4
    assert found["factor"] > 0
    (scan,) = (folder / "under").glob("*.h5")
    common = ["--prior", folder / "prior.safetensors", "--levels", 2, "--no-held-out", "--out", folder / "calibrated"]
    call("recon", scan, *common, "--calibration", folder / "c.json")
    with h5py.File(folder / "calibrated" / f"{scan.stem}_recon.h5") as file:
        assert len(file["samples"]) == 2  # as many as it was calibrated with
        assert file["half_width"].shape == file["std"].shape
        assert np.isfinite(file["half_width"][()]).all()
        assert "held_out_error" not in json.loads(file.attrs["checks"])


@pytest.mark.long
def test_workers_calibrate_as_one_process_does(folder):
    common = ["--prior", folder / "prior.safetensors", "--samples", 2, "--levels", 2, "--accel", 3, "--json"]
    alone, shared = (
        last(call("calibrate", folder / "full", *common, "--workers", workers, "--out", folder / f"{workers}.json"))
        for workers in (1, 2)
    )
    assert shared.pop("out") != alone.pop("out")
    assert shared.keys() == alone.keys()
    for name, value in alone.items():
        same = value if value is None or isinstance(value, str) else pytest.approx(value, rel=1e-4)
        assert shared[name] == same, name


def test_bad_calibrations_are_one_sentence(folder):
    (scan,) = (folder / "under").glob("*.h5")
    done = call("recon", scan, "--calibration", folder / "none.json", code=2)
    assert "make one with `rsd-mri calibrate`" in done.stderr
    done = call("calibrate", folder / "under", "--prior", folder / "prior.safetensors", "--samples", 2, code=2)
    assert "needs fully sampled scans" in done.stderr


@pytest.mark.parametrize("method", ["zero-filled", "one-step", pytest.param("posterior", marks=pytest.mark.long)])
def test_stress_is_said_and_stored(folder, method):
    prior = folder / "prior.safetensors"
    done = call(
        "recon",
        next((folder / "under").glob("*.h5")),
        "--method",
        method,
        *([] if method == "zero-filled" else ["--prior", prior]),
        *(["--levels", 2] if method == "posterior" else []),
        "--samples",
        2,
        "--stress",
        "--out",
        folder / "stress",
        "--json",
    )
    (found,) = last(done)["reconstructions"]
    assert found["checks"]["stress_factor"] >= 1
    assert any("Worst case" in note for note in found["notes"])
