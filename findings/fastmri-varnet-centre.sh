#!/usr/bin/env bash
# fastmri 0.3.0: `VarNet` learns its coil maps from the complete lines about the centre, which `SensitivityModel` counts in the mask to the first line
# that is missing on either side. Where none is missing on one side it counts zero lines, and takes one: of a fully sampled scan
# (no acceleration, as in calibration or for a reference), and of partial Fourier without acceleration, the maps are those of a single line of k-space,
# constant along phase encode. With one line taken out at either edge of the same scan they are those of the whole. `num_low_frequencies`
# given, or `mask_center=False`, is right. Nothing is said. (The maps here are seen without the network that refines them.)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "torch==2.13.0" "numpy==2.2.6" "h5py==3.13.0" "pandas==2.2.3" "requests==2.32.3" "pyyaml==6.0.2" \
    "tqdm==4.67.1"
venv/bin/pip install -q --no-compile --no-deps "fastmri==0.3.0"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
import torch

warnings.simplefilter("ignore")
import fastmri
from fastmri.models.varnet import VarNet

print("fastmri", version("fastmri"))
N, COILS = 96, 4
at = np.arange(N) - N // 2
places = np.stack(np.meshgrid(at, at, indexing="ij"), -1)
centres = 72 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
maps = np.exp(-((places - centres[:, None, None]) ** 2).sum(-1) / (2 * 60**2)) * np.exp(1j * np.arange(COILS))[:, None, None]
maps /= np.linalg.norm(maps, axis=0)
inside = (places**2).sum(-1) < 30**2
kspace = fastmri.fft2c(torch.view_as_real(torch.as_tensor((maps * inside)[None], dtype=torch.complex64)))


def maps_of(mask, count=None, **options):
    """As they enter the network, which is left out, and of how many lines."""
    model = VarNet(num_cascades=1, sens_chans=2, sens_pools=2, chans=2, pools=2, **options).sens_net
    model.norm_unet = torch.nn.Identity()
    shaped = mask[None, None, None, :, None]
    return torch.view_as_complex(model(kspace * shaped, shaped, count))[0].detach().numpy(), int(model.get_pad_and_num_low_freqs(shaped, count)[1])


def lines(*missing):
    mask = torch.ones(N)
    for where in missing:
        mask[where] = 0
    return mask


fourfold = torch.zeros(N)
fourfold[::4] = 1
fourfold[N // 2 - 12 : N // 2 + 12] = 1
cases = {
    "every fourth line and 24 in the centre": (maps_of(fourfold), False),
    "all lines": (maps_of(lines()), True),
    "all but the first 36 (partial Fourier)": (maps_of(lines(slice(0, 36))), True),
    "all but the last 36 (partial Fourier)": (maps_of(lines(slice(-36, None))), True),
    "all but the first and the last": (maps_of(lines(0, -1)), False),
    "all lines, num_low_frequencies=24": (maps_of(lines(), 24), False),
    "all lines, mask_center=False": (maps_of(lines(), mask_center=False), False),
}
for name, ((found, count), one) in cases.items():
    phase = np.exp(1j * np.angle((found * maps.conj()).sum(0)))
    wrong = float(np.linalg.norm((found - maps * phase)[:, inside]) / np.linalg.norm(maps[:, inside]))
    row = np.abs(found[:, N // 2, N // 2 - 24 : N // 2 + 24])
    print(f"{name}: {'the whole' if 'mask_center' in name else count}; error of the maps in the object {wrong:.3f}, they change along phase encode by {np.ptp(row, axis=-1).max():.3f}")
    if one:
        assert count == 1 and wrong > 0.2 and np.ptp(row, axis=-1).max() < 1e-3, "complete k-space has a centre of more lines now"
    else:
        assert wrong < 0.1
PY
venv/bin/python show.py
