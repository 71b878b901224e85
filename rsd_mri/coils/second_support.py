"""Whether an object that wraps needs a second set of maps, and how far that set reaches.

Where the part that wraps ends, ESPIRiT's second eigenvalue falls from 1 over a few pixels; learned from a narrow centre
it may pass 0.9 nowhere. Cut off too early, a bright edge of the object, or all that wraps, is explained by no map, and
every line says so: a data step that believes it spoils the image. Taken along where nothing is, pixels that two maps
share are told apart less well. The fully sampled centre tells which it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.coils.espirit import kernel_polynomial, leading_eigenpairs
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import sense_operator

FURTHER = (0.8, 0.7, 0.6, 0.5)
"""Eigenvalues from which the second set may reach, where it has to reach further."""
EXPLAINED = 0.09
"""Share of what is left unexplained of the centre that a step further has to explain (docs/choices.md)."""
ASKED, NEEDED = 0.7, 0.2
"""Where the eigenvalues alone call for no second set: one that reaches so far, and the share of what one set leaves
unexplained of the centre that it has to explain (docs/choices.md)."""
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
    centre = Centre.of(calibration, kernel_width, threshold, noise, crop)
    price = -math.log(1 - EXPLAINED)
    return min(steps, key=lambda step: math.log(centre.left(step)) + steps.index(step) * price)


@torch.no_grad()
def second_needed(centres: Sequence["Centre"]) -> float:
    """Share of what one set of maps leaves unexplained of the centre that a second explains, where it is needed.

    Parameters
    ----------
    centres
        Of one slice or several of a scan.

    Returns
    -------
    float
        0 where it is less than `NEEDED`, one set leaves no more than noise, a second would reach nowhere, or there
        are too few coils to tell.
    """
    if centres[0].kspace.shape[1] < LEAST_COILS:
        return 0.0
    asked = min(ASKED, centres[0].crop)
    reached = [centre.support(1, asked).any() for centre in centres]
    if not any(reached):
        return 0.0
    alone = [centre.left(None) for centre in centres]
    if sum(alone) <= sum(int(centre.mask.sum()) * centre.kspace.shape[1] * centre.sigma**2 for centre in centres):
        return 0.0
    both = sum(centre.left(asked) if there else one for centre, there, one in zip(centres, reached, alone, strict=True))
    explained = 1 - both / sum(alone)
    return explained if explained > NEEDED else 0.0


@dataclass(frozen=True)
class Centre:
    """The centre of one slice as a scan of its own, on a grid that shows its maps."""

    kspace: Tensor
    """[1, coil, readout, phase_encode], zero beyond the centre."""
    mask: Tensor
    """[readout, phase_encode] bool: the centre."""
    vectors: Tensor
    """[1, set, coil, readout, phase_encode]: two sets of maps, cropped nowhere."""
    eigenvalues: Tensor
    """[1, set, readout, phase_encode]."""
    crop: float
    """Eigenvalue below which the first set is zero."""
    sigma: float
    """Noise level that is believed."""

    @classmethod
    @torch.no_grad()
    def of(cls, calibration: Tensor, kernel_width: int, threshold: float, noise: float, crop: float) -> "Centre":
        """Place the centre in its grid and find its maps; parameters as for `second_crop`, with two coils at least."""
        centre = calibration.shape[-2:]
        size = (max(GRID, 2 * centre[0]), max(GRID, 2 * centre[1]))
        rows, columns = (slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(size, centre, strict=True))
        kspace = calibration.new_zeros(*calibration.shape[:2], *size)
        kspace[..., rows, columns] = calibration
        mask = torch.zeros(size, dtype=torch.bool, device=kspace.device)
        mask[rows, columns] = True
        polynomial = kernel_polynomial(calibration, kernel_width, threshold, noise)
        vectors, values = leading_eigenpairs(polynomial[0], size, 2)
        vectors = vectors.permute(2, 1, 0).reshape(1, 2, -1, *size)
        return cls(kspace, mask, vectors, values.T.reshape(1, 2, *size), crop, max(noise, LEAST_SIGMA))

    def support(self, which: int, step: float) -> Tensor:
        """Where a set reaches that is taken along down to an eigenvalue, [1, readout, phase_encode] bool."""
        return self.eigenvalues[:, which] > step

    def left(self, step: float | None) -> float:
        """Energy that maps leave unexplained of which the second set reaches to an eigenvalue, or of one set."""
        first = self.support(0, self.crop)
        if step is None:
            return _unexplained(self.kspace, self.mask, self.vectors[:, 0] * first[:, None], self.sigma)
        reached = torch.stack([first, self.support(1, step)], 1)
        return _unexplained(self.kspace, self.mask, self.vectors * reached[:, :, None], self.sigma)


def _unexplained(kspace: Tensor, mask: Tensor, csm: Tensor, sigma: float) -> float:
    """Energy of k-space less that of the image that explains it, of pixels of even power."""
    operator = sense_operator(csm, mask)
    power = float(kspace.abs().square().sum()) / mask.numel()
    right = operator.adjoint(kspace) / sigma**2
    image = solve_regularised(operator.gram, sigma**-2, power, right, None, ITERATIONS, 1e-6)
    return float((kspace - operator.forward(image)).abs().square().sum())
