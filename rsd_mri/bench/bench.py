"""What a bench is: what it stands for, what it alone takes, and a run that ends in a card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rsd_mri.about.plain import Json, Row
from rsd_mri.machine.progress import Progress
from rsd_mri.protocol import checked
from rsd_mri.protocol.checked import Integer

if TYPE_CHECKING:
    from rsd_mri.priors.prior import Prior

CARD = "card.json"
LABELS = {
    "fid": "FID {:g}",
    "teacher_fid": "teacher {:g}",
    "teacher_full_fid": "untruncated {:g}",
    "denoising_psnr": "denoising PSNR {:g} dB",
    "inception_score": "IS {:g}",
    "precision": "precision {:g}",
    "recall": "recall {:g}",
}


@checked
class OnScans:
    """What benches take that reconstruct scans."""

    seed: Integer = 0
    """Seed of heads, masks and samples, and of what else is drawn."""
    data: str = ""
    """Folder of fully sampled scans, instead of simulated heads."""
    prior: str = ""
    """Run folder or weights, instead of the package's prior."""

    def found_prior(self) -> "Prior":
        """The prior of whole images that is named, else the package's."""
        from rsd_mri.reconstruction.methods import find_prior

        return find_prior(Path(self.prior) if self.prior else None, "posterior")


@dataclass(frozen=True)
class About:
    """What a bench stands for, and what was published of it."""

    name: str
    corruption: str
    """Operator and noise level, images in [-1, 1]."""
    data: str
    source: str
    """Of the figures."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Published: `fid` of the one-step generator, `teacher_fid` of its teacher truncated at the noise of the data (or
    trained for the corruption), `teacher_full_fid` of the same in full, and more where there is."""
    said: str = ""
    """What was printed where there are no figures."""

    @property
    def published(self) -> str:
        """The figures as a text."""
        if not self.figures:
            return self.said
        fids = [LABELS[k].format(v) for k, v in self.figures.items() if "teacher" in k]
        rest = [LABELS[k].format(v) for k, v in self.figures.items() if "teacher" not in k]
        return ", ".join([rest[0] + (f" ({', '.join(fids)})" if fids else ""), *rest[1:]])

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {
            "name": self.name,
            "corruption": self.corruption,
            "data": self.data,
            "published": self.published,
            "figures": dict(self.figures),
            "source": self.source,
        }


class BenchCard(Protocol):
    """What a run found."""

    def rows(self) -> Sequence[Row]:
        """What was measured, one thing a row."""

    def lines(self) -> list[str]:
        """For a person."""

    def as_dict(self) -> dict[str, Json]:
        """Plain values, for a program."""


class Bench(Protocol):
    """One experiment. What `run` imports it imports itself: benches are listed without torch."""

    @property
    def about(self) -> About:
        """What it stands for."""

    @property
    def protocols(self) -> Mapping[str, str]:
        """Names of its protocols by scale; empty where it has none."""

    @property
    def scales(self) -> Sequence[str]:
        """Those of `rsd_mri.bench.scales` that it has."""

    @property
    def settings(self) -> type[Any]:
        """The class (`protocol.checked`) of what it takes."""

    def run(self, settings: Any, scale: str, out: Path, progress: Progress) -> BenchCard:
        """Run it, as much of it as one of its scales says, and write what it leaves into a folder."""


@runtime_checkable
class Costed(Protocol):
    """A bench that can say what it would cost."""

    def costs(self, settings: Any, scale: str) -> BenchCard:
        """Parameters, memory and hours, without running anything."""
