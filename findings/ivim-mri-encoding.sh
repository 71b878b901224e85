#!/usr/bin/env bash
# ivim-mri 1.0.1 (IVIM, `import ivim`): three numbers of flow and diffusion. `seq.fwf.c_from_g`, `c_from_q` and `c_from_b` (which `io.philips` writes to its
# .cval files) are to be the flow encoding c of a gradient waveform, as `b_from_g` is its b-value: they add the components of the vector c instead of taking
# its length. The same pulse along x, (1, 1, 1), (1, -1, 0) and -x has c of 6.4, 11.1, 0 and -6.4 s/mm, b each time the same; by `seq.lte.calc_c` and by the
# moment of the waveform c is 6.4 s/mm in all. `fit.seg` in the regime "diffusive" leaves the diffusion of blood (1.75e-3 mm2/s) in D*, which the package's
# own model and `fit.nlls` take out: without noise D* of 20e-3 becomes 21.7e-3. And `preproc.signal_drift.temporal` cuts all values, of all voxels
# and b-values together, at their 1st and 99th percentiles: without any drift, in 1 of 250 voxels that is ten times as bright as the others, a tenth of it is
# left at b = 0, half at b = 1600 s/mm2, and its diffusion coefficient becomes 0. None of it is said.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile "numpy==1.26.4" "scipy==1.15.3" "nibabel==5.3.2" "ivim-mri==1.0.1"
export OMP_NUM_THREADS=1
cat > show.py <<'PY'
from importlib.metadata import version

import nibabel as nib
import numpy as np
from ivim import fit, models
from ivim.constants import Db, y
from ivim.preproc import signal_drift
from ivim.seq import fwf, lte

print("ivim-mri", version("ivim-mri"))

strength, duration, separation, step = 30e-6, 0.02, 0.04, 1e-5  # T/mm, s
time = np.arange(round((separation + duration) / step) + 1) * step
shape = 1.0 * (time < duration) - 1.0 * ((time >= separation) & (time < separation + duration))
true_b, true_c = lte.calc_b(strength, separation, duration), lte.calc_c(strength, separation, duration)
print(f"trapezoids: b {true_b:.0f} s/mm2, c {true_c:.2f} s/mm")
for direction in ((1, 0, 0), (1, 1, 1), (1, -1, 0), (-1, 0, 0)):
    unit = np.array(direction) / np.linalg.norm(direction)
    waveform = strength * shape[:, None] * unit
    b, c = fwf.b_from_g(waveform, step), fwf.c_from_g(waveform, step)
    again = fwf.c_from_b(true_b, shape[:, None] * unit, step)[0]
    length = np.linalg.norm(y * -(time[:, None] * waveform).sum(0) * step)  # the integral of q is minus the first moment of g
    signal, expected = (models.ballistic([b], [value], 1e-3, 1.0, 2.0)[0, 0] for value in (c, length))
    print(f"along {direction}: b {b:.0f}, c {c:.2f} and {again:.2f}, length of the moment {length:.2f} s/mm; signal of blood at 2 mm/s {signal:.2g}, with that length {expected:.2g}")
    assert np.isclose(b, true_b, rtol=1e-3) and np.isclose(length, true_c, rtol=1e-3)
    assert np.allclose([c, again], true_c * unit.sum(), atol=0.01), "c is a length now"

affine, b = np.eye(4), np.array([0, 10, 20, 30, 50, 80, 120, 600, 700, 800.0])
maps = {"D": 1e-3, "f": 0.1, "Dstar": 20e-3}
nib.save(nib.Nifti1Image(models.diffusive(b, *(np.full((3, 3, 1), value) for value in maps.values()), 100.0), affine), "ivim.nii.gz")
np.savetxt("ivim.bval", b[None])
found = {}
for name, method in (("nlls", lambda: fit.nlls("ivim.nii.gz", "ivim.bval", "diffusive", outbase="nlls")), ("seg", lambda: fit.seg("ivim.nii.gz", "ivim.bval", "diffusive", 600, outbase="seg"))):
    method()
    found[name] = {one: nib.load(f"{name}_{one}.nii.gz").get_fdata().mean() for one in maps}
    print(f"{name}: " + ", ".join(f"{one} {value:.5f}" for one, value in found[name].items()) + "; true " + ", ".join(f"{value:.5f}" for value in maps.values()))
assert np.isclose(found["nlls"]["Dstar"], maps["Dstar"], rtol=1e-3) and np.isclose(found["seg"]["D"], maps["D"], rtol=1e-2)
assert np.isclose(found["seg"]["Dstar"], maps["Dstar"] + Db, rtol=0.01), "blood's diffusion is taken out of D* now"

b = np.tile([0, 1600.0], 10)
bright = np.zeros((10, 25, 1), bool)
bright[0, 0] = True
true = np.where(bright, 1000.0, 100.0)[..., None] * np.exp(-1e-3 * b)
nib.save(nib.Nifti1Image(true, affine), "drift.nii.gz")
np.savetxt("drift.bval", b[None])
signal_drift.temporal("drift.nii.gz", "drift.bval", "corrected", order=1)
left = nib.load("corrected_corr.nii.gz").get_fdata() / true
left /= np.median(left)
kept = left[bright][0, :2]
diffusion = -np.log(kept[1] * true[bright][0, 1] / (kept[0] * true[bright][0, 0])) / 1600
print(f"no drift: of the bright voxel {kept.round(3)} are left at b = 0 and 1600, of the others {left[~bright].min():.3f} to {left[~bright].max():.3f}; its diffusion {diffusion:.5f} mm2/s, true 0.00100")
assert np.allclose(left[~bright], 1) and kept[0] < 0.15 and abs(diffusion) < 1e-5, "values are not cut now"
PY
venv/bin/python -W ignore show.py
