#!/usr/bin/env bash
# nibabel 5.4.2 and the fourth dimension. Of PAR/REC the step in time is the repetition time of the pulses, not the time between volumes: of a 3-D scan with a
# volume every 2 s, as its header says beside each image, `parrec2nii` writes 0.007 s. The column "index in REC file" it does not read, and takes the
# images in the order of the lines: a header of nibabel's own examples, from which lines were taken out, names the images 90 to 137 and 270 to 317, and gets
# 0 to 95. From MGH to NIfTI the 2000 of 2000 ms stay 2000, without a unit; from NIfTI to MGH 2 s become 0. `processing.smooth_image` takes a width for every
# axis, and divides that of time by the distance of the first voxel from the origin: the same series elsewhere in the scanner is not smoothed. A complex
# NIfTI image with an intercept, which by nifti1.h is added to both parts, has it in the real part alone; SimpleITK 2.5.7 adds it to both. Nothing is said
# of any.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "nibabel==5.4.2" "numpy==2.2.6" "scipy==1.15.3" "simpleitk==2.5.7"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
import re
import shutil
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.processing import smooth_image

warnings.simplefilter("error")
warnings.simplefilter("ignore", ResourceWarning)
print("nibabel", version("nibabel"))
examples = Path(nib.__file__).parent / "tests/data"
rng = np.random.default_rng(0)

header = (examples / "phantom_EPI_asc_CLEAR_2_1.PAR").read_text()
three = re.sub(r"(Repetition time \[ms\] *: *)\S+", r"\g<1>7.093", re.sub(r"(Scan mode *: *)\S+", r"\g<1>3D", header))
for name, text in (("slices", header), ("volume", three)):
    Path(f"{name}.PAR").write_text(text)
    shutil.copy(examples / "phantom_EPI_asc_CLEAR_2_1.REC", f"{name}.REC")
    done = subprocess.run([Path(sys.executable).with_name("parrec2nii"), f"{name}.PAR"], capture_output=True, text=True, check=True)
    assert "arn" not in done.stdout + done.stderr
    made = nib.load(f"{name}.nii")
    begun = np.unique(nib.load(f"{name}.PAR").header.image_defs["dyn_scan_begin_time"])
    repetition = 7.093 if text is three else 2000
    step, unit = made.header.get_zooms()[3], made.header.get_xyzt_units()[1]
    print(f"PAR/REC with a repetition time of {repetition} ms, volumes begun at {begun.tolist()} s: step {step:.4g} {unit}")
    assert np.allclose(np.diff(begun), 2) and unit == "sec" and np.isclose(step, repetition / 1000), "the time between volumes is taken now"

shutil.copy(examples / "ASL_3D_Multiecho.PAR", "echoes.PAR")
lines = [line.split() for line in Path("echoes.PAR").read_text().splitlines() if line.strip() and line.strip()[0].isdigit()]
index = np.array([int(line[6]) for line in lines])
places = {tuple(line[:3]) + (line[-1],): int(line[6]) for line in lines}
Path("echoes.REC").write_bytes(np.repeat(np.arange(index.max() + 1), 80 * 80).astype("<u2").tobytes())
image = nib.load("echoes.PAR")
found = np.rint((np.asarray(image.dataobj)[0, 0] / image.header.image_defs["rescale slope"][0])).astype(int)
labels = image.header.get_volume_labels()
volumes = list(zip(labels["echo number"], labels["dynamic scan number"], labels["label type"], strict=True))
slices = range(1, image.shape[2] + 1)
expected = np.array([[places[tuple(map(str, (number, echo, dynamic, label)))] for echo, dynamic, label in volumes] for number in slices])
print(
    f"images named {index[0]} to {index[47]} and {index[48]} to {index[-1]}: read are {found.min()} to {found.max()}, "
    f"{np.sum(found == expected)} of {found.size} in their places"
)
assert sorted(expected.ravel()) == sorted(index)
assert sorted(found.ravel()) == list(range(96)) and not np.any(found == expected), "the index is read now"

series = np.zeros((4, 5, 6, 3), np.float32)
mgh = nib.MGHImage(series, np.eye(4))
mgh.header.set_zooms((1, 1, 1, 2000))
nib.save(mgh, "from.mgz")
nib.save(nib.load("from.mgz"), "made.nii")
nifti = nib.Nifti1Image(series, np.eye(4))
nifti.header.set_zooms((1, 1, 1, 2))
nifti.header.set_xyzt_units("mm", "sec")
nib.save(nifti, "made.mgz")
there, back = nib.load("made.nii").header, nib.load("made.mgz").header
print(f"MGH of 2000 ms as NIfTI: {there.get_zooms()[3]:.0f}, unit {there.get_xyzt_units()[1]}; NIfTI of 2 s as MGH: {float(back['tr']):.0f} ms")
assert there.get_zooms()[3] == 2000 and there.get_xyzt_units()[1] == "unknown" and back["tr"] == 0, "times are converted now"

noise = rng.standard_normal((3, 3, 3, 201))
kept = {}
for distance in (0, 2, 100):
    affine = np.eye(4)
    affine[0, 3] = distance
    kept[distance] = float(smooth_image(nib.Nifti1Image(noise, affine), (0, 0, 0, 6)).get_fdata().std())
    print(f"noise smoothed along time by a width of 6, the first voxel {distance} mm from the origin: deviation {kept[distance]:.3f} of {noise.std():.3f}")
assert kept[0] < 0.4 and kept[2] > kept[0] + 0.1 and kept[100] > 0.95, "the place of the image no longer matters"

nib.save(nib.Nifti1Image(np.full((2, 2, 2), 1 + 2j, np.complex64), np.eye(4)), "complex.nii")
bytes_ = bytearray(Path("complex.nii").read_bytes())
bytes_[112:120] = np.array([2, 5], "<f4").tobytes()
Path("complex.nii").write_bytes(bytes_)
ours = np.asarray(nib.load("complex.nii").dataobj)[0, 0, 0]
theirs = sitk.GetArrayFromImage(sitk.ReadImage("complex.nii"))[0, 0, 0]
print(f"1 + 2i with the slope 2 and the intercept 5: nibabel {ours}, SimpleITK {theirs}")
assert ours == 7 + 4j and theirs == 7 + 9j, "the intercept is added to both parts now"
PY
venv/bin/python show.py
