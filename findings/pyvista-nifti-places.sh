#!/usr/bin/env bash
# pyvista 0.49.1 (VTK 9.7.2): `pyvista.read` keeps of the geometry of a NIfTI image the voxel sizes alone. The mesh begins at zero and lies along
# the axes of the world, whatever qform and sform say; and where the axes of the file are left-handed, as of every file with x from right
# to left and y and z as they are, VTK lays the slices in reverse order: the last is the first of the mesh. Neither the points of the mesh nor
# its indices with the affine of the file then find a voxel in the patient, and a surface of it is mirrored. Nothing is said;
# the reader of VTK below, `pyvista.get_reader(path).reader`, has the matrices, those of the reversed slices.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "pyvista==0.49.1" "vtk==9.7.2" "nibabel==5.4.2" "numpy==2.2.6"
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import nibabel as nib
import numpy as np
import pyvista

warnings.simplefilter("error")
print("pyvista", version("pyvista"), "VTK", version("vtk"))
SHAPE, VOXEL = (6, 5, 4), (1, 2, 3)
turn = np.deg2rad(20)
oblique = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
for name, signs in (("right-handed", (1, 1, 1)), ("left-handed", (-1, 1, 1))):
    affine = np.eye(4)
    affine[:3, :3] = oblique @ np.diag(np.multiply(signs, (2, 3, 4)))
    affine[:3, 3] = 10, 20, 30
    array = np.zeros(SHAPE, np.float32)
    array[VOXEL] = 1
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, "image.nii")
    mesh = pyvista.read("image.nii")
    values = np.asarray(mesh.active_scalars)
    index = tuple(int(i) for i in np.argwhere(values.reshape(mesh.dimensions, order="F") == 1)[0])
    point = mesh.points[values.argmax()]
    place = (affine @ [*VOXEL, 1])[:3]
    print(
        f"{name}: voxel {VOXEL} lies at {place.round(1).tolist()} mm, in the mesh it is {index} at {point.round(1).tolist()}; "
        f"origin {mesh.origin}, spacing {mesh.spacing}"
    )
    assert np.allclose(mesh.origin, 0) and np.allclose(mesh.direction_matrix, np.eye(3)) and np.allclose(mesh.spacing, (2, 3, 4)), (
        "the mesh has the places of the file now"
    )
    assert index == (VOXEL if name == "right-handed" else (*VOXEL[:2], SHAPE[2] - 1 - VOXEL[2])), "slices lie otherwise now"
PY
venv/bin/python show.py
