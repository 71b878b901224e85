#!/usr/bin/env bash
# pypulseq 1.5.0.post1: `rotate` turns gradients about x and z by the rule of the right hand, and about y the other way. Its documentation says that it
# turns about the given axis by the given angle. Of +30 degrees about y a gradient along z goes to -x, where the rotation matrix, and scipy's
# `Rotation`, have it at +x: a slice tilted so leans to the other side, 60 degrees away. Turns about several axes one after the other, as of an
# oblique slice, are another orientation (58 degrees away here). With the other sign of the angle about y they are right. Nothing is said; sizes
# and timing of the gradients stay as they were, so that nothing but the place of the slice shows it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pypulseq==1.5.0.post1" "numpy==2.2.6" "scipy==1.15.3" "matplotlib==3.9.4"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import pypulseq as pp
from scipy.spatial.transform import Rotation

print("pypulseq", version("pypulseq"))
system = pp.Opts(max_grad=40, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
channels = "xyz"


def gradients(areas):
    return [pp.make_trapezoid(channel, area=area, duration=2e-3, system=system) for channel, area in zip(channels, areas)]


def areas(events):
    found = {event.channel: event.area for event in events}
    return np.array([found.get(channel, 0.0) for channel in channels])


def between(one, other):
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other))


before, degrees = np.array([300.0, 500.0, 700.0]), 30.0
for axis in channels:
    found = areas(pp.rotate(*gradients(before), angle=np.radians(degrees), axis=axis, system=system))
    right, left = (Rotation.from_euler(axis, sign * degrees, degrees=True).apply(before) for sign in (1, -1))
    print(f"{degrees:.0f} degrees about {axis}: {found.round(1)} 1/m, by the right hand {right.round(1)}, by the left {left.round(1)}")
    assert np.allclose(found, left if axis == "y" else right) and not np.allclose(left, right), "another sense of rotation now"

slice_normal = areas(pp.rotate(pp.make_trapezoid("z", area=1000, duration=2e-3, system=system), angle=np.radians(degrees), axis="y", system=system))
wanted = Rotation.from_euler("y", degrees, degrees=True).apply([0, 0, 1000.0])
print(f"slice along z, {degrees:.0f} degrees about y: normal {slice_normal.round(0)}, wanted {wanted.round(0)}, {between(slice_normal, wanted):.0f} degrees apart")
assert abs(between(slice_normal, wanted) - 2 * degrees) < 1e-3

for flip in (1, -1):
    events, oblique = gradients(before), (("x", 20.0), ("y", 30.0), ("z", 40.0))
    for axis, turn in oblique:
        events = pp.rotate(*events, angle=np.radians(turn) * (flip if axis == "y" else 1), axis=axis, system=system)
    wanted = Rotation.from_euler("xyz", [turn for _, turn in oblique], degrees=True).apply(before)
    note = "" if flip == 1 else ", the angle about y with the other sign"
    print(f"20, 30 and 40 degrees about x, y and z{note}: {areas(events).round(1)}, wanted {wanted.round(1)}, {between(areas(events), wanted):.1f} degrees apart")
    assert (between(areas(events), wanted) > 20) == (flip == 1)
PY
venv/bin/python show.py
