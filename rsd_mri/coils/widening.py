"""What coil maps are learned from where the fully sampled centre is narrow: it is widened by the samples around it.

Kernels from a few lines tell the coils apart badly, and maps of an object that wraps worst of all. The maps that there
are first suffice to fill the gaps between the lines next to the centre: low frequencies are strong, and most of the
coils' neighbourhood is there. What is learned from the centre and these together is nearly as good as if the lines had
been acquired (protocols/trust.md). In spirit the alternation of image and coils of JSENSE (Ying and Sheng 2007,
doi:10.1002/mrm.21245), once, and with ESPIRiT's kernels in place of polynomials.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from rsd_mri.coils.acs import in_window
from rsd_mri.coils.espirit import espirit
from rsd_mri.coils.second_support import FURTHER, LEAST_COILS, LEAST_SIGMA
from rsd_mri.operators.fourier import ifft2c
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import sense_operator

WINDOW = 64
"""Points around the centre along each axis whose samples are used."""
FLOOR = 0.03
"""Power that a pixel may have where the centre shows nothing, over the mean power."""
ITERATIONS = 20
"""Of conjugate gradients."""


@torch.no_grad()
def widened(
    calibration: Tensor,
    kspace: Tensor,
    mask: Tensor,
    size: tuple[int, int],
    kernel_width: int,
    *,
    threshold: float,
    noise: float,
    crop: float,
) -> Tensor:
    """Fill the neighbourhood of the centre by what maps from the centre make of all samples near it.

    Two sets of maps are taken, the second as far as it is ever taken: what a place more costs in noise is less than
    what a place too few leaves out.

    Parameters
    ----------
    calibration
        Fully sampled centre of one slice, [1, coil, readout, phase_encode] complex, prepared units.
    kspace
        Of the slice around the centre, in the same unit and at the same distances, [1, coil, readout, phase_encode];
        zero where not acquired.
    mask
        [readout, phase_encode] bool: where it was.
    size
        (readout, phase_encode) wanted, at most that of `kspace`.
    kernel_width, threshold, noise, crop
        As for `espirit`.

    Returns
    -------
    Tensor
        [1, coil, *size]: as acquired, where it was; elsewhere as the image has it that explains what was.
    """
    window = (kspace.shape[-2], kspace.shape[-1])
    sets = 2 if kspace.shape[1] >= LEAST_COILS else 1
    maps = espirit(
        calibration, window,
        kernel_width=kernel_width, threshold=threshold, noise=noise, crop=crop, sets=sets, second_crop=FURTHER[-1],
    )  # fmt: skip
    sense = sense_operator(maps.csm, mask)
    shown = (maps.csm.conj() * ifft2c(in_window(calibration, window))[:, None]).sum(2).abs().square()
    shown = avg_pool2d(shown.sum(1, keepdim=True), 3, 1, 1, count_include_pad=False)
    power = kspace.abs().square().sum() / mask.sum()
    variance = power * (shown / shown.mean().clamp_min(torch.finfo(shown.dtype).tiny) + FLOOR)
    variance = variance.expand(-1, sets, -1, -1).contiguous()
    precision = max(noise, LEAST_SIGMA) ** -2
    right = sense.adjoint(kspace) * precision
    image = solve_regularised(sense.gram, precision, variance, right, None, ITERATIONS, 1e-6)
    everywhere = sense_operator(maps.csm, torch.ones_like(mask))
    return in_window(torch.where(mask, kspace, everywhere.forward(image)), size)
