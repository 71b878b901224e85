"""Image and coils found together: the model, exact cases, BART's `nlinv`, and scans without a centre."""

import dataclasses
import shutil
import subprocess

import numpy as np
import pytest
import torch
from adjointness import assert_adjoint
from bart_files import read_cfl, write_cfl

from rsd_mri.coils.calibration import is_regular, learned_from
from rsd_mri.coils.joint import JointModel, middle_of_field, nlinv
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import fft2c
from rsd_mri.preparation import prepare_slice
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.simulation import simulate_scan

DOUBLE = torch.complex128


def model(size=(10, 9), kind="2d"):
    mask = torch.rand(size if kind == "2d" else size[1:], generator=generator("mask", kind)) < 0.5
    return JointModel(mask, size)


def unknowns(size=(10, 9), coils=3, key="x"):
    return normal((2, 1 + coils, *size), generator(key), DOUBLE)


@pytest.mark.parametrize("kind", ["2d", "lines"])
def test_the_derivative_is_exact_and_its_adjoint_right(kind):
    """F is of second order: F(x + d) - F(x) - DF(x) d = F(d), without a remainder."""
    f, x, d = model(kind=kind), unknowns(), unknowns(key="d")
    slope = f.derivative(x)
    torch.testing.assert_close(f.forward(x + d) - f.forward(x) - slope(d), f.forward(d))
    assert_adjoint(slope, (2, 4, 10, 9), (2, 3, 10, 9))
    torch.testing.assert_close(slope.gram(d), slope.adjoint(slope(d)))


def smooth_case(n=48, coils=4):
    """An object in the middle and coils of nine frequencies."""
    rng = generator("smooth")
    small = normal((1, coils, 3, 3), rng, DOUBLE) * 0.3
    small[..., 1, 1] += 1
    wide = torch.zeros(1, coils, n, n, dtype=DOUBLE)
    wide[..., n // 2 - 1 : n // 2 + 2, n // 2 - 1 : n // 2 + 2] = small * n
    maps = torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(wide, dim=(-2, -1)), norm="ortho"), dim=(-2, -1))
    image = torch.polar(torch.rand(1, n, n, generator=rng, dtype=torch.float64) + 0.2, torch.zeros(1, n, n).double())
    image = image * (middle_of_field((n, n)) > 0.5)
    return image, maps


def test_full_data_give_smooth_coils_and_the_image_exactly():
    image, maps = smooth_case()
    found = nlinv(fft2c(image[:, None] * maps), torch.ones(48, dtype=torch.bool), steps=32, tolerance=1e-3)
    torch.testing.assert_close(found.kspace, fft2c(image[:, None] * maps), atol=2e-4, rtol=0)
    inside = image.abs()[0] > 0
    # Up to a factor of a pixel, which is one for all coils: it belongs to the image as well.
    ours, theirs = found.coils[0][:, inside], maps[0][:, inside]
    cosine = (ours.conj() * theirs).sum(0).abs() / ours.norm(dim=0) / theirs.norm(dim=0)
    assert cosine.min() > 0.9999


def test_the_first_image_says_where_the_object_of_regular_lines_lies():
    """Every second line sees an object and the same moved by half the field of view alike."""
    image, maps = smooth_case(coils=6)
    mask = torch.arange(48) % 2 == 0
    data = fft2c(image[:, None] * maps) * mask
    there = nlinv(data, mask)
    moved = nlinv(data, mask, first=middle_of_field((48, 48)).roll(24, 1))
    assert torch.allclose(moved.kspace * mask, there.kspace * mask, atol=1e-2 * float(data.abs().max()))
    torch.testing.assert_close(moved.image.abs(), there.image.abs().roll(24, -1), atol=1e-3, rtol=1e-3)
    energy = there.image.abs().square()[0]
    assert energy[:, 8:40].sum() > 0.9 * energy.sum()


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")
def test_images_and_maps_agree_with_bart(tmp_path):
    scan, truth = simulate_scan(DataSettings(slices=1, coils=6, noise=0.01), 0, 1, size=(96, 96))
    mask = (np.arange(96) % 2 == 0) | (abs(np.arange(96) - 48) < 3)
    kspace = scan.kspace[0] * mask
    write_cfl(tmp_path / "k", kspace.transpose(1, 2, 0)[:, :, None])
    subprocess.run(
        ["bart", "nlinv", "-i8", "k", "image", "maps"], cwd=tmp_path, check=True, capture_output=True, timeout=120
    )
    maps = read_cfl(tmp_path / "maps").transpose(2, 0, 1)
    theirs = np.sqrt((np.abs(read_cfl(tmp_path / "image") * maps) ** 2).sum(0))
    found = nlinv(torch.from_numpy(kspace)[None], torch.from_numpy(mask))
    ours = (found.image[:, None] * found.coils)[0].abs().square().sum(0).sqrt().numpy()

    def psnr(image):
        scaled = image * (image * abs(truth[0])).sum() / (image**2).sum()
        return 10 * np.log10(abs(truth).max() ** 2 / ((scaled - abs(truth[0])) ** 2).mean())

    assert psnr(ours) > psnr(theirs) - 0.5
    inside = abs(truth[0]) > 0.2 * abs(truth).max()
    one, other = found.coils[0].numpy()[:, inside], maps[:, inside]
    cosine = abs((one.conj() * other).sum(0)) / np.linalg.norm(one, axis=0) / np.linalg.norm(other, axis=0)
    assert np.median(cosine) > 0.995


def scattered(n, acceleration, centre):
    """Points at random, denser towards the centre but never all there; and as many with a centre."""
    rng = generator("scattered")
    radius = torch.hypot(*torch.meshgrid(*[(torch.arange(n) - n // 2) / (n / 2)] * 2, indexing="ij"))
    density = (1 - radius.clamp_max(1)) ** 3 + 0.05
    low, high = 0.0, 100.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if (density * middle).clamp_max(0.6).mean() > 1 / acceleration else (middle, high)
    open_ = torch.rand(n, n, generator=rng) < (density * low).clamp_max(0.6)
    square = torch.zeros(n, n, dtype=torch.bool)
    square[n // 2 - centre // 2 : n // 2 + centre // 2, n // 2 - centre // 2 : n // 2 + centre // 2] = True
    closed = open_ | square
    outer = (open_ & ~square).nonzero()
    gone = outer[torch.randperm(len(outer), generator=rng)[: int(closed.sum() - open_.sum())]]
    closed[tuple(gone.T)] = False
    return open_.numpy(), closed.numpy()


def under(scan, mask):
    return dataclasses.replace(scan, kspace=scan.kspace * mask, mask=mask, mask_source="file")


def quality(scan, truth):
    image = reconstruct_scan(PreparedScan.of(scan), CLASSICAL["tv"]).magnitude
    return 10 * np.log10(abs(truth).max() ** 2 / ((image - abs(truth)) ** 2).mean())


@pytest.mark.long
def test_a_random_pattern_without_a_centre_is_as_good_as_one_with():
    scan, truth = simulate_scan(DataSettings(slices=1, coils=4, noise=0.01), 0, 2, size=(128, 128))
    without, with_centre = (under(scan, mask) for mask in scattered(128, 7, 20))
    assert without.mask.sum() == with_centre.mask.sum()
    assert quality(without, truth) > quality(with_centre, truth) - 1
    reason = prepare_slice(without, 0, PrepSettings()).sets_reason
    assert reason.startswith("k-space has no fully sampled centre of 8 lines")
    assert prepare_slice(with_centre, 0, PrepSettings()).sets_reason.startswith("one set")


def test_the_way_can_be_chosen():
    scan, _ = simulate_scan(DataSettings(slices=1, coils=4, noise=0.01), 0, 2, size=(64, 64))
    sparse = under(scan, np.arange(64) % 2 == 0)
    with pytest.raises(InputError, match="mask: .* at least 8"):
        prepare_slice(sparse, 0, PrepSettings(maps="espirit"))
    assert "middle" in prepare_slice(sparse, 0, PrepSettings()).sets_reason
    assert "as asked" in prepare_slice(scan, 0, PrepSettings(maps="nlinv")).sets_reason


def test_what_was_acquired_is_kept():
    scan, _ = simulate_scan(DataSettings(slices=2, coils=5, noise=0.01), 0, 2, size=(64, 60))
    sparse = under(scan, (np.arange(60) % 3 == 0) | (abs(np.arange(60) - 30) < 2))
    eye = np.eye(5)
    learned = learned_from(sparse, 16, "auto", lambda: (eye, eye))
    assert learned.kspace.shape == (2, 5, 16, 16) and learned.acs[1] < 8
    kept = sparse.mask[22:38]
    np.testing.assert_array_equal(learned.kspace[..., kept], sparse.kspace[..., 24:40, 22:38][..., kept])
    assert (learned.kspace[..., ~kept] != 0).all()


@pytest.mark.parametrize(
    ("mask", "regular"),
    [(np.arange(32) % 3 == 0, True), (np.ones(32, bool), False), (np.arange(32) % 3 == np.arange(32) // 16, False)],
)
def test_regular_lines_are_told_apart(mask, regular):
    assert is_regular(mask) is regular
