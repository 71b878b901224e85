#!/usr/bin/env bash
# sigpy 0.1.27: `sigpy.mri.apply_tseg` applies off-resonance by time segments along `coord`, of which its documentation gives no unit. It multiplies
# them by 20 first (cycles per cm and a field of view of 20 cm, perhaps): with the coordinates that `nufft`, `linop.Sense` and everything else
# of sigpy take, the result is that of another trajectory. With a twentieth of them it is right, and is what `linop.Sense(tseg=)`
# gives. Backwards, fwd=False, is the forward transform again, of k-space as if it were an image: what it gave forwards is refused, and
# where as many samples as pixels are laid into a square, the image has nothing to do with the object. `Sense(tseg=).H` is the adjoint.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "sigpy==0.1.27" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
from sigpy.mri.linop import Sense
from sigpy.mri.util import apply_tseg, tseg_off_res_b_ct

print("sigpy", version("sigpy"))
rng = np.random.default_rng(0)
N = 32
SAMPLES, DWELL, SEGMENTS, BINS = N * N, 0.01, 12, 60
"""Dwell time in ms."""
points = rng.uniform(-N / 2, N / 2, (SAMPLES, 2))
rows = np.arange(N) - N // 2
places = np.stack(np.meshgrid(rows, rows, indexing="ij"), -1).reshape(-1, 2)
image = (places[:, 0] - 4) ** 2 + (places[:, 1] + 3) ** 2 < 64
image = image.reshape(N, N).astype(complex)
frequency = rng.uniform(0, 80, (N, N))
times = np.arange(SAMPLES) * DWELL / 1000
exact = np.exp(-2j * np.pi * (points @ places.T / N + times[:, None] * frequency.ravel())) @ image.ravel() / N


def error(found, true):
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


sense = Sense(np.ones((1, N, N), complex), coord=points, tseg={"b0": frequency, "dt": DWELL, "lseg": SEGMENTS, "n_bins": BINS})
temporal, phases = tseg_off_res_b_ct(frequency, BINS, SEGMENTS, DWELL, SAMPLES * DWELL)
errors = {
    "Sense(tseg=)": error(sense(image)[0], exact),
    "apply_tseg, the same coordinates": error(apply_tseg(image, points, temporal, phases)[:, 0], exact),
    "apply_tseg, a twentieth of them": error(apply_tseg(image, points / 20, temporal, phases)[:, 0], exact),
}
for name, value in errors.items():
    print(f"{name}: error beside the sum over all pixels {value:.3f}")
right, same, twentieth = errors.values()
assert right < 0.03 and twentieth < 0.03 and same > 0.5, "apply_tseg takes sigpy's coordinates now"

forward = apply_tseg(image, points / 20, temporal, phases)
refused = ""
try:
    apply_tseg(forward, points / 20, temporal, phases, fwd=False)
except ValueError as reason:
    refused = str(reason)
print(f"apply_tseg(fwd=False) of what it gave forwards, {forward.shape}:", refused or "taken")
assert refused, "it takes its own k-space back now"
adjoint = sense.H(exact[None])
back = apply_tseg(exact.reshape(N, N), points / 20, temporal, phases, fwd=False)
likeness = [abs(np.vdot(what.ravel(), image)) / np.linalg.norm(what) / np.linalg.norm(image) for what in (adjoint, back)]
print(f"likeness to the object, 0 to 1: Sense(tseg=).H {likeness[0]:.2f}, apply_tseg(fwd=False) of a square of it {likeness[1]:.2f}")
assert likeness[0] > 0.5 and likeness[1] < 0.2, "backwards is the adjoint now"
PY
venv/bin/python show.py
