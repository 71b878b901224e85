"""Posterior samples of frames that start from what all frames of a movie gave, and how far these are off."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from rsd_mri.about.plain import Parameters
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import Sense
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.held_out import Trial, shared_error
from rsd_mri.reconstruction.own_lines import OwnLines, compared
from rsd_mri.reconstruction.posterior.near import NearProblem
from rsd_mri.reconstruction.posterior.problem import Problem
from rsd_mri.reconstruction.posterior.restorers import SMALLEST_LEVEL
from rsd_mri.reconstruction.posterior.sampler import Sampler
from rsd_mri.reconstruction.posterior_method import Posterior
from rsd_mri.scan.middle import centre_window
from rsd_mri.scan.sampling import MIN_CENTRE

if TYPE_CHECKING:
    from rsd_mri.corruption.corruption import Key

START = "temporal-tv"
"""What the samplers of a movie start from."""
LEVELS = 4
"""Noise levels from there: many would forget what the other frames know."""
SHARE = 0.2
"""Share of the acquired lines of all frames that are left out."""


@dataclass(frozen=True)
class Started(Posterior):
    """Posterior samples of one frame that start from what all frames together gave."""

    images: tuple[Tensor, ...] = ()
    """Of each slice."""
    error: float = 0.0
    """Root mean square error of these images, prepared units."""
    trial: "FramesTrial | None" = None
    """All frames without some of their lines, by which the spread is judged."""

    def completed(self, problem: Problem, keys: "Sequence[Key]") -> Problem:
        """The image is known to lie near the start: what all frames say counts beside its own data and the prior."""
        if not self._known(keys):
            return problem
        known = {field.name: getattr(problem, field.name) for field in fields(Problem) if field.init}
        known["common"] = None if problem.common is None else self.completed(problem.common, keys)
        return NearProblem(**known, near=problem.start, error=max(self.error, SMALLEST_LEVEL))

    def _known(self, keys: "Sequence[Key]") -> bool:
        """Whether the start is that of these slices: where lines are left out it is not, for it has seen them."""
        return all(isinstance(key[2], int) for key in keys)

    @property
    def plain(self) -> Posterior:
        """The same without the start: for lines that are left out."""
        return as_kind(Posterior, self)

    def run(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: "Sequence[Key]",
        progress: Progress = SILENT,
        first: Tensor | None = None,
    ) -> Tensor:
        """Draw from the start that is known."""
        if first is None and self._known(keys):
            first = torch.stack([self.images[number] for number in slices_of(keys)]).to(kspace.device)
        return super().run(operator, kspace, sigma, keys, progress, first)

    @property
    def deviation(self) -> str:
        """The reconstructor knows its own frame alone, and does not say how far the image of all is to be trusted."""
        return "spread"

    def candidates(self) -> "Sequence[Started]":
        """None: the start is settled, and lines left out of one frame alone lie in what the others gave."""
        return ()

    def quick(self) -> Posterior:
        """Without the start."""
        return self.plain.quick()

    def pair(self) -> None:
        """None: `own_lines` leaves lines out of all frames."""

    def own_lines(self) -> dict[str, float] | None:
        """What lines left out of all frames say of image and spread; found once for all of them."""
        return None if self.trial is None else self.trial.checks(replace(self.plain, samples=min(self.samples, 2)))

    def parameters(self) -> Parameters:
        """As they are stored."""
        return {**super().parameters(), "start": START, "start_error": self.error}


@dataclass(frozen=True)
class FramesTrial:
    """The middle slice of all frames of a stack without some of their acquired lines, reconstructed together.

    What changes from frame to frame is mostly near the centre of k-space, of which each frame has a few lines: those
    left out are to lie as those that were never acquired do, and are drawn evenly from all frames by their distance
    from it.
    """

    kept: Sense
    """Of what is kept, [frame, ...]."""
    kspace: Tensor
    tested: Sense
    """Of what is left out."""
    expected: Tensor
    """The k-space there."""
    sigma: float
    image: Tensor
    """What all frames together give from what is kept, [frame, (set,) readout, phase_encode]."""
    name: str
    """Of the scan: the draws are keyed by it."""
    found: dict[str, dict[str, float]]
    """What was found of samples already, by the method's parameters."""

    @classmethod
    def of(cls, frames: Sequence[PreparedScan], device: torch.device) -> "FramesTrial":
        """Leave lines out of each frame, and reconstruct them all from the others."""
        some = [frame.middle for frame in frames]
        operator, kspace = as_operator(some, device)
        whole, acquired = operator.acquired(kspace)
        masks = whole.mask.expand(len(some), -1, -1, -1)[:, 0]
        left = leave_out_of_frames(masks, [one.acs for one in some], (frames[0].scan.key, "start")).to(device)
        kept = operator.with_mask(masks & ~left)
        short = kept.sampling(kspace)
        image = CLASSICAL[START].run(kept, short, some[0].sigma)
        tested = whole.with_mask(left)
        expected = tested.sampling(acquired)
        return cls(kept, short, tested, expected, some[0].sigma, image, frames[0].scan.key, {})

    def __len__(self) -> int:
        return len(self.image)

    @cached_property
    def error(self) -> float:
        """Root mean square error of the image, prepared units, by the lines left out.

        Lines left out are like those never acquired; the error of what was acquired is less.
        """
        points = float(self.tested.mask.expand(len(self), 1, *self.expected.shape[-2:]).sum())
        wrong = float((self.tested.forward(self.image) - self.expected).abs().square().sum())
        noise = points * self.expected.shape[1] * self.sigma**2
        return math.sqrt(max((wrong - noise) / max(points, 1.0), 0.0))

    def checks(self, method: Posterior) -> dict[str, float]:
        """Judge samples of all frames, which start from what all gave without the same lines.

        What is found of all lines together holds for every frame: `held_out_error`, of the samples' mean, and
        `held_out_error_temporal_tv`, `held_out_seconds`, and of several samples what `OwnLines.checks` says.
        """
        known = repr(method.parameters())
        if known not in self.found:
            self.found[known] = self._checks(method)
        return self.found[known]

    def _checks(self, method: Posterior) -> dict[str, float]:
        begun = time.perf_counter()
        judged = self.tested.mask.expand(len(self), 1, -1, -1).flatten(1).any(1).nonzero().flatten().tolist()
        trials = [self.of_frame(frame) for frame in judged]
        samples = []
        for frame, trial in zip(judged, trials, strict=True):
            started = as_kind(Started, method, images=(self.image[frame],), error=self.error)
            keys: list[Key] = [(frame, f"{self.name} own lines", 0, number) for number in range(method.samples)]
            samples.append(trial.run(started, keys))
        means = [some.mean(0, keepdim=True) for some in samples]
        found = {
            "held_out_error": shared_error(trials, means),
            "held_out_error_temporal_tv": shared_error(trials, [self.image[frame][None] for frame in judged]),
        }
        if method.samples > 1:
            both = [
                compared(one.tested, one.expected, self.sigma, some) for one, some in zip(trials, samples, strict=True)
            ]
            errors, spreads = (torch.cat(part) for part in zip(*both, strict=True))
            found |= OwnLines.of(errors, spreads).checks()
        return {**found, "held_out_seconds": time.perf_counter() - begun}

    def of_frame(self, frame: int) -> Trial:
        """The same of one frame."""
        only = slice(frame, frame + 1)
        maps = self.kept.csm.expand(len(self), *self.kept.csm.shape[1:])[only]
        kept, left = (one.mask[:, 0].expand(len(self), -1, -1)[only] for one in (self.kept, self.tested))
        return Trial(
            self.kept.with_maps(maps, kept),
            self.kspace[only],
            self.sigma,
            self.tested.with_maps(maps, left),
            self.expected[only],
        )


def leave_out_of_frames(masks: Tensor, acs: Sequence[tuple[int, int]], key: Sequence[int | str]) -> Tensor:
    """Choose acquired lines (or points) of all frames to leave out: evenly by distance from the centre of k-space.

    Parameters
    ----------
    masks
        [frame, readout or 1, phase_encode], boolean.
    acs
        Of each frame the fully sampled centre (readout, phase_encode), which is kept where maps could be from it.
    key
        Of the draw.

    Returns
    -------
    Tensor
        Boolean, in the shape of the masks; of no frame more than half of what was acquired outside the centre.
    """
    outer = masks.cpu().clone()
    sizes = outer.shape[1:]
    for mask, widths in zip(outer, acs, strict=True):
        if min(widths) >= MIN_CENTRE:
            mask[centre_window(sizes, widths)] = False
    rng, places = generator(*key), outer.nonzero()
    places = places[torch.randperm(len(places), generator=rng)]
    from_centre = (places[:, 1:] - torch.tensor([n // 2 for n in sizes])) / torch.tensor(sizes)
    places = places[from_centre.square().sum(1).argsort(stable=True)]
    start = float(torch.rand(1, generator=rng)) / SHARE
    chosen = places[torch.arange(start, max(len(places), start), 1 / SHARE, dtype=torch.float64).long()]
    found = torch.zeros_like(outer)
    for place in chosen.tolist():
        frame = place[0]
        if 2 * (int(found[frame].sum()) + 1) <= int(outer[frame].sum()):
            found[tuple(place)] = True
    return found


def near_start(sampler: Sampler, error: float) -> Sampler:
    """A sampler that does not forget its start: a few levels, from the error of the start down."""
    first = min(max(error, SMALLEST_LEVEL * 2), sampler.sigma_max)
    return replace(
        sampler, levels=min(sampler.levels, LEVELS), sigma_max=first, sigma_min=min(sampler.sigma_min, first / 2)
    )


P = TypeVar("P", bound=Posterior)


def as_kind(kind: type[P], method: Posterior, **more: Any) -> P:
    """The settings of a method in another class of its kind."""
    return kind(**{field.name: getattr(method, field.name) for field in fields(Posterior)}, **more)


def slices_of(keys: "Sequence[Key]") -> list[int]:
    """Numbers of the slices that keys (seed, name, slice, sample) name."""
    return [int(number) for number in dict.fromkeys(key[2] for key in keys)]
