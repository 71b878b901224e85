#!/usr/bin/env bash
# phantominator 0.7.0: `mr_shepp_logan(T2star=True)` is to give T2* from the susceptibilities of the tissues, with the gyromagnetic ratio of hydrogen,
# and gives T2. The ratio, 267.5 million rad/s/T, is 267.5 in it, so that the susceptibilities, of some millionths, add 0.007 per second at 3 T where the
# formula has 7000: T2* is 0.986 of T2 and more, and gradient echoes simulated from it are spin echoes. (The formula itself, which takes all of the
# susceptibility for a spread of the field within a voxel, would have 0.14 to 0.17 ms for every tissue: it wants more than the million.)
# `radial(golden=True)` turns whole spokes by 137.5 degrees, the golden angle of half spokes: of 16 the widest gap is twice the mean, 1.44 times at the
# 111.25 degrees of whole ones. Nothing is said of either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile "phantominator==0.7.0" "numpy==1.26.4" "scipy==1.13.1"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from phantominator import mr_ellipsoid_parameters, mr_shepp_logan, radial

print("phantominator", version("phantominator"))
GAMMA = 267.52219e6  # rad/s/T
ellipsoids = mr_ellipsoid_parameters()
tissues = {(round(t2, 6), chi) for m0, t2, chi in ellipsoids[:, [7, 11, 12]] if m0 > 0}

for field in (1.5, 3.0, 7.0):
    t2, t2_star = (mr_shepp_logan(64, B0=field, T2star=star)[2] for star in (False, True))
    inside = t2 > 0
    ratio = t2_star[inside] / t2[inside]
    formula = [1 / (1 / value + GAMMA * field * abs(chi)) for value, chi in tissues]
    lost = [1 / (1 / value + 1e-6 * GAMMA * field * abs(chi)) for value, chi in tissues]
    print(
        f"{field} T: T2* is {ratio.min():.4f} to {ratio.max():.4f} of T2; the formula has T2* of {1e3 * min(formula):.3f} to {1e3 * max(formula):.3f} ms, "
        f"without the million {1e3 * min(lost):.1f} to {1e3 * max(lost):.1f}"
    )
    assert ratio.min() > 0.96 and max(formula) < 1e-3, "susceptibilities count now"


def widest(angle, spokes):
    turned = np.sort(angle * np.arange(spokes) % 180)
    return np.diff(np.append(turned, turned[0] + 180)).max() / (180 / spokes)


kx, ky = radial(32, 2, golden=True)
turn = np.rad2deg(np.arctan2(ky[-1], kx[-1]) - np.arctan2(ky[31], kx[31])) % 360
print(f"radial(golden=True): from one end to the other {kx[0]:.0f} to {kx[31]:.0f}, the next spoke {turn:.1f} degrees on")
for spokes in (8, 16, 34, 55):
    print(f"    {spokes} spokes: the widest gap is {widest(turn, spokes):.2f} of the mean, at 111.25 degrees {widest(180 / ((1 + 5**0.5) / 2), spokes):.2f}")
assert abs(turn - 137.5) < 0.1 and widest(turn, 16) > 1.9, "the angle is another one now"
PY
