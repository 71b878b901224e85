"""How far the second set of maps reaches, where an object wraps.

Where the part that wraps ends, ESPIRiT's second eigenvalue falls from 1 over a few pixels. Cut off too early, a bright
edge of the object is explained by no map, and every line says so: a data step that believes it spoils the image. Taken
along where nothing is, pixels that two maps share are told apart less well. The fully sampled centre tells which it is.
"""

import torch
from torch import Tensor

from rsd_mri.coils.espirit import espirit
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import compiled, sense_operator

FURTHER = 0.8
"""Eigenvalue from which the second set reaches, where it has to reach further."""
EXPLAINED = 0.09
"""Share of what is left unexplained of the centre that maps which reach further have to explain (docs/choices.md)."""
GRID = 64
"""Points per axis on which the centre is explained, at least; twice its own where that is more."""
ITERATIONS = 20
"""Of conjugate gradients: few, so that what the maps explain with ease is told from what they can be made to."""
LEAST_SIGMA = 1e-3
"""Noise level below which the errors of the maps decide, prepared units."""


@torch.no_grad()
def second_crop(calibration: Tensor, kernel_width: int, threshold: float, noise: float, crop: float) -> float:
    """Eigenvalue below which a second set of maps is zero.

    The image that explains the centre is looked for with maps cropped as usual and with a second set that reaches
    further; it does where a good part of what was left unexplained then is explained.

    Parameters
    ----------
    calibration
        Fully sampled centre of k-space of one slice, [1, coil, readout, phase_encode] complex, prepared units.
    kernel_width, threshold, noise, crop
        As for `espirit`.

    Returns
    -------
    float
        `crop` or, if that is less, `FURTHER`.
    """
    if crop <= FURTHER or not calibration.any():
        return crop
    centre = calibration.shape[-2:]
    size = (max(GRID, 2 * centre[0]), max(GRID, 2 * centre[1]))
    rows, columns = (slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(size, centre, strict=True))
    kspace = calibration.new_zeros(*calibration.shape[:2], *size)
    kspace[..., rows, columns] = calibration
    mask = torch.zeros(size, dtype=torch.bool, device=kspace.device)
    mask[rows, columns] = True
    maps = espirit(
        calibration, size,
        kernel_width=kernel_width, threshold=threshold, noise=noise, crop=crop, sets=2, second_crop=FURTHER,
    )  # fmt: skip
    usual = maps.csm * (maps.eigenvalues > crop)[:, :, None]
    near, far = (_unexplained(kspace, mask, csm, max(noise, LEAST_SIGMA)) for csm in (usual, maps.csm))
    return FURTHER if far < (1 - EXPLAINED) * near else crop


def _unexplained(kspace: Tensor, mask: Tensor, csm: Tensor, sigma: float) -> float:
    """Energy of k-space less that of the image that explains it, of pixels of even power."""
    operator = sense_operator(csm, mask)
    power = float(kspace.abs().square().sum()) / mask.numel()
    right = operator.adjoint(kspace) / sigma**2
    image = solve_regularised(compiled(operator.gram), sigma**-2, power, right, None, ITERATIONS, 1e-6)
    return float((kspace - operator.forward(image)).abs().square().sum())
