"""A scan is calibrated once, and each of its slices is made once, whatever is done with it."""

import dataclasses

import pytest
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.preparation import prepare
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import PrepSettings
from rsd_mri.simulation import simulate_folder


@pytest.fixture
def made(monkeypatch):
    """How often coil maps were estimated."""
    calls = []
    plain = prepare.espirit
    monkeypatch.setattr(prepare, "espirit", lambda *args, **kwargs: calls.append(1) or plain(*args, **kwargs))
    return calls


@pytest.fixture
def folder(tmp_path):
    simulate_folder(tmp_path, 1, 3, 48, 4, 0.01, 3.0, 0)
    return tmp_path


def test_a_page_of_three_slices_estimates_their_maps_three_times(folder, made):
    """The posterior, its held-out lines, and the methods it is compared with share the slices."""
    (scan,) = folder.glob("*.h5")
    options = ["--report", "--samples", "1", "--levels", "1", "--out", str(folder / "out")]
    done = CliRunner().invoke(app, ["recon", str(scan), *options])
    assert done.exit_code == 0, (done.output, done.exception)
    assert len(list((folder / "out").glob("*.html"))) == 1
    assert len(made) == 3


def test_slices_are_kept_while_there_is_room_and_made_again_beyond_it(folder, made, read_scan_of):
    scan = PreparedScan.of(read_scan_of(folder))
    assert scan[0] is scan[0] and len(list(scan)) == 3 and len(made) == 3
    assert scan.middle is scan[1] and PreparedScan.of(scan) is scan
    one = scan[0].kspace.nbytes + scan[0].csm.nbytes + scan[0].image.nbytes
    small = dataclasses.replace(scan, kept_bytes=int(1.5 * one), _kept={})
    made.clear()
    assert small[0] is small[0] and small[1] is not small[1]
    assert len(made) == 3
    assert (small[1].kspace == scan[1].kspace).all() and (small[1].csm == scan[1].csm).all()


def test_settings_reach_the_slices(folder, read_scan_of):
    assert PreparedScan.of(read_scan_of(folder), PrepSettings(sets="2"))[0].n_sets == 2


@pytest.fixture
def read_scan_of():
    from rsd_mri.scan.reading import read_scan

    return lambda folder: read_scan(next(folder.glob("*.h5")))
