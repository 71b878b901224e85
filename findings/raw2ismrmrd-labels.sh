#!/usr/bin/env bash
# raw2ismrmrd 0.260630 (raw data of a Pulseq sequence to ISMRMRD, pypulseq 1.5.0.post1) loses some of the sequence's labels and
# contradicts its gradients. AVG is not written: averages are records of one line without a counter. REV is not: lines of an EPI that
# ran backwards are not flagged, and whoever turns flagged lines round gets a ghost. REF is not: lines that calibrate coils are lines
# of the image. With ReadoutOversamplingFactor the encoded field of view stays that of the image, half of what the samples span. For
# lines that do not start at 0 (partial Fourier) the centre is half of their number, not the line that crosses zero.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "raw2ismrmrd==0.260630" "pypulseq==1.5.0.post1" "ismrmrd==1.15.0" "numpy==2.2.6" "h5py==3.13.0"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import ismrmrd
import numpy as np
import pypulseq as pp
from raw2ismrmrd.ismrmrd_from_sequence import ismrmrd_from_sequence

warnings.simplefilter("ignore")
FOV, N = 0.256, 32
SYSTEM = pp.Opts(max_grad=30, grad_unit="mT/m", max_slew=120, slew_unit="T/m/s")


def trapezoid(channel, area):
    return pp.make_trapezoid(channel, area=area, duration=1e-3, system=SYSTEM)


def convert(name, lines, oversampling=1, backwards=False, **labels):
    """Play lines [(label LIN, other labels ...)], convert, and return header, records and the k-space of the gradients [1/FOV]."""
    sequence = pp.Sequence(SYSTEM)
    pulse = pp.make_block_pulse(0.2, duration=1e-3, delay=SYSTEM.rf_dead_time, system=SYSTEM)
    read = pp.make_trapezoid("x", flat_area=N / FOV, flat_time=3.2e-3, system=SYSTEM)
    for number, line in enumerate(lines):
        sign = -1 if backwards and number % 2 else 1
        here = pp.scale_grad(read, sign)
        adc = pp.make_adc(N * oversampling, duration=read.flat_time, delay=read.rise_time, system=SYSTEM)
        sequence.add_block(pulse)
        sequence.add_block(trapezoid("x", -sign * read.area / 2), trapezoid("y", (line - N // 2) / FOV))
        own = [pp.make_label(label, "SET", int(values[number])) for label, values in labels.items()]
        sequence.add_block(here, adc, pp.make_label("LIN", "SET", int(line)), *own)
        sequence.add_block(pp.make_delay(2e-3))
    sequence.set_definition("FOV", [FOV, FOV, 5e-3])
    if oversampling > 1:
        sequence.set_definition("ReadoutOversamplingFactor", oversampling)
    sequence.write(f"{name}.seq")
    data = [np.ones((2, N * oversampling), np.complex64) for _ in lines]
    ismrmrd_from_sequence(data, f"{name}.seq", f"{name}.h5")
    with ismrmrd.Dataset(f"{name}.h5", "dataset", False) as file:
        header = ismrmrd.xsd.CreateFromDocument(file.read_xml_header())
        records = [file.read_acquisition(i) for i in range(file.number_of_acquisitions())]
    trajectory = sequence.calculate_kspace()[0][:2].reshape(2, len(lines), -1) * FOV
    return header.encoding[0], records, trajectory


full = range(N)
print("raw2ismrmrd", version("raw2ismrmrd"), "pypulseq", version("pypulseq"))

_, records, _ = convert("averages", [*full, *full], AVG=[0] * N + [1] * N)
counters = {one.idx.average for one in records}
print(f"AVG 0 and 1: {len(records)} records of {N} lines, counters of averages {counters}")
assert counters == {0}, "averages are counted now"

_, records, k = convert("reversed", full, backwards=True, REV=[line % 2 for line in full])
ran = int((k[0, :, -1] < k[0, :, 0]).sum())
flagged = sum(one.isFlagSet(ismrmrd.ACQ_IS_REVERSE) for one in records)
print(f"REV: {ran} lines run backwards by the gradients, {flagged} are flagged so")
assert (ran, flagged) == (N // 2, 0), "reversed lines are flagged now"

_, records, _ = convert("reference", full, REF=[abs(line - N // 2) < 4 for line in full])
flags = {one.flags for one in records}
print(f"REF of 7 lines: flags of all records {flags}")
assert flags == {0}, "calibration lines are flagged now"

encoding, _, k = convert("oversampled", full, oversampling=2)
said, spans = encoding.encodedSpace.fieldOfView_mm.x, float(FOV * 1e3 / np.diff(k[0, 0]).mean())
print(f"ReadoutOversamplingFactor 2: samples lie one over {spans:.0f} mm apart, encoded field of view in the header {said:g} mm")
assert abs(spans - 512) < 1 and said == 256, "the field of view is another now"

lines = range(N // 4, N)
encoding, _, k = convert("partial", lines)
limits = encoding.encodingLimits.kspace_encoding_step_1
crosses = lines[int(np.abs(k[1].mean(-1)).argmin())]
print(f"lines {limits.minimum} to {limits.maximum}: line {crosses} crosses zero, the header's centre is {limits.center}, its matrix "
      f"{encoding.encodedSpace.matrixSize.y}")
assert crosses == N // 2 and limits.center == len(lines) // 2, "the centre is another now"
PY
venv/bin/python show.py
