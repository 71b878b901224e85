#!/usr/bin/env bash
# mri-nufft 1.5.1: an operator of the finufft backend refuses density="pipe", for it asks the gpunufft backend for it, which
# is not installed; and samples in radians that reach less than 0.5 are taken as cycles, so that the result is that of another
# trajectory, 6.28 times as far out (a warning says that they are rescaled).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "mri-nufft==1.5.1" "finufft==2.5.1"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings
from importlib.metadata import version

import numpy as np
from mrinufft import get_operator

warnings.simplefilter("ignore")
print("mri-nufft", version("mri-nufft"), "finufft", version("finufft"))
angles = np.pi * np.arange(50) / 50
along = np.linspace(-0.5, 0.5, 128, endpoint=False)
spokes = (along[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], -1)).reshape(-1, 2).astype(np.float32)

refused = ""
try:
    get_operator("finufft")(spokes, (64, 64), density="pipe")
except ValueError as error:
    refused = str(error)
print("density='pipe' with the finufft backend:", refused or "made")

image = np.zeros((64, 64), np.complex64)
image[40, 32] = 1
# A low-resolution trajectory, in radians a pixel.
inner = np.array([[0.3, 0.0], [0.4, 0.0]], np.float32)
operator = get_operator("finufft")(inner, (64, 64))
found = np.angle(operator.op(image).ravel())
print("phase of a pixel 8 from the centre at 0.3 and 0.4 rad a pixel:", found.round(3), "expected", -8 * inner[:, 0])
wrapped = np.angle(np.exp(-8j * 2 * np.pi * inner[:, 0]))
behaves = "gpunufft" in refused and np.allclose(found, wrapped, atol=1e-3)
sys.exit(0 if behaves else 1)
PYTHON
