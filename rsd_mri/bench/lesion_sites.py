"""Small lesions of known size, contrast and place, put into the k-space of full scans."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rsd_mri.machine.randomness import generator
from rsd_mri.operators import fft2c, ifft2c
from rsd_mri.reconstruction.full_scans import body_of
from rsd_mri.scan.middle import centre_window
from rsd_mri.scan.scan import Scan

LESIONS = {1.0: 0.7, 2.0: 0.35, 4.0: 0.2, 6.0: 0.15}
"""Diameter [pixels], and the share by which the signal is higher or lower there: seen on full scans by most observers,
but not by all."""
PATCH = 15
"""Side of what an observer is shown [pixels]."""
APART = 13
"""Least distance of two lesions [pixels]: the nearest stays outside the patch."""
CALM = 0.6
"""Share of the body, the least uneven, in which lesions are put: an edge of the anatomy hides any of them."""
FINE = 16
"""Points a pixel by which a disc is drawn."""


@dataclass(frozen=True)
class Site:
    """A place for a lesion."""

    row: int
    column: int
    size: float
    """Diameter [pixels]."""
    contrast: float
    """Signal there over that of the tissue, less one."""
    second: bool
    """Of two scans with lesions at half of the sites each, whether it is in the second one."""


def disc(size: float, side: int = PATCH) -> NDArray[np.float64]:
    """A disc of a diameter round the centre pixel, [side, side]: share of each pixel that is inside."""
    at = (np.arange(side * FINE) + 0.5) / FINE - 0.5 - side // 2
    inside = np.hypot(at[:, None], at) <= size / 2
    shares: NDArray[np.float64] = inside.reshape(side, FINE, side, FINE).mean((1, 3))
    return shares


def draw_sites(image: NDArray[np.floating], sizes: Sequence[float], *key: int | str) -> tuple[Site, ...]:
    """Draw as many sites as fit into the calmer parts of a body, half of them for each of two scans.

    Parameters
    ----------
    image
        Magnitude [readout, phase_encode], without noise where there is one.
    sizes
        Of `LESIONS`; as many of each, bright and dark alike often.
    key
        Of the draw.
    """
    from scipy.ndimage import gaussian_filter, minimum_filter

    mean = gaussian_filter(image, 3.0)
    uneven = np.sqrt(np.maximum(gaussian_filter(image**2, 3.0) - mean**2, 0)) / np.maximum(mean, 1e-12)
    # A lesion and the tissue round it lie in the body.
    body = minimum_filter(body_of(image) & (mean > mean.max() / 5), 5, mode="constant")
    margin = PATCH // 2
    inner = np.zeros_like(body)
    inner[margin:-margin, margin:-margin] = body[margin:-margin, margin:-margin]
    if not inner.any():
        return ()
    calm = np.argwhere(inner & (uneven <= np.quantile(uneven[inner], CALM)))
    rng = generator(*key, "sites")
    chosen: list[NDArray[np.intp]] = []
    for number in torch.randperm(len(calm), generator=rng).tolist():
        if all(np.hypot(*(calm[number] - other)) >= APART for other in chosen):
            chosen.append(calm[number])
    sites = []
    for number, (row, column) in enumerate(chosen):
        size = sizes[number % len(sizes)]
        turn = number // len(sizes)
        contrast = LESIONS[size] * (1 if turn % 2 else -1)
        sites.append(Site(int(row), int(column), size, contrast, bool(turn // 2 % 2)))
    return tuple(sites)


def signal_change(sites: Sequence[Site], shape: tuple[int, int], second: bool) -> NDArray[np.float64]:
    """What the lesions of one of the two scans add to a signal of one, [readout, phase_encode]."""
    change, half = np.zeros(shape), PATCH // 2
    for site in sites:
        if site.second == second:
            place = np.s_[site.row - half : site.row + half + 1, site.column - half : site.column + half + 1]
            change[place] += site.contrast * disc(site.size)
    return change


def with_lesions(scan: Scan, clean: Scan, change: NDArray[np.float64]) -> Scan:
    """A full scan as it would have been measured with lesions.

    A lesion changes the signal m of its place to m (1 + change). Each coil sees s m, so its image gains change * s m:
    the maps s are those of the scanner itself, none are estimated, and by linearity the new k-space is exact. Where
    the field of view is smaller than the object, all that lies at the place is changed.

    Parameters
    ----------
    scan
        Measured, full.
    clean
        The same without noise where that is known, else the scan again.
    change
        `signal_change` on the pixels of its image, the centre of the field of view.
    """
    size = clean.kspace.shape[-2:]
    wide = np.zeros(size)
    wide[centre_window(size, change.shape)] = change
    coil_images = ifft2c(torch.from_numpy(clean.kspace))
    added = fft2c(coil_images * torch.from_numpy(wide.astype(np.float32))).numpy()
    return replace(scan, kspace=scan.kspace + added)


def patches_at(image: NDArray[np.floating], sites: Sequence[Site]) -> NDArray[np.float64]:
    """What lies round each site, [site, PATCH, PATCH]."""
    half = PATCH // 2
    return np.array(
        [image[s.row - half : s.row + half + 1, s.column - half : s.column + half + 1] for s in sites], np.float64
    ).reshape(len(sites), PATCH, PATCH)
