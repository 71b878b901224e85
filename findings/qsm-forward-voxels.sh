#!/usr/bin/env bash
# qsm-forward 0.32, a simulator of gradient echoes: `generate_field` takes the first two of its voxel sizes in the wrong order. It knows the direction of
# the main field along the axes as they are, so that no turn of the volume makes up for it. Of a sphere in voxels of 1 x 2 x 1 mm, or 0.5 x 1 x 1, whose
# field is known in closed form, the field around it is wrong by half of what it varies, in each of the three directions; by 2 % and less in voxels equal
# in the plane, 1 x 1 x 2 mm too, and with the first two sizes given exchanged. `crop_kspace` of a real
# volume, which it rids of ringing unless told otherwise, has no signs left: of a susceptibility or a field all that is negative comes out positive, for
# it uses dipy 1.12.1 (dipy-gibbs-sign.sh). Nothing is said of either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "qsm-forward==0.32" "dipy==1.12.1" "nilearn==0.14.1" "nibabel==5.4.2" "numpy==2.2.6" "scipy==1.15.3"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import itertools
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
import qsm_forward

RADIUS = 8.0  # mm
print("qsm-forward", version("qsm-forward"), "dipy", version("dipy"))


def sphere(sizes, voxel, direction):
    """A sphere of susceptibility 1, its field outside, and the voxels of a shell about it; partial volumes from 27 points a voxel."""
    places = [(np.arange(size) - size // 2) * step for size, step in zip(sizes, voxel)]
    at = np.stack(np.meshgrid(*places, indexing="ij"), -1)
    parts = itertools.product((-1 / 3, 0, 1 / 3), repeat=3)
    filled = sum((np.linalg.norm(at + np.array(part) * voxel, axis=-1) < RADIUS) / 27 for part in parts)
    far = np.maximum(np.linalg.norm(at, axis=-1), 1e-9)
    field = (RADIUS / far) ** 3 * (3 * (at @ direction / far) ** 2 - 1) / 3
    return filled, field, (far > 1.3 * RADIUS) & (far < 2.2 * RADIUS)


def error(voxel, given, direction):
    """Of the field in the shell, over its own variation."""
    sizes = tuple(int(64 / step) for step in voxel)
    filled, exact, shell = sphere(sizes, np.array(voxel), np.array(direction))
    found = qsm_forward.generate_field(filled, voxel_size=list(given), B0_dir=list(direction))
    return float((found - exact)[shell].std() / exact[shell].std())


for voxel, right in (((1, 1, 1), True), ((1, 1, 2), True), ((1, 2, 1), False), ((0.5, 1, 1), False)):
    directions = np.eye(3)
    as_said = [error(voxel, voxel, direction) for direction in directions]
    exchanged = [error(voxel, (voxel[1], voxel[0], voxel[2]), direction) for direction in directions]
    said = ", ".join(f"{one:.3f}" for one in as_said)
    print(f"voxels of {' x '.join(map(str, voxel))} mm, main field along each axis: error {said} of the field; first two sizes exchanged at most {max(exchanged):.3f}")
    assert max(exchanged) < 0.03 and ((max(as_said) < 0.03) if right else (min(as_said) > 0.4)), "voxel sizes have another order now"

x, y, z = (np.indices((32, 32, 32)).T / 32 * 2 * np.pi).T
smooth = np.cos(x) * np.cos(y) * np.cos(z)
half = smooth[::2, ::2, ::2]
for correction in (True, False):
    found = qsm_forward.crop_kspace(smooth, (16, 16, 16), gibbs_correction=correction)
    alike = np.corrcoef(found.ravel(), half.ravel())[0, 1]
    print(f"crop_kspace, gibbs_correction={correction}: from {found.min():.2f} to {found.max():.2f}, true {half.min():.2f} to {half.max():.2f}; "
          f"correlation {alike:.2f} with the volume")
    assert (found.min() > -1e-6 and alike < 0.6) if correction else alike > 0.999, "signs are kept now"
PY
venv/bin/python show.py
