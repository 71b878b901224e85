#!/usr/bin/env bash
# parrec-reader-py 0.2.0 (Philips PAR/REC): `Recread.read_image(n)`, one image of the file, is that image for n = 0 alone. It moves on by the number of pixels
# where it should by the number of bytes, two a pixel: of odd n it gives the lower half of one image and the upper half of the next, of even n the whole image
# n/2, another slice or time, and of the second half of the file nothing at all. `read()` has them in their places. Nothing is said, nor that the numbers of
# both are those of the file: the slope and the intercept of the PAR, with which they have a unit, and which may differ between the images of one file, are left
# out. The scan of a phantom that nibabel 5.4.2 ships, three repetitions of nine slices, read beside nibabel.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "parrec-reader-py==0.2.0" "nibabel==5.4.2" "numpy==2.2.6"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version
from pathlib import Path

import nibabel
import numpy as np
from parrec.recread import Recread

print("parrec-reader-py", version("parrec-reader-py"))
data = Path(nibabel.__file__).parent / "tests" / "data"
name = data / "phantom_EPI_asc_CLEAR_2_1"
reader = Recread(str(name.with_suffix(".REC")))
whole = reader.read()
stored = np.fromfile(name.with_suffix(".REC"), "<u2").reshape(27, 64, 64)
truth = nibabel.load(name.with_suffix(".PAR"), scaling="dv")
assert np.array_equal(whole, stored.transpose(2, 1, 0)) and truth.shape == (64, 64, 9, 3)

places = [(one["SliceNumber"], one["DynamicScanNumber"]) for one in reader.parameter["ImageInformation"]]
right, halves, others = [], [], []
for number in range(27):
    image = reader.read_image(number).T
    if np.array_equal(image, stored[number]):
        right.append(number)
    elif number % 2:
        assert np.array_equal(image, np.concatenate([stored[number // 2, 32:], stored[number // 2 + 1, :32]]))
        halves.append(number)
    else:
        assert np.array_equal(image, stored[number // 2])
        others.append((number, places[number], places[number // 2]))
    if number < 4:
        off, alike = np.abs(image.astype(float) - stored[number]).max(), np.corrcoef(image.ravel(), stored[number].ravel())[0, 1]
        print(f"read_image({number}): {off:.0f} off at most, of {stored[number].max()}; correlation {alike:.2f}")
print(f"right: {right}; half of one and half of the next: {halves}")
print("another one: " + "; ".join(f"{n} is slice {a[0]} of repetition {a[1]}, given is slice {b[0]} of {b[1]}" for n, a, b in others[:3]) + f" and {len(others) - 3} more")
assert right == [0] and len(halves) == len(others) == 13, "images are found by their bytes now"

for name in (name, data / "phantom_varscale"):
    reader = Recread(str(name.with_suffix(".REC")))
    numbers = reader.read().astype(float)
    displayed = nibabel.load(name.with_suffix(".PAR"), scaling="dv").get_fdata()
    ratios = sorted({round(float(one["RescaleSlope"]), 5) for one in reader.parameter["ImageInformation"]})
    first = numbers[..., 0].max(), displayed.max((0, 1))[0, 0]
    print(f"{name.name}: brightest of the first slice {first[0]:.0f}, displayed {first[1]:.1f}; slopes of the file {ratios[:3]}{'...' if len(ratios) > 3 else ''}")
    assert abs(first[0] / first[1] - 1) > 0.1, "values are scaled now"
PY
venv/bin/python -W ignore show.py
