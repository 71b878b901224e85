#!/usr/bin/env bash
# mrpro 0.261015 writes the repetitions of a slice as the frames of one multi-frame DICOM file, all at the same position, without
# temporal positions, dimension indices or SOPClassUID. dcm2niix 1.0.20260724 takes each frame for a slice: three repetitions of
# one slice become a volume of three slices, one slice thickness apart, the last repetition furthest away. Two slices of three
# repetitions become six slices, 2 mm apart where they were 10 mm. mrpro reads its own file back rightly.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "mrpro==0.261015" "torch==2.8.0" "ismrmrd==1.15.0" "numpy==2.4.6" "nibabel==5.4.2" \
    "pydicom==3.0.2" "dcm2niix==1.0.20260724"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import subprocess
import warnings
from importlib.metadata import version
from pathlib import Path

import ismrmrd
import nibabel
import numpy as np
import pydicom
from mrpro.algorithms.reconstruction import DirectReconstruction
from mrpro.data import IData, KData
from mrpro.data.traj_calculators import KTrajectoryCartesian

warnings.simplefilter("ignore")
N, GAP = 32, 10
SPACE = (
    "<matrixSize><x>32</x><y>32</y><z>1</z></matrixSize><fieldOfView_mm><x>240</x><y>240</y><z>5</z></fieldOfView_mm>"
)


def limits(name, n):
    return f"<{name}><minimum>0</minimum><maximum>{n - 1}</maximum><center>{n // 2}</center></{name}>"


def write(path, slices, repetitions):
    """An object that is one brighter in every repetition, and a fifth in every slice."""
    every = limits("kspace_encoding_step_1", N) + limits("slice", slices) + limits("repetition", repetitions)
    header = (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions><H1resonanceFrequency_Hz>128000000'
        f"</H1resonanceFrequency_Hz></experimentalConditions><encoding><encodedSpace>{SPACE}</encodedSpace><reconSpace>"
        f"{SPACE}</reconSpace><encodingLimits>{every}</encodingLimits><trajectory>cartesian</trajectory></encoding>"
        "</ismrmrdHeader>"
    )
    image = np.zeros((N, N))
    image[10:20, 8:14] = 1
    lines = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image)))
    file = ismrmrd.Dataset(path, "dataset")
    file.write_xml_header(header.encode())
    for repetition in range(repetitions):
        for number in range(slices):
            for step in range(N):
                one = ismrmrd.Acquisition.from_array(((repetition + 1 + number / 5) * lines[step][None]).astype(np.complex64))
                one.idx.kspace_encode_step_1, one.idx.slice, one.idx.repetition = step, number, repetition
                one.center_sample, one.sample_time_us = N // 2, 5
                one.read_dir[:], one.phase_dir[:], one.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
                one.position[:] = (0, 0, GAP * number)
                file.append_acquisition(one)
    file.close()


print("mrpro", version("mrpro"), "dcm2niix", version("dcm2niix"))
for slices, repetitions in ((3, 1), (1, 3), (2, 3)):
    name = f"{slices}-{repetitions}"
    write(f"{name}.h5", slices, repetitions)
    data = KData.from_file(f"{name}.h5", KTrajectoryCartesian())
    DirectReconstruction(data, csm=None)(data).to_dicom_folder(name)
    (written,) = Path(name).glob("*.dcm")
    dicom = pydicom.dcmread(written)
    frames = dicom.PerFrameFunctionalGroupsSequence
    heights = [float(frame.PlanePositionSequence[0].ImagePositionPatient[2]) for frame in frames]
    told = "FrameContentSequence" in frames[0] or "DimensionIndexSequence" in dicom
    subprocess.run(["venv/bin/dcm2niix", "-f", f"{name}-out", "-z", "n", "-o", ".", name], check=True, capture_output=True)
    nifti = nibabel.load(f"{name}-out.nii")
    step, values = float(nifti.header.get_zooms()[2]), np.asarray(nifti.dataobj).max(axis=(0, 1))
    print(f"{slices} slices, {repetitions} repetitions: frames at {np.round(heights, 3).tolist()} mm, told apart: {told}")
    print(f"    dcm2niix: {nifti.shape}, {step:g} mm apart, brightest {(values / values.max()).round(2).tolist()}")
    back = IData.from_dicom_folder(name).header.position.z.numpy().ravel() * 1000
    assert np.allclose(sorted(back), sorted(heights), atol=1e-3), "mrpro reads other places back"
    wrong = repetitions > 1
    assert told is False and nifti.shape == (N, N, slices * repetitions), "repetitions are told from slices now"
    assert (abs(step - GAP) > 1) == wrong, "the step between slices is another now"
PY
venv/bin/python show.py
