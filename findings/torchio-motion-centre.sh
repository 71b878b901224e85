#!/usr/bin/env bash
# torchio 1.2.1: `Motion` and `RandomMotion` turn the image about the origin of the world, not about its centre: the centre that is
# set on the rotation is lost where only its matrix and its translation are taken on. The same voxels with the same five degrees are
# turned where they lie, or moved aside by a quarter of the field of view as well, as their affine has it: the artefact grows to 27 times
# what it was, with where the scanner's centre lay; of an array without an affine that is a corner. The lines of k-space are taken along the third axis of the array whichever the phase encoding was: in a stack of slices the
# head moves between spatial frequencies across the slices, which no such scan measures one after another.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "torchio==1.2.1" "torch==2.13.0" "numpy==2.2.6" "scipy==1.15.3" "simpleitk==2.5.7" "nibabel==5.4.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import numpy as np
import SimpleITK as sitk
import torch
import torchio

print("torchio", version("torchio"))
size, degrees, half = 64, 5.0, 31
offset = np.indices((size,) * 3) - size / 2
blob = np.exp(-((offset[0] / 9) ** 2 + (offset[1] / 14) ** 2 + (offset[2] / 7) ** 2)).astype(np.float32)
"""[x, y, z], voxels of 1 mm."""


def spectrum(array):
    return np.fft.fftshift(np.fft.fftn(array))


def made(origin):
    """What comes of a rotation about the third axis at 0.49 of the time; the first voxel lies at `origin` along all axes."""
    affine = np.eye(4)
    affine[:3, 3] = origin
    motion = torchio.Motion(
        degrees=np.array([[0, 0, degrees]]), translation=np.zeros((1, 3)), times=np.array([0.49]), image_interpolation="linear"
    )
    return motion(torchio.ScalarImage(tensor=torch.as_tensor(blob[None]), affine=affine)).data[0].numpy()


def turned(origin, about):
    """The image turned by SimpleITK about the world's origin or the image's centre (LPS)."""
    image = sitk.GetImageFromArray(blob.T)
    image.SetOrigin((-origin, -origin, origin))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0, 0, float(np.radians(degrees)))
    turn.SetCenter((0.0, 0.0, 0.0) if about == "world" else image.TransformContinuousIndexToPhysicalPoint((size / 2,) * 3))
    return sitk.GetArrayFromImage(sitk.Resample(image, image, turn, sitk.sitkLinear, float(blob.min()))).T


def artefact(origin, about):
    """The moved image's k-space before the centre along the third axis, the still one's behind: what that adds to the image."""
    both = spectrum(blob)
    both[..., :half] = spectrum(turned(origin, about))[..., :half]
    return np.fft.ifftn(np.fft.ifftshift(both)).real - blob


for origin in (-size / 2, 0.0, -150.0):
    found = made(origin) - blob
    expected = {about: artefact(origin, about) for about in ("world", "image")}
    off = {about: np.linalg.norm(found - one) / np.linalg.norm(found) for about, one in expected.items()}
    aside = 2 * np.sin(np.radians(degrees) / 2) * np.hypot(origin + size / 2, origin + size / 2)
    print(
        f"first voxel at {origin:.0f} mm, the centre goes {aside:.1f} mm aside in a turn about the world's origin: the artefact is "
        f"{np.linalg.norm(found) / np.linalg.norm(blob):.3f} of the image, {off['world']:.3f} of itself from that of this turn, "
        f"{off['image']:.3f} from that of a turn about the image's centre"
    )
    assert off["world"] < 0.02 and (off["image"] > 0.5) == (aside > 1), "it turns about another point, or along another axis, now"
PY
venv/bin/python show.py
