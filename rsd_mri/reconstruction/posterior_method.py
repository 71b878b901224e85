"""Reconstruction with a learned prior: posterior samples, and the one-step path."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from rsd_mri.about.plain import Parameters
from rsd_mri.corruption.corruption import Key
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import normal_items
from rsd_mri.operators import Sense
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.classical.table import CLASSICAL, Classical
from rsd_mri.reconstruction.posterior.consistency import measured_consistency
from rsd_mri.reconstruction.posterior.problem import Noise, Problem
from rsd_mri.reconstruction.posterior.restorers import SMALLEST_LEVEL, restorer_of
from rsd_mri.reconstruction.posterior.sampler import Sampling
from rsd_mri.reconstruction.posterior.samplers import DiffPIR, Sampler
from rsd_mri.reconstruction.posterior.teacher_step import TeacherStep, prior_along_trajectory, teacher_hash
from rsd_mri.reconstruction.unrolled.method import OneStep
from rsd_mri.reconstruction.unrolled.weights import Reconstructor, reconstructor_beside

QUICK_LEVEL = 0.05
"""Noise level at which the quick sample of held-out lines begins, prepared units; measured in docs/choices.md."""
QUICK = DiffPIR(name="quick", levels=4)
"""Draws that sample."""

WIDEST = 2.0
"""Most that the data step is wide."""
NOISY, WIDER = 0.04, 0.5
"""Noise level [prepared units] by which the data step is wider by one, and the most that noise makes it wider: trusted
as before, the denoiser takes up to three decibels from a noisy scan at R = 2 and hides single pixels (docs/choices.md,
protocols/trust.md)."""
SMALL = 2**14
"""Values of a slice's k-space up to which a processor begins several slices at once: total variation of 64 slices of
4 x 32 x 32 takes a fifth of the time then, of 16 of 4 x 64 x 64 nine tenths."""


@dataclass(frozen=True)
class Posterior:
    """Samples of what may lie behind the data under a prior."""

    prior: Prior
    """A teacher, or a denoiser of whole images; for a sampler that needs it a one-step generator."""
    sampler: Sampler = DiffPIR()
    samples: int = 4
    consistency: bool = False
    """Replace the measured part of every sample by the data at the end."""
    volume: bool = False
    """Whether the slices are those of one volume, which is denoised in its three planes in turn."""
    reconstructor: Reconstructor | None = None
    """The prior's unrolled network, where it has one: its image is then a start."""

    name: ClassVar[str] = "posterior"
    title: ClassVar[str] = "Posterior mean"
    sampled: ClassVar[bool] = True
    band: ClassVar[int] = 0

    @classmethod
    def of(cls, prior: Prior, how: Sampling) -> "Posterior":
        """As `method_of` makes it.

        Raises
        ------
        InputError
            If slices are to be sampled together and prior or sampler know single ones alone.
        """
        if how.volume and (prior.kind != "denoiser" or prior.of_whole_images):
            raise InputError(
                f"{prior.path}: --volume needs a denoiser of images of any size and orientation, as that of the "
                "package, which learned from patches; leave --volume out"
            )
        if how.volume and (how.sampler.through_network or how.consistency):
            raise InputError("--volume goes with none of --consistency, guided samplers and noise-space; take diffpir")
        return cls(prior, how.sampler, how.samples, how.consistency, how.volume, reconstructor_beside(prior))

    @property
    def through_network(self) -> bool:
        """Whether the sampler needs the gradient through the network."""
        return self.sampler.through_network

    @property
    def start(self) -> str:
        """Name of the method whose image the sampler starts from."""
        return self.sampler.start or self._start_names[0]

    @property
    def _start_names(self) -> list[str]:
        """What the sampler may start from, where it leaves that open."""
        learned = {OneStep.name: self.reconstructor, TeacherStep.name: self.prior.teacher}
        return [*(name for name, network in learned.items() if network is not None), "tv"]

    def run(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: Sequence[Key],
        progress: Progress = SILENT,
        first: Tensor | None = None,
    ) -> Tensor:
        """Draw one posterior sample per key.

        Parameters
        ----------
        operator, kspace
            Of one slice or several, [slice, ...].
        sigma
            Noise level of the k-space, prepared units; with one sample a slice it may be one per slice.
        keys
            One per sample; as many for each slice, all of the first slice first.
        progress
            Told the share done.
        first
            What the start makes of this k-space, [slice, (set,) readout, phase_encode], where that is known.

        Returns
        -------
        Tensor
            [slice times sample, (set,) readout, phase_encode], prepared units.
        """
        problem = self.problem(operator, kspace, sigma, keys, progress, first)
        with torch.no_grad():
            samples = self.sampler.sample(self.completed(problem, keys))
            if not self.consistency:
                return samples
            return measured_consistency(problem.operator, samples, problem.adjoint_kspace)

    def problem(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: Sequence[Key],
        progress: Progress = SILENT,
        first: Tensor | None = None,
    ) -> Problem:
        """What the sampler is given, one item per key; all as for `run`."""
        sigma = at_least(sigma)
        firsts = _starts(self.first(), operator, kspace, sigma) if first is None else first
        operator, kspace = operator.balanced(kspace)
        n = len(keys) // len(kspace)
        shared = [in_common(key, self.sampler.chains or 1) for key in keys]
        chains = list(dict.fromkeys(shared))
        common = self._bound(*_for_each(operator, kspace, len(chains)), sigma, chains, progress, firsts)
        own = self._bound(*_for_each(operator, kspace, n * len(kspace)), sigma, keys, progress, firsts)
        return replace(own, common=common, parents=torch.tensor([chains.index(key) for key in shared]))

    def turns(self, keys: Sequence[Key]) -> list[int]:
        """By how much further the image of each key is turned for the denoiser: by its number among its slice's."""
        numbers = [key[3] if len(key) > 3 else 0 for key in keys]
        return [number if isinstance(number, int) and self.sampler.turned else 0 for number in numbers]

    def _bound(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: Sequence[Key],
        progress: Progress,
        starts: Tensor,
    ) -> Problem:
        """The problem of these keys; `starts` are of each slice, as many keys of all."""
        starts = starts.repeat_interleave(len(keys) // len(starts), 0)
        restorer = restorer_of(self.prior, operator, keys, self.turns(keys))
        return Problem(
            operator,
            kspace,
            sigma,
            restorer.denoise,
            keyed_noise(keys),
            starts,
            self.prior.denoiser.sigma_data,
            restorer.floor,
            progress,
            restorer.whole,
            width_of(operator, sigma),
            restorer.level,
        )

    def completed(self, problem: Problem, keys: Sequence[Key]) -> Problem:  # noqa: ARG002
        """The problem with all that is known beside data and prior: here nothing."""
        return problem

    @property
    def deviation(self) -> str:
        """What the standard deviation is: the samples' `spread`, what the `reconstructor` says, or the root of `both`.

        One sample says nothing, and samples drawn with little noise too little where everything was measured and only
        noise is left.
        """
        if self.reconstructor is None:
            return "spread"
        if self.samples == 1:
            return "reconstructor"
        return "both" if isinstance(self.sampler, DiffPIR) and self.sampler.noise < 1 else "spread"

    def begin(self, operator: Sense, kspace: Tensor, sigma: float | Tensor) -> Made:
        """What the sampler starts from, [slice, (set,) readout, phase_encode].

        With the standard deviation that the reconstructor sees, where the samples do not say it: it is run once for
        both.
        """
        said, sigma = None, at_least(sigma)
        if self.reconstructor is not None and self.deviation != "spread":
            said = OneStep(self.prior, self.reconstructor).estimate(operator, kspace, sigma)
            if self.start == OneStep.name:
                return said
        return Made(_starts(self.first(), operator, kspace, sigma), None if said is None else said.std)

    def along_trajectory(self) -> "Posterior":
        """Without the teacher, which knows lines of a Cartesian grid alone."""
        return replace(self, prior=prior_along_trajectory(self.prior))

    def estimate(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: Sequence[Key],
        progress: Progress = SILENT,
    ) -> Made:
        """As `run`, with the standard deviation that the reconstructor sees, where the samples do not say it."""
        if self.deviation == "spread":
            return Made(self.run(operator, kspace, sigma, keys, progress))
        begun = self.begin(operator, kspace, sigma)
        images = self.run(operator, kspace, sigma, keys, progress, begun.images)
        return Made(images, None if begun.std is None else begun.std.repeat_interleave(len(images) // len(kspace), 0))

    def candidates(self) -> "Sequence[Posterior]":
        """From the reconstructor's or the teacher's image, or from total variation, where the sampler leaves that open.

        A sampler that needs a generator has none: that knows one noise level, and cannot restore what is left out.
        """
        if self.sampler.network is not None:
            return []
        if self.sampler.start is not None or len(self._start_names) == 1:
            return [self]
        return [replace(self, sampler=replace(self.sampler, start=start)) for start in self._start_names]

    def first(self) -> TeacherStep | OneStep | Classical:
        """The method whose image the sampler starts from."""
        if self.start == OneStep.name and self.reconstructor is not None:
            return OneStep(self.prior, self.reconstructor)
        return CLASSICAL[self.start] if self.start in CLASSICAL else TeacherStep(self.prior)

    def quick(self) -> "Posterior":
        """One sample of four levels, for all samplers; few levels cannot come back from noise alone."""
        start = "tv" if self.start == "zero-filled" else self.start
        return replace(self, sampler=replace(QUICK, start=start, sigma_max=QUICK_LEVEL), samples=1)

    def pair(self) -> "Posterior | None":
        """Two samples of half the levels; none by a generator, which knows one noise level, or of one sample."""
        if self.sampler.network is not None or self.samples == 1:
            return None
        return replace(self, samples=2, sampler=replace(self.sampler, levels=(self.sampler.levels + 1) // 2))

    def own_lines(self) -> dict[str, float] | None:
        """Nothing is known before lines are left out."""
        return None

    def parameters(self) -> Parameters:
        """As they are stored."""
        return {
            "samples": self.samples,
            **self.sampler.parameters(),
            "start": self.start,
            "consistency": self.consistency,
            "deviation": self.deviation,
            **({"volume": True} if self.volume else {}),
            **teacher_hash(self.prior),
            **({} if self.reconstructor is None else {"reconstructor_hash": self.reconstructor.sha256}),
        }


def _starts(begin: TeacherStep | OneStep | Classical, operator: Sense, kspace: Tensor, sigma: float | Tensor) -> Tensor:
    """What a start makes of each slice, [slice, (set,) readout, phase_encode]."""
    if isinstance(begin, Classical) and (kspace.is_cuda or kspace[0].numel() <= SMALL):
        return begin.run(operator, kspace, sigma)
    # One by one: they stop when they are done, and on a processor a large slice must not wait for another.
    levels = sigma.expand(len(kspace)).tolist() if isinstance(sigma, Tensor) else [sigma] * len(kspace)
    return torch.cat(
        [begin.run(one, y, level) for (one, y), level in zip(_slices(operator, kspace), levels, strict=True)]
    )


def at_least(sigma: float | Tensor) -> float | Tensor:
    """The noise level; where it is unknown or none, the network's own limit stands in."""
    return sigma.clamp_min(SMALLEST_LEVEL) if isinstance(sigma, Tensor) else max(sigma, SMALLEST_LEVEL)


def in_common(key: Key, chains: int = 1) -> Key:
    """Of what samples of a slice share, from the key (seed, name, slice, sample) of any of them."""
    number = key[3] if len(key) > 3 else 0
    chain = number % chains if isinstance(number, int) else 0
    return (*key[:3], f"common {chain}" if chain else "common")


def keyed_noise(keys: Sequence[Key]) -> Noise:
    """Standard normal numbers per sample, whatever the batch."""

    def noise(step: int, what: str, like: Tensor) -> Tensor:
        shape = like.shape[1:]
        return normal_items(shape, [(*k, what, step) for k in keys], like.dtype).to(like.device)

    return noise


def width_of(operator: Sense, sigma: float | Tensor) -> float | Tensor:
    """Width of DiffPIR's data step for a scan: R / 2, at least 1 and what its noise adds, at most `WIDEST`.

    What undersampling adds to the denoiser's own error grows with R; measured in docs/choices.md.

    Parameters
    ----------
    operator
        Of the scan.
    sigma
        Noise level, prepared units: one number, or one per slice [slice].

    Returns
    -------
    float or Tensor
        As `sigma`.
    """
    acceleration = 1 / float(operator.cells.float().mean())
    if isinstance(sigma, Tensor):
        return (1 + (sigma / NOISY).clamp_max(WIDER)).clamp(acceleration / 2, WIDEST)
    return min(max(acceleration / 2, 1 + min(sigma / NOISY, WIDER)), WIDEST)


def _slices(operator: Sense, kspace: Tensor) -> list[tuple[Sense, Tensor]]:
    """Each slice of a batch by itself."""
    if len(kspace) == 1:
        return [(operator, kspace)]
    masks = operator.mask[:, 0].expand(len(kspace), -1, -1)
    return [
        (operator.with_maps(operator.csm[i : i + 1], masks[i : i + 1]), kspace[i : i + 1]) for i in range(len(kspace))
    ]


def _for_each(operator: Sense, kspace: Tensor, items: int) -> tuple[Sense, Tensor]:
    """Operator and k-space of every slice for as many items each; those of one slice serve any number."""
    n = items // len(kspace)
    if n == 1 or len(kspace) == 1:
        return operator, kspace
    return _repeated(operator, n), kspace.repeat_interleave(n, 0)


def _repeated(operator: Sense, n: int) -> Sense:
    """The operator of every slice for `n` samples each."""
    mask = operator.mask[:, 0]
    masks = mask if len(mask) == 1 else mask.repeat_interleave(n, 0)
    return operator.with_maps(operator.csm.repeat_interleave(n, 0), masks)
