"""What the additions of the contributing guide do. `test_contributing.py` runs this in a copy that has them."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rsd_mri.bench.noise_level import NoiseLevelSettings
from rsd_mri.commands.app import app
from rsd_mri.corruption.build import corruption_from, image_corruption, restored
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import sense_operator
from rsd_mri.protocol import Protocol, build
from rsd_mri.protocol.corruptions import RowInpaintingSettings
from rsd_mri.reconstruction.classical import methods as classical
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.classical.total_variation import gradient, gradient_adjoint
from rsd_mri.reconstruction.posterior.plug_and_play import PlugAndPlay
from rsd_mri.reconstruction.posterior.problem import Problem
from rsd_mri.reconstruction.posterior.sampler import sampler_of
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.delivery import Delivery, deliver
from rsd_mri.results.formats import described
from rsd_mri.scan import reading

SHAPE = (6, 8)
N = SHAPE[0] * SHAPE[1]
EYE = torch.eye(N, dtype=torch.complex128).reshape(N, *SHAPE)


def a_case():
    """A small operator and a random image in double precision."""
    csm = normal((1, 2, *SHAPE), generator("maps"), torch.complex128)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    operator = sense_operator(csm, torch.tensor([0, 1, 0, 1, 1, 0, 0, 1]))
    return operator, normal((1, *SHAPE), generator("image"), torch.complex128)


def dense(map_of_images):
    return map_of_images(EYE).reshape(N, N).T


def run(*arguments):
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_rows_are_hidden_as_often_as_asked_and_further_rows_are_among_those_seen():
    protocol = build(Protocol, {"corruption": {"kind": "row-inpainting", "p": 0.4, "delta": 0.2}}, "protocol")
    assert isinstance(protocol.corruption, RowInpaintingSettings)
    with pytest.raises(InputError, match="unknown key 'box' of row-inpainting; known keys: kind, sigma, p, delta"):
        build(Protocol, {"corruption": {"kind": "row-inpainting", "box": 4}}, "protocol")
    seen = torch.ones(40, 6, dtype=torch.bool)
    seen[3] = False
    undone = corruption_from(restored("row-inpainting", {"sigma": "0.1"}), (3, 40, 6))
    operator, y = undone.of_picture(torch.ones(3, 40, 6), seen)
    assert torch.equal(operator.mask[0, 0], seen) and not y[:, :, 3].any()
    corruption = image_corruption(protocol, (3, 40, 6))
    keys = [(0, i) for i in range(50)]
    operator, _ = corruption.draw(keys)
    further = corruption.further(operator, keys)
    assert (operator.mask == operator.mask[..., :1]).all()
    assert float(operator.mask.float().mean()) == pytest.approx(0.6, abs=0.05)
    assert not (further.mask & ~operator.mask).any()
    assert float(further.mask.float().mean()) == pytest.approx(0.48, abs=0.05)


def test_plug_and_play_settles_at_the_posterior_mean_of_gaussian_images():
    c, sigma = 0.8, 0.3
    operator, image = a_case()
    y = operator(c * image)
    precision = dense(operator.gram) / sigma**2 + torch.eye(N) / c**2
    mean = torch.linalg.solve(precision, operator.adjoint(y).reshape(N) / sigma**2)
    problem = Problem(
        operator,
        y,
        sigma,
        lambda x, t, step: x * (c**2 / (c**2 + t**2))[:, None, None],
        lambda step, what, like: torch.zeros_like(like),
        torch.zeros(1, *SHAPE, dtype=torch.complex128),
        c,
    )
    found = PlugAndPlay(levels=60, sigma_min=0.8, sigma_max=0.8, iterations=30, tolerance=1e-10).sample(problem)
    assert torch.allclose(found.reshape(N), mean, atol=1e-4)
    assert sampler_of("plug-and-play", 7, SAMPLERS).parameters()["levels"] == 7


def test_smooth_least_squares_are_those_of_a_dense_solve():
    sigma = 0.1
    operator, image = a_case()
    y = operator(image)
    found = CLASSICAL["smooth"].run(operator, y, sigma)
    weight = classical.default_regularisation("cg-sense", operator, y, sigma)
    matrix = dense(lambda x: operator.gram(x) + weight * gradient_adjoint(gradient(x)))
    exact = torch.linalg.solve(matrix, operator.adjoint(y).reshape(N))
    assert torch.allclose(found.reshape(N), exact, atol=1e-3)


def test_the_format_is_offered_and_written(tmp_path, undersampled_scan):
    rec = reconstruct_scan(undersampled_scan[0], CLASSICAL["zero-filled"])
    (path,) = deliver(rec, Delivery(tmp_path, ("npy",)))
    assert path == tmp_path / f"{rec.source.stem}_recon.npy"
    np.testing.assert_array_equal(np.load(path)[0], rec.magnitude)
    assert rec.save(tmp_path / "other.npy") == [tmp_path / "other.npy"]
    assert "npy: magnitudes for NumPy." in described()
    with pytest.raises(InputError, match=r"expected some of h5, .*npy.*, joined by commas; near it: npy"):
        Delivery(tmp_path, ("npx",))


def test_archives_are_read_and_damaged_ones_refused(tmp_path, undersampled_scan):
    scan = undersampled_scan[0]
    path = tmp_path / "scan.npz"
    np.savez(path, kspace=scan.kspace, mask=scan.mask)
    assert reading.find_scans(tmp_path) == [path]
    (found,) = reading.read_scans(path)
    assert found.format == "npz"
    np.testing.assert_array_equal(found.kspace, scan.kspace)
    np.testing.assert_array_equal(found.mask, scan.mask)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="save it again"):
        reading.read_scan(path)
    np.savez(path, other=scan.mask)
    with pytest.raises(InputError, match="no array kspace"):
        reading.read_scan(path)


def test_the_bench_is_listed_shown_and_run():
    assert "noise-level" in run("bench", "list")
    assert "--set matrix=96  Matrix size [pixels]." in run("bench", "show", "noise-level")
    assert NoiseLevelSettings().matrix == 96
    said = run("bench", "run", "noise-level", "--set", "matrix=80", "--json")
    assert [row["ratio"] for row in json.loads(said.splitlines()[-1])["rows"]] == pytest.approx([1.0, 1.0], abs=0.2)
    done = CliRunner().invoke(app, ["bench", "run", "noise-level", "--set", "matrx=80"])
    assert done.exit_code == 2 and "known keys: seed, matrix" in done.stderr


def test_the_commands_take_them_all(tmp_path):
    run("simulate", tmp_path / "scans", "--volumes", 1, "--slices", 1, "--matrix", 48, "--coils", 4, "--accel", 2)
    (scan,) = reading.find_scans(tmp_path / "scans")
    out = ("--out", tmp_path / "out", "--format", "npy")
    run("recon", scan, "--method", "smooth", *out)
    assert next((tmp_path / "out").glob("*.npy")).is_file()
    run("recon", scan, "--method", "posterior", "--sampler", "plug-and-play", "--levels", 2, "--samples", 1, *out)
