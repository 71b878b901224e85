#!/usr/bin/env bash
# mri-nufft 1.5.1: `write_trajectory` (the gradients of a trajectory, for a sequence to play) is said to add gradients that slow down after the readout,
# with postgrad="slowdown_to_center" or "slowdown_to_edge". It has their two ends the wrong way round: the gradient falls to zero in one raster time
# where it should go on as the readout left it, and in the end has the full strength of the readout, with which the file stops, where it should be
# zero. Of a spiral of at most 26 mT/m/ms, where 100 are allowed, 787 are asked of the scanner. A warning says that the limits are violated, as it would of a
# trajectory that is too fast, and names no place. What pregrad="prephase" adds begins at zero and ends as the readout begins. `read_trajectory`
# leaves the added samples out, so that nothing of it is seen there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "mri-nufft==1.5.1" "numpy==2.2.6" "scipy==1.15.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from mrinufft import initialize_2D_spiral
from mrinufft.io.nsp import read_trajectory, write_trajectory

GAMMA, RASTER = 42.576, 0.01  # 1/m per (mT/m ms), ms
FOV, SIZE, LIMIT = 0.256, 64, 100  # m, pixels, the default's mT/m/ms
print("mri-nufft", version("mri-nufft"))
trajectory = 0.8 * np.ascontiguousarray(initialize_2D_spiral(1, 3000, nb_revolutions=16))
readout = np.diff(trajectory[0] * SIZE / FOV, axis=0) / GAMMA / RASTER


def written(**options):
    """Gradients [sample, axis] in mT/m as the file has them, and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write_trajectory(trajectory, (FOV, FOV), (SIZE, SIZE), "file", version=5.1, pregrad="prephase", **options)
    words = np.fromfile("file.bin", np.float32)
    shots, samples, strongest = int(words[8]), int(words[9]), words[11]
    assert shots == 1
    gradients = words[-2 * samples :].reshape(samples, 2) * strongest
    read = read_trajectory("file.bin")[0]
    again = np.abs(read[0] - trajectory[0, : read.shape[1]]).max()
    return gradients, [str(one.message) for one in caught if "violated" in str(one.message)], again


def strength(gradients):
    return np.linalg.norm(gradients, axis=-1)


before = len(written()[0]) - len(readout)
slew = strength(np.diff(readout, axis=0)) / RASTER
print(f"readout: {len(readout)} samples, {strength(readout[-1]):.2f} mT/m at its end, {slew.max():.0f} mT/m/ms at the most, {LIMIT} allowed")
assert slew.max() < LIMIT and not written()[1]
for name in ("slowdown_to_center", "slowdown_to_edge"):
    gradients, warned, again = written(postgrad=name)
    after = gradients[before + len(readout) :]
    steps = strength(np.diff(gradients, axis=0)) / RASTER
    at_end = int(steps.argmax()) == before + len(readout) - 1
    print(f"{name}: {len(after)} samples; {strength(after[0]):.2f} mT/m in the first, {strength(after[-1]):.2f} in the last; {steps.max():.0f} mT/m/ms "
          f"where the readout ends: {at_end}; {warned}; read back within {again:.0e}")
    assert np.allclose(gradients[before : before + len(readout)], readout, atol=1e-3)
    assert strength(after[0]) < 1e-3 and steps.max() > 7 * LIMIT and at_end, "the added gradient begins as the readout ends now"
    assert warned and again < 1e-4
    assert np.allclose(after[-1], readout[-1], atol=1e-3), "the added gradient ends at rest now"
PY
venv/bin/python show.py
