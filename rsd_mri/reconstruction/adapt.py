"""A prior that knows other scans learns a little of this one, from its own acquired lines.

Some acquired lines are hidden, the denoiser fills the image from the others, a data step follows, and what it says of
the hidden lines is held against what was measured there (self-supervision by splitting, as in Yaman et al. 2020,
doi:10.1002/mrm.28378, for one scan alone). A few layers move. What was never acquired is pulled by nothing but the
denoiser as it was: without that pull a few lines ruin all others (7 dB lost on one scan). Lines that no step has seen
say when to stop, and whether anything was gained at all.
"""

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import generator
from rsd_mri.networks.unet import Block
from rsd_mri.operators.conjugate_gradient import energy
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import compiled
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.priors.foreign import is_foreign
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.held_out import Trial
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.own_lines import by_line, leave_out
from rsd_mri.reconstruction.posterior.restorers import SMALLEST_LEVEL, restorer_of
from rsd_mri.reconstruction.posterior_method import Posterior, width_of

Shown = tuple[Tensor, float, int]
"""A noisy image, its noise level, and the step at which it was shown."""
SPLITS = 4
"""Ways of hiding lines."""
STEPS, EVERY, PATIENCE = 60, 20, 2
"""Steps at most; how often is judged; and how often in a row nothing may be gained."""
RATE = 2e-4
PULL = 0.1
"""Weight of the squared distance from the denoiser as it was, over that of the error on hidden lines."""
LEAST_GAIN = 0.02
"""Share by which the error on unseen lines has to fall for the adapted weights to be kept."""


@dataclass(frozen=True)
class Adaptation:
    """What was made of a method on a scan."""

    method: Method
    """Adapted, or as it was."""
    before: float
    """Error on lines that no step has seen, energy over that of the signal there; nan where there are too few lines."""
    after: float
    """The least that was found while adapting; as before where nothing was gained."""
    steps: int
    """Taken by the weights that are kept; 0 where these are the old ones."""
    seconds: float

    def checks(self) -> dict[str, float]:
        """As they are stored with a reconstruction."""
        if not math.isfinite(self.before):
            return {"adapted_steps": 0.0}
        return {
            "adapted_steps": float(self.steps),
            "adapted_error_before": self.before,
            "adapted_error": self.after,
            "adapted_seconds": self.seconds,
        }

    def note(self) -> str:
        """One sentence."""
        if not math.isfinite(self.before):
            return "The prior was not adapted: the scan has too few lines outside its centre to learn from and judge by"
        if not self.steps:
            return f"The prior was not adapted: on unseen lines the error stayed at {self.before:.1%} of the energy"
        return (
            f"The prior was adapted to this scan's own lines in {self.steps} steps: on lines it had not seen the error "
            f"fell from {self.before:.1%} to {self.after:.1%} of the energy; this took {self.seconds:.0f} s"
        )


def adapt(
    method: Method, prepared: PreparedSlice, name: str, seed: int, device: torch.device, progress: Progress = SILENT
) -> Adaptation:
    """Adapt the denoiser of a method to one slice.

    The lines by which is judged are those by which the samples' spread is judged afterwards: neither has seen them.

    Parameters
    ----------
    method
        Settled; it is left as it is.
    prepared
        The slice.
    name, seed
        Of the scan and of the draws.
    device
        Where to compute.
    progress
        Told the share done.

    Raises
    ------
    InputError
        If the method has no denoiser of whole images.
    """
    posterior = adaptable(method)
    begun = time.perf_counter()
    operator, kspace = as_operator([prepared], device)
    sigma = max(prepared.sigma, SMALLEST_LEVEL)
    unseen = leave_out(torch.from_numpy(prepared.mask), prepared.acs, (seed, name, "own lines"))
    rest = torch.from_numpy(prepared.mask) & ~unseen
    hidden = [leave_out(rest, prepared.acs, (seed, name, "adapt", number)) for number in range(SPLITS)]
    if not unseen.any() or not all(one.any() for one in hidden):
        return Adaptation(method, float("nan"), float("nan"), 0, time.perf_counter() - begun)
    judged = Trial.of(operator, kspace, sigma, unseen)
    start = posterior.first().run(judged.operator, judged.kspace, sigma, [])

    def judge(prior: Prior) -> tuple[float, Tensor]:
        """One sample by the method's own sampler: a short way would reward what suits short ways."""
        image = judged.run(replace(posterior, prior=prior), [(seed, name, "judge")], start)
        wrong = (judged.tested.forward(image) - judged.expected).abs().square().sum((0, 1))
        return judged.error(image), by_line(wrong, judged.tested.mask.expand(1, 1, *wrong.shape)[0, 0])

    learner = _Learner.of(
        posterior, [Trial.of(judged.operator, judged.kspace, sigma, one) for one in hidden], (seed, name)
    )
    before, lines = judge(posterior.prior)
    best, gains, kept, weights, idle = before, torch.zeros_like(lines), 0, None, 0
    for step in range(1, STEPS + 1):
        learner.step(step)
        progress(step / STEPS)
        if step % EVERY == 0:
            found, wrong = judge(learner.prior)
            idle = 0 if found < best else idle + 1
            if found < best:
                best, gains, kept = found, lines - wrong, step
                weights = copy.deepcopy(learner.prior.denoiser.state_dict())
            if idle == PATIENCE:
                break
    if weights is None or best > (1 - LEAST_GAIN) * before or not agreed(gains):
        return Adaptation(method, before, before, 0, time.perf_counter() - begun)
    learner.prior.denoiser.load_state_dict(weights)
    learner.prior.denoiser.requires_grad_(False)
    adapted = replace(posterior, prior=learner.prior)
    return Adaptation(adapted, before, best, kept, time.perf_counter() - begun)


def agreed(gains: Tensor) -> bool:
    """Whether the lines agree that something was gained: their mean gain is more than its own standard error.

    Parameters
    ----------
    gains
        [line]: what the energy of the error on each unseen line fell by.
    """
    return len(gains) > 1 and float(gains.mean()) > float(gains.std()) / math.sqrt(len(gains))


def adaptable(method: Method) -> Posterior:
    """The method, where it has something to adapt.

    Raises
    ------
    InputError
        If it is no posterior of a denoiser of whole images.
    """
    if not isinstance(method, Posterior):
        raise InputError(f"--adapt: --method {method.name} has no denoiser to adapt; take --method posterior")
    if method.prior.kind != "denoiser":
        raise InputError(
            f"--adapt: {method.prior.path} is a {method.prior.kind}; only a denoiser of whole images can adapt"
        )
    if is_foreign(method.prior.path):
        raise InputError(f"--adapt: {method.prior.path} is another library's denoiser; only those of rsd-mri can adapt")
    return method


def movable(denoiser: Denoiser) -> list[nn.Parameter]:
    """The weights that may move: the last two blocks, the output, and each block's answer to the noise level."""
    network = denoiser.network
    late = [network.last, network.last_act, *list(network.up)[-2:]]
    chosen: list[nn.Parameter] = [one for module in late for one in module.parameters()]
    chosen += [one for block in network.modules() if isinstance(block, Block) for one in block.scale.parameters()]
    return list({id(one): one for one in chosen}.values())


@dataclass
class _Learner:
    """A copy of a prior, what it learns from, and the optimizer."""

    prior: Prior
    original: Prior
    trials: Sequence[Trial]
    """The scan without unseen lines, some more hidden in each."""
    shown: Sequence[Sequence[Shown]]
    """Of each trial what the method's own sampler shows the denoiser, by the prior as it was."""
    key: tuple[int, str]
    weights: Sequence[nn.Parameter]
    optimizer: torch.optim.Optimizer

    @classmethod
    def of(cls, method: Posterior, trials: Sequence[Trial], key: tuple[int, str]) -> "_Learner":
        denoiser = copy.deepcopy(method.prior.denoiser).requires_grad_(False)
        weights = movable(denoiser)
        for one in weights:
            one.requires_grad_(True)
        shown = [shown_to_denoiser(method, trial, (*key, "way", number)) for number, trial in enumerate(trials)]
        prior = replace(method.prior, denoiser=denoiser)
        return cls(prior, method.prior, trials, shown, key, weights, torch.optim.Adam(weights, RATE))

    def step(self, number: int) -> None:
        """One step on one trial at one level.

        The data step is linear and symmetric in the denoiser's estimate: its derivative is solved for as it is itself.
        """
        rng = generator(*self.key, "adapt", number)
        trial, shown = self.trials[number % len(self.trials)], self.shown[number % len(self.trials)]
        noisy, level, turn = shown[int(torch.randint(len(shown), (1,), generator=rng))]
        levels = torch.full((1,), level, device=noisy.device)
        with torch.enable_grad():
            estimate = restorer_of(self.prior, trial.operator).denoise(noisy, levels, turn)
        with torch.no_grad():
            was = restorer_of(self.original, trial.operator).denoise(noisy, levels, turn)
            found, variance = estimate.detach(), (width_of(trial.operator, trial.sigma) * level) ** 2
            right = trial.operator.adjoint(trial.kspace) / trial.sigma**2 + found / variance
            filled = _solve(trial, right, variance, found)
            wrong = trial.tested.forward(filled) - trial.expected
            pulled = _solve(trial, trial.tested.adjoint(wrong) / variance, variance, None) + PULL * (found - was)
        self.optimizer.zero_grad()
        estimate.backward(pulled / energy(filled).sum())
        # Adam does not see the loss's scale; one wild step is what has to be kept out.
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()


def _solve(trial: Trial, right: Tensor, variance: float | Tensor, start: Tensor | None) -> Tensor:
    """(A^H A / sigma^2 + 1 / variance)^-1 of an image."""
    return solve_regularised(compiled(trial.operator.gram), trial.sigma**-2, variance, right, start, 10, 1e-3)


@torch.no_grad()
def shown_to_denoiser(method: Posterior, trial: Trial, key: tuple[int | str, ...]) -> list[Shown]:
    """What the method's own sampler shows its denoiser on the way to one image: that is what it has to learn.

    Another way would teach it images, and noise in them, that it does not meet.
    """
    problem, found = method.problem(trial.operator, trial.kspace, trial.sigma, [key]), []

    def watched(x: Tensor, t: Tensor, step: int) -> Tensor:
        found.append((x, float(t[0]), step))
        return problem.denoise(x, t, step)

    method.sampler.sample(replace(problem, denoise=watched, common=None))
    return found
