"""Reconstructions without a learned prior: zero-filled, CG-SENSE, l1-wavelet, total variation.

Each minimises 1/2 ||A x - y||^2 plus a penalty. Where no regularisation is given it follows from the noise
level `sigma` of the k-space by the rule in `default_regularisation`. Images are [batch, readout,
phase_encode] for one set of coil maps and [batch, set, readout, phase_encode] for several.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from rsd_mri.machine.randomness import generator
from rsd_mri.operators import Sense
from rsd_mri.operators.conjugate_gradient import conjugate_gradient, energy, inner
from rsd_mri.operators.sense import compiled
from rsd_mri.reconstruction.classical.total_variation import LoopedVariation, VariationShrinkage
from rsd_mri.reconstruction.classical.wavelet import WaveletShrinkage

Value: TypeAlias = float | Tensor
"""One number for the batch, or one per item [batch]."""


def zero_filled(operator: Sense, kspace: Tensor, sigma: Value = 0.0) -> Tensor:  # noqa: ARG001
    """A^H y: what was not acquired stays zero; along a trajectory gridded, every sample weighted by its density.

    Parameters
    ----------
    operator
        From image to acquired k-space.
    kspace
        [batch, coil, readout, phase_encode].
    sigma
        Makes no difference here; the other methods need it.
    """
    return operator.gridded(kspace)


def cg_sense(
    operator: Sense,
    kspace: Tensor,
    sigma: Value = 0.0,
    *,
    regularisation: Value | None = None,
    iterations: int = 50,
    tolerance: float = 1e-4,
) -> Tensor:
    """Minimise 1/2 ||A x - y||^2 + regularisation/2 ||x||^2 by conjugate gradients.

    Pruessmann et al. 2001, doi:10.1002/mrm.1241.

    Parameters
    ----------
    operator
        From image to acquired k-space.
    kspace
        [batch, coil, readout, phase_encode].
    sigma
        Noise level of the k-space; only used where `regularisation` is not given.
    regularisation
        Weight of the penalty.
    iterations, tolerance
        See `conjugate_gradient`.
    """
    right = operator.adjoint(kspace)
    weight = per_item(_weight("cg-sense", operator, kspace, sigma, regularisation), right)
    gram = operator.gram
    return conjugate_gradient(lambda x: gram(x) + weight * x, right, None, iterations, tolerance)


def l1_wavelet(
    operator: Sense,
    kspace: Tensor,
    sigma: Value = 0.0,
    *,
    regularisation: Value | None = None,
    iterations: int = 60,
    tolerance: float = 1e-3,
    wavelet: str = "db2",
    levels: int | None = None,
    shifts: bool = True,
    keep_coarse: bool = True,
    seed: int = 0,
) -> Tensor:
    """Minimise 1/2 ||A x - y||^2 + regularisation ||W x||_1 by FISTA.

    Lustig et al. 2007, doi:10.1002/mrm.21391.

    Parameters
    ----------
    operator, kspace, sigma, regularisation
        As for `cg_sense`.
    iterations
        At most so many.
    tolerance
        Stop when no item changes by more than this share of its norm.
    wavelet, levels, keep_coarse
        See `WaveletShrinkage`. `db2` is Daubechies' wavelet of four taps, the field's usual one.
    shifts
        Shift the wavelet's grid at random in every iteration, so that no grid shows in the image (Figueiredo
        and Nowak 2003, doi:10.1109/TIP.2003.814255).
    seed
        Of the shifts.
    """
    rows, columns = operator.csm.shape[-2:]
    shrink = WaveletShrinkage((rows, columns), wavelet, levels, keep_coarse)
    rng = generator("l1-wavelet", seed)

    def proximal(image: Tensor, amount: Tensor) -> Tensor:
        if not shifts:
            return shrink(image, amount)
        shift = torch.randint(2**shrink.levels, (2,), generator=rng).tolist()
        moved = shrink(torch.roll(image, shift, (-2, -1)), amount)
        return torch.roll(moved, [-s for s in shift], (-2, -1))

    weight = _weight("l1-wavelet", operator, kspace, sigma, regularisation)
    return fista(operator, kspace, proximal, weight, iterations, tolerance)


def total_variation(
    operator: Sense,
    kspace: Tensor,
    sigma: Value = 0.0,
    *,
    regularisation: Value | None = None,
    iterations: int = 60,
    tolerance: float = 1e-3,
    isotropic: bool = True,
    dual_steps: int = 5,
    loops: bool = False,
) -> Tensor:
    """Minimise 1/2 ||A x - y||^2 + regularisation TV(x) by FISTA.

    Block et al. 2007, doi:10.1002/mrm.21236.

    Parameters
    ----------
    operator, kspace, sigma, regularisation
        As for `cg_sense`.
    iterations, tolerance
        As for `l1_wavelet`.
    isotropic, dual_steps
        See `VariationShrinkage`.
    loops
        By compiled loops on a processor: for who has loaded their compiler for a network.
    """
    weight = _weight("tv", operator, kspace, sigma, regularisation)
    proximal = (LoopedVariation if loops else VariationShrinkage)(dual_steps, isotropic)
    return fista(operator, kspace, proximal, weight, iterations, tolerance, loops)


def fista(
    operator: Sense,
    kspace: Tensor,
    proximal: Callable[[Tensor, Tensor], Tensor],
    regularisation: Value,
    iterations: int,
    tolerance: float,
    loops: bool = False,
) -> Tensor:
    """Minimise 1/2 ||A x - y||^2 + regularisation g(x), with the proximal map of g.

    Beck and Teboulle 2009, doi:10.1137/080716542, eq. 4.1-4.3; momentum starts afresh where it points uphill
    (O'Donoghue and Candes 2015, doi:10.1007/s10208-013-9150-3, eq. 13). The step is one over the bound of
    ||A^H A|| that the coil maps give, so it needs no search.

    Parameters
    ----------
    operator, kspace
        As for `cg_sense`.
    proximal
        Of images [batch, (set,) readout, phase_encode] and an amount that broadcasts against them.
    regularisation
        One weight, or one an item.
    iterations, tolerance
        As for `l1_wavelet`.
    loops
        As for `total_variation`, for A^H A.
    """
    operator, kspace = operator.balanced(kspace)
    right, gram = operator.adjoint(kspace), compiled(operator.gram) if loops else operator.gram
    step = 1 / operator.norm_bound
    amount = per_item(regularisation, right) * step
    x = operator.gridded(kspace)
    ahead, t = x, torch.ones_like(energy(x))
    active = torch.ones_like(t, dtype=torch.bool)
    for _ in range(iterations):
        new = proximal(ahead - step * (gram(ahead) - right), amount)
        change = new - x
        uphill = inner(ahead - new, change) > 0
        t = torch.where(uphill, 1.0, t)
        t_new = (1 + torch.sqrt(1 + 4 * t * t)) / 2
        ahead = new + ((t - 1) / t_new) * change
        # An item that is done keeps still: it does not depend on those beside it.
        x, t = torch.where(active, new, x), t_new
        active = active & (energy(change) > tolerance**2 * energy(new))
        if not bool(active.any()):
            break
    return x


# Weight of the penalty over sigma (l1-wavelet, tv), or over sigma^2 per mean image power (cg-sense); measured in
# docs/choices.md.
FACTORS = {"cg-sense": 1.5, "l1-wavelet": 0.25, "tv": 0.2}
# sigma counts as no smaller than this share of the image's root mean square: without noise the penalty still
# has the aliasing to remove.
LEAST_SIGMA = 2e-3


def default_regularisation(method: str, operator: Sense, kspace: Tensor, sigma: Value) -> Tensor:
    """Weight of the penalty from the noise level.

    `l1-wavelet` and `tv`: a multiple of sigma, as a threshold against noise is. `cg-sense`: a multiple of
    sigma^2 / p, the weight of the linear estimator of least error for an image of mean power p; p is the
    energy of the k-space without that of its noise.

    Parameters
    ----------
    method
        `cg-sense`, `l1-wavelet` or `tv`.
    operator, kspace, sigma
        As for `cg_sense`.

    Returns
    -------
    Tensor
        [batch].
    """
    operator, kspace = operator.acquired(kspace)
    pixels = operator.csm.shape[-2] * operator.csm.shape[-1]
    cells = operator.cells_measured(kspace).expand(kspace.shape[0], 1, *kspace.shape[-2:])
    acquired = cells.sum((1, 2, 3)) * kspace.shape[1]
    measured = (torch.view_as_real(kspace).square().sum(-1) * cells).flatten(1).sum(1)
    level = torch.as_tensor(sigma, dtype=measured.dtype, device=measured.device).expand(measured.shape)
    tiny = torch.finfo(measured.dtype).tiny
    # Where nothing but noise was measured the difference may fall below zero; a hundredth stands in.
    power = torch.maximum(measured - acquired * level**2, measured / 100).clamp_min(tiny) / pixels
    level = torch.maximum(level, LEAST_SIGMA * power.sqrt())
    if method == "cg-sense":
        return FACTORS[method] * level**2 / power
    return FACTORS[method] * level


def _weight(method: str, operator: Sense, kspace: Tensor, sigma: Value, given: Value | None) -> Value:
    """What was given, else the default."""
    return default_regularisation(method, operator, kspace, sigma) if given is None else given


def per_item(value: Value, like: Tensor) -> Tensor:
    """A value of each item, to be multiplied with `like` [batch, ...]."""
    tensor = torch.as_tensor(value, dtype=like.real.dtype, device=like.device)
    return tensor.reshape(-1, *[1] * (like.ndim - 1))
