"""What a notebook shows of a reconstruction."""

from rsd_mri.about.panel import panel
from rsd_mri.results import facts
from rsd_mri.results.figures import contact_sheet
from rsd_mri.results.volume import ReconstructedVolume


def reconstruction_panel(rec: ReconstructedVolume) -> str:
    """HTML of how a reconstruction was made and what to beware of, beside its middle slice."""
    rows: list[tuple[str, ...]] = [("Note", line) for line in facts.warnings(rec)]
    rows += [*facts.acquisition(rec), *facts.methods([rec])[1:]]
    middle = rec.n_slices // 2
    return panel(repr(rec), rows, contact_sheet(rec.magnitude[middle : middle + 1]))
