"""`Scan`: what came off the scanner, which shows and saves itself."""

from dataclasses import dataclass
from pathlib import Path

from rsd_mri.scan.acquisition import Acquisition
from rsd_mri.scan.geometry import Geometry as Geometry


@dataclass(frozen=True, repr=False)
class Scan(Acquisition):
    """One acquisition, multi-coil; arrays are as acquired: no whitening, no cropping, no scaling."""

    def save(self, path: str | Path) -> Path:
        """Write the scan as HDF5 in fastMRI's layout; return the file."""
        from rsd_mri.scan.writing import write_fastmri

        return write_fastmri(path, self)

    def _repr_html_(self) -> str:
        from rsd_mri.scan.display import scan_panel

        return scan_panel(self)
