"""Make the picture of the README: one simulated head, a quarter of its lines, five ways to reconstruct it.

Run with: python docs/images/comparison.py
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

import rsd_mri as rsd
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.reconstruction.full_scans import body_of
from rsd_mri.results.figures import comparison_figure
from rsd_mri.results.window import upper_window

NAMES = {"zero-filled": "zero-filled", "cg-sense": "CG-SENSE", "l1-wavelet": "L1-wavelet", "tv": "total variation",
         "posterior": "posterior mean"}  # fmt: skip
SHOWN = (slice(12, -12), slice(30, -30))
GAIN = 5

scan, truth = rsd.simulate(4, matrix=192, acs_lines=20, seed=11)
recs = {method: rsd.reconstruct(scan, samples=4, method=method) for method in NAMES}
reference = abs(truth[0])
found = {method: float(psnr(reference[None], rec.magnitude)) for method, rec in recs.items()}
images = {f"{NAMES[m]}  {found[m]:.1f} dB": rec.magnitude[0][SHOWN] for m, rec in recs.items()}
figure = comparison_figure(images, reference[SHOWN], gain=GAIN)
# Below the reference there is room: its own difference is nothing.
corner = figure.axes[len(images) + 1]
half_width = recs["posterior"].half_width[0]
corner.imshow(half_width[SHOWN], cmap="gray", vmin=0, vmax=upper_window(reference) / GAIN)
corner.set_title(f"90 % half width x {GAIN}", color="white", fontsize=9)
path = Path(__file__).with_suffix(".png")
figure.savefig(path, dpi=80)
Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=96).save(path, optimize=True)
body = body_of(reference)
found["covered"] = float(np.mean(np.abs(recs["posterior"].magnitude[0] - reference)[body] <= half_width[body]))
print(json.dumps(found))  # noqa: T201
