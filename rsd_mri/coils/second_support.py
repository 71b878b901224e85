"""How far the second set of maps of an object that wraps reaches.

Where the part that wraps ends, ESPIRiT's second eigenvalue falls from 1 over a few pixels. Cut off too early, a bright
edge of the object is explained by no map, and every line says so: a data step that believes it spoils the image. Taken
along where nothing is, pixels that two maps share are told apart less well. The fully sampled centre tells which it is.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.coils.acs import in_window
from rsd_mri.coils.espirit import CoilMaps, espirit
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import sense_operator

FURTHER = (0.8, 0.7, 0.6, 0.5)
"""Eigenvalues from which the second set may reach, where it has to reach further."""
EXPLAINED = 0.09
"""Share of what is left unexplained of the centre that a step further has to explain (docs/choices.md)."""
LEAST_COILS = 3
"""Below which nothing is asked: two sets explain whatever two coils see."""
GRID = 64
"""Points per axis on which the centre is explained, at least; twice its own where that is more."""
ITERATIONS = 20
"""Of conjugate gradients: few, so that what the maps explain with ease is told from what they can be made to."""
LEAST_SIGMA = 1e-3
"""Noise level below which the errors of the maps decide, prepared units."""


@torch.no_grad()
def second_crop(calibration: Tensor, kernel_width: int, threshold: float, noise: float, crop: float) -> float:
    """Eigenvalue below which a second set of maps is zero.

    The image that explains the centre is looked for with maps cropped as usual, and with a second set that reaches
    further; it does where that explains a good part of what was left unexplained then, for each step that it takes.

    Parameters
    ----------
    calibration
        Fully sampled centre of k-space of one slice, [1, coil, readout, phase_encode] complex, prepared units.
    kernel_width, threshold, noise, crop
        As for `espirit`.

    Returns
    -------
    float
        `crop` or one of `FURTHER`, if that is less.
    """
    steps = [crop, *(step for step in FURTHER if step < crop)]
    if len(steps) == 1 or calibration.shape[1] < LEAST_COILS or not calibration.any():
        return crop
    centre = _Centre.of(calibration, kernel_width, threshold, noise, crop, steps[-1])
    price = -math.log(1 - EXPLAINED)
    return min(steps, key=lambda step: math.log(centre.left(step)) + steps.index(step) * price)


@dataclass(frozen=True)
class _Centre:
    """The centre of one slice as a scan of its own, on a grid that shows its maps."""

    kspace: Tensor
    mask: Tensor
    maps: CoilMaps
    """Two sets, the second as far as it is ever taken."""
    crop: float
    sigma: float

    @classmethod
    def of(
        cls, calibration: Tensor, kernel_width: int, threshold: float, noise: float, crop: float, furthest: float
    ) -> "_Centre":
        centre = calibration.shape[-2:]
        size = (max(GRID, 2 * centre[0]), max(GRID, 2 * centre[1]))
        mask = in_window(torch.ones(centre, dtype=torch.bool, device=calibration.device), size)
        maps = espirit(
            calibration, size,
            kernel_width=kernel_width, threshold=threshold, noise=noise, crop=crop, sets=2, second_crop=furthest,
        )  # fmt: skip
        return cls(in_window(calibration, size), mask, maps, crop, max(noise, LEAST_SIGMA))

    def left(self, step: float) -> float:
        """Energy that maps leave unexplained of which the second set reaches to an eigenvalue."""
        values = self.maps.eigenvalues
        reached = values > values.new_tensor([self.crop, step])[:, None, None]
        return _unexplained(self.kspace, self.mask, self.maps.csm * reached[:, :, None], self.sigma)


def _unexplained(kspace: Tensor, mask: Tensor, csm: Tensor, sigma: float) -> float:
    """Energy of k-space less that of the image that explains it, of pixels of even power."""
    operator = sense_operator(csm, mask)
    power = float(kspace.abs().square().sum()) / mask.numel()
    right = operator.adjoint(kspace) / sigma**2
    image = solve_regularised(operator.gram, sigma**-2, power, right, None, ITERATIONS, 1e-6)
    return float((kspace - operator.forward(image)).abs().square().sum())
