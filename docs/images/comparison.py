"""Make the picture of the README: one simulated head, a quarter of its lines, five ways to reconstruct it.

Run with: python docs/images/comparison.py
"""

import json
from pathlib import Path

from PIL import Image

import rsd_mri as rsd
from rsd_mri.evaluation.image_quality import psnr
from rsd_mri.report.figures import comparison_figure

NAMES = {"zero-filled": "zero-filled", "cg-sense": "CG-SENSE", "l1-wavelet": "L1-wavelet", "tv": "total variation",
         "posterior": "posterior mean"}  # fmt: skip

scan, truth = rsd.simulate(4, matrix=192, acs_lines=20, seed=11)
recs = {method: rsd.reconstruct(scan, samples=4, method=method) for method in NAMES}
reference = abs(truth[0])
found = {method: float(psnr(reference[None], rec.magnitude)) for method, rec in recs.items()}
images = {f"{NAMES[m]}  {found[m]:.1f} dB": rec.magnitude[0] for m, rec in recs.items()}
path = Path(__file__).with_suffix(".png")
comparison_figure(images, reference).savefig(path, dpi=80)
Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=96).save(path, optimize=True)
print(json.dumps(found))  # noqa: T201
