"""Shots of a trajectory that are given as lines are said to be that; lines of an object never are."""

import h5py
import numpy as np
import pytest
from coil_phantom import make_scan
from spots import xml

from rsd_mri.errors import InputError
from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.spokes import looks_like_spokes

SPOTS = ((0.10, -0.12, 0.11, 1.0), (-0.18, 0.10, 0.07, 1.6), (0.02, 0.24, 0.05, 0.8), (-0.05, 0.0, 0.2, 0.7))
"""Place in the field of view, width and height."""
ANGLES = np.deg2rad(111.246) * np.arange(48)
TURNS = np.linspace(0, 1, 300)[:, None]
POINTS = {
    "spokes": np.linspace(-24, 24, 64, endpoint=False)[:, None] * np.exp(1j * ANGLES),
    "spokes from the centre": np.linspace(0, 24, 32)[:, None] * np.exp(1j * ANGLES),
    "few spirals": 24 * TURNS * np.exp(2j * np.pi * (10 * TURNS + np.arange(8) / 8)),
    "spiral": 24 * TURNS * np.exp(2j * np.pi * (6 * TURNS + np.arange(16) / 16)),
    "rosette": 24 * np.sin(6 * np.pi * TURNS) * np.exp(2j * np.pi * (TURNS + np.arange(24) / 24)),
}


def shots(points, coils=4, noise=3e-4):
    """K-space [slice, coil, sample, shot] of spots, at points in cycles per field of view."""
    rng = np.random.default_rng(4)
    found = np.zeros((1, coils, *points.shape), complex)
    for coil in range(coils):
        for x, y, width, height in SPOTS:
            seen = height * np.exp(np.cos(coil) * x + np.sin(coil) * y + 1j * coil)
            decay = np.exp(-2 * (np.pi * width * np.abs(points)) ** 2)
            found[0, coil] += seen * width**2 * decay * np.exp(-2j * np.pi * (points.real * x + points.imag * y))
    return (found + noise * (rng.standard_normal((*found.shape, 2)) @ [1, 1j])).astype(np.complex64)


@pytest.mark.parametrize("kind", list(POINTS))
@pytest.mark.parametrize("turned", [False, True])
def test_shots_are_told_in_either_order_of_axes(tmp_path, kind, turned):
    kspace = shots(POINTS[kind])
    np.save(tmp_path / "shots.npy", kspace.swapaxes(-1, -2) if turned else kspace)
    assert any("as shots of a trajectory do" in note for note in read_scan(tmp_path / "shots.npy").notes)


@pytest.mark.parametrize("said", ["radial", "cartesian"])
def test_they_are_refused_where_the_header_says_so_too(tmp_path, said):
    header = xml((64, 48, 1), (64, 48, 1), (200, 200, 5), (200, 200, 5)).replace("cartesian", said)
    with h5py.File(tmp_path / "spokes.h5", "w") as file:
        file["kspace"], file["ismrmrd_header"] = shots(POINTS["spokes"]), header
    if said == "cartesian":
        assert any("as shots of a trajectory do" in note for note in read_scan(tmp_path / "spokes.h5").notes)
        return
    with pytest.raises(InputError, match=r"the header says radial; expected its trajectory"):
        read_scan(tmp_path / "spokes.h5")


@pytest.mark.parametrize("acceleration", [1, 4])
@pytest.mark.parametrize("wrap", [False, True])
def test_lines_are_none(acceleration, wrap):
    assert not looks_like_spokes(make_scan(acceleration=acceleration, acs_lines=12, wrap=wrap).kspace)


@pytest.mark.parametrize("width", [3, 5, 40])
@pytest.mark.parametrize("centre", [24, 20])
def test_rods_of_a_few_pixels_are_none(width, centre):
    image = np.zeros((1, 2, 64, 48), complex)
    image[..., 8:56, centre - width // 2 : centre - width // 2 + width] = 1
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
    assert not looks_like_spokes(kspace.astype(np.complex64))
