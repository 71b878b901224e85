"""A radial scan from the command line to its images, by every method."""

import json

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from rsd_mri.commands.app import app

pytest.importorskip("mrinufft")
pytest.importorskip("finufft")


def call(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("radial")
    shape = ["--volumes", 1, "--slices", 1, "--matrix", 64, "--coils", 4]
    made = call("simulate", folder, *shape, "--trajectory", "radial", "--accel", 4, "--json")
    return folder, made["files"][0]


def psnr(folder, scan, method):
    with h5py.File(folder / "brain_0_0000_recon.h5") as file, h5py.File(scan) as full:
        ours, truth = file["reconstruction"][()], full["reconstruction_rss"][()]
        assert file.attrs["method"] == method and "ot for diagnostic use" in file.attrs["warning"]
    return 20 * np.log10(truth.max() / np.sqrt(np.mean((ours - truth) ** 2)))


def test_classical_methods(scan, tmp_path):
    _, path = scan
    found = {}
    for method in ("zero-filled", "cg-sense", "l1-wavelet", "tv"):
        values = call("recon", path, "--method", method, "--out", tmp_path, "--json")["reconstructions"][0]
        assert values["size"] == [1, 64, 64]
        found[method] = psnr(tmp_path, path, method)
        if method != "zero-filled":
            assert 0.8 < values["residual"] < 1.6
    assert found["cg-sense"] > found["zero-filled"] + 2
    assert min(found["l1-wavelet"], found["tv"]) > found["cg-sense"]


@pytest.mark.long
def test_posterior_with_spokes_held_out(scan, tmp_path):
    _, path = scan
    options = ["--samples", 1, "--levels", 12, "--out", tmp_path, "--json"]
    values = call("recon", path, *options)["reconstructions"][0]
    assert values["checks"]["held_out_error"] < 0.05
    classical = tmp_path / "classical"
    call("recon", path, "--method", "cg-sense", "--out", classical, "--json")
    assert psnr(tmp_path, path, "posterior") > psnr(classical, path, "cg-sense") + 1


def test_preparing_for_training_says_what_is_missing(scan, tmp_path):
    _, path = scan
    done = CliRunner().invoke(app, ["prep", str(path), "--out", str(tmp_path / "prepared")])
    assert done.exit_code == 2 and "Cartesian" in done.output
