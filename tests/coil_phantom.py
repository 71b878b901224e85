"""Small multi-coil scans whose maps and noise are known."""

from pathlib import Path

import numpy as np
import pytest
import sigpy
import sigpy.mri

from rsd_mri.scan import Scan


def line_mask(n, acceleration, acs_lines, seed=0):
    mask = np.zeros(n, dtype=bool)
    mask[n // 2 - acs_lines // 2 : n // 2 - acs_lines // 2 + acs_lines] = True
    # The lines next to the centre stay empty, so that its width is what was asked for.
    others = np.flatnonzero(~np.convolve(mask, [1, 1, 1], mode="same").astype(bool))
    wanted = max(0, round(n / acceleration) - acs_lines)
    mask[np.random.default_rng(seed).choice(others, min(wanted, len(others)), replace=False)] = True
    return mask


def coil_images(size, n_coils, wrap=False, seed=0):
    """An ellipse with detail under smooth maps [coil, readout, phase_encode]; with `wrap`, one that folds over."""
    rng = np.random.default_rng(seed)
    wide = (size[0], 2 * size[1])
    y, x = np.meshgrid(*[(np.arange(n) - n // 2) / s for n, s in zip(wide, size, strict=True)], indexing="ij")
    half = (0.4, 0.7 if wrap else 0.4)
    radius = np.hypot(y / half[0], x / half[1])
    detail = sigpy.resize(1 + 0.3 * rng.standard_normal((size[0] // 4, wide[1] // 4)).repeat(4, 0).repeat(4, 1), wide)
    image = (radius < 1) * (0.5 + 0.5 * (radius > 0.85)) * np.where(detail == 0, 1, detail)
    coils = []
    for c in range(n_coils):
        angle = 2 * np.pi * c / n_coils
        distance = np.hypot(y - 0.6 * np.sin(angle), x - 0.6 * half[1] / 0.4 * np.cos(angle)) + 0.15
        phase = 2 * (y * np.sin(angle) + x * np.cos(angle)) + angle + x
        coils.append(image * np.exp(1j * phase) / distance)
    images = np.array(coils)
    # Fold the wide field of view: a pixel one field away lands on the same place.
    rolled = np.roll(images, -(wide[1] // 2), axis=2).reshape(n_coils, size[0], 2, size[1]).sum(2)
    return np.roll(rolled, size[1] // 2, axis=2)


def make_scan(
    size=(64, 48),
    n_coils=8,
    n_slices=1,
    sigma=0.02,
    acceleration=1.0,
    acs_lines=24,
    wrap=False,
    oversampling=1,
    covariance=None,
    seed=0,
    **fields,
):
    rng = np.random.default_rng(seed + 1)
    images = np.stack([coil_images(size, n_coils, wrap, seed + s) * (1 - 0.1 * s) for s in range(n_slices)])
    wide = sigpy.resize(images, (n_slices, n_coils, size[0] * oversampling, size[1]))
    kspace = sigpy.fft(wide, axes=(-2, -1))
    factor = np.eye(n_coils) if covariance is None else np.linalg.cholesky(covariance)

    def noise(*shape):
        white = (rng.standard_normal((n_coils, *shape)) + 1j * rng.standard_normal((n_coils, *shape))) / np.sqrt(2)
        return (sigma * np.tensordot(factor, white, 1)).astype(np.complex64)

    kspace = kspace + np.moveaxis(noise(n_slices, *kspace.shape[2:]), 1, 0)
    mask = np.ones(size[1], dtype=bool) if acceleration == 1 else line_mask(size[1], acceleration, acs_lines, seed)
    return Scan(
        kspace=(kspace * mask).astype(np.complex64),
        mask=mask,
        mask_source="file",
        source=Path("phantom.h5"),
        format="simulated",
        noise=fields.pop("noise", noise(4096)),
        image_size=fields.pop("image_size", size),
        **fields,
    )


def brain8ch():
    """The real scan beside the checkout; the test is skipped where it is absent."""
    path = Path(__file__).parents[1].parent / "shared" / "data" / "brain8ch" / "kspace.npy"
    if not path.is_file():
        pytest.skip("the real scan is not here")
    kspace = np.load(path, allow_pickle=False).astype(np.complex64)[None]
    mask = (kspace != 0).any(axis=(0, 1))
    return Scan(kspace=kspace, mask=mask, mask_source="zeros", source=path, format="npy")
