"""Restored images as they are: what a denoiser of whole images learns from."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Measurements
from rsd_mri.corruption.identity import Noise
from rsd_mri.operators import Identity


class RestoredImages:
    """Reconstructions of undersampled scans, taken for images without noise; a `Data` of the training stages.

    Nothing is cut, turned or flipped: what is learned is the law of these images, framing and all. Their global phase
    is arbitrary, which a complex network knows by itself.

    Parameters
    ----------
    images
        [image, readout, phase_encode] complex64, prepared units.
    seed
        Of the protocol.
    """

    def __init__(self, images: Tensor, seed: int) -> None:
        self.images, self.seed = images, seed
        self.identity = hashlib.sha256(torch.view_as_real(images).contiguous().numpy().tobytes()).hexdigest()
        self.corruption = Noise(tuple(images.shape[1:]), 0.0, torch.complex64)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Sequence[int]) -> Measurements:
        """Images by number."""
        keys = tuple((self.seed, "restored", i) for i in indices)
        chosen = self.images[torch.as_tensor(list(indices))]
        return Measurements(chosen, Identity(), torch.zeros(len(indices)), keys)
