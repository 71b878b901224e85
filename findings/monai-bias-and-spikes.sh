#!/usr/bin/env bash
# MONAI 1.6.1. `RandBiasField` makes fields of polynomials up to `degree`. In two dimensions its coefficients fill another triangle of their table than that of
# the degree: no field has a term in the second axis alone, and of degree 3 some have degree 6. A receive coil that fades from one side to the other can
# so be made along the first axis and not along the second: of degree 1 all fields are constant along it through the centre of the image. In three dimensions
# all terms up to the degree are there, and no others. `KSpaceSpikeNoise` for which several places and no intensities are given, a default that is documented,
# makes as many spikes as the image has channels: of three places in an image of one channel the first alone is used. `RandKSpaceSpikeNoise`
# is said to apply its probability channel by channel with `channel_wise=True`, and draws once: all channels have spikes, or none. Nothing is said of any.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "monai==1.6.1" "torch==2.13.0" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from functools import reduce
from importlib.metadata import version
from itertools import product

import numpy as np
import torch
from numpy.polynomial.legendre import legvander

with warnings.catch_warnings(action="ignore"):
    from monai.transforms import KSpaceSpikeNoise, RandBiasField, RandKSpaceSpikeNoise

warnings.simplefilter("error")
print("MONAI", version("monai"))


def fields(shape, degree, draws=20):
    """The logarithms of fields of a degree."""
    random = RandBiasField(degree=degree, coeff_range=(0.1, 0.5), prob=1.0)
    random.set_random_state(0)
    return [np.log(np.asarray(random(torch.ones(1, *shape))[0], float)) for _ in range(draws)]


def terms(shape, degree):
    """The exponents of the products of Legendre polynomials that the fields are made of."""
    powers = list(product(range(degree + 1), repeat=len(shape)))
    tables = [legvander(np.linspace(-1, 1, size), degree) for size in shape]
    basis = np.stack([reduce(np.kron, [table[:, one] for table, one in zip(tables, power, strict=True)]) for power in powers], 1)
    used = set()
    for field in fields(shape, degree):
        weights = np.linalg.lstsq(basis, field.ravel(), rcond=None)[0]
        assert np.abs(basis @ weights - field.ravel()).max() < 1e-4
        used |= {power for power, weight in zip(powers, weights, strict=True) if abs(weight) > 1e-3}
    return used


for shape in ((21, 25), (9, 10, 11)):
    for degree in (1, 2, 3):
        used = terms(shape, degree)
        every = set(product(range(degree + 1), repeat=len(shape)))
        wanted = {power for power in every if sum(power) <= degree}
        print(f"degree {degree} in {len(shape)} dimensions: {len(used)} terms, missing {sorted(wanted - used)}, beyond the degree {sorted(used - wanted)}")
        assert used == (wanted if len(shape) == 3 else {power for power in every if power[1] <= power[0]}), "fields have other terms now"
along = np.mean([[np.ptp(field[:, 12]), np.ptp(field[10])] for field in fields((21, 25), 1)], 0)
print(f"fields of degree 1 vary by {along[0]:.3f} along the first axis through the centre, by {along[1]:.3f} along the second")
assert along[0] > 0.1 and along[1] < 1e-6


def spectrum(images):
    return np.fft.fftshift(np.fft.fft2(np.asarray(images)), axes=(-2, -1))


made = torch.Generator().manual_seed(0)
image = torch.rand(1, 32, 32, generator=made)
places = ((4, 9), (20, 25), (7, 28))
for given in (None, (8.0, 8.0, 8.0)):
    changed = np.abs(spectrum(KSpaceSpikeNoise(places, given)(image)) - spectrum(image))[0]
    heights = [float(changed[place]) for place in places]
    print(f"three places, intensities {given}: k-space changes there by {np.round(heights).tolist()}")
    assert heights[0] > 10 and (max(heights[1:]) < 1e-3 if given is None else min(heights) > 10), "all places have spikes now"

images = torch.rand(4, 32, 32, generator=made)
random = RandKSpaceSpikeNoise(prob=0.5, intensity_range=(9, 10), channel_wise=True)
random.set_random_state(0)
counts = [sum(bool((after - before).abs().max() > 1e-3) for after, before in zip(random(images), images, strict=True)) for _ in range(200)]
seen = {number: counts.count(number) for number in range(5)}
chance = {number: round(200 * share / 16) for number, share in enumerate((1, 4, 6, 4, 1))}
print(f"channels of four with a spike, prob=0.5, channel_wise=True, 200 draws: {seen}; if each is drawn {chance}")
assert seen[0] + seen[4] == 200, "channels are drawn one by one now"
PY
venv/bin/python show.py
