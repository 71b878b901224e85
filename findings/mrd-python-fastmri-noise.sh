#!/usr/bin/env bash
# mrd-python 2.2.1 (Python 3.12 or later, named by PYTHON): its `fastmri_to_mrd` writes before each slice a record flagged as a
# noise measurement that is a copy of the first or last line of k-space. Where the object still has signal there, what is flagged
# as noise is several times the noise; in an undersampled file, whose lines at the edge are zero, it is zero. Lines that were not
# acquired become records like any other, for the file's mask is not read; and all slices are at position 0 with directions given,
# though the file says nothing of place. No warning below 1e-5, the unit of fastMRI's k-space.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3.12}" -m venv venv
venv/bin/pip install -q "mrd-python==2.2.1" "ismrmrd==1.15.0" "numpy==2.4.6" "h5py==3.16.0"
cat > show.py <<'PY'
import subprocess
import sys
from importlib.metadata import version

import h5py
import mrd
import numpy as np

X, Y, SLICES, COILS, NOISE = 64, 32, 3, 2, 1e-6


def space(name, x, y):
    size = f"<matrixSize><x>{x}</x><y>{y}</y><z>1</z></matrixSize>"
    return f"<{name}>{size}<fieldOfView_mm><x>{5 * x}</x><y>{5 * y}</y><z>5</z></fieldOfView_mm></{name}>"


def limits(name, n, centre):
    return f"<{name}><minimum>0</minimum><maximum>{n - 1}</maximum><center>{centre}</center></{name}>"


HEADER = (
    '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><acquisitionSystemInformation><receiverChannels>2</receiverChannels>'
    "</acquisitionSystemInformation><experimentalConditions><H1resonanceFrequency_Hz>128000000</H1resonanceFrequency_Hz>"
    f"</experimentalConditions><encoding>{space('encodedSpace', X, Y)}{space('reconSpace', Y, Y)}<encodingLimits>"
    f"{limits('kspace_encoding_step_1', Y, Y // 2)}{limits('slice', SLICES, 0)}</encodingLimits><trajectory>cartesian"
    "</trajectory></encoding></ismrmrdHeader>"
)


def write(path, kept):
    """A file in fastMRI's layout: a rectangle with sharp edges, of which lines are kept."""
    rng = np.random.default_rng(0)
    image = np.zeros((SLICES, COILS, X, Y))
    image[..., 20:40, 8:21] = 1e-4
    axes = (-2, -1)
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes), norm="ortho"), axes)
    noise = rng.standard_normal(kspace.shape) + 1j * rng.standard_normal(kspace.shape)
    kspace = ((kspace + NOISE / np.sqrt(2) * noise) * kept).astype(np.complex64)
    with h5py.File(path, "w") as file:
        file["kspace"], file["ismrmrd_header"] = kspace, HEADER
        if not kept.all():
            file["mask"] = kept
    return kspace


def records(path):
    with mrd.BinaryMrdReader(path) as reader:
        reader.read_header()
        found = [item.value for item in reader.read_data() if isinstance(item, mrd.StreamItem.Acquisition)]
    flagged = mrd.AcquisitionFlags.IS_NOISE_MEASUREMENT
    return [one for one in found if one.head.flags & flagged], [one for one in found if not one.head.flags & flagged]


print("mrd-python", version("mrd-python"))
at = np.arange(Y)
for name, kept in (("full", np.ones(Y, bool)), ("undersampled", (at % 4 == 1) | (abs(at - Y // 2) < 4))):
    kspace = write(f"{name}.h5", kept)
    command = [sys.executable, "-m", "mrd.tools.fastmri_to_mrd", "-i", f"{name}.h5", "-od", f"{name}.mrd"]
    warned = subprocess.run(command, check=True, capture_output=True, text=True).stderr.strip()
    noise, image = records(f"{name}.mrd")
    level = max(float(np.sqrt(np.mean(np.abs(one.data) ** 2))) for one in noise)
    copies = all(any(np.array_equal(one.data, line.data) for line in image) for one in noise)
    empty = sum(not one.data.any() for one in image)
    places = {tuple(map(float, one.head.position)) for one in image}
    print(
        f"{name}: {len(noise)} noise records, copies of lines: {copies}, {level / NOISE:.1f} times the noise; {empty} records of "
        f"lines that were not acquired; positions {places}; warned: {warned or 'no'}"
    )
    assert copies and places == {(0.0, 0.0, 0.0)} and not warned
    assert level > 2 * NOISE if kept.all() else (level == 0 and empty == SLICES * int((~kept).sum()))
PY
venv/bin/python show.py
