#!/usr/bin/env bash
# bartorch 0.0.17 (BART 1.0.00 for PyTorch): its command `bartorch` is said to take the arguments of `bart`, so that a script runs
# with the name changed. `pics` takes k-space of several coils on a grid, but refuses that of one coil, maps of two sets (soft SENSE;
# `ecalib` of the same command makes them), and k-space of several coils along a trajectory, [1, sample, spoke, coil], which `traj`,
# `phantom -k -t` and `nufft` of the same command make and read; `bart pics` of 0.8.00 takes all three. From Python, `apps.pics` takes the
# last once the first axis is gone. Seen on the way: at odd sizes `pics` lies where `fft -u` has it (unlike in BART 0.8.00,
# bart-odd-sizes.sh).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "bartorch==0.0.17" "numpy==2.2.6" "torch==2.8.0"
export OMP_NUM_THREADS=1
bart="venv/bin/bartorch"
$bart traj -r -x64 -y41 whole > log
$bart scale 0.5 whole trajectory > log
$bart phantom -k -s4 -t trajectory kspace > log
$bart phantom -S4 -x32 maps > log
$bart nufft -i -d 32:32:1 trajectory kspace coils > log
$bart phantom -k -x32 one > log
$bart ones 2 32 32 flat > log
$bart phantom -k -s4 -x32 grid > log
$bart join 4 maps maps sets > log
$bart pics -i 30 grid maps image > log
for arguments in "-t trajectory kspace maps" "one flat" "grid sets"; do
    if $bart pics -i 30 $arguments image > log 2>&1; then
        echo "pics $arguments: taken now"
        exit 1
    fi
    echo "pics $arguments:" "$(tail -n 1 log)"
done
cat > show.py <<'PY'
import subprocess
from importlib.metadata import version
from pathlib import Path

import bartorch
import numpy as np
import torch
from bartorch import apps


def read(name):
    sizes = [int(size) for size in Path(f"{name}.hdr").read_text().splitlines()[1].split()]
    values = torch.from_numpy(np.fromfile(f"{name}.cfl", np.complex64)).reshape(sizes[::-1])
    return values.reshape(values.shape[-4:])


print("bartorch", version("bartorch"), "BART", bartorch.bart_version(), "k-space", Path("kspace.hdr").read_text().split("\n")[1])
trajectory, kspace, maps = (read(name) for name in ("trajectory", "kspace", "maps"))
image = apps.pics(kspace[..., 0], maps, traj=trajectory[0].real.contiguous())
print("apps.pics without the first axis:", tuple(image.shape))

n = 33
at = np.arange(n) - n // 2
truth = np.exp(-((at[:, None] + 2) ** 2) / 9 - (at - 3) ** 2 / 20)
ramp = (at[:, None] + 0 * at + n) / (2 * n)
coils = np.stack([np.cos(ramp), np.sin(ramp)], -1)
for name, array in (("image", truth[..., None] * coils), ("coils", coils)):
    Path(f"{name}.hdr").write_text(f"# Dimensions\n{n} {n} 1 2" + 12 * " 1" + "\n")
    array.astype(np.complex64).ravel("F").tofile(f"{name}.cfl")
for command in ("fft -u 3 image k", "pics -S -w 1 -i 50 k coils out"):
    subprocess.run(["venv/bin/bartorch", *command.split()], check=True, capture_output=True)
off = float(np.abs(read("out").numpy().squeeze().T - truth).max())
print(f"{n} pixels: pics differs from the image by {off:.1e}")
assert off < 1e-3, "pics lies beside at odd sizes"
PY
venv/bin/python show.py
