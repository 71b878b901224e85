"""Worst case: the change of k-space within the noise that changes the image most.

Antun et al. 2020 (doi:10.1073/pnas.1907377117) found changes of k-space too small to notice that ruin learned
reconstructions. Here the same is looked for in every method, and measured against what noise of the same size does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Key
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import Sense
from rsd_mri.operators.conjugate_gradient import conjugate_gradient, energy
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.methods import Method

STEPS = 4
"""Gradient steps."""
SOLVE = 15
"""Conjugate gradients of each."""


@dataclass(frozen=True)
class Stress:
    """What a change of the noise's size does to an image."""

    factor: float
    """Change by the worst perturbation found over that by noise, root mean squares: 1 where all changes are alike."""
    worst: float
    """Root mean square change by the worst one over root mean square of the image."""
    typical: float
    """The same of noise."""
    perturbation: Tensor
    """The worst one found, k-space [1, coil, readout, phase_encode]."""

    def checks(self) -> dict[str, float]:
        """As they are stored with a reconstruction."""
        return {"stress_factor": self.factor, "stress_worst": self.worst, "stress_typical": self.typical}

    def note(self) -> str:
        """One sentence."""
        return (
            f"Worst case: the change of k-space of the noise's size that was found to change the image most changes it "
            f"by {self.worst:.1%}, {self.factor:.1f} times as much as noise does ({self.typical:.1%})"
        )


def worst_case(
    operator: Sense,
    kspace: Tensor,
    sigma: float,
    reconstruct: Callable[[Tensor], Tensor],
    seed: Sequence[int | str],
    steps: int = STEPS,
) -> Stress:
    """Look for the perturbation of the noise's norm that changes a reconstruction most.

    Ascends ||f(y + d) - f(y)||^2. The method f is called as it is, with the same random numbers; its transposed
    derivative, which iterations that stop by themselves do not have, is taken to be A (A^H A + w)^-1, that of the
    linear reconstruction, with w the noise over the image's power. So what is found is a lower bound: no worse
    perturbation may be claimed not to exist. For a linear method with that weight it is the power method.

    Parameters
    ----------
    operator, kspace, sigma
        Of one slice.
    reconstruct
        From k-space to an image, deterministic.
    seed
        Of the noise that the search starts from and is measured against.
    steps
        Gradient steps; the method runs that often and twice more.
    """
    clean = reconstruct(kspace)
    noise = operator.sampling(normal(kspace.shape, generator(*seed), kspace.dtype).to(kspace.device)) * sigma
    size = float(energy(noise).sum()) ** 0.5
    support = (operator.csm != 0).any(-3).expand(clean.shape)
    power = float(clean[support].abs().square().mean()) if bool(support.any()) else 0.0
    weight, gram = sigma**2 / max(power, 1e-12), operator.gram

    def change(perturbation: Tensor) -> Tensor:
        return reconstruct(kspace + perturbation) - clean

    moved = change(noise)
    typical = float(energy(moved).sum()) ** 0.5
    worst, kept = typical, noise
    for _ in range(steps):
        uphill = operator.forward(conjugate_gradient(lambda v: gram(v) + weight * v, moved, None, SOLVE, 1e-3))
        length = float(energy(uphill).sum()) ** 0.5
        if length == 0:
            break
        perturbation = uphill * (size / length)
        moved = change(perturbation)
        found = float(energy(moved).sum()) ** 0.5
        if found > worst:
            worst, kept = found, perturbation
    scale = max(float(energy(clean).sum()) ** 0.5, 1e-30)
    return Stress(worst / typical if typical else float("nan"), worst / scale, typical / scale, kept)


def stress_of(method: Method, prepared: Sequence[PreparedSlice], name: str, seed: int, device: torch.device) -> Stress:
    """The worst case of a method on a slice; of posterior samplers for one sample.

    Parameters
    ----------
    method
        How to reconstruct.
    prepared
        The slice; of a method that sees all frames at once, that of each frame: the change is then one of the movie.
    name, seed
        Of the scan and of the draws.
    device
        Where to compute.
    """
    method = method if prepared[0].trajectory is None else method.along_trajectory()
    operator, kspace = as_operator(prepared, device)
    keys: list[Key] = [(seed, name, "stress")]
    sigma = prepared[0].sigma
    return worst_case(
        operator,
        kspace,
        sigma,
        lambda y: method.run(operator, y, sigma, keys),
        (seed, name, "stress noise"),
    )
