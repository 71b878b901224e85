"""What every posterior sampler has."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, ClassVar

from rsd_mri.about.plain import Parameters
from rsd_mri.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from rsd_mri.reconstruction.posterior.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Sampler(ABC):
    """A way to draw from the posterior, and its settings.

    A subclass is frozen, gives `name`, `about` and `levels` their values, and has `sample`. Its further fields are its
    settings; they are stored with every reconstruction.
    """

    name: str
    """As `--sampler` takes it."""
    about: str = field(repr=False, compare=False)
    """A few words for `--help`."""
    levels: int
    """Noise levels."""
    sigma_max: float = 0.15
    """First noise level, prepared units. Above the error of the start, but not far: more forgets what the start knew
    (docs/choices.md)."""
    sigma_min: float = 0.01
    """Last noise level, prepared units."""
    start: str | None = None
    """What the first level's noise is added to, by the name of a method: by default the one-step image of the teacher
    where the prior comes with one, or total variation where that predicts held-out lines better, or there is no
    teacher."""
    turned: bool = False
    """Whether the denoiser is shown each sample of a slice turned another way: its errors are then in their spread, and
    averaged in their mean (docs/choices.md)."""
    longer: float = field(default=1.2, repr=False, compare=False)
    """By how much an interval whose scale is from lines left out is longer than that of a Gaussian error of the size
    that the lines say: the shape of the standard deviation is not quite the error's, nor that of the spread on lines
    which nobody acquired (protocols/trust.md)."""
    chains: int | None = None
    """How many chains the samples of a slice are, by their numbers in turn, where those of a chain share levels
    (docs/choices.md). None: one."""

    through_network: ClassVar[bool] = False
    """Whether the gradient through the network is needed."""
    network: ClassVar[str | None] = None
    """The network of a run that it needs, where any denoiser will not do."""

    @abstractmethod
    def sample(self, problem: "Problem") -> "Tensor":
        """Draw one image per item of the problem's start.

        Parameters
        ----------
        problem
            Operator, data, denoiser, noise and start.

        Returns
        -------
        Tensor
            [item, ...], as the start.
        """

    def schedule(self) -> list[float]:
        """The noise levels, decreasing with a constant ratio."""
        from rsd_mri.diffusion.noise_levels import geometric

        return [float(level) for level in geometric(self.levels, self.sigma_min, self.sigma_max).tolist()]

    def with_levels(self, levels: int | None) -> "Sampler":
        """The same with another number of levels, where one is given."""
        return self if levels is None else replace(self, levels=levels)

    def parameters(self) -> Parameters:
        """The settings as they are stored."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.compare and f.name != "name"}
        return {"sampler": self.name, **{name: value for name, value in values.items() if value is not None}}


@dataclass(frozen=True)
class Sampling:
    """How a posterior is sampled."""

    sampler: Sampler
    samples: int = 4
    """Of a slice."""
    consistency: bool = False
    """Replace the measured part of every sample by the data at the end."""
    volume: bool = False
    """Whether the slices are those of one volume."""


def named(*samplers: Sampler) -> dict[str, Sampler]:
    """A table of samplers by their names."""
    return {sampler.name: sampler for sampler in samplers}


def sampler_of(name: str, levels: int | None, table: Mapping[str, Sampler]) -> Sampler:
    """The sampler of a name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in table:
        raise InputError(f"sampler {name}: expected one of {', '.join(table)}")
    return table[name].with_levels(levels)


def described(table: Mapping[str, Sampler]) -> str:
    """What `--help` says of a table's samplers."""
    return " ".join(f"{name}: {sampler.about}." for name, sampler in table.items())
