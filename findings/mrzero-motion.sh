#!/usr/bin/env bash
# mrzerocore 1.2.0 (MR-zero, a simulator of sequences). An object that moves (`phantom_motion`) takes the phase of the gradients that it moves in with it. What
# is measured before the next pulse has that phase; what goes on through a pulse has it with the other sign. A point that is set 10 mm beside by its motion
# lies, in a gradient echo, where that of a phantom with the point there lies; in a spin echo whose phase encode stands before the refocusing pulse it lies 10
# mm to the other side. Rotations of a spin by hand agree with the phantom. Two more: `isochromat_sim`, called the ground truth for the other simulation, takes
# the gradients of a sequence with `normalized_grads`, as `Sequence` makes it, for cycles per metre instead of per size of the phantom: in one of 0.2 m k-space
# is five times too small. And of `voxel_shape="gauss"` the size is called the variance, but voxels dephase as if they were narrower by 2 pi. Nothing is said of
# any of them. (What the package's Rust part prints of every line goes nowhere.)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "mrzerocore==1.2.0" "torch==2.14.1" "numpy==2.2.6" "scipy==1.15.3" "pypulseq==1.5.0.post1" "ismrmrd==1.15.0" "scikit-image==0.25.2" \
    "torchkbnufft==1.5.2" "matplotlib==3.9.4" "nibabel==5.4.2"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from functools import partial
from importlib.metadata import version
from math import pi

import MRzeroCore as mr0
import numpy as np
import torch

say = partial(print, file=open(3, "w"), flush=True)
say("mrzerocore", version("mrzerocore"))
still, lines, field_of_view = 1e6, 32, 0.2


def phantom(positions, motion=None, shape="box", size=1e-6):
    """Points that neither relax nor diffuse, at places in m."""
    data = mr0.CustomVoxelPhantom(pos=positions, T1=still, T2=still, T2dash=still, D=0.0, voxel_shape=shape, voxel_size=size).build()
    data.phantom_motion = motion
    return data


def beside(time):
    """No rotation, and 10 mm along y at all times."""
    count = torch.as_tensor(time).numel()
    return torch.eye(3).repeat(count, 1, 1), torch.tensor([[0.0, 0.01, 0.0]]).repeat(count, 1)


def pulse(repetition, angle, usage):
    repetition.pulse.angle, repetition.pulse.phase, repetition.pulse.usage = torch.tensor(angle), torch.tensor(0.0), usage


def line(moment, spin_echo):
    """One phase encode along y of that moment (cycles/m) at the echo."""
    sequence = mr0.Sequence(normalized_grads=False)
    first = sequence.new_rep(1 if spin_echo else 2)
    pulse(first, pi / 2, mr0.PulseUsage.EXCIT)
    first.event_time[:], first.gradm[0, 1] = 5e-3, -moment if spin_echo else moment
    last = first
    if spin_echo:
        last = sequence.new_rep(1)
        pulse(last, pi, mr0.PulseUsage.REFOC)
        last.event_time[:] = 5e-3
    last.adc_usage[-1] = 1
    return sequence


def simulated(sequence, data):
    graph = mr0.compute_graph(sequence, data, 1000, 1e-9)
    return mr0.execute_graph(graph, sequence, data, 0, 0, print_progress=False)[:, 0].numpy()


def by_bloch(moment, place, spin_echo):
    """Mx + i My of one spin by rotations: 90 degrees about x, the gradient's phase, 180 degrees about x."""
    spin = -1j * np.exp(-2j * pi * (-moment if spin_echo else moment) * place)
    return spin.conj() if spin_echo else spin


def image(make):
    """The lines of the phase encode as an image along y, by the inverse transform as the package does it, and the place of its peak in mm."""
    moments = (np.arange(lines) - lines // 2) / field_of_view
    places = np.linspace(-0.05, 0.05, 1001)
    pixels = np.abs(np.exp(2j * pi * places[:, None] * moments) @ np.array([make(moment) for moment in moments])) / lines
    return 1e3 * places[pixels.argmax()], pixels.max()


for name, spin_echo in (("gradient echo", False), ("spin echo", True)):
    moved = image(lambda moment: simulated(line(moment, spin_echo), phantom([[0.0, 0.0, 0.0]], beside))[0])[0]
    placed = image(lambda moment: simulated(line(moment, spin_echo), phantom([[0.0, 0.01, 0.0]]))[0])[0]
    bloch = image(lambda moment: by_bloch(moment, 0.01, spin_echo))[0]
    say(f"{name}: a point moved by 10 mm lies at {moved:.1f} mm, a phantom of it there at {placed:.1f}, by the Bloch equations {bloch:.1f}")
    assert np.allclose((placed, bloch), 10, atol=0.2), "the conventions have changed"
    assert np.isclose(moved, -10 if spin_echo else 10, atol=0.2), "the phase goes on with its sign now"

voxels = 8
ones, density = torch.ones(voxels, 1, 1), torch.zeros(voxels, 1, 1)
density[5] = 1
affine = torch.eye(3, 4) * torch.tensor([[25.0], [200.0], [200.0]])  # mm: 0.2 m of eight voxels
grid = mr0.VoxelGridPhantom(density, still * ones, still * ones, still * ones, 0 * ones, 0 * ones, ones[None], ones[None], affine).build(voxel_shape="box")
for normalised, unit in ((True, "the phantom's size"), (False, "m")):
    sequence = mr0.Sequence(normalized_grads=normalised)
    readout = sequence.new_rep(9)
    pulse(readout, pi / 2, mr0.PulseUsage.EXCIT)
    readout.event_time[:], readout.gradm[:, 0], readout.adc_usage[:] = 1e-3, torch.tensor([-4.0] + [1.0] * 8), 1
    k = np.arange(-4, 5) / (0.2 if normalised else 1)
    true = -1j * np.exp(-2j * pi * k * 0.025) * np.sinc(k * 0.025)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of copies of tensors, and that the field of the pulse, real here, is held as complex numbers
        isochromats = mr0.isochromat_sim(sequence, grid, 4000, print_progress=False)[:, 0].numpy()
    apart = [np.abs(one - true).max() for one in (simulated(sequence, grid), isochromats)]
    small = np.abs(isochromats - -1j * np.exp(-2j * pi * 0.2 * k * 0.025) * np.sinc(0.2 * k * 0.025)).max()
    say(f"gradients in cycles per {unit}: from the closed form graph {apart[0]:.3f}, isochromats {apart[1]:.3f} (from k-space a fifth as large {small:.3f})")
    assert apart[0] < 0.01 and (apart[1] > 0.5 and small < 0.05 if normalised else apart[1] < 0.05), "both have one unit now"

variance = 1e-6  # m2: a standard deviation of 1 mm
sequence = mr0.Sequence(normalized_grads=False)
readout = sequence.new_rep(4)
pulse(readout, pi / 2, mr0.PulseUsage.EXCIT)
readout.event_time[:], readout.gradm[:, 0], readout.adc_usage[:] = 1e-3, 100.0, 1
k = 100.0 * np.arange(1, 5)
found = np.abs(simulated(sequence, phantom([[0.0, 0.0, 0.0]], shape="gauss", size=variance)))
true = np.exp(-2 * pi**2 * variance * k**2)
say(f"Gaussian voxel of 1 mm at {k} cycles/m: {found.round(3)}, its transform {true.round(3)}, that of 1/(2 pi) mm {np.exp(-variance * k**2 / 2).round(3)}")
assert np.allclose(found, np.exp(-variance * k**2 / 2), atol=1e-4) and np.abs(found - true).max() > 0.5, "the size is the variance now"
PY
venv/bin/python -W ignore show.py 3>&1 > print
