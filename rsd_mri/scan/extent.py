"""How far the image reaches along an axis."""

import numpy as np
from numpy.typing import NDArray


def reaches_beyond(kspace: NDArray[np.complex64], axis: int, share: float) -> bool:
    """Whether the image shows more outside a central share of an axis than a hundredth of its energy.

    The noise is taken from the quietest tenth of the axis.

    Parameters
    ----------
    kspace
        [slice, coil, readout, phase_encode].
    axis
        0 for the readout, 1 for the phase encode.
    share
        Of the axis.
    """
    import torch

    from rsd_mri.operators.fourier import ifft1c

    middle = kspace[kspace.shape[0] // 2]
    other = 2 if axis == 0 else 1
    # The strongest lines across the axis show the object; an aliased axis is no trouble along the other.
    power = (np.abs(middle) ** 2).sum(axis=(0, 3 - other))
    strongest = np.sort(np.argsort(power)[-16:])
    lines = torch.from_numpy(np.ascontiguousarray(np.moveaxis(middle.take(strongest, axis=other), other, 0)))
    profile = ifft1c(lines, dim=-1).abs().square().sum(dim=(0, 1)).numpy()
    n = len(profile)
    inside = slice(n // 2 - round(share * n / 2), n // 2 + round(share * n / 2))
    floor = float(np.sort(profile)[: max(n // 10, 1)].mean())
    signal = np.maximum(profile - 2 * floor, 0)
    outside = signal.sum() - signal[inside].sum()
    return bool(outside > 0.01 * signal.sum())
