"""Single pictures, restored beside what scikit-image makes of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rsd_mri.bench.bench import CARD, About
from rsd_mri.files import require_writable, write_json
from rsd_mri.machine.progress import Progress
from rsd_mri.protocol import checked
from rsd_mri.protocol.checked import Count, Integer, Switch

if TYPE_CHECKING:
    from rsd_mri.bench.cards import RestoredCard


@checked
class RestoreSettings:
    """What the bench of pictures takes."""

    seed: Integer = 0
    """Seed of degradations and samples."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    fresh: Switch = False
    """Start the training over instead of continuing."""
    prior: str = ""
    """A run on noise or inpainting; the protocol 'pictures' is trained without one."""
    count: Count = 24
    """Pictures."""


class RestoreBench:
    """Quality of restored pictures."""

    about = About(
        "restore",
        "single pictures: noise, hidden pixels, blur, fewer pixels",
        "held-out patches of photographs",
        "measured here",
        said="none of ours; scikit-image beside",
    )
    protocols: Mapping[str, str] = {}
    scales = ("mini",)
    settings = RestoreSettings

    def run(self, settings: RestoreSettings, scale: str, out: Path, progress: Progress) -> "RestoredCard":  # noqa: ARG002
        """Degrade, restore, compare; writes card.json."""
        from rsd_mri.bench.restorations import run_picture_bench

        require_writable(out)
        card = run_picture_bench(
            out,
            Path(settings.prior) if settings.prior else None,
            settings.count,
            settings.device,
            settings.fresh,
            settings.seed,
            progress,
        )
        write_json(out / CARD, card.as_dict())
        return card
