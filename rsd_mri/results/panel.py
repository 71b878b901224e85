"""What a notebook shows of a reconstruction."""

from collections.abc import Sequence

import numpy as np

from rsd_mri.about.panel import panel
from rsd_mri.machine.evenly import evenly
from rsd_mri.results import facts
from rsd_mri.results.figures import contact_sheet
from rsd_mri.results.volume import ReconstructedVolume


def reconstruction_panel(rec: ReconstructedVolume) -> str:
    """HTML of how a reconstruction was made and what to beware of, beside its middle slice."""
    rows: list[tuple[str, ...]] = [("Note", line) for line in facts.warnings(rec)]
    rows += [*facts.acquisition(rec), *facts.methods([rec])[1:]]
    middle = rec.n_slices // 2
    return panel(repr(rec), rows, contact_sheet(rec.magnitude[middle : middle + 1]), f"slice {middle}")


def movie_panel(frames: Sequence[ReconstructedVolume], name: str) -> str:
    """The same of a movie, beside its frames."""
    rows: list[tuple[str, ...]] = [("Note", line) for line in facts.warnings(frames)]
    rows += [*facts.acquisition(frames), *facts.methods([frames])[1:]]
    chosen = evenly(len(frames), 4)
    middle = frames[0].n_slices // 2
    sheet = contact_sheet(np.stack([frames[number].magnitude[middle] for number in chosen]))
    return panel(name, rows, sheet, f"slice {middle}, frames {', '.join(map(str, chosen))}")
