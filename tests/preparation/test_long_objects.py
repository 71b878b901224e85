"""An object longer than the image wanted: the maps at the ends of the crop are those of the coils."""

from pathlib import Path

import numpy as np
import sigpy

from rsd_mri.preparation.prepare import calibrate_volume, prepare_slice
from rsd_mri.protocol.settings import PrepSettings
from rsd_mri.scan import Scan


def long_scan(length, n=(128, 96), coils=8):
    """A body over a share of the readout, seen by coils around it; and their maps."""
    u, v = np.meshgrid(*(((np.arange(m) - m // 2) / m) for m in n), indexing="ij")
    body = 1.0 * ((u / (length / 2)) ** 2 + (v / 0.4) ** 2 < 1) * (1 + 0.3 * np.cos(25 * u) * np.cos(20 * v))
    angles = 2 * np.pi * (np.arange(coils) + 0.3) / coils
    maps = np.stack([
        np.exp(-((u - 0.6 * np.cos(a)) ** 2 + (v - 0.6 * np.sin(a)) ** 2) / 0.4 + 1j * (a + u * np.sin(a) + v))
        for a in angles
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((coils, *n)) + 1j * rng.standard_normal((coils, *n))
    kspace = sigpy.fft(maps * body, axes=(-2, -1)) + 0.003 * noise
    kspace, mask = kspace[None].astype(np.complex64), np.ones(n[1], bool)
    scan = Scan(kspace, mask, "full", Path("long.h5"), "simulated", image_size=(64, 96))
    return scan, maps[:, 32:96], body[32:96] > 0


def alikeness(scan, maps):
    """Cosine between estimated and true maps at each pixel."""
    one = prepare_slice(scan, 0, PrepSettings(sets="1"))
    found = np.tensordot(one.back, one.csm, 1)
    across = np.abs((found.conj() * maps).sum(0))
    return across / np.maximum(np.linalg.norm(found, axis=0) * np.linalg.norm(maps, axis=0), 1e-12)


def test_maps_near_the_ends_of_the_crop():
    scan, maps, body = long_scan(0.95)
    assert calibrate_volume(scan, PrepSettings()).map_readout == 128
    alike = alikeness(scan, maps)
    ends = np.zeros_like(body)
    ends[:6] = ends[-6:] = True
    assert alike[ends & body].min() > 0.995
    assert alike[body].mean() > 0.999


def test_an_object_inside_the_crop_is_calibrated_on_it():
    scan, maps, body = long_scan(0.45)
    assert calibrate_volume(scan, PrepSettings()).map_readout == 64
    assert alikeness(scan, maps)[body].mean() > 0.999
