"""Arrays with more dimensions, as BART's own commands put them together: frames, averages, volumes."""

import shutil
import subprocess

import numpy as np
import pytest
from made_scans import make_scan

from rsd_mri.errors import InputError
from rsd_mri.scan.answers import Answers
from rsd_mri.scan.arrays import BART_DIMENSIONS, write_cfl
from rsd_mri.scan.reading import read_scan, read_scans

pytestmark = pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")


def bart(folder, *words):
    subprocess.run(["bart", *map(str, words)], cwd=folder, check=True, capture_output=True)


def joined(folder, name, arrays):
    """Arrays [slice, coil, readout, phase_encode] joined along one of BART's dimensions."""
    for number, array in enumerate(arrays):
        write_cfl(folder / f"{number}.cfl", array)
    bart(folder, "join", BART_DIMENSIONS.index(name), *range(len(arrays)), "all")
    return folder / "all.cfl"


@pytest.mark.parametrize(
    ("name", "counter"), [("TE", "contrast"), ("COEFF", "time"), ("TIME", "repetition"), ("TIME2", "set")]
)
def test_echoes_phases_and_repetitions_are_frames(tmp_path, name, counter):
    arrays = [(1 + n) * make_scan().kspace for n in range(3)]
    found = read_scans(joined(tmp_path, name, arrays))
    assert [scan.frame for scan in found] == [{counter: n} for n in range(3)]
    for scan, array in zip(found, arrays, strict=True):
        np.testing.assert_array_equal(scan.kspace, array)


def test_averages_are_averaged_and_what_is_no_dimension_of_kspace_is_refused(tmp_path):
    kspace = make_scan().kspace
    scan = read_scan(joined(tmp_path, "AVG", [kspace, 1.1 * kspace]))
    np.testing.assert_allclose(scan.kspace, 1.05 * kspace, rtol=1e-6)
    assert "2 averages were averaged" in scan.notes
    with pytest.raises(InputError, match="dimension MAPS is 2"):
        read_scan(joined(tmp_path, "MAPS", [kspace, kspace]))


def test_a_volume_is_that_of_an_array_with_named_axes(tmp_path):
    bart(tmp_path, "phantom", "-3", "-k", "-s", 3, "-x", 24, "full")
    bart(tmp_path, "upat", "-Y", 24, "-Z", 24, "-y", 2, "-z", 1, "-c", 4, "pattern")
    bart(tmp_path, "fmac", "full", "pattern", "k")
    found = read_scan(tmp_path / "k.cfl")
    array = np.fromfile(tmp_path / "k.cfl", "<c8").reshape((24, 24, 24, 3), order="F")
    np.save(tmp_path / "k.npy", array)
    wanted = read_scan(tmp_path / "k.npy", answers=Answers(axes="readout,phase,partition,coil"))
    np.testing.assert_array_equal(found.kspace, wanted.kspace)
    np.testing.assert_array_equal(found.mask, wanted.mask)
    assert found.kspace.shape == (24, 3, 24, 24) and any("volume" in note for note in found.notes)
