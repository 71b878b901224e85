"""Any trajectory: against its formula, sigpy and BART; the convolution, the density, and what a scan needs of them."""

import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from bart_files import read_cfl, write_cfl

from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import CenteredFFT, NonUniformFFT, fft2c, sense_operator
from rsd_mri.scan.trajectory import archimedean_spiral, golden_radial

pytest.importorskip("mrinufft")
pytest.importorskip("finufft")

from rsd_mri.operators.nonuniform import Backend, pipe_menon  # noqa: E402

SIZE = (24, 21)


def images(*shape):
    return normal(shape, generator("images", *shape), torch.complex64)


def radial(size=SIZE, acceleration=1.0):
    return torch.from_numpy(golden_radial(size, acceleration))


def test_is_the_sum_of_its_formula():
    """sum over pixels of x(p) exp(-2 pi i k . (p - n // 2) / n), over the root of the pixels."""
    points, image = radial(), images(1, 2, *SIZE)
    rows, columns = (torch.arange(n) - n // 2 for n in SIZE)
    waves = [
        torch.exp(-2j * math.pi * points[..., i, None].double() * place / n)
        for i, (place, n) in enumerate(zip((rows, columns), SIZE, strict=True))
    ]
    expected = torch.einsum("bcyx,sky,skx->bcsk", image.to(torch.complex128), *waves) / math.sqrt(math.prod(SIZE))
    assert torch.allclose(NonUniformFFT(points, SIZE)(image), expected.to(torch.complex64), atol=2e-5)


def test_is_the_fft_on_a_cartesian_trajectory():
    """So Sense along it is Sense under a mask: same operator, same k-space, same gram."""
    rows, columns = (torch.arange(n, dtype=torch.float32) - n // 2 for n in SIZE)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
    image, csm = images(2, *SIZE), images(2, 3, *SIZE)
    mask = torch.arange(SIZE[1]) % 3 != 0
    along, usual = sense_operator(csm, mask, NonUniformFFT(grid, SIZE)), sense_operator(csm, mask)
    assert torch.allclose(along(image), usual(image), atol=1e-4)
    assert torch.allclose(along.gram(image), usual.gram(image), atol=1e-4)
    assert torch.equal(along.cells, usual.mask.expand_as(along.cells))
    assert torch.allclose(CenteredFFT()(image), fft2c(image))


@pytest.mark.parametrize("make", [golden_radial, archimedean_spiral])
def test_is_that_of_sigpy(make):
    import sigpy

    size = (32, 32)
    points, image = make(size, 2.0), images(1, 1, *size)
    theirs = sigpy.nufft(image[0, 0].numpy(), points.reshape(-1, 2), oversamp=2, width=6)
    ours = NonUniformFFT(torch.from_numpy(points), size)(image)[0, 0].numpy().ravel()
    assert np.abs(ours - theirs).max() < 2e-3 * np.abs(theirs).max()


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")
def test_is_that_of_bart(tmp_path):
    """BART's trajectories are in cycles per field of view too; its first coordinate is the first axis of the image."""
    size = (32, 32)
    points, image = golden_radial(size, 2.0), images(*size)
    write_cfl(tmp_path / "traj", np.concatenate([points, np.zeros_like(points[..., :1])], -1).transpose(2, 0, 1))
    write_cfl(tmp_path / "image", image.numpy())
    command = ["bart", "nufft", tmp_path / "traj", tmp_path / "image", tmp_path / "kspace"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60)
    theirs = read_cfl(tmp_path / "kspace")
    ours = NonUniformFFT(torch.from_numpy(points), size)(image[None, None])[0, 0].numpy()
    # At the very edge of k-space its interpolation is less accurate.
    inside = np.hypot(*points.transpose(2, 0, 1)) < 14
    assert np.abs(ours - theirs)[inside].max() < 5e-3 * np.abs(theirs).max()


@pytest.mark.parametrize("make", [golden_radial, archimedean_spiral])
def test_gram_is_adjoint_of_forward_on_a_scan(make):
    """The convolution equals the direct way to 1e-4, of eight coils and with shots left out."""
    size = (64, 60)
    points = torch.from_numpy(make(size, 2.0))
    shots = torch.rand(points.shape[1], generator=generator("shots")) < 0.7
    operator = sense_operator(images(1, 8, *size), shots, NonUniformFFT(points, size))
    image = images(1, *size)
    direct = operator.adjoint(operator.forward(image))
    assert float((operator.gram(image) - direct).abs().max()) < 1e-4 * float(direct.abs().max())


@pytest.mark.parametrize("make", [golden_radial, archimedean_spiral])
def test_bound_is_above_the_largest_eigenvalue(make):
    points = torch.from_numpy(make((32, 32), 2.0))
    csm = torch.ones(1, 1, 32, 32, dtype=torch.complex64)
    operator = sense_operator(csm, torch.ones(points.shape[1]), NonUniformFFT(points, (32, 32)))
    x = images(1, 32, 32)
    for _ in range(100):
        x = operator.gram(x)
        largest = float(x.abs().square().sum().sqrt())
        x = x / largest
    assert largest <= operator.norm_bound <= 1.5 * largest


def test_density_of_spokes_is_their_distance():
    """Away from the centre a sample of n spokes stands for pi r / n cells across and its step along."""
    size = (64, 64)
    points = radial(size)
    density = pipe_menon(points, size)
    shots = points.shape[1]
    r = points.square().sum(-1).sqrt()
    inside = (r > 6) & (r < 26)
    ratio = density[inside] / (math.pi * r[inside] / shots * 0.5)
    assert float(ratio.median()) == pytest.approx(1, abs=0.1)
    # And so gridding gives back a smooth image.
    y, x = (torch.linspace(-1, 1, n) for n in size)
    image = torch.exp(-8 * (y[:, None] ** 2 + x**2)).to(torch.complex64)[None]
    transform = NonUniformFFT(points, size, density)
    operator = sense_operator(torch.ones(1, 1, *size, dtype=torch.complex64), torch.ones(shots), transform)
    back = operator.gridded(operator(image))
    assert float((back - image).abs().max()) < 0.1


def test_balanced_keeps_the_solution_and_quickens_the_way_there():
    """Weighted samples of an image are still those of the image, and the largest eigenvalue is near one."""
    size = (64, 64)
    points = radial(size, 2.0)
    transform = NonUniformFFT(points, size, pipe_menon(points, size))
    operator = sense_operator(torch.ones(1, 1, *size, dtype=torch.complex64), torch.ones(points.shape[1]), transform)
    image = images(1, *size)
    balanced, weighted = operator.balanced(operator(image))
    assert torch.allclose(weighted, balanced(image), atol=1e-4)
    assert balanced.norm_bound < 5 < operator.norm_bound
    assert torch.allclose(operator.gridded(operator(image)), balanced.gridded(weighted), atol=1e-3)


def test_cells_are_those_nearest_to_acquired_samples():
    points = torch.tensor([[[0.0, 0.0], [1.4, -2.0]], [[-2.0, 0.6], [7.0, 0.0]]])
    cells = NonUniformFFT(points, (6, 6)).cells(torch.tensor([True, False])[None, None, None])
    assert cells.nonzero()[:, 2:].tolist() == [[1, 4], [3, 3]]


def test_refuses_what_does_not_fit():
    transform = NonUniformFFT(radial(), SIZE)
    with pytest.raises(ValueError, match="two coordinates"):
        NonUniformFFT(torch.zeros(4, 4, 3), SIZE)
    with pytest.raises(ValueError, match="images of"):
        transform(images(1, 1, 8, 8))
    with pytest.raises(ValueError, match="trajectory"):
        sense_operator(images(1, 2, 8, 8), torch.ones(3), transform)


def test_without_the_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mrinufft", None)
    with pytest.raises(InputError, match=r"pip install 'rsd-mri\[noncartesian\]'"):
        NonUniformFFT(radial(), SIZE)(images(1, 1, *SIZE))


@pytest.mark.parametrize(
    ("device", "there", "name", "options"),
    [
        ("cpu", True, "finufft", {"nthreads": torch.get_num_threads()}),
        ("cuda:1", False, "finufft", {"nthreads": torch.get_num_threads()}),
        ("cuda:1", True, "cufinufft", {"gpu_device_id": 1}),
        ("cuda", True, "cufinufft", {"gpu_device_id": 0}),
    ],
)
def test_where_it_is_computed(monkeypatch, device, there, name, options):
    """On a GPU where the library has its transform, else on the processor."""
    import mrinufft

    monkeypatch.setattr(mrinufft, "check_backend", lambda asked: there and asked == "cufinufft")
    found = Backend.of(torch.device(device))
    assert found.name == name and found.options() == options
    assert found.name in mrinufft.list_backends()
