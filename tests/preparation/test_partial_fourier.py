"""Partial Fourier: found from the mask, exact for a real image of known phase, better than zero filling on heads."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import ConjugateSense, fft2c, ifft2c, with_conjugates
from rsd_mri.operators.conjugate import mirrored
from rsd_mri.preparation.partial_fourier import partial_fourier_of
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import DataSettings, PrepSettings
from rsd_mri.reconstruction.classical.methods import cg_sense, l1_wavelet, total_variation, zero_filled
from rsd_mri.reconstruction.classical.partial import homodyne, projections
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.held_out import Trial, hold_out
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.simulation import simulate_scan

SIZES = [(24, 20), (21, 24), (24, 23)]


@pytest.mark.parametrize("size", SIZES)
def test_the_mirror_image_is_that_of_the_conjugate(size):
    image = normal((2, 3, *size), generator("image"), torch.complex128)
    torch.testing.assert_close(mirrored(fft2c(image)).conj().resolve_conj(), fft2c(image.conj().resolve_conj()))


def a_case(size, axis=1, share=0.7):
    """A real image, maps with a phase, and a mask of which one side is left out."""
    image = torch.rand(1, *size, generator=generator("real"), dtype=torch.float64) + 0.1
    csm = normal((1, 3, *size), generator("csm"), torch.complex128)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    lines = torch.arange(size[axis]) < round(share * size[axis])
    mask = lines if axis == 1 else lines[:, None].expand(size)
    return ConjugateSense(csm, mask), torch.complex(image, torch.zeros_like(image))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", SIZES)
def test_a_real_image_of_known_phase_comes_back_exactly(size, axis):
    operator, image = a_case(size, axis)
    kspace = with_conjugates(operator.plain.forward(image))
    found = cg_sense(operator, kspace, regularisation=1e-9, iterations=400, tolerance=1e-12)
    torch.testing.assert_close(found, image, atol=1e-5, rtol=0)
    found = projections(operator, kspace, iterations=2000, tolerance=1e-9)
    torch.testing.assert_close(found, image, atol=1e-4, rtol=0)
    assert (zero_filled(operator, kspace) - image).norm() > 0.05 * image.norm()
    torch.testing.assert_close(operator(image), operator.sampling(kspace))


def test_homodyne_of_one_coil_is_exact():
    size = (24, 20)
    _, image = a_case(size)
    operator = ConjugateSense(torch.ones(1, 1, *size, dtype=torch.complex128), torch.arange(20) < 14)
    kspace = with_conjugates(fft2c(image)[:, None] * operator.mask)
    # The first line is its own mirror image; it is acquired.
    torch.testing.assert_close(homodyne(operator, kspace), image, atol=1e-6, rtol=0)
    lines = torch.arange(20) >= 6
    operator = ConjugateSense(torch.ones(1, 1, *size, dtype=torch.complex128), lines)
    found = homodyne(operator, with_conjugates(fft2c(image)[:, None] * lines))
    missing = ifft2c(fft2c(image) * (torch.arange(20) == 0))
    torch.testing.assert_close(found, image - missing.real, atol=1e-6, rtol=0)


def test_the_bound_holds():
    operator, image = a_case((24, 20))
    x = normal(tuple(image.shape), generator("x"), torch.complex128)
    for _ in range(100):
        x = operator.gram(x)
        largest = float(x.norm())
        x = x / largest
    assert largest <= operator.norm_bound


def test_lines_left_out_are_left_out_of_their_mirror_image_too():
    operator, image = a_case((24, 20))
    kspace = with_conjugates(operator.plain.forward(image))
    left = hold_out(operator.mask[0, 0, 0], (0, "a"), (24, 4))
    trial = Trial.of(operator, kspace, 0.1, left)
    gone = int(left.nonzero()[0])
    assert not trial.kspace[:, :3, :, gone].any() and not trial.kspace[:, 3:, :, 20 - gone].any()
    torch.testing.assert_close(trial.kspace, trial.operator(image))
    torch.testing.assert_close(trial.expected, trial.tested(image))
    assert trial.expected.shape[1] == 3


@pytest.mark.parametrize(
    ("first", "stop", "step", "found"),
    [(0, 48, 1, 0.74), (16, 64, 1, 0.76), (0, 40, 1, 0.61), (0, 64, 1, None), (2, 62, 1, None), (0, 48, 3, 0.70),
     (0, 36, 1, None), (0, 62, 4, None)],
)  # fmt: skip
def test_the_lopsided_axis_is_found(first, stop, step, found):
    lines = (np.arange(64) >= first) & (np.arange(64) < stop) & (np.arange(64) % step == 0)
    across = partial_fourier_of(lines, (50, 64))
    along = partial_fourier_of(np.broadcast_to(lines[:, None], (64, 50)), (64, 50))
    if found is None:
        assert across is along is None
    else:
        assert across.axes == (1,) and along.axes == (0,)
        assert across.shares[0] == pytest.approx(found, abs=0.02) == along.shares[0]


def test_a_lopsided_edge_of_random_lines_is_not_partial_fourier():
    lines = np.isin(np.arange(64), [9, 17, 30, 31, 32, 33, 34, 45, 62])
    assert partial_fourier_of(lines, (64, 64)) is None


def partial_scan(share=0.75, axis=1, step=1, slices=1):
    scan, truth = simulate_scan(DataSettings(slices=slices, coils=4, noise=0.01), 0, 5, size=(96, 96))
    lines = np.arange(96) < round(share * 96)
    lines &= (np.arange(96) % step == 0) | (abs(np.arange(96) - 48) < 12)
    mask = lines if axis == 1 else np.broadcast_to(lines[:, None], (96, 96)).copy()
    return dataclasses.replace(scan, kspace=scan.kspace * mask, mask=mask, mask_source="zeros"), truth


def psnr(image, truth):
    return 10 * np.log10(abs(truth).max() ** 2 / ((abs(image) - abs(truth)) ** 2).mean())


@pytest.mark.long
@pytest.mark.parametrize(("share", "axis"), [(0.625, 1), (0.75, 0)])
def test_heads_gain_more_than_a_decibel(share, axis):
    scan, truth = partial_scan(share, axis)
    prepared, blind = PreparedScan.of(scan), PreparedScan.of(scan, PrepSettings(partial_fourier="off"))
    zero = psnr(reconstruct_scan(prepared, CLASSICAL["zero-filled"]).magnitude, truth)
    assert zero == pytest.approx(psnr(reconstruct_scan(blind, CLASSICAL["zero-filled"]).magnitude, truth), abs=1e-3)
    for name in ("homodyne", "pocs", "cg-sense", "tv", "l1-wavelet"):
        rec = reconstruct_scan(prepared, CLASSICAL[name])
        assert psnr(rec.magnitude, truth) > zero + 1, name
        if name in ("cg-sense", "tv", "l1-wavelet"):
            assert psnr(rec.magnitude, truth) > psnr(reconstruct_scan(blind, CLASSICAL[name]).magnitude, truth) + 0.5
        assert any(re.match(rf"Partial Fourier: {8 * share:.0f}\.\d/8 of the ", note) or "Partial" in note
                   for note in rec.notes)  # fmt: skip
    assert not any("Partial" in note for note in reconstruct_scan(blind, CLASSICAL["tv"]).notes)


def test_the_image_has_its_phase_again():
    scan, truth = partial_scan()
    rec = reconstruct_scan(scan, CLASSICAL["tv"])
    coil_images = rec.csm[0] * rec.image[0]
    clean = simulate_scan(DataSettings(slices=1, coils=4, noise=0.0), 0, 5, size=(96, 96))[0]
    wanted = ifft2c(torch.from_numpy(clean.kspace[0])).numpy()
    inside = abs(truth[0]) > 0.3 * abs(truth).max()
    # Virtual coils are turned against the scan's: the phase of the sum over coils is compared up to one constant.
    prepared = PreparedScan.of(scan)[0]
    ours = np.tensordot(prepared.back, prepared.csm * rec.image[0], 1)
    agreement = abs((ours.conj() * wanted)[:, inside].sum()) / (
        np.linalg.norm(ours[:, inside]) * np.linalg.norm(wanted[:, inside])
    )
    assert agreement > 0.98
    assert coil_images.shape == (4, 96, 96)


@pytest.mark.parametrize("method", [cg_sense, total_variation, l1_wavelet])
def test_undersampled_as_well(method):
    scan, truth = partial_scan(step=2)
    name = {cg_sense: "cg-sense", total_variation: "tv", l1_wavelet: "l1-wavelet"}[method]
    blind = PreparedScan.of(scan, PrepSettings(partial_fourier="off"))
    with_it = psnr(reconstruct_scan(scan, CLASSICAL[name]).magnitude, truth)
    assert with_it > psnr(reconstruct_scan(blind, CLASSICAL[name]).magnitude, truth)
    assert with_it > psnr(reconstruct_scan(blind, CLASSICAL["zero-filled"]).magnitude, truth) + 1


@pytest.mark.parametrize(
    "acs, words", [((64, 24), "64 x 24 points of the centre"), ((64, 0), "centre that the coil maps")]
)
def test_the_note_names_the_points_that_the_phase_is_known_from(acs, words):
    found = partial_fourier_of(np.arange(48) >= 12, (64, 48))
    assert found is not None and f"known from {'' if acs[1] else 'the '}{words}" in found.note(acs)
