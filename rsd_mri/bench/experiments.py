"""The published experiments: one class for all, and a row for each.

Figures are Frechet inception distances of 50,000 images to clean ones, of Restoration Score Distillation
(arXiv 2505.13377); `source` says where they were read. Those of the MRI experiments were computed on unscaled
magnitudes and compare with nothing but themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rsd_mri.bench.bench import About, BenchCard
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import Progress
from rsd_mri.protocol import Protocol, checked, load_protocol
from rsd_mri.protocol.checked import Count, Integer, NotNegative, Switch

if TYPE_CHECKING:
    from rsd_mri.bench.costs import CostCard

README = "README of the reference code of arXiv 2505.13377"
NOTES = "third-party notes on arXiv 2505.13377, not checked against the paper"
BOTH = f"{README}; PSNR, inception score, precision and recall: {NOTES}"
UNREAD = "in the paper; the figure could not be read"
MINI, GPU = "mini-", "gpu-"
"""The small protocol of an experiment, and the one for a GPU, have its name after this."""


@checked
class ExperimentSettings:
    """What an experiment takes."""

    seed: Integer = 0
    """Seed of everything random."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    fresh: Switch = False
    """Start over instead of continuing."""
    protocol: str = ""
    """Another recipe for the experiment: protocol name or YAML file."""
    count: Count | None = None
    """Images per set: 500; at scale gpu 2,048, at paper scale 50,000."""
    data: str = ""
    """Scale paper: the prepared data."""
    features: str | None = None
    """Scale paper: a TorchScript file or 'principal' instead of Inception."""
    precision: Literal["auto", "32", "bf16", "16"] = "auto"
    """Of the networks; auto is 32, at scale gpu bf16."""
    minutes: NotNegative = 0.0
    """Scales mini and gpu: stop training after so long with what there is, half of it for each network; the same call
    goes on. 0 for as long as it takes."""
    accumulate: Count = 1
    """Scale paper: take each batch in so many parts."""


@dataclass(frozen=True)
class Experiment:
    """Teacher in full, teacher truncated at the noise of the data, and one-step student against clean images."""

    about: About
    small: str = ""
    """Name of the experiment whose small protocol stands in for this one too, with the same kind of corruption and the
    same noise; its own where empty."""
    large: bool = False
    """Whether it has a protocol for a GPU."""
    settings = ExperimentSettings

    @property
    def scales(self) -> Sequence[str]:
        """Those it has a protocol for."""
        return list(self.protocols)

    @property
    def protocols(self) -> Mapping[str, str]:
        """Protocols by scale; whole ones named `mri` are for scans of any matrix."""
        name = self.about.name
        large = {"gpu": GPU + name} if self.large else {}
        return {"mini": MINI + (self.small or name), **large, "paper": name.replace("mri-", "fastmri-")}

    def recipe(self, settings: ExperimentSettings, scale: str) -> Protocol:
        """The protocol of a run."""
        recipe = load_protocol(settings.protocol or self.protocols[scale])
        return recipe.with_values({"seed": str(settings.seed)})

    def costs(self, settings: ExperimentSettings, scale: str) -> "CostCard":
        """Parameters, memory and hours of its networks."""
        from rsd_mri.bench.costs import CostCard

        return CostCard.of(self.recipe(settings, scale))

    def run(self, settings: ExperimentSettings, scale: str, out: Path, progress: Progress) -> BenchCard:
        """Train, distil, generate and judge; what was trained in the folder already is continued."""
        _require_use(self.about.name, settings, scale)
        recipe = self.recipe(settings, scale)
        if scale == "paper":
            return self._whole(recipe, settings, out, progress)
        from rsd_mri.bench.comparison import run_comparison
        from rsd_mri.training.fabric import TrainOptions

        options = TrainOptions(
            "all",
            settings.fresh,
            settings.device,
            precision=_precision(settings, scale),
            seconds=60 * settings.minutes,
        )
        count = 2048 if scale == "gpu" else 500
        return run_comparison(recipe, out, settings.count or count, options, progress)

    def _whole(self, recipe: Protocol, settings: ExperimentSettings, out: Path, progress: Progress) -> BenchCard:
        from data_prep.downloads import how_to_get
        from rsd_mri.bench.whole import COUNT, run_whole
        from rsd_mri.training.fabric import TrainOptions

        data = Path(settings.data)
        if not settings.data or not data.exists():
            missing = f"{data} is not there" if settings.data else "needs its data (--data)"
            raise InputError(f"bench {self.about.name}: {missing}. {how_to_get(recipe.name, 'bench')}")
        options = TrainOptions(
            "all",
            settings.fresh,
            settings.device,
            precision=_precision(settings, "paper"),
            accumulate=settings.accumulate,
        )
        return run_whole(recipe, out, data, settings.count or COUNT, options, settings.features, progress)


def _require_use(name: str, settings: ExperimentSettings, scale: str) -> None:
    """Refuse what means nothing at a scale."""
    usual = ExperimentSettings()
    foreign = ("minutes",) if scale == "paper" else ("data", "features", "accumulate")
    if given := [key for key in foreign if getattr(settings, key) != getattr(usual, key)]:
        raise InputError(f"bench {name}: {' and '.join(given)}: of no use at scale {scale}; leave it out")


def _precision(settings: ExperimentSettings, scale: str) -> str:
    if settings.precision != "auto":
        return settings.precision
    return "bf16" if scale == "gpu" else "32"


def _fid(generator: float, teacher: float | None = None, full: float | None = None, **more: float) -> dict[str, float]:
    found = {"fid": generator, "teacher_fid": teacher, "teacher_full_fid": full, **more}
    return {name: value for name, value in found.items() if value is not None}


def _row(
    name: str,
    corruption: str,
    data: str,
    source: str,
    figures: dict[str, float] | None = None,
    small: str = "",
    large: bool = False,
) -> Experiment:
    return Experiment(About(name, corruption, data, source, figures or {}, "" if figures else UNREAD), small, large)


CIFAR, FFHQ, CELEBA, AFHQ = "CIFAR-10, 32x32", "FFHQ, 64x64", "CelebA-HQ, 64x64", "AFHQ-v2, 64x64"
BRAIN = "fastMRI brain AXT2, 384x320"
HIDDEN_AND_NOISY = "inpainting-0.9-noise-0.2-celeba"

EXPERIMENTS = (
    _row(
        "noise-0.1-cifar10",
        "noise, sigma 0.1",
        CIFAR,
        BOTH,
        _fid(3.98, 7.55, 25.55, inception_score=9.346, recall=0.578),
    ),
    _row(
        "noise-0.2-cifar10",
        "noise, sigma 0.2",
        CIFAR,
        BOTH,
        _fid(4.77, 12.21, 60.73, denoising_psnr=24.11, inception_score=9.16, precision=0.65, recall=0.56),
    ),
    _row("noise-0.4-cifar10", "noise, sigma 0.4", CIFAR, README, _fid(21.63, 22.12, 124.28)),
    _row("noise-0.2-ffhq", "noise, sigma 0.2", FFHQ, NOTES, _fid(6.29, 14.67), "noise-0.2-celeba"),
    _row("noise-0.2-celeba", "noise, sigma 0.2", CELEBA, README, _fid(6.48, 13.90), large=True),
    _row("noise-0.2-afhq", "noise, sigma 0.2", AFHQ, NOTES, _fid(5.42, 9.82), "noise-0.2-celeba"),
    _row("blur-celeba", "Gaussian blur 9x9, std 2", CELEBA, NOTES, _fid(31.9)),
    _row("blur-noise-0.2-celeba", "Gaussian blur 9x9, std 2, noise 0.2", CELEBA, NOTES, _fid(76.98, 99.19)),
    _row("inpainting-0.6-celeba", "pixels hidden with p = 0.6", CELEBA, README, _fid(4.44, 6.08)),
    _row("inpainting-0.8-celeba", "pixels hidden with p = 0.8", CELEBA, README, _fid(7.10, 11.19)),
    _row("inpainting-0.9-celeba", "pixels hidden with p = 0.9", CELEBA, README, _fid(16.86, 25.53)),
    _row(
        "inpainting-0.6-noise-0.2-celeba",
        "pixels hidden with p = 0.6, noise 0.2",
        CELEBA,
        NOTES,
        small=HIDDEN_AND_NOISY,
    ),
    _row(
        "inpainting-0.8-noise-0.2-celeba",
        "pixels hidden with p = 0.8, noise 0.2",
        CELEBA,
        NOTES,
        small=HIDDEN_AND_NOISY,
    ),
    _row(HIDDEN_AND_NOISY, "pixels hidden with p = 0.9, noise 0.2", CELEBA, NOTES, _fid(79.48)),
    _row("super-resolution-2-celeba", "shrunk by 2", CELEBA, NOTES, _fid(12.99, 23.28)),
    _row("super-resolution-2-noise-0.2-celeba", "shrunk by 2, noise 0.2", CELEBA, NOTES),
    _row("mri-r2", "4 coils, R = 2 (3 in training)", BRAIN, README, _fid(12.95, 30.34)),
    _row("mri-r4", "4 coils, R = 4 (5 in training)", BRAIN, README, _fid(10.71, 32.31), large=True),
    _row("mri-r6", "4 coils, R = 6 (7 in training)", BRAIN, README, _fid(14.64, 31.50)),
    _row("mri-r8", "4 coils, R = 8 (9 in training)", BRAIN, README, _fid(22.51, 48.15), large=True),
)
