"""Our operators as deepinv's physics, and our priors as its denoisers (Tachella et al. 2025, deepinv)."""

import math
from typing import Any

import torch
from deepinv.models import Denoiser
from deepinv.physics import LinearPhysics
from torch import Tensor

from rsd_mri.errors import InputError
from rsd_mri.operators import LinearOperator
from rsd_mri.priors.prior import Prior


def to_channels(images: Tensor) -> Tensor:
    """Complex [batch, ...] as deepinv has it: real [batch, 2, ...]."""
    return torch.view_as_real(images.resolve_conj()).movedim(-1, 1).contiguous()


def to_complex(channels: Tensor) -> Tensor:
    """Real [batch, 2, ...] to complex [batch, ...]."""
    return torch.view_as_complex(channels.movedim(1, -1).contiguous())


class Physics(LinearPhysics):
    """A linear operator of ours on complex images, `Sense` for example, as deepinv's physics.

    Parameters
    ----------
    operator
        A. Images are [batch, 2, readout, phase_encode] for deepinv, k-space [batch, 2, coil, readout, phase_encode].
    """

    def __init__(self, operator: LinearOperator, **options: Any) -> None:
        super().__init__(**options)
        self.operator = operator

    def A(self, x: Tensor, **parameters: Any) -> Tensor:  # noqa: ARG002, N802
        """Apply A."""
        return to_channels(self.operator.forward(to_complex(x)))

    def A_adjoint(self, y: Tensor, **parameters: Any) -> Tensor:  # noqa: ARG002, N802
        """Apply A^H."""
        return to_channels(self.operator.adjoint(to_complex(y)))

    def A_adjoint_A(self, x: Tensor, **parameters: Any) -> Tensor:  # noqa: ARG002, N802
        """Apply A^H A, the quick way."""
        return to_channels(self.operator.gram.forward(to_complex(x)))


class PriorDenoiser(Denoiser):
    """A denoiser of whole images of ours as deepinv's.

    Parameters
    ----------
    prior
        Of kind `denoiser`; the others know images through an operator.

    Raises
    ------
    InputError
        If it is of another kind.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        if prior.kind != "denoiser":
            raise InputError(f"{prior.path}: is a {prior.kind}; expected a denoiser of whole images")
        self.denoiser = prior.denoiser

    def forward(self, x: Tensor, sigma: float | Tensor, **parameters: Any) -> Tensor:  # noqa: ARG002
        """Denoise [batch, 2, readout, phase_encode].

        `sigma` is that of the real and of the imaginary part, one number or one per image; ours is that of the whole
        number.
        """
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).reshape(-1).expand(len(x)) * math.sqrt(2)
        with torch.no_grad():
            return to_channels(self.denoiser(to_complex(x), level))
