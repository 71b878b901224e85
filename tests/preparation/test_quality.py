import dataclasses

import numpy as np
import pytest
from coil_phantom import make_scan

from rsd_mri.errors import InputError
from rsd_mri.preparation import prepare_slice
from rsd_mri.preparation.quality import picture_of_maps, unexplained_energy
from rsd_mri.protocol import PrepSettings


def test_right_maps_explain_and_wrong_ones_do_not():
    prepared = prepare_slice(make_scan(), 0, PrepSettings())
    energy, share = unexplained_energy(prepared)
    assert energy.shape == (64, 48)
    assert share < 0.01
    shuffled = dataclasses.replace(prepared, csm=np.roll(prepared.csm, 1, axis=0))
    assert unexplained_energy(shuffled)[1] > 0.5
    nothing = dataclasses.replace(prepared, csm=np.zeros_like(prepared.csm))
    assert unexplained_energy(nothing)[1] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("n_slices", "wrap", "n_coils"), [(1, False, 1), (3, True, 4)])
def test_picture(tmp_path, n_slices, wrap, n_coils):
    scan = make_scan(n_slices=n_slices, wrap=wrap, n_coils=n_coils)
    slices = [prepare_slice(scan, i, PrepSettings()) for i in range(n_slices)]
    path = picture_of_maps(slices, tmp_path / "maps.png", "phantom")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [p.name for p in tmp_path.iterdir()] == ["maps.png"]


def test_a_picture_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one"):
        picture_of_maps([], tmp_path / "maps.png")
