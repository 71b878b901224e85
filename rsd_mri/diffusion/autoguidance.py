"""A denoiser guided by a worse one of the same images, such as an earlier state of itself."""

import torch
from torch import Tensor

from rsd_mri.diffusion.denoiser import Condition, Denoiser, expand


class Autoguided(Denoiser):
    """D + w (D - D'), of a denoiser D and a worse one D': autoguidance, Karras et al. 2024 (arXiv 2406.02507).

    Where the two differ, D' spreads the images further, and D is likely to spread them too far the same way. The score
    is then that of p^(1 + w) / p'^w at each noise level, which is not the law of the images: samples are more typical
    of it. For sampling and distillation; an estimate of one image is better without.

    Parameters
    ----------
    denoiser
        D; its network is shared, not copied.
    guide
        D', trained on the same images, shorter or of a smaller network.
    weight
        w, 0 for D itself.
    below
        Noise level from which on D is itself: high levels decide the mean of the images and their share of each kind,
        which guidance shifts; Kynkaanniemi et al. 2024 (arXiv 2404.07724).
    """

    def __init__(self, denoiser: Denoiser, guide: Denoiser, weight: float, below: float | None = None) -> None:
        super().__init__(denoiser.network, denoiser.sigma_data, denoiser.sigma_hidden)
        self.denoiser, self.guide = denoiser, guide
        self.weight = weight
        self.below = below

    def forward(self, u: Tensor, sigma: Tensor, condition: Condition | None = None) -> Tensor:
        """The guided estimate; as `Denoiser.forward`."""
        estimate: Tensor = self.denoiser(u, sigma, condition)
        weight = torch.full_like(sigma, self.weight)
        if self.below is not None:
            weight = torch.where(sigma < self.below, weight, 0.0)
        if not weight.any():
            return estimate
        worse: Tensor = self.guide(u, sigma, condition)
        return estimate + expand(weight, estimate) * (estimate - worse)
