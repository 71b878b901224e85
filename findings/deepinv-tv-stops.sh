#!/usr/bin/env bash
# deepinv 0.5.0: `TVDenoiser` ends when a step changes the batch by less than 1e-5 of its norm (`crit`), of which a constant and every other image of the batch are
# part, while the minimum that it is documented to converge to has nothing to do with either. Of a step between two plateaus, whose minimum is known in closed
# form, each plateau should move by the weight over its width. A step of 1 on a level of 0 is right within 0.3 %; on a level of 100, the 1 % by which
# functional images change, the edge of the field of view is two thirds of the movement beside; on 1000 the image comes back as it was, and so it does on 0 with
# an image a thousand times as bright in the same batch and the same weight. It has done 3 of 1000 steps then. `TVPrior`, whose
# default for the same number is 1e-8, is within 0.5 % of each. Nothing is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "deepinv==0.5.0" "torch==2.14.1" "torchvision==0.29.1" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import torch
from deepinv.models import TVDenoiser
from deepinv.optim import TVPrior

print("deepinv", version("deepinv"))
width, weight = 32, 0.5
moved = weight / width


def step(level, height):
    image = torch.full((1, 1, 8, 2 * width), float(level), dtype=torch.float64)
    image[..., width:] += height
    return image


def minimum(image):
    out = image.clone()
    out[..., :width] += moved
    out[..., width:] -= moved
    return out


alone = {level: step(level, 1) for level in (0, 100, 1000)}
cases = [(f"level {level}", image) for level, image in alone.items()]
cases.append(("level 0, beside an image a thousand times as bright", torch.cat([step(0, 1), step(0, 1000)])))
errors = {}
for name, image in cases:
    exact = minimum(image)
    # Of the problem: the sum that is to be least grows on either side.
    for model, denoised in (("TVDenoiser", TVDenoiser()(image, ths=weight)), ("TVPrior", TVPrior().prox(image, gamma=weight))):
        first = denoised[:1] - exact[:1]
        errors[model, name] = (first.abs().max() / moved).item()
        print(f"{model}, {name}: furthest {errors[model, name]:.4f} of the movement beside the minimum")
steps = []
model = TVDenoiser()
taken = model.prox_tau_fx
model.prox_tau_fx = lambda *arguments: steps.append(1) or taken(*arguments)
model(alone[1000], ths=weight)
print(f"level 1000: {len(steps)} steps")
assert len(steps) == 3, "it goes on now"
names = [name for name, _ in cases]
assert errors["TVDenoiser", names[0]] < 0.01, "another denoiser now"
assert 0.5 < errors["TVDenoiser", names[1]] < 0.9 and all(errors["TVDenoiser", name] == 1 for name in names[2:]), "it goes on now"
assert all(errors["TVPrior", name] < 0.01 for name in names), "another prior now"
for image in alone.values():
    variation = TVPrior().fn
    least, shifted = minimum(image), minimum(image)
    shifted[..., :width] += 1e-3
    sums = [(0.5 * (x - image).square().sum() + weight * variation(x)).item() for x in (least, shifted, image)]
    assert sums[0] < min(sums[1:]), "no minimum"
PY
venv/bin/python show.py
