"""An adversarial term for the distillation: generated images, corrupted, must not be told from what was measured.

As in Zhou et al. 2024 (arXiv 2410.14919) the descending half of the fake score tells them apart, so that no second
network is needed. Other than there its deepest features are read by a learned linear layer, and by their magnitudes in
a complex network.
"""

from torch import Tensor, nn
from torch.nn.functional import softplus

from rsd_mri.networks import UNet


class Critic(nn.Module):
    """How measured an image looks, from the deepest features of the fake score; a global phase changes nothing.

    Parameters
    ----------
    network
        That of the fake score.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.is_complex = network.is_complex
        self.features = network.settings.channels * network.settings.multipliers[-1]
        self.read = nn.Linear(self.features, 1)
        nn.init.zeros_(self.read.weight)
        nn.init.zeros_(self.read.bias)

    def forward(self, deepest: Tensor) -> Tensor:
        """Logits [batch, y, x] of [batch, feature, y, x]: above zero where an image looks measured."""
        size = deepest.float()
        if self.is_complex:
            real, imag = size.chunk(2, dim=1)
            size = (1 + real.square() + imag.square()).log()
        made: Tensor = self.read(size.movedim(1, -1))[..., 0]
        return made


def telling_loss(made: Tensor, measured: Tensor) -> Tensor:
    """Loss [batch] of a critic with such logits [batch, y, x] of generated and of measured images."""
    return (softplus(made) + softplus(-measured)).mean((1, 2))


def passing_loss(made: Tensor) -> Tensor:
    """Loss [batch] of a generator whose images have such logits [batch, y, x]."""
    return softplus(-made).mean((1, 2))
