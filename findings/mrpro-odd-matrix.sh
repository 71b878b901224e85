#!/usr/bin/env bash
# mrpro 0.261015: where recon space has an odd number of pixels along an axis and encoded space an even one (readout oversampling
# by two, for example), `DirectReconstruction` and `remove_readout_os` keep a part of the image whose middle is one pixel beside
# n // 2: the object lies one pixel further. Its non-uniform operator of the same sizes on the same k-space has it where it was. Even
# sizes, and odd ones from odd ones, agree.
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
from mrpro.algorithms.reconstruction import DirectReconstruction
from mrpro.data import KData
from mrpro.data.traj_calculators import KTrajectoryCartesian
from mrpro.operators import NonUniformFastFourierOp

warnings.simplefilter("ignore")
POINT = (3, -5)
"""Where the one bright point is: pixels from the middle along phase encode and readout."""
SPACE = (
    "<{0}><matrixSize><x>{1}</x><y>{2}</y><z>1</z></matrixSize>"
    "<fieldOfView_mm><x>{3}</x><y>{4}</y><z>5</z></fieldOfView_mm></{0}>"
)


def write(path, encoded, recon):
    """A point, 5 mm pixels, as ISMRMRD raw data."""
    x, y = encoded
    spaces = [SPACE.format(name, *size, *(5 * n for n in size)) for name, size in (("encodedSpace", encoded), ("reconSpace", recon))]
    limits = f"<kspace_encoding_step_1><minimum>0</minimum><maximum>{y - 1}</maximum><center>{y // 2}</center></kspace_encoding_step_1>"
    header = (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions><H1resonanceFrequency_Hz>128000000'
        f"</H1resonanceFrequency_Hz></experimentalConditions><encoding>{spaces[0]}{spaces[1]}<encodingLimits>{limits}"
        "</encodingLimits><trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
    )
    image = np.zeros((y, x))
    image[y // 2 + POINT[0], x // 2 + POINT[1]] = 1
    file = ismrmrd.Dataset(path, "dataset")
    file.write_xml_header(header.encode())
    for step, line in enumerate(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image)))):
        record = ismrmrd.Acquisition.from_array(line[None].astype(np.complex64))
        record.idx.kspace_encode_step_1, record.center_sample, record.sample_time_us = step, x // 2, 5
        record.read_dir[:], record.phase_dir[:], record.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
        file.append_acquisition(record)
    file.close()


def place(image):
    magnitude = np.abs(image.numpy()[0, 0, 0])
    row, column = np.unravel_index(magnitude.argmax(), magnitude.shape)
    return int(row) - magnitude.shape[0] // 2, int(column) - magnitude.shape[1] // 2


def images(data):
    plain = DirectReconstruction(data, csm=None)(data).data
    header = data.header
    operator = NonUniformFastFourierOp(("y", "x"), header.recon_matrix, header.encoding_matrix, data.traj)
    return place(plain), place(operator.adjoint(data.data)[0])


print("mrpro", version("mrpro"), "point at", POINT)
for number, (encoded, recon, beside) in enumerate(
    (((64, 32), (32, 32), (0, 0)), ((64, 32), (33, 32), (0, 1)), ((64, 32), (32, 31), (1, 0)), ((65, 33), (33, 33), (0, 0)))
):
    write(f"{number}.h5", encoded, recon)
    data = KData.from_file(f"{number}.h5", KTrajectoryCartesian())
    found, regridded = images(data)
    cut = data.remove_readout_os()
    without = place(DirectReconstruction(cut, csm=None)(cut).data)
    print(f"encoded {encoded} recon {recon}: {found}, oversampling removed {without}, non-uniform operator {regridded}")
    expected = (POINT[0] + beside[0], POINT[1] + beside[1])
    assert found == without == expected and regridded == POINT, "the middle of mrpro's images lies elsewhere now"
PY
venv/bin/python show.py
