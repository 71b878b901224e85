"""`Method`: a way to reconstruct, whatever it needs; and the table of all by name.

Nothing here loads torch before a method is made: the command line derives its choices and its help from the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rsd_mri.about.plain import Parameters
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.priors import RECONSTRUCTION
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.classical.table import CLASSICAL, Movie
from rsd_mri.reconstruction.posterior.sampler import Sampling
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS, USUAL, Sampler

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.corruption.corruption import Key
    from rsd_mri.operators import Sense
    from rsd_mri.priors.prior import Prior


@dataclass(frozen=True)
class Learned:
    """A method that needs a prior."""

    name: str
    """As `--method` takes it."""
    about: str
    """A few words for `--help`."""
    kind: str
    """Its module in `rsd_mri.reconstruction`, and its class there; `of(prior, how)` makes the method."""
    samples: bool
    """Whether it takes a sampler."""
    deviation: bool = True
    """Whether it says a standard deviation."""

    def make(self, prior: "Prior", how: Sampling) -> "Method":
        """The method with its prior."""
        module, name = self.kind.rsplit(".", 1)
        made: Method = getattr(import_module(f"rsd_mri.reconstruction.{module}"), name).of(prior, how)
        return made


LEARNED: dict[str, Learned] = {
    method.name: method
    for method in (
        Learned("posterior", "mean and spread of samples under a learned prior", "posterior_method.Posterior", True),
        Learned("one-step", "mean and spread by a few network calls at once", "unrolled.method.OneStep", False),
        Learned(
            "teacher",
            "one call of what learned from measurements",
            "posterior.teacher_step.TeacherStep",
            False,
            deviation=False,
        ),
    )
}
METHODS: dict[str, str] = {
    **{name: LEARNED[name].about for name in LEARNED},
    **{name: CLASSICAL[name].about for name in reversed(CLASSICAL)},
}
"""Every method by its name, the best first, and a few words for `--help`."""
OF_ONE_FRAME = {name: about for name, about in METHODS.items() if not isinstance(CLASSICAL.get(name), Movie)}
"""Those that one frame is enough for."""


class Method(Protocol):
    """A way to reconstruct slices, with all it needs."""

    @property
    def name(self) -> str:
        """As `--method` takes it."""

    @property
    def title(self) -> str:
        """As pages and tables show it."""

    @property
    def samples(self) -> int:
        """Images of a slice."""

    @property
    def sampled(self) -> bool:
        """Whether they are samples, whose spread means something; slices are then computed together."""

    @property
    def through_network(self) -> bool:
        """Whether the gradient through the network is needed."""

    @property
    def band(self) -> int:
        """Rows of a slice on which lines left out are predicted; 0 for all of it."""

    @property
    def prior(self) -> "Prior | None":
        """The prior, where there is one."""

    def run(
        self,
        operator: "Sense",
        kspace: "Tensor",
        sigma: "float | Tensor",
        keys: "Sequence[Key]",
        progress: Progress = SILENT,
        first: "Tensor | None" = None,
    ) -> "Tensor":
        """Reconstruct slices: [slice times sample, (set,) readout, phase_encode], prepared units."""

    def along_trajectory(self) -> "Method":
        """What of it suits scans that are not Cartesian."""

    def estimate(
        self,
        operator: "Sense",
        kspace: "Tensor",
        sigma: "float | Tensor",
        keys: "Sequence[Key]",
        progress: Progress = SILENT,
    ) -> Made:
        """As `run`, with the standard deviation where the method itself says it."""

    def candidates(self) -> "Sequence[Method]":
        """Ways between which lines left out decide; none where nothing is to be learned from these."""

    def first(self) -> "Method":
        """The method whose image this one starts from: by it candidates are judged."""

    def quick(self) -> "Method":
        """What stands in for it where lines are left out."""

    def pair(self) -> "Method | None":
        """Two samples in the time of one, by which the spread is judged; None where it means nothing."""

    def own_lines(self) -> "dict[str, float] | None":
        """What acquired lines say of the spread, where that was found with other frames; None where it was not."""

    def parameters(self) -> Parameters:
        """The settings as they are stored."""


def method_of(
    name: str,
    prior: "Prior | str | Path | None" = None,
    sampler: Sampler | None = None,
    samples: int = 4,
    consistency: bool = False,
    volume: bool = False,
) -> Method:
    """The method of a name.

    Parameters
    ----------
    name
        One of `METHODS`.
    prior
        For learned methods: a prior, a run folder or a file; the package's where not given.
    sampler, samples, consistency, volume
        Of `posterior`; DiffPIR where no sampler is given.

    Raises
    ------
    InputError
        If there is no such method, or the prior cannot be used.
    """
    if name not in METHODS:
        raise InputError(f"method {name}: expected one of {', '.join(METHODS)}")
    if samples < 1:
        raise InputError(f"samples {samples}: expected at least 1")
    if volume and not (name in LEARNED and LEARNED[name].samples):
        raise InputError(f"--volume: method {name} makes every slice by itself; take --method posterior")
    if name in CLASSICAL:
        return CLASSICAL[name]
    from rsd_mri.priors.prior import Prior

    how = Sampling(sampler or SAMPLERS[USUAL], samples, consistency, volume)
    if not isinstance(prior, Prior):
        prior = find_prior(None if prior is None else Path(prior), name, how.sampler)
    return LEARNED[name].make(prior, how)


def require_use(method: str, prior: object, of_samples: Mapping[str, object]) -> None:
    """Refuse what a method makes nothing of.

    Parameters
    ----------
    method
        A name; one that is not of `METHODS` is left to `method_of`.
    prior
        What was given for a prior; None where nothing was.
    of_samples
        What was asked of the samples, by the names of the options; None or False where nothing was.

    Raises
    ------
    InputError
        If a prior is given to a method without one, or something is asked of the samples of one that draws none.
    """
    if method in CLASSICAL and prior is not None:
        raise InputError(f"--prior {prior}: method {method} has no prior; take --method posterior")
    asked = [name for name, value in of_samples.items() if value is not None and value is not False]
    if asked and draws_none(method):
        raise InputError(f"{' and '.join(asked)}: method {method} draws no samples; take --method posterior")


def draws_none(method: str) -> bool:
    """Whether a method is known and draws no samples: its image is one."""
    learned = LEARNED.get(method)
    return method in CLASSICAL or (learned is not None and not learned.samples)


def find_prior(prior: Path | None, method: str, sampler: Sampler | None = None) -> "Prior":
    """The prior given, or the one that comes with the package.

    Raises
    ------
    InputError
        If there is none, or not the network that the sampler needs.
    """
    from rsd_mri.priors.foreign import is_foreign
    from rsd_mri.priors.prior import load_prior

    needed = sampler.network if sampler is not None and LEARNED[method].samples else None
    if prior is not None:
        if not is_foreign(prior) and not prior.exists():
            raise InputError(
                f"--prior {prior}: no such run folder or file; 'rsd-mri train --accel 4 --out RUN' makes one"
            )
        loaded = load_prior(prior, needed)
        if loaded.in_one_call and needed is None:
            through = ", ".join(name for name, one in SAMPLERS.items() if one.network == "generator")
            raise InputError(
                f"{loaded.path}: a one-step generator reconstructs with --sampler {through} only; for another "
                "sampler give the run folder, its teacher or its denoiser"
            )
        return loaded
    if needed is not None and sampler is not None:
        raise InputError(
            f"--sampler {sampler.name} needs a one-step {needed}, and that of the package makes heads of 64x64 only; "
            "give the folder of a run with --prior"
        )
    if not RECONSTRUCTION.is_dir():
        raise InputError(
            f"--method {method} needs a prior, and this installation carries none; train one with "
            "'rsd-mri train --accel 4' and give it with --prior RUN, or take --method l1-wavelet"
        )
    return load_prior(RECONSTRUCTION)
