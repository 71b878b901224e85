#!/usr/bin/env bash
# mrpro 0.261015: `KNoise.from_file` gives every noise readout of an ISMRMRD file a place of its own on the leading axis, and
# `prewhiten_kspace` takes that axis for the slices or repetitions of the scan. A noise scan of several readouts, as scanners write
# it, is refused with an error of shapes; where there happen to be as many readouts as slices, each slice is whitened by one
# readout alone: slices then differ in their noise. All readouts in one row give what is meant.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "mrpro==0.261015" "torch==2.8.0" "ismrmrd==1.15.0" "numpy==2.4.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import warnings
from importlib.metadata import version

import ismrmrd
import numpy as np
from mrpro.algorithms import prewhiten_kspace
from mrpro.data import KData, KNoise
from mrpro.data.traj_calculators import KTrajectoryCartesian

warnings.simplefilter("ignore")
N, COILS, SAMPLES = 32, 4, 16
SPACE = (
    "<matrixSize><x>32</x><y>32</y><z>1</z></matrixSize><fieldOfView_mm><x>200</x><y>200</y><z>5</z></fieldOfView_mm>"
)


def limits(name, n):
    return f"<{name}><minimum>0</minimum><maximum>{n - 1}</maximum><center>{n // 2}</center></{name}>"


def write(path, readouts, slices):
    """Raw data of noise alone, of standard deviation 3, with a noise scan of so many readouts before it."""
    rng = np.random.default_rng(0)
    header = (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions><H1resonanceFrequency_Hz>128000000'
        f"</H1resonanceFrequency_Hz></experimentalConditions><encoding><encodedSpace>{SPACE}</encodedSpace><reconSpace>"
        f"{SPACE}</reconSpace><encodingLimits>{limits('kspace_encoding_step_1', N)}{limits('slice', slices)}"
        "</encodingLimits><trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
    )
    file = ismrmrd.Dataset(path, "dataset")
    file.write_xml_header(header.encode())

    def record(samples):
        noise = rng.standard_normal((COILS, samples)) + 1j * rng.standard_normal((COILS, samples))
        return ismrmrd.Acquisition.from_array((3 / np.sqrt(2) * noise).astype(np.complex64))

    for _ in range(readouts):
        one = record(SAMPLES)
        one.setFlag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
        file.append_acquisition(one)
    for number in range(slices):
        for step in range(N):
            one = record(N)
            one.idx.kspace_encode_step_1, one.idx.slice, one.center_sample, one.sample_time_us = step, number, N // 2, 5
            one.read_dir[:], one.phase_dir[:], one.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
            one.position[:] = (0, 0, 5 * number)
            file.append_acquisition(one)
    file.close()


def levels(data, noise):
    white = prewhiten_kspace(data, noise).data.numpy()
    return np.sqrt(np.mean(np.abs(white) ** 2, axis=(1, 2, 3, 4)))


print("mrpro", version("mrpro"))
for readouts, slices in ((64, 1), (64, 3), (8, 8)):
    write(f"{readouts}-{slices}.h5", readouts, slices)
    data = KData.from_file(f"{readouts}-{slices}.h5", KTrajectoryCartesian())
    noise = KNoise.from_file(f"{readouts}-{slices}.h5")
    try:
        told = levels(data, noise)
    except RuntimeError as error:
        told = str(error)
    row = KNoise(noise.data.moveaxis(0, -2).reshape(1, COILS, 1, 1, -1))
    together = levels(data, row)
    print(f"noise {tuple(noise.data.shape)}, k-space {tuple(data.data.shape)}: {told}")
    print("    all readouts in one row: noise of the slices", together.round(2))
    assert np.allclose(together, 1, atol=0.1)
    if readouts == slices:
        assert told.max() / told.min() > 1.2, "as many readouts as slices are whitened together now"
    else:
        assert isinstance(told, str), "several noise readouts are taken now"
PY
venv/bin/python show.py
