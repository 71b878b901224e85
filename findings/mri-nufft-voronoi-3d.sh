#!/usr/bin/env bash
# mri-nufft 1.5.1: in three dimensions `voronoi` does not give the volumes of the Voronoi cells. It adds up products of all pairs of triangles
# and corners, of corners in no order, instead of the volumes of a polyhedron's parts. Beside the volumes of the convex hulls of the same
# cells, random points and golden-angle spokes get from 0.4 to 1.8 times their weight, relative to one another, and every tenth still more or
# less; samples on one sphere of k-space, whose volumes differ twofold, get weights that differ fivefold. In two dimensions its areas
# are right. Operators with density="voronoi" have weights as wrong. Nothing is said.
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
from scipy.spatial import ConvexHull, Voronoi

warnings.simplefilter("ignore")
from mrinufft import get_operator, initialize_3D_golden_means_radial
from mrinufft.density import voronoi

print("mri-nufft", version("mri-nufft"), "scipy", version("scipy"))
rng = np.random.default_rng(0)


def volumes(points):
    """Of the cells, from scipy's tessellation and convex hulls; nan where a cell is open."""
    cells = Voronoi(points)
    regions = [cells.regions[number] for number in cells.point_region]
    return np.array([np.nan if -1 in region else ConvexHull(cells.vertices[region]).volume for region in regions])


def compare(name, points, inner):
    ratio = voronoi(points)[inner] / volumes(points)[inner]
    ratio /= np.median(ratio)
    low, high = np.percentile(ratio, [5, 95])
    print(f"{name}: weight over volume of the cell, relative to the median, 5th to 95th percentile {low:.3f} to {high:.3f}; "
          f"{ratio.min():.2f} to {ratio.max():.2f} in all")
    return low, high


for dimensions in (2, 3):
    points = rng.uniform(-0.5, 0.5, (1000, dimensions)).astype(np.float32)
    low, high = compare(f"random points, {dimensions} dimensions", points, np.abs(points).max(1) < 0.3)
    if dimensions == 2:
        assert 0.999 < low and high < 1.001, "areas were right"
    else:
        assert low < 0.6 and high > 1.6, "volumes are right now"

spokes = initialize_3D_golden_means_radial(120, 33).astype(np.float32).reshape(-1, 3)
radius = np.linalg.norm(spokes, axis=1)
spokes = np.concatenate([spokes[radius > 0], [[0, 0, 0]]]).astype(np.float32)
radius = np.linalg.norm(spokes, axis=1)
low, high = compare("120 golden-angle spokes, 3 dimensions", spokes, (radius > 0.05) & (radius < 0.4))
assert low < 0.6 and high > 1.6, "volumes are right now"
shell = np.abs(radius - radius[np.argmin(np.abs(radius - 0.25))]) < 1e-4
spread = []
for name, weight in (("volume", volumes(spokes)), ("weight", voronoi(spokes))):
    low, high = np.percentile(weight[shell], [5, 95])
    spread.append(high / low)
    print(f"{name} of the {shell.sum()} samples at k = {radius[shell][0]:.3f}, 95th over 5th percentile: {spread[-1]:.2f}")
assert spread[1] > 2 * spread[0], "weights are as even as volumes now"
taken = np.ravel(get_operator("finufft")(spokes, (32, 32, 32), density="voronoi").density)
ratio = taken / volumes(spokes)
low, high = np.percentile((ratio / np.nanmedian(ratio))[(radius > 0.05) & (radius < 0.4)], [5, 95])
print(f"weights of an operator with density='voronoi' over the volumes: {low:.3f} to {high:.3f}")
assert low < 0.6 and high > 1.6, "operators have the volumes now"
PY
venv/bin/python show.py
