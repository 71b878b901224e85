#!/usr/bin/env bash
# cmrseq 0.27.1 reads the shapes of Pulseq files as if they had no ramps: where a file says that a step repeats, as it does of every straight
# slope in a magnitude or a phase, zeros are put in instead of the step, and the shape stands still. A triangular pulse comes out with a third
# of its flip angle. A sinc pulse whose samples carry an offset of 1000 Hz is played at 0 Hz: the slice is another one. A real sinc pulse,
# which has no straight parts, is right within 1e-4. So it reads its own files, too. What it checks of a shape is the number of its samples,
# and nothing is said. pypulseq 1.5.0.post1, which wrote the files, reads them right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "cmrseq==0.27.1" "pypulseq==1.5.0.post1" "sigpy==0.1.27" "numpy==1.26.4" "scipy==1.13.1" "pint==0.24.4" "matplotlib==3.9.4"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import numpy as np

warnings.simplefilter("ignore")
import cmrseq
import pypulseq as pp
from cmrseq.io import PulseSeqFile
from pint import Quantity

print("cmrseq", version("cmrseq"), "pypulseq", version("pypulseq"))
system = pp.Opts(max_grad=40, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
specification = cmrseq.SystemSpec(rf_peak_power=Quantity(200, "uT"), rf_raster_time=Quantity(1, "us"))
clock = pp.make_sinc_pulse(np.pi / 2, duration=3e-3, time_bw_product=4, system=system, use="excitation").t
sinc = np.sinc(4 * (clock / 3e-3 - 0.5))
frequencies = np.arange(-3000, 3001, 20.0)
waves = np.exp(-2j * np.pi * frequencies[:, None] * clock)
gradient = pp.make_trapezoid("x", area=100, duration=2e-3, system=system)


def played(samples):
    """Middle of where the spectrum is above half of its largest value [Hz]."""
    spectrum = np.abs(waves @ samples)
    above = frequencies[spectrum > spectrum.max() / 2]
    return (above[0] + above[-1]) / 2


shapes = {
    "sinc": sinc,
    "sinc at 1000 Hz": sinc * np.exp(2j * np.pi * 1000 * clock),
    "triangle": 1 - np.abs(clock / 1.5e-3 - 1),
}
for name, shape in shapes.items():
    written = pp.make_arbitrary_rf(shape, np.pi / 2, system=system, use="excitation")
    sequence = pp.Sequence(system)
    sequence.add_block(written)
    sequence.add_block(gradient)
    sequence.write("one.seq", v141_compat=True)
    again = pp.Sequence(system)
    again.read("one.seq", detect_rf_use=True)
    by_pypulseq = again.get_block(1).rf
    block = next(part for part in PulseSeqFile(file_path="one.seq").to_cmrseq(specification)[0] if isinstance(part, cmrseq.bausteine.RFPulse))
    times, field = block.rf
    times, field = times.m_as("s"), field.m_as("uT") * 42.576
    found = np.interp(written.t, times - times[0], field.real) + 1j * np.interp(written.t, times - times[0], field.imag)
    apart = [np.linalg.norm(one - written.signal) / np.linalg.norm(written.signal) for one in (found, by_pypulseq.signal)]
    size = np.abs(waves @ found).max() / np.abs(waves @ written.signal).max()
    print(f"{name}: {apart[0]:.2g} from what was written (by pypulseq {apart[1]:.2g}), largest part of its spectrum {size:.3f} of that, about "
          f"{played(found):.0f} Hz, written {played(written.signal):.0f} Hz")
    assert apart[1] < 1e-3
    if name == "sinc":
        assert apart[0] < 1e-3
    else:
        assert apart[0] > 0.5, "ramps are read now"
    assert name != "triangle" or size < 0.5
    assert name != "sinc at 1000 Hz" or (abs(played(found)) < 50 and abs(played(written.signal) - 1000) < 50)

slope = cmrseq.bausteine.ArbitraryRFPulse(
    specification, time_points=Quantity(np.arange(0, 1001) * 1e-3, "ms"), waveform=Quantity(np.linspace(0, 10, 1001) + 0j, "uT"), name="slope")
rest = cmrseq.bausteine.TrapezoidalGradient.from_dur_area(
    specification, orientation=np.array([1.0, 0, 0]), duration=Quantity(2, "ms"), area=Quantity(5, "mT/m*ms"), delay=Quantity(2, "ms"))
own = PulseSeqFile(sequence=cmrseq.Sequence([slope, rest], system_specs=specification))
own.write("own.seq")
back = PulseSeqFile(file_path="own.seq")
for number, shape in own.shape_table.items():
    read = back.shape_table[number]
    print(f"its own file, shape {number} of {len(shape)} samples: up to {np.abs(shape).max():.3f}, read with up to {np.abs(read).max():.3f}, apart by up to "
          f"{np.abs(read - shape).max():.3f}")
highest = max(own.shape_table, key=lambda number: np.ptp(own.shape_table[number]))
assert np.abs(back.shape_table[highest] - own.shape_table[highest]).max() > 0.4, "its own ramps are read now"
PY
venv/bin/python show.py
