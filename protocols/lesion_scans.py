"""Full scans of real anatomy as raw files, for `rsd-mri bench run lesions --data FOLDER`.

Run with: python protocols/lesion_scans.py FOLDER IMAGES.npz ...

Writes to FOLDER/coils the images of archives as eight simulated coils see them (trust_scans.py), and to FOLDER/kspace
what was measured itself where an archive holds k-space of one coil, [slice, readout, phase_encode]: the two middle
slices.
"""

import sys
from pathlib import Path

from trust_scans import images, measured_scans

from rsd_mri.scan.writing import write_fastmri


def main(folder: Path, paths: list[Path]) -> None:
    """Write one file a slice."""
    seen, measured = folder / "coils", folder / "kspace"
    for one in (seen, measured):
        one.mkdir(parents=True, exist_ok=True)
    for path in paths:
        for name, scan, _ in images(path):
            write_fastmri(seen / f"{name}.h5", scan)
        for scan in measured_scans(path):
            write_fastmri(measured / scan.source, scan)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
