"""How a filter took the lines of k-space down: found from the noise, taken away before, put back after.

Noise of a receiver is white. Where a filter F acted on signal and noise alike, y = F (A x + n), the noise of a line
tells F, and F^-1 y = A x + n are data with white noise, as every method here takes them: to minimise
||F^-1 (y - F A x)|| is generalised least squares. F x is the image that the data as given describe.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.operators.fourier import fft1c, ifft1c
from rsd_mri.scan.scan import Scan

MIDDLE = 0.25
"""Share of the half-width of k-space about its centre in which signal leaks to where there is no object."""
LEAST = 0.05
"""Smallest taper, over the largest: beyond, lines are taken to hold more noise than they do."""
STIFFNESS = 10.0 ** np.arange(3, -7, -0.5)
"""Of the splines that are tried, from a straight line to what follows every line."""
FEWEST = 8
"""Lines outside the middle below which no curve is drawn through them."""


def taper_of(
    place: NDArray[np.floating], power: NDArray[np.floating], samples: float, n_phase: int
) -> NDArray[np.float32] | None:
    """Noise of every line over that of the centre, amplitudes.

    The smoothest spline through the logarithms that lies as far from them as chance would have it (Reinsch 1967,
    doi:10.1007/BF02162161). It runs on through the middle, where signal leaks, but not above what was found there.

    Parameters
    ----------
    place
        [line]: of the acquired lines, over the half-width of k-space; ascending.
    power
        [line]: of noise alone.
    samples
        Independent ones in each.
    n_phase
        Lines of the grid.

    Returns
    -------
    ndarray
        [phase_encode]; None of too few lines.
    """
    from scipy.interpolate import make_smoothing_spline

    beside = np.abs(place) > MIDDLE
    beside &= power > LEAST**2 * power[beside].max(initial=0)
    if beside.sum() < FEWEST:
        return None
    # The mean of the logarithm of a mean of exponential numbers lies below by half a variance, which is 1 / samples.
    at, logarithms = place[beside], np.log(power[beside]) + 1 / (2 * samples)
    allowed = (1 + np.sqrt(2 / len(at))) / samples
    for stiffness in STIFFNESS:
        curve = make_smoothing_spline(at, logarithms, lam=stiffness)
        if np.mean(np.square(curve(at) - logarithms)) <= allowed:
            break
    everywhere = (np.arange(n_phase) - n_phase // 2) / (n_phase / 2)
    found = curve(np.clip(everywhere, at[0], at[-1]))
    inside = np.abs(place) <= MIDDLE
    if inside.any():
        at_most = np.log(power[inside].mean()) + 3 / np.sqrt(samples)
        found = np.where(np.abs(everywhere) <= MIDDLE, np.minimum(found, at_most), found)
    root = np.exp((found - found[n_phase // 2]) / 2)
    taper: NDArray[np.float32] = np.maximum(root, LEAST * root.max()).astype(np.float32)
    return taper


def untapered(scan: Scan, taper: NDArray[np.float32] | None) -> Scan:
    """A scan without the filter; where there is none, itself."""
    return scan if taper is None else replace(scan, kspace=scan.kspace / taper)


def tapered(images: Tensor, taper: NDArray[np.floating] | None) -> Tensor:
    """Images [..., readout, phase_encode] as the filter leaves them; where there is none, as they are."""
    if taper is None:
        return images
    factor = torch.from_numpy(taper).to(images.device)
    found: Tensor = ifft1c(fft1c(images, dim=-1) * factor, dim=-1)
    return found


def tapered_std(std: Tensor, taper: NDArray[np.floating] | None) -> Tensor:
    """Standard deviation after `tapered`, [..., readout, phase_encode], of errors that are independent before."""
    if taper is None:
        return std
    response = ifft1c(torch.from_numpy(taper).to(std.device, torch.complex64), dim=-1).abs().square()
    variance = ifft1c(fft1c(std.square(), dim=-1) * fft1c(response, dim=-1), dim=-1).real
    found: Tensor = (variance / len(taper) ** 0.5).clamp_min(0).sqrt()
    return found
