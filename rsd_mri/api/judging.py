"""Judging: an image against the truth, a set of images against real ones, and pictures of both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.experiment.image_sets import magnitudes
from rsd_mri.machine.device import resolve_device
from rsd_mri.metrics.features import PRINCIPAL, find_extractor
from rsd_mri.metrics.image_quality import nmse, psnr, ssim
from rsd_mri.metrics.set_metrics import SetMetrics, compare_sets
from rsd_mri.reconstruction.calibration import rank_correlation
from rsd_mri.reconstruction.full_scans import body_of, full_image
from rsd_mri.results.figures import comparison_figure
from rsd_mri.results.movie import Movie
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.scan.scan import Scan

Image: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Quality:
    """How close an image is to the truth, by fastMRI's definitions."""

    psnr: float
    """[dB]"""
    ssim: float
    nmse: float
    rank_correlation: float | None = None
    """Of the standard deviation with the true error in the body, mean over the slices; where there is one."""
    covered: float | None = None
    """Share of the body within the calibrated interval; where there is one."""

    def __str__(self) -> str:
        return f"PSNR {self.psnr:.1f} dB, SSIM {self.ssim:.3f}, NMSE {self.nmse:.4f}"


def evaluate(image: Reconstruction | Movie | Image, truth: Scan | Sequence[Scan] | Image) -> Quality:
    """Compare an image with the truth.

    Parameters
    ----------
    image
        A reconstruction, or an array [slice, readout, phase_encode]; of complex ones the magnitude. Of a movie, or an
        array [frame, slice, readout, phase_encode], all frames together.
    truth
        An array of the same shape, or a fully sampled scan, or one of each frame.

    Raises
    ------
    InputError
        If the sizes differ, or the scan is undersampled.
    """
    if isinstance(image, Movie):
        return _of_frames(image, truth)
    if isinstance(truth, Sequence):
        raise InputError(f"the truth has {len(truth)} scans, the image one; give the scan that it is of")
    target = full_image(truth) if isinstance(truth, Scan) else np.abs(truth)
    found = image.magnitude if isinstance(image, Reconstruction) else np.abs(image)
    if found.shape != target.shape:
        raise InputError(f"the image has the shape {list(found.shape)}, the truth {list(target.shape)}")
    if target.ndim == 4:
        target, found = (one.reshape(-1, *one.shape[2:]) for one in (target, found))
    pair = (target, found.astype(target.dtype))
    known = image.posterior if isinstance(image, Reconstruction) else None
    ranks = covered = None
    if known is not None and known.std.any():
        ranks = float(np.mean([rank_correlation(*one) for one in zip(target, found, known.std, strict=True)]))
    if known is not None and known.half_width is not None:
        body = np.stack([body_of(one) for one in target])
        covered = float(np.mean((np.abs(found - target) <= known.half_width)[body]))
    return Quality(psnr(*pair), ssim(*pair), nmse(*pair), ranks, covered)


def _of_frames(movie: Movie, truth: Scan | Sequence[Scan] | Image) -> Quality:
    """All frames as slices of one volume."""
    if isinstance(truth, Scan):
        raise InputError(f"the movie has {len(movie)} frames, the truth is one scan; give those of all frames")
    target = np.stack([full_image(one) for one in truth]) if isinstance(truth, Sequence) else np.abs(truth)
    if target.shape != movie.magnitude.shape:
        raise InputError(f"the movie has the shape {list(movie.magnitude.shape)}, the truth {list(target.shape)}")
    each = [evaluate(frame, one) for frame, one in zip(movie, target, strict=True)]
    whole = evaluate(movie.magnitude, target)

    def mean(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if len(known) == len(values) else None

    ranks, covered = mean([one.rank_correlation for one in each]), mean([one.covered for one in each])
    return replace(whole, rank_correlation=ranks, covered=covered)


def evaluate_set(
    images: Image, reference: Image, features: str | None = PRINCIPAL, *, device: str = "auto", seed: int = 0
) -> SetMetrics:
    """Judge a set of generated images by real ones: Frechet and kernel distance, precision, recall.

    Parameters
    ----------
    images, reference
        [image, y, x]; the magnitudes are compared as they are.
    features
        `principal` components of the reference, a TorchScript file of yours, or None for Inception.
    device, seed
        As everywhere.

    Raises
    ------
    InputError
        If a set has fewer than 10 images, or the features cannot be had.
    """
    on = resolve_device(device)
    real = magnitudes(reference)
    return compare_sets(magnitudes(images), real, find_extractor(features, real, on), on, seed=seed)


show = comparison_figure
