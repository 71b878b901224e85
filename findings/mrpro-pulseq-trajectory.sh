#!/usr/bin/env bash
# mrpro 0.261015: `KTrajectoryPulseq` does not keep the scale of the sequence (pypulseq 1.5.0.post1, k-space in 1/m). Each axis is
# stretched until its largest value is half of the encoded matrix: a scan of the inner half of k-space along phase encode (reduced
# resolution, or a margin left for zero filling) gives the object at half its size, twice, and every readout whose samples lie half a
# sample off the edge one that is a little smaller (1 part in 63 here). The same data under `KTrajectoryCartesian` have the object where it is.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "mrpro==0.261015" "torch==2.8.0" "ismrmrd==1.15.0" "numpy==2.4.6" "pypulseq==1.5.0.post1"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import ismrmrd
import numpy as np
import pypulseq as pp
from mrpro.algorithms.reconstruction import DirectReconstruction
from mrpro.data import KData
from mrpro.data.traj_calculators import KTrajectoryCartesian, KTrajectoryPulseq

warnings.simplefilter("ignore")
FOV, N = 0.256, 64
WHERE, WIDTH = (60.0, 40.0), 6.0
"""Of a round blob: place along readout and phase encode, and standard deviation [mm]."""
SYSTEM = pp.Opts(max_grad=30, grad_unit="mT/m", max_slew=120, slew_unit="T/m/s")
SPACE = (
    "<{0}><matrixSize><x>64</x><y>64</y><z>1</z></matrixSize>"
    "<fieldOfView_mm><x>256</x><y>256</y><z>5</z></fieldOfView_mm></{0}>"
)
HEADER = (
    '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions><H1resonanceFrequency_Hz>128000000'
    f"</H1resonanceFrequency_Hz></experimentalConditions><encoding>{SPACE.format('encodedSpace')}{SPACE.format('reconSpace')}"
    "<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>63</maximum><center>32</center>"
    "</kspace_encoding_step_1></encodingLimits><trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
)


def scan(name, steps):
    """A sequence of these phase-encoding steps, and what the blob gives where its gradients are [1/m]."""
    sequence = pp.Sequence(SYSTEM)
    pulse = pp.make_block_pulse(0.2, duration=1e-3, delay=SYSTEM.rf_dead_time, system=SYSTEM)
    read = pp.make_trapezoid("x", flat_area=N / FOV, flat_time=3.2e-3, system=SYSTEM)
    adc = pp.make_adc(N, duration=read.flat_time, delay=read.rise_time, system=SYSTEM)
    for step in steps:
        sequence.add_block(pulse)
        sequence.add_block(
            pp.make_trapezoid("x", area=-read.area / 2, duration=1e-3, system=SYSTEM),
            pp.make_trapezoid("y", area=step / FOV, duration=1e-3, system=SYSTEM),
        )
        sequence.add_block(read, adc)
        sequence.add_block(pp.make_delay(2e-3))
    sequence.write(f"{name}.seq")
    k = sequence.calculate_kspace()[0][:2].reshape(2, len(steps), N) / 1e3
    phase = k[0] * WHERE[0] + k[1] * WHERE[1]
    data = np.exp(-2 * np.pi**2 * WIDTH**2 * (k**2).sum(0) - 2j * np.pi * phase)
    file = ismrmrd.Dataset(f"{name}.h5", "dataset")
    file.write_xml_header(HEADER.encode())
    for step, line in zip(steps, data, strict=True):
        record = ismrmrd.Acquisition.from_array(line[None].astype(np.complex64))
        record.idx.kspace_encode_step_1, record.center_sample, record.sample_time_us = step + N // 2, N // 2, 50
        record.read_dir[:], record.phase_dir[:], record.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
        file.append_acquisition(record)
    file.close()
    return k * 1e3 * FOV


def place(name, trajectory):
    """Centre of the blob [mm], along readout and phase encode, and of how many there are."""
    data = KData.from_file(f"{name}.h5", trajectory)
    image = DirectReconstruction(data, csm=None)(data).data.abs().numpy()[0, 0, 0]
    image = np.where(image > 0.5 * image.max(), image, 0)
    lit = image.any(1)
    count = int((np.diff(lit.astype(int), prepend=0) > 0).sum())
    image[: N // 4] = 0  # a copy in the outer quarter
    at = [np.arange(n) - n // 2 for n in image.shape]
    row, column = ((image.sum(1 - axis) * at[axis]).sum() / image.sum() for axis in (0, 1))
    return np.round([column * 4, row * 4], 1), count


print("mrpro", version("mrpro"), "pypulseq", version("pypulseq"), "blob at", WHERE, "mm")
for name, steps in (("whole", range(-32, 32)), ("inner half", range(-16, 16))):
    k = scan(name, steps)
    (plain, one), (played, copies) = place(name, KTrajectoryCartesian()), place(name, KTrajectoryPulseq(f"{name}.seq"))
    stretch = N / 2 / np.abs(k).max((1, 2))
    print(f"{name}: steps {k[1].min():.0f} to {k[1].max():.0f} of the field of view; Cartesian {plain}, Pulseq {played} ({copies} in all), "
          f"true place over {np.round(stretch, 3)}: {np.round(WHERE / stretch, 1)}")
    assert one == 1 and np.abs(plain - WHERE).max() < 1.5, "the Cartesian trajectory has the blob elsewhere now"
    assert np.abs(played - WHERE / stretch).max() < 1.5, "the scale of the sequence is treated otherwise now"
assert copies == 2 and played[1] < 0.55 * WHERE[1]
PY
venv/bin/python show.py
