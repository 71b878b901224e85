#!/usr/bin/env bash
# mri-nufft 1.5.1: the off-resonance operator `MRIFourierCorrected` has, by its documentation, the term exp(D t) with
# -D = R2* + 2 pi i f. What it applies is exp(+R2* t + 2 pi i f t): a map of R2* lets the signal grow, to 2.5 times at 30 ms where it
# should fall to 0.4 times, and a map of frequencies turns phases the other way (known to its authors as issue 254). Where R2*
# differs between pixels neither sign is right: its values are sorted into bins whose upper end is taken from the frequencies, so
# that the result is off by about half of itself, with the default decomposition (svd) and with mti. Frequencies alone are right
# within 1 %, but for the sign.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "mri-nufft==1.5.1" "finufft==2.5.1" "numpy==2.4.6" "scipy==1.17.1"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from mrinufft import get_operator
from mrinufft.operators import MRIFourierCorrected

warnings.simplefilter("ignore")
print("mri-nufft", version("mri-nufft"), "finufft", version("finufft"))
SHAPE, SAMPLES = (24, 20), 200
rng = np.random.default_rng(0)
points = rng.uniform(-0.5, 0.5, (SAMPLES, 2)).astype(np.float32)
image = (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)).astype(np.complex64)
time = np.linspace(0, 0.03, SAMPLES, dtype=np.float32)
pixels = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in SHAPE), indexing="ij"), -1).reshape(-1, 2)
encoding = np.exp(-2j * np.pi * points @ pixels.T)
everywhere = np.ones(SHAPE, bool)


def error(found, frequency, decay):
    """Beside the sum over all pixels."""
    direct = (encoding * np.exp(time[:, None] * (2j * np.pi * frequency - decay).ravel())) @ image.ravel()
    return float(np.linalg.norm(found - direct) / np.linalg.norm(direct))


def applied(frequency, decay, interpolator):
    plain = get_operator("finufft")(points, SHAPE)
    given = None if decay is None else decay.astype(np.float32)
    operator = MRIFourierCorrected(
        plain, b0_map=frequency.astype(np.float32), readout_time=time, r2star_map=given, mask=everywhere, interpolator=interpolator
    )
    return operator.op(image).ravel() * plain.norm_factor


frequency = rng.uniform(-80, 80, SHAPE)
for interpolator in ("svd", "mti"):
    print(interpolator)
    for name, decay in (("no R2*", None), ("R2* 30 /s", np.full(SHAPE, 30.0)), ("R2* 10 to 50 /s", rng.uniform(10, 50, SHAPE))):
        found = applied(frequency, decay, interpolator)
        rate = 0 * frequency if decay is None else decay
        errors = {(f, r): error(found, f * frequency, r * rate) for f in (1, -1) for r in (1, -1)}
        print(f"  {name}, error against exp(-R2* t - 2 pi i f t): {errors[-1, 1]:.3f}, decay with +f: {errors[1, 1]:.3f}, ", end="")
        print(f"growth with +f: {errors[1, -1]:.3f}, growth with -f: {errors[-1, -1]:.3f}")
        assert errors[-1, 1] > 1, "as documented now"
        wrong_in_bins = name == "R2* 10 to 50 /s"
        assert min(errors.values()) > 0.3 if wrong_in_bins else errors[1, -1] < 0.03, "another term now"
PY
venv/bin/python show.py
