#!/usr/bin/env bash
# deepinv 0.5.0: `SequentialMRI.A_adjoint` is no adjoint where frames share points of k-space, as all do that repeat the centre: a point
# measured in T frames is averaged over them instead of summed, so that it counts 1/T of what it should beside points measured once.
# What builds on it has another answer: a gradient step, or least squares with a term of regularisation, weigh the centre T times too
# little. Frames without common points are right, as long as the data are zero off the mask, which it does not apply: `adjointness_test`
# fails for either. `DynamicMRI` is right for both. (Its documentation calls it the adjoint.)
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
from deepinv.physics import DynamicMRI, SequentialMRI

print("deepinv", version("deepinv"))
random = torch.Generator().manual_seed(0)
size, frames = 32, 4
for centre in (0, 8):
    mask = torch.zeros(1, 2, frames, size, size)
    for frame in range(frames):
        mask[:, :, frame, :, frame::frames] = 1
    middle = slice(size // 2 - centre // 2, size // 2 + centre // 2)
    mask[..., middle] = 1
    physics = SequentialMRI(mask=mask)
    image = torch.randn(1, 2, size, size, generator=random)
    data = mask * torch.randn(1, 2, frames, size, size, generator=random)
    left, right = (physics.A(image) * data).sum(), (image * physics.A_adjoint(data)).sum()
    spectrum = physics.im_to_kspace(physics.A_adjoint(physics.A(image))) / physics.im_to_kspace(image)
    print(f"{centre} lines in every frame: <A x, y> {left:.2f}, <x, A_adjoint y> {right:.2f}; of a line of one frame the normal operator keeps {spectrum[..., 0].mean():.2f}", end="")
    print(f", of a line of all {spectrum[..., size // 2].mean():.2f}" if centre else "")
    pairs = ((SequentialMRI, image), (DynamicMRI, data))
    errors = {kind.__name__: float(kind(mask=mask).adjointness_test(one)) for kind, one in pairs}
    print("    adjointness_test:", ", ".join(f"{name} {error:.2g}" for name, error in errors.items()))
    assert errors["SequentialMRI"] > 1e-3 and errors["DynamicMRI"] < 1e-5
    if centre:
        assert abs(left - right) > 0.1 * abs(left) and torch.allclose(spectrum[..., size // 2], torch.ones(()), atol=1e-4), "it is the adjoint now"
    else:
        assert torch.isclose(left, right, rtol=1e-3)
PY
venv/bin/python show.py
