#!/usr/bin/env bash
# nitransforms 25.1.0: a volume that is resampled through a series of transforms, as one reference image through the head's positions of a scan, should come out
# once for each. Through two to seven it comes out once, for the first, and the other volumes are zero (or `cval`); through eight and more,
# from where on they are taken one by one, all are right, and so they are of two with `serialize_nvols=2`. As many volumes as transforms are right
# in any number. Nothing is said. Beside it scipy's `affine_transform` of each.
# Composed by `@`, a field of displacements and what stands on its right are taken the other way round than two affines are: `a @ b` of affines maps
# a point by b, then by a; `field @ b` by the field, then by b. A rotation by 30 degrees beside a displacement of 10 mm makes 5 mm of it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "nitransforms==25.1.0" "numpy==2.2.6" "scipy==1.15.3" "nibabel==5.4.2" "h5py==3.13.0"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import nibabel as nib
import numpy as np
from nitransforms.linear import Affine, LinearTransformsMapping
from nitransforms.nonlinear import DenseFieldTransform
from nitransforms.resampling import apply
from scipy.ndimage import affine_transform

warnings.simplefilter("error")
print("nitransforms", version("nitransforms"))
SHAPE = (12, 14, 10)
volume = np.random.default_rng(0).uniform(1, 2, SHAPE)
grid = nib.Nifti1Image(volume, np.eye(4))
"""Voxels of 1 mm."""


def turned(degrees, shift=0.0):
    """A turn about the third axis and a shift along the first, in mm."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine, 0, shift], [sine, cosine, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def off(count, repeated, **options):
    """How far each volume is from scipy's, of itself; one volume, or as many as transforms."""
    matrices = [turned(2.0 * index, 0.5 * index) for index in range(count)]
    expected = np.stack([affine_transform(volume, one, order=1) for one in matrices], -1)
    moving = nib.Nifti1Image(np.repeat(volume[..., None], count, -1), np.eye(4)) if repeated else grid
    found = apply(LinearTransformsMapping(matrices, reference=grid), moving, order=1, **options).get_fdata()
    assert found.shape == expected.shape
    return np.sqrt(((found - expected) ** 2).sum((0, 1, 2)) / (expected**2).sum((0, 1, 2)))


for count in (2, 4, 7, 8, 9):
    one, many = off(count, repeated=False), off(count, repeated=True)
    print(f"{count} transforms: of one volume off by {one.round(3).tolist()}, of {count} volumes by at most {many.max():.0e}")
    assert many.max() < 1e-3 and one[0] < 1e-3
    assert np.allclose(one[1:], 1, atol=1e-6) if count < 8 else one.max() < 1e-3, "few volumes are resampled otherwise now"
serial = off(2, repeated=False, serialize_nvols=2)
print(f"2 transforms with serialize_nvols=2: off by at most {serial.max():.0e}")
assert serial.max() < 1e-3

turn, shift = Affine(turned(30), reference=grid), turned(0, 10.0)
field = DenseFieldTransform(np.tile([10.0, 0.0, 0.0], (*SHAPE, 1)), reference=grid)
point = np.array([[3.0, 4.0, 5.0]])
first_turned = (shift @ turned(30) @ [*point[0], 1])[:3]
first_shifted = (turned(30) @ shift @ [*point[0], 1])[:3]
by_affines, by_field = (Affine(shift, reference=grid) @ turn).map(point)[0], (field @ turn).map(point)[0]
print(f"a shift of 10 mm @ a turn: as affines {by_affines.round(2)}, as a field {by_field.round(2)}, {np.linalg.norm(by_affines - by_field):.2f} mm apart")
print(f"    turned, then shifted {first_turned.round(2)}; shifted, then turned {first_shifted.round(2)}")
assert np.allclose(by_affines, first_turned, atol=1e-4) and np.allclose(by_field, first_shifted, atol=1e-4), "fields are composed otherwise now"
PY
venv/bin/python show.py
