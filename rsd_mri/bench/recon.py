"""Every reconstruction beside its peers' from other libraries."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rsd_mri.bench.bench import About, OnScans, write_json
from rsd_mri.machine.progress import Progress
from rsd_mri.protocol import checked
from rsd_mri.protocol.checked import NotNegative, Positive

if TYPE_CHECKING:
    from rsd_mri.bench.reconstructions import ReconCard

HEADS = {"mini": (1, (160, 168)), "paper": (4, (320, 168))}
"""Simulated heads, and their size by scale: 168 lines hold the centre of 20 and one more at R = 8."""


@checked
class ReconSettings(OnScans):
    """What the bench of reconstructions takes."""

    rival_minutes: NotNegative = 2.0
    """Minutes of training for deepinv's unrolled network; 0 leaves it out."""
    accelerations: tuple[Positive, ...] = (2.0, 4.0, 6.0, 8.0)
    """How much the scans are undersampled."""
    methods: tuple[str, ...] = ()
    """Only these rows of ours, and no other libraries: [posterior, tv]. All where empty."""


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
        """Reconstruct everything by everything; writes recon.md and recon.json."""
        from rsd_mri.bench import reconstructions
        from rsd_mri.reconstruction.methods import find_prior

        count, size = HEADS[scale]
        scans = (
            reconstructions.full_scans(Path(settings.data))
            if settings.data
            else reconstructions.simulated_heads(count, size, settings.seed)
        )
        prior = find_prior(Path(settings.prior) if settings.prior else None, "posterior")
        rivals, said = [], ""
        if settings.rival_minutes > 0 and not settings.methods:
            rival, said = reconstructions.rival_for(out, size, settings.rival_minutes, settings.seed, progress)
            rivals = [rival]
        found = reconstructions.run_recon_bench(
            scans,
            prior,
            seed=settings.seed,
            progress=progress,
            accelerations=settings.accelerations,
            rivals=rivals,
            only=settings.methods,
        )
        card = reconstructions.ReconCard(
            tuple(found),
            out / "recon.md",
            f"{prior.path.name} ({prior.sha256[:12]})",
            tuple(scan.source.name for scan, _ in scans),
            said,
        )
        card.write_text()
        write_json(out / "recon.json", card)
        return card
