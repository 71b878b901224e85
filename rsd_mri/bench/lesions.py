"""Whether a small lesion survives, and whether one is seen where there is none."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rsd_mri.bench.bench import CARD, About, OnScans
from rsd_mri.errors import InputError
from rsd_mri.files import require_writable, write_json
from rsd_mri.machine.progress import Progress
from rsd_mri.protocol import checked
from rsd_mri.protocol.checked import Count, Number, Switch, Whole

if TYPE_CHECKING:
    from rsd_mri.bench.lesion_card import LesionsCard

HEADS = {"mini": (2, (112, 96)), "paper": (16, (128, 144))}
"""Simulated heads, and their size by scale."""


@checked
class LesionsSettings(OnScans):
    """What the bench of lesions takes."""

    fresh: Switch = False
    """Start over instead of continuing."""
    heads: Whole = 0
    """Simulated heads; 0 takes as many as the scale says."""
    accelerations: tuple[Number, ...] = (2.0, 4.0, 6.0, 8.0)
    """Of the masks."""
    sizes: tuple[Number, ...] = (1.0, 2.0, 4.0, 6.0)
    """Diameters of the lesions [pixels]."""
    levels: Count | None = None
    """Noise levels of the sampler; its own number without."""


class LesionsBench:
    """What every method leaves of small lesions, and what it makes up."""

    about = About(
        "lesions",
        "undersampled 2, 4, 6 and 8-fold, lesions of 1 to 6 pixels",
        "simulated heads, or --data",
        "measured here",
        said="none of ours; BART runs beside",
    )
    protocols: Mapping[str, str] = {}
    scales = ("mini", "paper")
    settings = LesionsSettings

    def run(self, settings: LesionsSettings, scale: str, out: Path, progress: Progress) -> "LesionsCard":
        """Put lesions in, reconstruct, look for them; writes lesions.md, card.json and lesions.png.

        Raises
        ------
        InputError
            If sizes or accelerations are none that there are.
        """
        from rsd_mri.bench import lesion_readings as reading
        from rsd_mri.bench.lesion_card import LesionsCard, mean_psnr, outcomes
        from rsd_mri.bench.lesion_picture import write_picture
        from rsd_mri.bench.lesion_sites import LESIONS
        from rsd_mri.bench.lesion_store import load_case, save_case
        from rsd_mri.bench.peers import all_peers

        unknown = [size for size in settings.sizes if size not in LESIONS]
        if unknown or not settings.sizes:
            known = ", ".join(f"{size:g}" for size in LESIONS)
            raise InputError(f"bench lesions: sizes: expected some of {known}, got {list(settings.sizes)}")
        if not settings.accelerations or min(settings.accelerations) <= 1:
            raise InputError("bench lesions: accelerations: expected numbers above 1, such as [4, 8]")
        require_writable(out)
        heads, size = HEADS[scale]
        prior = settings.found_prior()
        names = range(settings.heads or heads)
        cases = (
            reading.measured_cases(Path(settings.data), settings.sizes, settings.seed)
            if settings.data
            else [reading.simulated_case(number, size, settings.sizes, settings.seed) for number in names]
        )
        made_of = f"{prior.sha256} {scale} {replace(settings, heads=0, fresh=False)}"
        readings, examples = [], []
        for case, part in progress.each(cases, lambda case: case.name):
            path = out / f"case-{case.name.replace(' ', '-')}.npz"
            made = None if settings.fresh else load_case(path, made_of)
            if made is None:
                made = reading.read_case(case, settings.accelerations, prior, settings.levels, settings.seed, part)
                save_case(path, made_of, *made)
            readings += made[0]
            examples += made[1]
        found, left = outcomes(readings, settings.seed)
        absent = [f"{peer.name}: {peer.absent}." for peer in all_peers() if peer.name in reading.PEERS and peer.absent]
        card = LesionsCard(
            tuple(found),
            out / "lesions.md",
            tuple(case.name for case in cases),
            mean_psnr(readings),
            prior.label,
            (*(f"{one}." for one in left), *absent),
        )
        card.write_text()
        write_picture(out / "lesions.png", readings, examples)
        write_json(out / CARD, card.as_dict())
        return card
