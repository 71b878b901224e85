#!/usr/bin/env bash
# sigpy 0.1.27: `sigpy.mri.radial` makes half spokes, from the centre outwards, where the papers that it names, and other software,
# have whole ones through the centre: of nro samples none lies on the other side, they stand half as far apart, and the usual number of
# spokes leaves twice the gap at the edge. Its golden angle is that of half spokes, 137.5 degrees, not the 111.25 of the paper. Taken for
# whole ones (its coordinates laid to data of whole spokes, or those of its reconstruction counted as such) they are another
# trajectory. Nothing in the documentation says which. (A pull request that would add whole spokes is open since 2022.)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "sigpy==0.1.27" "numpy==2.2.6" "scipy==1.15.3"
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
from sigpy.mri import radial

print("sigpy", version("sigpy"))
size, spokes, samples = 128, 201, 256
for golden in (True, False):
    places = radial((spokes, samples, 2), (size, size), golden=golden)
    along = np.hypot(*np.moveaxis(places, -1, 0))
    angle = np.degrees(np.arctan2(places[1:3, -1, 0], places[1:3, -1, 1])) % 360
    step = np.diff(angle)[0] % 360
    print(f"golden={golden}: a spoke goes from {along[0, 0]:.1f} to {along[0, -1]:.2f} cycles in steps of {np.diff(along[0])[0]:.3f}; the next is turned by {step:.2f} degrees")
    same_side = (places @ places[:, -1:].swapaxes(1, 2)).min()
    assert same_side >= -1e-6 and along[:, 0].max() == 0, "spokes go through the centre now"
    assert abs(step - (137.51 if golden else 360 / spokes)) < 0.01
    directions = np.sort(np.degrees(np.arctan2(places[:, -1, 0], places[:, -1, 1])) % 360)
    gap = np.diff(np.append(directions, directions[0] + 360)).max()
    print(f"    widest gap between {spokes} spokes {gap:.2f} degrees; of as many whole ones, evenly, {180 / spokes:.2f}")
assert "center-out" not in radial.__doc__ and "half" not in radial.__doc__, "the documentation says it now"
PY
venv/bin/python show.py
