"""From images in prepared units to what is stored of a slice, in the unit of its scan."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.coils.taper import tapered, tapered_std
from rsd_mri.operators import ConjugateSense, MovingSense, Sense, sense_operator, with_conjugates
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.reconstruction.checks import dispersion, prior_part, residual_ratio
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.scan.middle import centre_of_last, centre_window

POOLED = 2.0
"""Standard deviation of the Gaussian window over which the samples' variance is averaged [pixels]."""
LEAST_SIGMA = 2e-3
"""Noise level, prepared units, below which nothing is told apart from what the data determine."""


@dataclass(frozen=True)
class FinishedSlice:
    """One slice as it is stored; images are [readout, phase_encode], cropped to the image wanted."""

    magnitude: NDArray[np.float32]
    image: NDArray[np.complex64]
    csm: NDArray[np.complex64]
    samples: NDArray[np.float32]
    """[sample, readout, phase_encode]."""
    std: NDArray[np.float32] | None
    """Of the magnitude, where the method itself says it."""
    measured: NDArray[np.float32]
    """Magnitude of what the data determine; empty where that was not asked for."""
    prior: NDArray[np.float32]
    """Magnitude of what comes from the prior; empty where that was not asked for."""
    prior_share: float
    """Its energy over that of the image."""
    dispersion: tuple[float, float] | None
    """MSD and USD, prepared units, where there are samples."""
    residual: float
    centre_residual: float
    """The same of the fully sampled centre alone, where no line is missing: above 1 the maps are wrong."""
    noise: float
    """Standard deviation of the magnitude by the noise of what was acquired, were its k-space nothing else."""
    rms: float
    """Root mean square magnitude where the maps see anything, prepared units."""
    seconds: float


def as_operator(prepared: Sequence[PreparedSlice], device: torch.device) -> tuple[Sense, Tensor]:
    """The operator of prepared slices of one scan and their k-space, [slice, ...].

    Where the image is real but for a smooth phase, the maps carry that, and virtual conjugate coils join the coils.
    Where the object moved, the operator moves it: one slice at a time.
    """
    csm = torch.from_numpy(np.stack([one.csm for one in prepared])).to(device)
    kspace = torch.from_numpy(np.stack([one.kspace for one in prepared])).to(device)
    mask = _mask_of(prepared).to(device)
    first = prepared[0]
    if first.poses is not None and first.segments is not None:
        if len(prepared) > 1:
            raise ValueError("slices that moved are computed one by one")
        segments, poses = (torch.from_numpy(one).to(device) for one in (first.segments.astype(np.int64), first.poses))
        return MovingSense(csm, mask, segments, poses, first.aspect), kspace
    phases = [one.phase for one in prepared if one.phase is not None]
    if not phases:
        return sense_operator(csm, mask, prepared[0].transform(device)), kspace
    phase = torch.from_numpy(np.stack(phases)).to(device)
    return ConjugateSense(csm * phase.unsqueeze(-3), mask), with_conjugates(kspace)


def _mask_of(prepared: Sequence[PreparedSlice]) -> Tensor:
    """One mask for all, or one per item where frames measured different points."""
    first = prepared[0].mask
    if all(one.mask.shape == first.shape and (one.mask == first).all() for one in prepared):
        return torch.from_numpy(first)
    return torch.from_numpy(np.stack([np.atleast_2d(one.mask) for one in prepared]))


def finish(prepared: PreparedSlice, made: Made, seconds: float, parted: bool = True) -> FinishedSlice:
    """Summarise the samples of a slice.

    Parameters
    ----------
    prepared
        The slice.
    made
        Its images, [sample, (set,) readout, phase_encode], prepared units.
    seconds
        The method took.
    parted
        Whether to part what the data determine from what comes from a prior; that takes up to 30 iterations.
    """
    images = made.images
    operator, kspace = as_operator([prepared], images.device)
    mean = images.mean(dim=0, keepdim=True)
    back = torch.from_numpy(prepared.back).to(images.device)

    def magnitude(image: Tensor) -> NDArray[np.float32]:
        coil_images = tapered(operator.coils.forward(image[None])[0], prepared.taper)
        physical = torch.einsum("pv,vyx->pyx", back, coil_images)
        return crop(physical.abs().square().sum(0).sqrt(), prepared.image_size).cpu().numpy()

    support = (operator.csm != 0).any(-3).expand(mean.shape)
    power = float(mean[support].abs().square().mean()) if bool(support.any()) else 0.0
    measured = prior = np.zeros(0, np.float32)
    prior_share = 0.0
    if parted:
        inside = torch.where(support, mean, 0)
        filled = prior_part(operator, inside, max(prepared.sigma, LEAST_SIGMA), max(power, 1e-12))
        measured, prior = magnitude((mean - filled)[0]), magnitude(filled[0])
        prior_share = float(filled.abs().square().sum() / (power * support.sum())) if power else 0.0
    one_set = prepared.n_sets == 1
    # |back| scales the image to the scan's unit as the root sum of squares does, on average over coils.
    unit = _unit(operator, back, one_set)
    # Where no coil sees anything an image is the prior's alone.
    seen = torch.where(support, mean, 0)[0]
    whole = seen if prepared.phase is None else seen * torch.from_numpy(prepared.phase).to(images.device)
    image = crop(tapered(whole if one_set else whole[0], prepared.taper) * unit, prepared.image_size)
    csm = crop(torch.from_numpy(prepared.csm if one_set else prepared.csm[0]), prepared.image_size)
    samples, std = np.stack([magnitude(sample) for sample in images]), None
    if made.std is not None:
        said = tapered_std(magnitude_std(mean[0], made.std[0]), prepared.taper)
        std = crop(said * unit, prepared.image_size).cpu().numpy()
        if len(samples) > 1:
            # Two measures of one thing, each known up to a factor: the mean of their logarithms.
            std = np.sqrt(std * pooled_std(samples))
    return FinishedSlice(
        magnitude=magnitude(mean[0]),
        image=image.cpu().numpy(),
        csm=csm.cpu().numpy(),
        samples=samples,
        std=std,
        measured=measured,
        prior=prior,
        prior_share=prior_share,
        dispersion=dispersion(operator, images) if len(images) > 1 else None,
        residual=residual_ratio(operator, kspace, mean, prepared.level),
        centre_residual=_centre_residual(operator, kspace, mean, prepared),
        noise=_noise(operator, unit, prepared),
        rms=power**0.5,
        seconds=seconds,
    )


def _noise(operator: Sense, unit: Tensor, prepared: PreparedSlice) -> float:
    """In phase with the image lies half of the power of complex noise; only what is acquired brings it in."""
    cells = operator.cells.float()
    if prepared.taper is not None:
        cells = cells * torch.from_numpy(prepared.taper).to(cells.device).square()
    return prepared.level * math.sqrt(float(cells.mean()) / 2) * float(unit.mean())


def magnitude_std(image: Tensor, std: Tensor) -> Tensor:
    """Standard deviation of the root sum of squares over the sets of maps, from that of complex images.

    To first order the part of a complex error that is in phase with the image counts: half its power, weighted by how
    much of the magnitude a set holds.

    Parameters
    ----------
    image, std
        [(set,) readout, phase_encode].
    """
    if image.ndim == 2:
        return std / 2**0.5
    power = image.abs().square() + 1e-12
    return ((power * std.square()).sum(0) / power.sum(0) / 2).sqrt()


def _centre_residual(operator: Sense, kspace: Tensor, mean: Tensor, prepared: PreparedSlice) -> float:
    mask = torch.zeros(prepared.mask.shape, dtype=torch.bool, device=kspace.device)
    # That of a separate calibration scan may be wider than the scan.
    mask[centre_window(mask.shape, prepared.acs[-mask.ndim :])] = True
    centre = operator.with_mask(mask & torch.from_numpy(prepared.mask).to(mask.device))
    if not centre.mask.any():
        return 0.0
    return residual_ratio(centre, centre.sampling(kspace), mean, prepared.level)


def pooled_std(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standard deviation of the samples, with the variance averaged over neighbours.

    From a few samples each pixel's own is known to tens of percent only, and that noise hides where the error is.

    Parameters
    ----------
    samples
        [sample, readout, phase_encode].

    Returns
    -------
    ndarray
        [readout, phase_encode]; zero for one sample.
    """
    return pooled(samples.var(axis=0, ddof=min(1, len(samples) - 1)))


def pooled(variance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square root of a variance averaged over neighbours."""
    from scipy.ndimage import gaussian_filter

    found: NDArray[np.float32] = np.sqrt(gaussian_filter(variance, POOLED)).astype(np.float32)
    return found


def _unit(operator: Sense, back: Tensor, one_set: bool) -> Tensor:
    """Root sum of squares that an image of one everywhere has in the scan's unit, [readout, phase_encode]."""
    csm = operator.csm[0] if one_set else operator.csm[0, 0]
    weight = torch.einsum("pv,vyx->pyx", back, csm).abs().square().sum(0).sqrt()
    norm = csm.abs().square().sum(0).sqrt()
    inside = norm > 0
    typical = (weight[inside] / norm[inside]).mean() if bool(inside.any()) else weight.new_ones(())
    return torch.where(inside, weight / norm.clamp_min(1e-6), typical)


def root_sum_of_squares(coil_images: Tensor, wanted: tuple[int, int]) -> NDArray[np.float32]:
    """Of coil images [coil, row, column], the centre of the wanted size, where the image is as large."""
    image = coil_images.abs().square().sum(0).sqrt()
    return crop(image, (min(wanted[0], image.shape[0]), min(wanted[1], image.shape[1]))).numpy()


def crop(array: Tensor, size: tuple[int, int]) -> Tensor:
    """Keep the centre of the last two axes: pixel n // 2 becomes pixel wanted // 2."""
    return array[centre_of_last(array.shape, size)]
