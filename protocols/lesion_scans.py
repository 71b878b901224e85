"""Full scans of real anatomy as raw files, for `rsd-mri bench run lesions --data FOLDER`.

Run with: python protocols/lesion_scans.py FOLDER IMAGES.npz ...

Writes to FOLDER/coils the images of archives as eight simulated coils see them (trust_scans.py), and to FOLDER/kspace
what was measured itself where an archive holds k-space of one coil, [slice, readout, phase_encode]: the two middle
slices.
"""

import sys
from pathlib import Path

import numpy as np
from trust_scans import images

from rsd_mri.scan.scan import Scan
from rsd_mri.scan.writing import write_fastmri


def main(folder: Path, paths: list[Path]) -> None:
    """Write one file a slice."""
    seen, measured = folder / "coils", folder / "kspace"
    for one in (seen, measured):
        one.mkdir(parents=True, exist_ok=True)
    for path in paths:
        for name, scan, _ in images(path):
            write_fastmri(seen / f"{name}.h5", scan)
        with np.load(path, allow_pickle=False) as archive:
            for name in archive:
                kspace = archive[name]
                if kspace.ndim != 3 or not np.iscomplexobj(kspace):
                    continue
                for number in (len(kspace) // 2 - 1, len(kspace) // 2):
                    full = np.ones(kspace.shape[-1], bool)
                    one = np.ascontiguousarray(kspace[None, None, number])
                    source = Path(f"{name}-{number}.h5")
                    write_fastmri(measured / source, Scan(one, full, "full", source, "measured"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
