"""What adaptation to a scan's own lines gives: the same scan with the prior as it is, and adapted.

Run with: python protocols/adapt.py FIRST COUNT [SCAN.dat or IMAGES.npz ...]

Simulated heads and the images of archives seen by simulated coils (see trust_scans.py), at R = 4 with 12 centre lines,
and full raw scans at R = 2: of all these COUNT, from the FIRST-th on. PSNR of the mean of two samples.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from trust import tell
from trust_scans import Pair, heads, images

from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.protocol import MaskSettings
from rsd_mri.reconstruction.full_scans import full_image
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.reading import read_scan


def raw(path: Path) -> Iterator[Pair]:
    """A full raw scan, its own image as the truth."""
    scan = read_scan(path)
    yield path.stem, scan, full_image(scan)


def main(first: int, count: int, paths: list[Path]) -> None:
    """Print the table."""
    how = method_of("posterior", samples=2)
    tell("| scan | R | error on unseen lines before, after | steps | PSNR before | after | time, adapted over not |")
    tell("| --- | --- | --- | --- | --- | --- | --- |")
    pairs = [*heads(), *(pair for path in paths for pair in (images(path) if path.suffix == ".npz" else raw(path)))]
    for name, full, truth in pairs[first : first + count]:
        acceleration, centre = (4.0, 12) if full.format == "simulated" else (2.0, 24)
        law = MaskSettings(acceleration=acceleration, acs_lines=centre)
        mask = draw_mask(law, full.size, generator(1, "mask")).mask.numpy()
        scan = replace(full, kspace=full.kspace * mask, mask=mask, mask_source="file")
        found, seconds = [], []
        for adapt in (False, True):
            begun = time.process_time()
            rec = reconstruct_scan(scan, how, adapt=adapt)
            seconds.append(time.process_time() - begun)
            found.append(psnr(truth, rec.magnitude))
        said = [rec.checks.get(f"adapted_error{end}", float("nan")) for end in ("_before", "")]
        tell(
            f"| {name} | {acceleration:g} | {said[0]:.1%}, {said[1]:.1%} | {rec.checks['adapted_steps']:.0f} | "
            f"{found[0]:.2f} | {found[1]:.2f} | {seconds[1] / seconds[0]:.1f} |"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [Path(argument) for argument in sys.argv[3:]])
