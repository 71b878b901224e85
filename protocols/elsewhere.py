"""How much worse images are of scans unlike those that the prior learned from.

Run with: python protocols/elsewhere.py [OUT.json]

The same simulated heads, each scanned as the package's prior knows it (4-fold, little noise, a matrix like that of its
training) and then otherwise in one way at a time. PSNR of the posterior mean against the noiseless image, and what it
has over total variation. The table goes into `elsewhere.json` beside the prior, from which `recon` quotes.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from rsd_mri.files import write_json
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.reconstruction.full_scans import CENTRE_LINES, full_image
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.simulation import simulate_scan

SEED, SAMPLES, CONTRASTS = 8300, 4, ("T2", "T1", "FLAIR")
LIKE = {"acceleration": 4.0, "noise": 0.015, "matrix": 160.0}
UNLIKE = (("acceleration", 6.0), ("acceleration", 8.0), ("noise", 0.06), ("matrix", 96.0))


def measure(law: dict[str, float]) -> tuple[float, float]:
    """PSNR of posterior and of total variation, means over the heads [dB]."""
    size = (int(law["matrix"]), int(law["matrix"] * 0.9))
    posterior = method_of("posterior", samples=SAMPLES)
    found = []
    for number, contrast in enumerate(CONTRASTS):
        data = DataSettings(slices=1, coils=8, noise=law["noise"])
        make = {"size": size, "plane": "axial", "contrast": contrast, "noise_correlation": 0.2}
        full, _ = simulate_scan(data, SEED, number, **make)
        truth = full_image(simulate_scan(replace(data, noise=0.0), SEED, number, **make)[0])
        kept = int(size[1] / law["acceleration"])
        masks = MaskSettings(acceleration=law["acceleration"], acs_lines=min(CENTRE_LINES, kept // 2))
        mask = draw_mask(masks, size, generator(SEED, number, "mask")).mask.numpy()
        scan = replace(full, kspace=full.kspace * mask, mask=mask, mask_source="file")
        made = [reconstruct_scan(scan, method) for method in (posterior, method_of("tv"))]
        found.append([psnr(truth, rec.magnitude) for rec in made])
    learned, classical = np.mean(found, axis=0)
    return float(learned), float(classical)


def main(out: Path | None) -> None:
    """Print the table as it grows, and write it."""
    like, classical = measure(LIKE)
    rows = [{"differs": "nothing", "value": 0.0, "images": len(CONTRASTS), "worse": 0.0, "gain": like - classical}]
    for differs, value in UNLIKE:
        learned, classical = measure({**LIKE, differs: value})
        row = {"differs": differs, "value": value, "images": len(CONTRASTS), "worse": like - learned}
        rows.append({**row, "gain": learned - classical})
        sys.stdout.write(json.dumps(rows[-1]) + "\n")
        sys.stdout.flush()
    rows = [{key: round(one, 3) if isinstance(one, float) else one for key, one in row.items()} for row in rows]
    if out is not None:
        write_json(out, rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
