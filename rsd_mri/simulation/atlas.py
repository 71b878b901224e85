"""The anatomy all simulated heads start from: the ICBM152 tissue maps and a head modelled around them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from rsd_mri.files.carried import carried

MAP = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
# Box of the head model [mm], in MNI space: x to the right, y to the front, z up.
BOX = ((-110.0, 110.0), (-150.0, 130.0), (-150.0, 115.0))


@dataclass(frozen=True)
class Volume:
    """Maps [channel, x, y, z] on a regular grid."""

    data: Tensor
    origin: tuple[float, float, float]
    """Position of the first voxel [mm]."""
    spacing: float
    """Voxel size [mm]."""

    def sample(self, points: Tensor) -> Tensor:
        """Interpolate trilinearly at points [..., 3] in mm; [channel, ...]. Outside, the border goes on."""
        extent = self.spacing * (torch.tensor(self.data.shape[1:]) - 1)
        grid = 2 * (points - torch.tensor(self.origin)) / extent - 1
        grid = grid.reshape(1, -1, 1, 1, 3).flip(-1)  # grid_sample wants the last axis first
        out = torch.nn.functional.grid_sample(
            self.data[None], grid, mode="bilinear", padding_mode="border", align_corners=True
        )
        return out.reshape(self.data.shape[0], *points.shape[:-1])


@dataclass(frozen=True)
class Atlas:
    """The mean head."""

    tissue: Volume
    """Grey and white matter, shares from 0 to 1; 1 mm."""
    head: Volume
    """Distance outwards from the brain's hull and distance inwards from the skin [mm]; 3 mm."""


@lru_cache(maxsize=1)
def load_atlas() -> Atlas:
    """Load the ICBM152 2009 symmetric grey- and white-matter maps (Fonov et al. 2011) and model a head.

    The maps come with nilearn. They hold the brain alone: skull, face and neck are modelled around it.
    """
    import nibabel

    images = [nibabel.nifti1.load(carried("nilearn", "datasets", "data", MAP.format(kind))) for kind in ("gm", "wm")]
    maps = np.stack([np.asarray(image.dataobj).astype(np.float32) for image in images])
    maps /= maps.max((1, 2, 3), keepdims=True)
    maps /= maps.max()
    start, stop = (20, 20, 0), (177, 215, 162)  # the brain, and a margin that holds zeros
    tissue = torch.from_numpy(maps)[:, start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]].clone()
    affine = np.asarray(images[0].affine)
    origin = affine[:3, :3] @ start + affine[:3, 3]
    x, y, z = (float(v) for v in origin)
    return Atlas(Volume(tissue, (x, y, z), 1.0), _head(maps.sum(0) > 0.5, affine[:3, 3]))


def _head(brain: NDArray[np.bool_], brain_origin: NDArray[np.float64]) -> Volume:
    """Distances from the brain's hull and from the skin, on a 3 mm grid over `BOX`."""
    step = 3.0
    axes = [np.arange(low, high + step / 2, step) for low, high in BOX]
    # Voxels of the head grid in the atlas; the last slice of the brainstem goes on downwards as the cord.
    index = [np.round(a - o).astype(int) for a, o in zip(axes, brain_origin, strict=True)]
    inside = [(i >= 0) & (i < n) for i, n in zip(index, brain.shape, strict=True)]
    inside[2] |= index[2] < 0
    clipped = [i.clip(0, n - 1) for i, n in zip(index, brain.shape, strict=True)]
    mask = brain[np.ix_(*clipped)] & (inside[0][:, None, None] & inside[1][:, None] & inside[2])

    def distance_to(region: NDArray[np.bool_]) -> NDArray[np.float32]:
        distance = ndimage.distance_transform_edt(~region, sampling=step)
        return np.asarray(distance, np.float32)

    def signed_distance(region: NDArray[np.bool_]) -> NDArray[np.float32]:
        return distance_to(region) - distance_to(~region)

    def closed(region: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
        pad = int(radius / step) + 2
        grown = distance_to(np.pad(region, pad, mode="edge")) < radius
        return (distance_to(~grown) > radius)[pad:-pad, pad:-pad, pad:-pad]

    # Sulci and fissures are filled.
    hull = ndimage.gaussian_filter(signed_distance(closed(mask, 16.0)), 2.0 / step)
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)

    def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> NDArray[np.bool_]:
        (cx, cy, cz), (rx, ry, rz) = centre, radii
        return np.asarray(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 < 1)

    skin = hull < 13.0
    skin |= ellipsoid((0, 32, -70), (62, 62, 80))  # face and jaw
    skin |= (((x / 56) ** 2 + ((y + 25) / 62) ** 2) < 1) & (z < -45)  # neck
    skin |= ellipsoid((0, -20, -45), (76, 75, 45))  # base of the skull
    skin = closed(skin, 30.0)  # cheeks and temples are filled
    skin |= ellipsoid((0, 88, -58), (13, 22, 22))  # nose
    depth = -ndimage.gaussian_filter(signed_distance(skin), 5.0 / step)
    head = torch.from_numpy(np.stack([hull, depth]))
    return Volume(head, (BOX[0][0], BOX[1][0], BOX[2][0]), step)
