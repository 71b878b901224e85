"""Plain noise: A is the identity."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Corruption, Key
from rsd_mri.operators import Identity, LinearOperator


class Noise(Corruption):
    """y = x + noise of one level, for real images [channel, y, x] or complex ones [y, x]."""

    def __init__(self, image_shape: tuple[int, ...], sigma: float, dtype: torch.dtype = torch.float32) -> None:
        self.image_shape = image_shape
        self.sigma = sigma
        self.dtype = dtype

    def draw(self, keys: Sequence[Key]) -> tuple[LinearOperator, Tensor]:
        """The identity and the noise level."""
        return Identity(), torch.full((len(keys),), self.sigma)

    def further(self, operator: LinearOperator, keys: Sequence[Key]) -> LinearOperator:  # noqa: ARG002
        """The identity: noise is the only corruption, and the diffusion adds more of it."""
        return operator
