#!/usr/bin/env bash
# torchio 1.2.1. Of several spikes in k-space `Spike` and `RandomSpike` measure each by the maximum of a spectrum in which the earlier ones stand already, while
# `intensity` is documented as the ratio to the maximum of the spectrum: four spikes of 3 are 1.5, 4.5, 13.5 and 40.6 of it, the last 27 times the first. (The
# half, because the real part is taken: a point and its mirror image, the cosine that a comment in the code says is avoided.) What `apply_inverse_transform`
# is said to undo it does not, and warns only of transforms that have no inverse: after `Gamma` it raises to the power 2 - gamma
# instead of 1 / gamma, after `Spike` of more than 2 it takes spikes of another height away, and `Swap` exchanges patches that overlap, part of which is gone. Bias
# field, noise and flips come back. `Resize` with -1, an axis to keep, gives all later images of the same transform the size of the first along it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "torchio==1.2.1" "torch==2.13.0" "numpy==2.2.6" "scipy==1.15.3" "simpleitk==2.5.7" "nibabel==5.4.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import torch
import torchio

warnings.simplefilter("error")
print("torchio", version("torchio"))
torch.manual_seed(0)
SIZE = 32
image = torch.as_tensor(np.random.default_rng(0).uniform(0.2, 1, (1, SIZE, SIZE, SIZE)), dtype=torch.float32)


def spectrum(array):
    return np.fft.fftshift(np.fft.fftn(np.asarray(array, float)))


def heights(places, intensity):
    """What each spike added to the spectrum, of its maximum, there and at the mirror image."""
    added = (spectrum(torchio.Spike(places, intensity)(image)[0]) - spectrum(image[0])) / np.abs(spectrum(image[0])).max()
    points = np.floor(places * SIZE).astype(int)
    return np.array([added[tuple(one)] for one in points]), np.array([added[tuple((SIZE - one) % SIZE)] for one in points])


places = np.array([[0.3, 0.2, 0.6], [0.1, 0.8, 0.3], [0.7, 0.7, 0.1], [0.2, 0.4, 0.9]])
for intensity in (0.5, 3.0):
    here, mirrored = heights(places, intensity)
    expected = np.maximum(intensity ** np.arange(1, 5), intensity) / 2
    print(f"four spikes of {intensity}: {np.abs(here).round(2).tolist()} of the maximum, their mirror images {np.abs(mirrored).round(2).tolist()}")
    assert np.allclose(here, mirrored.conj(), atol=1e-3), "the image is complex now"
    assert np.allclose(np.abs(here), expected if intensity > 1 else intensity / 2, rtol=0.01), "each is measured by the image's own spectrum now"


def trip(transform):
    """How far the image is changed, and how far it is after the inverse, of itself; the values after it."""
    subject = transform(torchio.Subject(image=torchio.ScalarImage(tensor=image)))
    changed = subject.image.data
    back = subject.apply_inverse_transform().image.data
    return float((changed - image).norm() / image.norm()), float((back - image).norm() / image.norm()), back


gamma = 1.35
cases = {
    "BiasField": (torchio.RandomBiasField(), False),
    "Noise": (torchio.RandomNoise(std=(0.25, 0.25)), False),
    "Flip": (torchio.RandomFlip(axes=(0, 1, 2), flip_probability=1), False),
    f"Gamma({gamma})": (torchio.Gamma(gamma), True),
    "Spike, one of 1": (torchio.Spike(places[:1], 1.0), False),
    "Spike, one of 3": (torchio.Spike(places[:1], 3.0), True),
    "Swap": (torchio.RandomSwap(patch_size=8), True),
}
for name, (transform, kept) in cases.items():
    changed, left, back = trip(transform)
    print(f"{name}: changes the image by {changed:.3f}; after the inverse {left:.2g} of it is wrong")
    assert changed > 0.05 and (left > 0.02) == kept, "another inverse now"
    if name.startswith("Gamma"):
        assert torch.allclose(back, image ** (gamma * (2 - gamma)), atol=1e-5)
        print(f"    to the power {gamma * (2 - gamma):.4f}, which is {gamma} x (2 - {gamma}); by the power 1 / {gamma} it is within {float(((image**gamma) ** (1 / gamma) - image).abs().max()):.0e}")

resize = torchio.Resize((16, 16, -1))
shapes = [tuple(resize(torch.rand(1, 32, 32, slices)).shape[1:]) for slices in (10, 24)]
alone = tuple(torchio.Resize((16, 16, -1))(torch.rand(1, 32, 32, 24)).shape[1:])
print(f"Resize((16, 16, -1)) of 10 and then 24 slices: {shapes}; of 24 alone {alone}")
assert alone == (16, 16, 24) and shapes == [(16, 16, 10), (16, 16, 10)], "the axis is kept now"
PY
venv/bin/python show.py
