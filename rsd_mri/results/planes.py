"""From a scan's geometry to the frames that image files and viewers use."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.geometry import Geometry

LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))
"""Patient directions along -x, +x, -y, +y, -z, +z of LPS coordinates, as printed on film."""


@dataclass(frozen=True)
class Plane:
    """One slice in patient coordinates (LPS)."""

    right: NDArray[np.float64]
    """Unit vector along which the column index (phase encode) grows."""
    down: NDArray[np.float64]
    """Unit vector along which the row index (readout) grows."""
    first_pixel: NDArray[np.float64]
    """Centre of pixel (0, 0) [mm]."""


def voxel_size(geometry: Geometry) -> tuple[float, float, float]:
    """Voxel along (readout, phase encode, slice) [mm]; one millimetre where unknown."""
    return geometry.voxel_size or (1.0, 1.0, 1.0)


def is_known(geometry: Geometry, n_slices: int) -> bool:
    """Whether size, directions and the position of every slice are known; slices in one place are not."""
    directions = (geometry.read_direction, geometry.phase_direction, geometry.slice_direction)
    return (
        geometry.voxel_size is not None
        and all(direction is not None for direction in directions)
        and len(geometry.positions) == n_slices == len(set(geometry.positions))
    )


def is_even(geometry: Geometry) -> bool:
    """Whether the slices lie in their order, one step apart (to a hundredth of it), as a NIfTI volume has them."""
    if len(geometry.positions) < 3:
        return True
    steps = np.diff(np.array(geometry.positions, float), axis=0)
    return bool(np.abs(steps - steps.mean(0)).max() <= 0.01 * np.linalg.norm(steps.mean(0)))


def plane(geometry: Geometry, index: int, size: tuple[int, int]) -> Plane:
    """Where slice `index` of `size` (readout, phase encode) lies; the geometry must be known.

    A slice's position is that of pixel (readout // 2, phase encode // 2), the origin of the image in the
    Fourier transform, which the crop to the image wanted keeps.
    """
    right, down = np.array(geometry.phase_direction, float), np.array(geometry.read_direction, float)
    read, phase, _ = voxel_size(geometry)
    centre = np.array(geometry.positions[index], float)
    first = centre - down * read * (size[0] // 2) - right * phase * (size[1] // 2)
    return Plane(right, down, first)


def slice_step(geometry: Geometry) -> NDArray[np.float64]:
    """From one slice to the next in patient coordinates (LPS) [mm]; the geometry must be known."""
    if len(geometry.positions) > 1:
        first, last = (np.array(geometry.positions[i], float) for i in (0, -1))
        found: NDArray[np.float64] = (last - first) / (len(geometry.positions) - 1)
        return found
    return np.array(geometry.slice_direction, float) * (voxel_size(geometry)[2] + geometry.slice_gap)


def affine_ras(geometry: Geometry, n_slices: int, size: tuple[int, int]) -> NDArray[np.float64] | None:
    """Affine from voxel (phase encode, readout, slice) to RAS coordinates [mm], as NIfTI wants.

    None where the geometry is not known, or no affine fits it because the slices are not evenly spaced. DICOM's and
    ISMRMRD's patient frame is LPS: x and y change their sign.
    """
    if not (is_known(geometry, n_slices) and is_even(geometry)):
        return None
    first = plane(geometry, 0, size)
    read, phase, _ = voxel_size(geometry)
    affine = np.eye(4)
    affine[:3, 0] = first.right * phase
    affine[:3, 1] = first.down * read
    affine[:3, 2] = slice_step(geometry)
    affine[:3, 3] = first.first_pixel
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def edge_letters(geometry: Geometry) -> tuple[str, str, str, str] | None:
    """Patient side at the (left, right, top, bottom) edge of the image; None where unknown."""
    if geometry.phase_direction is None or geometry.read_direction is None:
        return None
    return (*_ends(geometry.phase_direction), *_ends(geometry.read_direction))


def _ends(direction: tuple[float, float, float]) -> tuple[str, str]:
    axis = int(np.argmax(np.abs(direction)))
    low, high = LETTERS[axis]
    return (low, high) if direction[axis] > 0 else (high, low)
