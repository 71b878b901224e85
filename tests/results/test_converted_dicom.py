"""dcm2niix makes of our DICOM what we write as NIfTI: the same values at the same places, frames as frames."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from rsd_mri.results.dicom import write_dicom
from rsd_mri.results.nifti import write_nifti
from rsd_mri.results.reconstruction import PosteriorPart
from rsd_mri.scan.facts import Facts
from rsd_mri.scan.scan import Geometry

TOOL = shutil.which("dcm2niix", path=Path(sys.executable).parent) or shutil.which("dcm2niix")
pytestmark = pytest.mark.skipif(TOOL is None, reason="dcm2niix is not installed")
FACTS = Facts(echo_times=(4.5, 9.5, 14.5), repetition_times=(500.0,), flip_angles=(15.0,), field_strength=2.89)


def oblique(sign):
    """Readout about along the patient's long axis, tilted about all axes; slices along `sign` times their normal."""
    turn, tilt = np.deg2rad((20, 11))
    read = np.array([np.sin(tilt), -np.sin(turn) * np.cos(tilt), -np.cos(turn) * np.cos(tilt)])
    phase = np.array([-np.cos(tilt), -np.sin(turn) * np.sin(tilt), -np.cos(turn) * np.sin(tilt)])
    across = sign * np.cross(phase, read)
    centres = tuple(tuple(map(float, np.array([5.0, -700 / 3, 11.0]) + 6.1 * i * across)) for i in range(3))
    return Geometry((1.5, 1.25, 5.1), 1.0, *(tuple(map(float, v)) for v in (read, phase, across)), centres)


@pytest.fixture
def frames(a_reconstruction):
    def of(counter, count, sign):
        found = []
        for number in range(count):
            rec, factor = a_reconstruction(), 1 - 0.2 * number
            found.append(
                replace(
                    rec,
                    magnitude=factor * rec.magnitude,
                    image=factor * rec.image,
                    geometry=oblique(sign),
                    posterior=PosteriorPart(factor * rec.samples, rec.std),
                    frame={counter: number},
                    facts=FACTS.of_contrast(number if counter == "contrast" else 0),
                    source=Path("scan.h5"),
                )  # fmt: skip
            )
        return found

    return of


@pytest.mark.parametrize(("counter", "count", "sign"), [("repetition", 4, 1), ("set", 2, -1), ("contrast", 3, 1)])
@pytest.mark.parametrize("kind", ["magnitude", "phase", "std"])
def test_the_same_volume_comes_of_both(tmp_path, frames, counter, count, sign, kind):
    made = frames(counter, count, sign)
    write_dicom(tmp_path / "dicom", made)
    write_nifti(tmp_path, made)
    command = [TOOL, "-o", str(tmp_path), "-f", "theirs_%e", "-z", "n", str(tmp_path / "dicom" / kind)]
    subprocess.run(command, check=True, capture_output=True)
    ours = nibabel.as_closest_canonical(nibabel.load(tmp_path / f"scan_{kind}.nii.gz"))
    found = sorted(tmp_path.glob("theirs_*.nii"))
    assert len(found) == (count if counter == "contrast" else 1)  # echoes are files of their own there
    for number, path in enumerate(found):
        theirs = nibabel.as_closest_canonical(nibabel.load(path))
        wanted = ours.get_fdata()[..., number] if counter == "contrast" else ours.get_fdata()
        values = theirs.get_fdata()
        power = np.round(np.log10(np.abs(values).max() / np.abs(wanted).max()))
        assert values.shape == wanted.shape
        np.testing.assert_allclose(theirs.affine, ours.affine, atol=1e-3)
        # Half a step of twelve bits, of the brightest value of all (samples are brighter) or of the whole turn.
        step = (2 * np.pi if kind == "phase" else ours.get_fdata().max()) / 4095
        np.testing.assert_allclose(values / 10**power, wanted, atol=0.6 * step)
