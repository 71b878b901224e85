"""Patches of restored images: what a denoiser of whole images is trained on."""

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rsd_mri.corruption.corruption import Measurements
from rsd_mri.corruption.identity import Noise
from rsd_mri.datasets.variety import altered, from_parts, happens, joined, log_uniform, parts_of, uniform
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import Identity

PATCHES_PER_IMAGE = 4096
ZOOM = 1.3
"""Largest change of scale: the voxels of a scan are not those of the training scans."""
SCALES = (0.75, 2.2)
"""Change of scale of the patches that are varied."""
JOINED = 0.45
"""Probability that one more patch is joined to a varied one."""


class RestoredPatches:
    """Random patches of complex images, flipped, turned, zoomed and rotated in phase; a `Data` of the training stages.

    Parameters
    ----------
    images
        [image, readout, phase_encode] complex64, prepared units: reconstructions of undersampled scans.
    size
        Side of a patch [pixels]; at most the images' sides.
    seed
        Of the protocol.
    variety
        Share of the patches that are made unlike the images: altered parts of several, joined along random edges
        (`variety`), at other scales.
    """

    def __init__(self, images: Tensor, size: int, seed: int, variety: float = 0.0) -> None:
        side = min(size, *images.shape[-2:])
        self.images, self.side, self.seed, self.variety = images, side, seed, variety
        self.identity = hashlib.sha256(torch.view_as_real(images).numpy().tobytes()).hexdigest()
        self.corruption = Noise((side, side), 0.0, torch.complex64)

    def __len__(self) -> int:
        return len(self.images) * PATCHES_PER_IMAGE

    def batch(self, indices: Sequence[int]) -> Measurements:
        """Patches by number: the same number always gives the same patch."""
        patches = torch.stack([self._patch(i) for i in indices])
        keys = tuple((self.seed, "patch", i) for i in indices)
        return Measurements(patches, Identity(), torch.zeros(len(indices)), keys)

    def _patch(self, index: int) -> Tensor:
        image = self.images[index % len(self.images)]
        if happens(generator(self.seed, "variety", index), self.variety):
            rng = generator(self.seed, "varied patch", index)
            patch = self._altered(image, rng)
            while happens(rng, JOINED):
                other = self.images[int(torch.randint(len(self.images), (), generator=rng))]
                patch = joined(patch, self._altered(other, rng), rng)
        else:
            rng = generator(self.seed, "patch", index)
            # Half of the patches keep their pixels: interpolation takes away the finest detail.
            zoom = ZOOM ** uniform(rng, -1, 1) if happens(rng, 0.5) else 1.0
            # Contrast and coil shading differ from scan to scan.
            patch = self._cut(image, zoom, rng) * 2 ** uniform(rng, -1.5, 0.5)
        return patch * torch.polar(torch.ones(()), torch.tensor(uniform(rng, 0, 2 * torch.pi)))

    def _altered(self, image: Tensor, rng: torch.Generator) -> Tensor:
        zoom = log_uniform(rng, *SCALES) if happens(rng, 0.6) else 1.0
        return altered(self._cut(image, zoom, rng), rng)

    def _cut(self, image: Tensor, zoom: float, rng: torch.Generator) -> Tensor:
        """Cut out a square of `zoom` times the side, resize it to the side, turn it and flip it."""
        side = min(round(self.side * zoom), *image.shape)
        places = [[int(torch.randint(n - side + 1, (), generator=rng)) for n in image.shape] for _ in range(2)]
        # Of two places the brighter one: half of an image is empty.
        best = max((image[y : y + side, x : x + side] for y, x in places), key=lambda patch: float(patch.abs().sum()))
        if side != self.side:
            best = _resized(best, self.side)
        turns, flip = int(torch.randint(4, (), generator=rng)), happens(rng, 0.5)
        best = torch.rot90(best, turns, (0, 1))
        return best.flip(0) if flip else best


def _resized(image: Tensor, side: int) -> Tensor:
    resized = F.interpolate(parts_of(image)[None], (side, side), mode="bicubic", antialias=True, align_corners=False)
    return from_parts(resized[0])
