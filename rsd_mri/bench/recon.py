"""Every reconstruction beside its peers' from other libraries."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rsd_mri.bench.bench import About, OnScans
from rsd_mri.errors import InputError
from rsd_mri.files import require_writable, write_json
from rsd_mri.machine.progress import Progress
from rsd_mri.protocol import checked
from rsd_mri.protocol.checked import Count, NotNegative, Positive, Whole
from rsd_mri.protocol.settings import Pattern

if TYPE_CHECKING:
    from rsd_mri.bench.reconstructions import ReconCard

HEADS = {"mini": (1, (160, 168)), "paper": (4, (320, 168))}
"""Simulated heads, and their size by scale: 168 lines hold the centre of 20 and one more at R = 8."""

ALONG = (
    "zero-filled", "cg-sense", "tv", "l1-wavelet", "one-step", "posterior, few-step", "posterior",
    "posterior, mean of 4",
)  # fmt: skip
"""Rows along a trajectory: the teacher knows lines, and partial Fourier has no side of k-space to leave out."""


@checked
class ReconSettings(OnScans):
    """What the bench of reconstructions takes."""

    rival_minutes: NotNegative = 2.0
    """Minutes of training for deepinv's unrolled network; 0 leaves it out."""
    accelerations: tuple[Positive, ...] = (2.0, 4.0, 6.0, 8.0)
    """How much the scans are undersampled."""
    along: Literal["", "radial", "spiral"] = ""
    """Spokes or spirals in place of lines, of simulated heads that do not wrap; then only our rows."""
    pattern: Pattern | None = None
    """Law of the masks, with the centre that suits it, of heads that do not wrap: poisson takes points in two
    directions. Lines with a centre of 20 where not given."""
    heads: Whole = 0
    """Simulated heads; 0 takes as many as the scale says."""
    coils: Count = 8
    """Of simulated heads."""
    methods: tuple[str, ...] = ()
    """Only these rows, ours and other libraries': [posterior, BART TV]. All where empty."""


class ReconBench:
    """Quality, time and memory of every method, ours and other libraries'."""

    about = About(
        "recon",
        "undersampled 2, 4, 6 and 8-fold",
        "simulated wrapped heads, or --data",
        "measured here",
        said="none of ours; sigpy, BART and deepinv run beside",
    )
    protocols: Mapping[str, str] = {}
    scales = ("mini", "paper")
    settings = ReconSettings

    def run(self, settings: ReconSettings, scale: str, out: Path, progress: Progress) -> "ReconCard":
        """Reconstruct everything by everything; writes recon.md and recon.json.

        Raises
        ------
        InputError
            If settings exclude each other, or the data cannot be read.
        """
        from rsd_mri.bench import reconstructions

        if settings.along and settings.data:
            raise InputError("along: spokes and spirals are simulated; leave data out")
        if settings.along and settings.pattern is not None:
            raise InputError("along: spokes and spirals take no pattern; leave one of the two out")
        require_writable(out)
        count, size = HEADS[scale]
        undersample = reconstructions.undersample_lines(settings.seed)
        if settings.data:
            scans = reconstructions.full_scans(Path(settings.data))
        else:
            fov = 1.0 if settings.along or settings.pattern else 0.6
            scans = reconstructions.simulated_heads(
                settings.heads or count, size, settings.seed, fov=fov, coils=settings.coils
            )
        if settings.along:
            undersample = reconstructions.undersample_along(settings.along, size, settings.seed, settings.coils)
        elif settings.pattern is not None:
            undersample = reconstructions.undersample_by(settings.pattern, settings.seed)
        prior = settings.found_prior()
        rivals, said = [], ""
        if settings.rival_minutes > 0 and not settings.methods and not settings.along:
            rival, said = reconstructions.rival_for(out, size, settings.rival_minutes, settings.seed, progress)
            rivals = [rival]
        found = reconstructions.run_recon_bench(
            scans,
            prior,
            seed=settings.seed,
            progress=progress,
            accelerations=settings.accelerations,
            rivals=rivals,
            only=settings.methods or (ALONG if settings.along else ()),
            undersample=undersample,
        )
        card = reconstructions.ReconCard(
            tuple(found),
            out / "recon.md",
            prior.label,
            tuple(scan.source.name for scan, _ in scans),
            said,
        )
        card.write_text()
        write_json(out / "recon.json", card.as_dict())
        return card
