"""Patches of restored images: what a denoiser of whole images is trained on."""

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rsd_mri.corruption.corruption import Measurements
from rsd_mri.corruption.identity import Noise
from rsd_mri.operators import Identity
from rsd_mri.randomness import generator

PATCHES_PER_IMAGE = 4096
ZOOM = 1.3
"""Largest change of scale: the voxels of a scan are not those of the training scans."""


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
    """

    def __init__(self, images: Tensor, size: int, seed: int) -> None:
        side = min(size, *images.shape[-2:])
        self.images, self.side, self.seed = images, side, seed
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
        rng = generator(self.seed, "patch", index)
        # Half of the patches keep their pixels: interpolation takes away the finest detail.
        zoom = ZOOM ** float(2 * torch.rand((), generator=rng) - 1) if torch.rand((), generator=rng) < 0.5 else 1.0
        side = min(round(self.side * zoom), *image.shape)
        best: Tensor | None = None
        for _ in range(2):  # of two places the brighter one: half of an image is empty
            y, x = (int(torch.randint(n - side + 1, (), generator=rng)) for n in image.shape)
            patch = image[y : y + side, x : x + side]
            if best is None or patch.abs().sum() > best.abs().sum():
                best = patch
        assert best is not None  # noqa: S101 - for the type checker
        if side != self.side:
            best = _resized(best, self.side)
        turns, flip = int(torch.randint(4, (), generator=rng)), bool(torch.randint(2, (), generator=rng))
        best = torch.rot90(best, turns, (0, 1))
        best = best.flip(0) if flip else best
        angle = 2 * torch.pi * torch.rand((), generator=rng)
        gain = 2 ** (2 * torch.rand((), generator=rng) - 1.5)  # contrast and coil shading differ from scan to scan
        return best * torch.polar(gain, angle)


def _resized(image: Tensor, side: int) -> Tensor:
    parts = torch.view_as_real(image).movedim(-1, 0)[None]
    resized = F.interpolate(parts, (side, side), mode="bicubic", antialias=True, align_corners=False)
    return torch.view_as_complex(resized[0].movedim(0, -1).contiguous())
