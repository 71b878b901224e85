"""Acquired lines that are left out: how well a method predicts them, and which way of using a prior does it best."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Key
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import Sense
from rsd_mri.operators.conjugate_gradient import energy
from rsd_mri.operators.fourier import fft1c, ifft1c
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.methods import Method
from rsd_mri.scan.middle import centre_window

HELD_OUT = 0.15
"""Share of the acquired outer lines that are left out to be predicted."""


def hold_out(mask: Tensor, key: tuple[int | str, ...], acs: tuple[int, int]) -> Tensor:
    """Choose acquired outer lines (or points) to leave out.

    Parameters
    ----------
    mask
        [phase_encode] or [readout, phase_encode], boolean.
    key
        Of the draw.
    acs
        Fully sampled centre (readout, phase_encode), which is kept.

    Returns
    -------
    Tensor
        What is left out, boolean, in the shape of the mask; empty where nothing lies outside the centre.
    """
    return drawn_outside(mask, acs, key, lambda places: round(HELD_OUT * places) or min(places, 1))


def drawn_outside(mask: Tensor, acs: tuple[int, int], key: Sequence[int | str], count: Callable[[int], int]) -> Tensor:
    """Draw acquired lines (or points) outside the centre; all but `count` as for `hold_out`.

    Parameters
    ----------
    count
        Says of how many there are how many are drawn.
    """
    places = outside(mask, acs)
    chosen = places[torch.randperm(len(places), generator=generator(*key))[: count(len(places))]]
    drawn = torch.zeros_like(mask)
    drawn[tuple(chosen.T)] = True
    return drawn


def outside(mask: Tensor, acs: tuple[int, int]) -> Tensor:
    """Where lines (or points) were acquired outside the fully sampled centre, [place, dimension of the mask]."""
    outer = mask.clone()
    outer[centre_window(mask.shape, acs[-mask.ndim :])] = False
    return outer.nonzero()


@dataclass(frozen=True)
class Trial:
    """A slice without some of its acquired lines, and those lines."""

    operator: Sense
    """Of what is kept."""
    kspace: Tensor
    sigma: float
    tested: Sense
    """Of what is left out."""
    expected: Tensor
    """The k-space there."""

    @classmethod
    def of(cls, operator: Sense, kspace: Tensor, sigma: float, left: Tensor) -> "Trial":
        """Leave out of one slice what `hold_out` chose."""
        kept = operator.mask & ~left.to(operator.mask.device).reshape(1, 1, -1, left.shape[-1])
        short = operator.with_mask(kept[:, 0])
        whole, acquired = operator.acquired(kspace)
        tested = whole.with_mask((operator.mask & ~kept)[:, 0])
        return cls(short, short.sampling(kspace), sigma, tested, tested.sampling(acquired))

    def run(self, method: Method, keys: Sequence[Key] = (), first: Tensor | None = None) -> Tensor:
        """Reconstruct from what is kept."""
        return method.run(self.operator, self.kspace, self.sigma, keys, first=first)

    def error(self, image: Tensor) -> float:
        """How badly an image predicts what was left out.

        Returns
        -------
        float
            Energy of the error over that of the signal there, both without the noise: 0 is a perfect prediction, 1 as
            bad as zero.
        """
        return shared_error([self], [image])

    def energies(self, image: Tensor) -> tuple[float, float]:
        """Energy of an image's error on what was left out, and of the signal there, both without the noise."""
        points = float(self.tested.mask.expand(1, 1, *self.expected.shape[-2:]).sum())
        noise = points * self.expected.shape[1] * self.sigma**2
        error = float(energy(self.tested.forward(image) - self.expected).sum()) - noise
        return error, float(energy(self.expected).sum()) - noise


def shared_error(trials: Sequence[Trial], images: Sequence[Tensor]) -> float:
    """`Trial.error` of several trials together, each with its image."""
    errors, signals = zip(*(trial.energies(image) for trial, image in zip(trials, images, strict=True)), strict=True)
    signal = sum(signals)
    return max(sum(errors), 0.0) / signal if signal > 0 else float("nan")


def brightest_band(prepared: PreparedSlice, rows: int) -> PreparedSlice:
    """Neighbouring rows of a slice with the most signal, as a scan of its own; the slice itself where it has no more.

    A mask of lines acts on each row alone, so a band has its own rows of the maps, the same lines and the same noise.
    A pattern of points does not part, nor does a trajectory or an object that turned: the slice stays whole.
    """
    readout = prepared.kspace.shape[-2]
    together = prepared.mask.ndim == 2 or prepared.trajectory is not None or prepared.poses is not None
    if together or rows >= readout:
        return prepared
    power = np.square(np.abs(prepared.image)).sum(-1).reshape(-1, readout).sum(0)
    start = int(np.convolve(power, np.ones(rows), "valid").argmax())
    cut = slice(start, start + rows)
    inside = ifft1c(torch.from_numpy(prepared.kspace), dim=-2)[..., cut, :]
    return replace(
        prepared,
        kspace=fft1c(inside, dim=-2).numpy(),
        csm=np.ascontiguousarray(prepared.csm[..., cut, :]),
        image=prepared.image[..., cut, :],
        image_size=(rows, prepared.image_size[1]),
        acs=(min(prepared.acs[0], rows), prepared.acs[1]),
        eigenvalues=None,
    )


@dataclass(frozen=True)
class Settled:
    """A method with what was open in it decided, and by what figures."""

    method: Method
    checks: dict[str, float] = field(default_factory=dict)
    """`held_out_error`, `held_out_error_cg_sense`, `held_out_seconds`; of possible starts `held_out_error_one_step`,
    `held_out_error_teacher` and `held_out_error_tv` where they were tried; empty where there are no lines to leave
    out."""


def settle(method: Method, prepared: PreparedSlice, name: str, seed: int, device: torch.device) -> Settled:
    """Predict acquired lines of a slice by a method's candidates and by CG-SENSE, and take the best candidate.

    Candidates are judged by the image they start from; a quick run of the best one stands for it in the figures.

    Parameters
    ----------
    method
        What to settle.
    prepared
        The slice.
    name, seed
        Of the scan and of the draws: the lines are keyed by both.
    device
        Where to compute.
    """
    candidates = method.candidates()
    if method.band:
        prepared = brightest_band(prepared, method.band)
    left = hold_out(torch.from_numpy(prepared.mask), (seed, name, "held out"), prepared.acs)
    if not candidates or not left.any():
        return Settled(method)
    begun = time.perf_counter()
    trial = Trial.of(*as_operator([prepared], device), prepared.sigma, left)
    found = {"held_out_error_cg_sense": trial.error(trial.run(CLASSICAL["cg-sense"]))}
    best, image = candidates[0], None
    if len(candidates) > 1:
        images = [trial.run(one.first()) for one in candidates]
        errors = [trial.error(image) for image in images]
        starts = {one.first().name: error for one, error in zip(candidates, errors, strict=True)}
        if method.name not in starts:
            found |= {f"held_out_error_{start.replace('-', '_')}": error for start, error in starts.items()}
        chosen = errors.index(min(errors))
        best, image = candidates[chosen], images[chosen]
    quick = best.quick()
    if image is None or quick is not best.first():
        image = trial.run(quick, [(seed, name, "held out")], image)
    found["held_out_error"] = trial.error(image)
    return Settled(best, {**found, "held_out_seconds": time.perf_counter() - begun})
