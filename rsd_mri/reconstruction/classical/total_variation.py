"""The proximal map of the total variation of complex images."""

import torch
from torch import Tensor


class VariationShrinkage:
    """Solve min_u 1/2 ||u - x||^2 + amount TV(u) by accelerated projections on the dual.

    Beck and Teboulle 2009 (doi:10.1109/TIP.2009.2028250), section 4, for complex images and differences that
    wrap around. The dual of the last call is kept and starts the next one: inside an iteration a few steps
    are then enough.

    Parameters
    ----------
    steps
        Dual steps per call.
    isotropic
        TV(u) is the sum over pixels of the length of the gradient; else that of |d_r u| + |d_p u|.
    """

    def __init__(self, steps: int = 5, isotropic: bool = True) -> None:
        self.steps = steps
        self.isotropic = isotropic
        self.dual: Tensor | None = None

    def __call__(self, image: Tensor, amount: Tensor) -> Tensor:
        """Shrink the variation of `image` [..., readout, phase_encode]; `amount` broadcasts against it."""
        dual = torch.zeros((2, *image.shape), dtype=image.dtype, device=image.device)
        if self.dual is not None:
            dual = self.dual
        ahead, t = dual, 1.0
        for _ in range(self.steps):
            # 8 bounds the norm of the two differences and their adjoint.
            step = gradient(image - gradient_adjoint(ahead))
            new = self._project(ahead + step / 8, amount)
            t_new = (1 + (1 + 4 * t * t) ** 0.5) / 2
            ahead = new + ((t - 1) / t_new) * (new - dual)
            dual, t = new, t_new
        self.dual = dual
        return image - gradient_adjoint(dual)

    def _project(self, dual: Tensor, amount: Tensor) -> Tensor:
        power = dual.real.square() + dual.imag.square()
        if self.isotropic:
            power = power[0] + power[1]
        return dual * (amount * torch.rsqrt(power.clamp_min_(torch.finfo(power.dtype).tiny))).clamp_max_(1)


def gradient(image: Tensor) -> Tensor:
    """Forward differences along readout and phase encode, wrapped around; [2, ..., readout, phase_encode]."""
    return torch.stack([torch.roll(image, -1, dim) - image for dim in (-2, -1)])


def gradient_adjoint(field: Tensor) -> Tensor:
    """Adjoint of `gradient`."""
    return torch.roll(field[0], 1, -2) - field[0] + torch.roll(field[1], 1, -1) - field[1]
