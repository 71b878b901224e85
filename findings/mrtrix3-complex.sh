#!/usr/bin/env bash
# MRtrix3 3.0.3 (Debian 12) reads complex images, and `mrcalc`, `mrcat` and `dwidenoise` keep them complex, while `mrconvert` to a real
# type warns. `mrgrid`, `mrtransform` (of the header alone, too), `mrfilter`, `mrmath` and `mrdegibbs` take the real part and say nothing: an
# image of constant magnitude 1 comes out as the cosine of its phase, half of it negative. `mrthreshold` refuses. (Of `mrmath` and `mrdegibbs`
# the authors know.) `mrfilter fft -centre_zero` moves the output whichever way it transforms: of what it gave, `-inverse -centre_zero`
# makes an image turned by half a field of view with a checkerboard of signs. At odd sizes it loses a frequency: -1, beside the middle,
# is not in the output and the highest is there twice, so that nothing can bring the image back.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q -o APT::Sandbox::User=root "mrtrix3=3.0.3-3+b1" libfftw3-double3 libtiff6 libpng16-16 libgomp1 libdeflate0 libjbig0 \
    libjpeg62-turbo liblerc4 libwebp7 > apt.log
for package in *.deb; do dpkg -x "$package" root; done
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==2.2.6" "nibabel==5.4.2"
cat > show.py <<'PY'
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np

# One thread: several plan their transforms at once here, which FFTW does not allow.
environment = {**os.environ, "MRTRIX_NTHREADS": "0", "LD_LIBRARY_PATH": str(Path("root/usr/lib/x86_64-linux-gnu").resolve())}


def put(name, array):
    nib.save(nib.Nifti1Image(array.astype(np.complex64), np.diag([2, 2, 2, 1])), name)


def run(program, *arguments):
    """What the command made, and whether it warned."""
    Path("out.nii").unlink(missing_ok=True)
    said = subprocess.run([f"root/usr/bin/{program}", *arguments], check=True, capture_output=True, text=True, env=environment)
    return np.asanyarray(nib.load("out.nii", mmap=False).dataobj), "[WARNING]" in said.stderr


version = subprocess.run(["root/usr/bin/mrconvert", "-version"], capture_output=True, text=True, env=environment).stdout
print(version.splitlines()[0])
shape = (16, 14, 12)
phase = np.indices(shape).sum(0) * 0.7
image = np.exp(1j * phase)
put("image.nii", image)
put("pair.nii", np.stack([image, image], -1))
np.savetxt("identity.txt", np.eye(4))
for name, command, complex_, warns in (
    ("mrcalc", ("mrcalc", "image.nii", "1", "-mult", "out.nii"), True, False),
    ("mrcat", ("mrcat", "image.nii", "image.nii", "out.nii"), True, False),
    ("mrconvert to float32", ("mrconvert", "image.nii", "-datatype", "float32", "out.nii"), False, True),
    ("mrgrid crop", ("mrgrid", "image.nii", "crop", "-axis", "0", "1:15", "out.nii"), False, False),
    ("mrgrid regrid", ("mrgrid", "image.nii", "regrid", "-scale", "1", "out.nii"), False, False),
    ("mrtransform of the header", ("mrtransform", "image.nii", "-linear", "identity.txt", "out.nii"), False, False),
    ("mrfilter median", ("mrfilter", "image.nii", "median", "-extent", "1", "out.nii"), False, False),
    ("mrmath mean", ("mrmath", "pair.nii", "mean", "-axis", "3", "out.nii"), False, False),
    ("mrdegibbs", ("mrdegibbs", "image.nii", "out.nii"), False, False),
):
    made, warned = run(*command)
    assert np.iscomplexobj(made) == complex_ and warned == warns, f"{name} does otherwise now"
    kept = ""
    whole = image[1:] if name == "mrgrid crop" else image
    if made.shape == whole.shape and name != "mrdegibbs":
        kept = f", {np.abs(made - whole).max():.2g} from the image, {np.abs(made - whole.real).max():.2g} from its real part"
        assert complex_ or np.abs(made - whole.real).max() < 1e-5
    print(f"{name}: {made.dtype}, {'a warning' if warned else 'no warning'}{kept}")

rng = np.random.default_rng(0)
for sizes in ((16, 14, 12), (15, 13, 11)):
    image = (rng.normal(size=sizes) + 1j * rng.normal(size=sizes)).astype(np.complex64)
    put("image.nii", image)
    forth = run("mrfilter", "image.nii", "fft", "-centre_zero", "out.nii")[0]
    put("kspace.nii", forth)
    back = run("mrfilter", "kspace.nii", "fft", "-inverse", "-centre_zero", "out.nii")[0]
    wanted = np.fft.fftshift(np.fft.fftn(image))
    away = np.linalg.norm(forth - wanted) / np.linalg.norm(wanted)
    checkered = np.fft.fftshift(image * (-1.0) ** np.indices(sizes).sum(0))
    print(
        f"{sizes}: forth {away:.2g} from the transform, and back {np.linalg.norm(back - image) / np.linalg.norm(image):.2f} from the image, "
        f"{np.linalg.norm(back - checkered) / np.linalg.norm(image):.2g} from the turned checkered one"
    )
    odd = sizes[0] % 2
    assert (away > 0.3) == bool(odd) and np.linalg.norm(back - image) > 0.9 * np.linalg.norm(image), "another order now"
    assert odd or np.allclose(back, checkered, atol=1e-4)
line = rng.normal(size=(7, 1, 1))
put("line.nii", line)
found = run("mrfilter", "line.nii", "fft", "-axes", "0", "-centre_zero", "out.nii")[0].ravel()
true = np.fft.fft(line.ravel())
order = [int(np.fft.fftfreq(7, 1 / 7)[np.abs(true - value).argmin()]) for value in found]
print("the frequencies of seven pixels come out as", order)
assert order == [3, -3, -2, 0, 1, 2, 3], "another order now"
PY
venv/bin/python show.py
