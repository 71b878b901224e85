"""3-D acquisitions read slice by slice from disk: the same slices as in memory, and as the direct transform gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sigpy
from spots import axes_of_samples, record, signal, write, xml

from rsd_mri.machine.randomness import generator
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.scan import read_scan, read_scans
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.scan.spooled_lines import SlicesAcross
from rsd_mri.simulation import simulate_scan

FOV = (96.0, 72.0, 60.0)


def volume_file(path, n, vendor="", which=None, sign=-1, repeated=()):
    """Spots in a volume of size n, the readout oversampled twice; lines in a random order."""
    rng = np.random.default_rng(0)
    kspace = signal([axes_of_samples(m, m // 2, f) for m, f in zip(n, FOV, strict=True)], (9.0, -8.0, 13.0), sign)
    kspace = kspace + 1e-3 * (rng.standard_normal(kspace.shape) + 1j * rng.standard_normal(kspace.shape))
    pairs = [(i, j) for i in range(n[1]) for j in range(n[2]) if which is None or which[i, j]]
    pairs = [pairs[k] for k in rng.permutation(len(pairs))] + list(repeated)
    acqs = [record(kspace[:, :, i, j], i, centre=n[0] // 2, kspace_encode_step_2=j) for i, j in pairs]
    half = (n[0] // 2, n[1], n[2])
    header = xml(n, half, FOV, (FOV[0] / 2, *FOV[1:]), vendor=vendor, partitions=(0, n[2] - 1, n[2] // 2))
    return write(path, acqs, header), kspace


@pytest.mark.parametrize(("vendor", "sign"), [("", -1), ("Siemens Healthineers", +1)])
@pytest.mark.parametrize("n", [(40, 24, 20), (38, 25, 17)])
def test_slices_from_disk_are_those_of_memory(tmp_path, monkeypatch, n, vendor, sign):
    which = draw_mask(MaskSettings("elliptical", 2.0, 8), n[1:], generator(0)).mask.numpy()
    repeated = [(n[1] // 2, n[2] // 2), (n[1] // 2 + 1, n[2] // 2), (n[1] // 2, n[2] // 2)]
    path, _ = volume_file(tmp_path / "slab.h5", n, vendor, which, sign, repeated)
    held = read_scan(path)
    monkeypatch.setattr("rsd_mri.scan.measurement.LARGE", 0)
    monkeypatch.setattr("rsd_mri.scan.spooled_lines.BLOCK_BYTES", 10000)
    (streamed,) = read_scans(path, streamed=True)
    assert isinstance(streamed.kspace, SlicesAcross) and isinstance(held.kspace, np.ndarray)
    np.testing.assert_allclose(np.asarray(streamed.kspace), held.kspace, atol=1e-6)
    np.testing.assert_array_equal(streamed.mask, held.mask)
    assert streamed.geometry == held.geometry and streamed.notes == held.notes
    assert any("averaged" in note for note in streamed.notes)
    # The average of two equal lines is the line: no point is lost or doubled.
    assert int(held.mask.sum()) >= 0.9 * which.sum()


def test_the_centre_is_found_on_disk_too(tmp_path, monkeypatch):
    n = (40, 24, 20)
    path, kspace = volume_file(tmp_path / "slab.h5", n)
    wrong = xml(n, n, FOV, FOV, partitions=(0, n[2] - 1, 3), lines=(0, n[1] - 1, 5))
    acqs = [record(kspace[:, :, i, j], i, centre=20, kspace_encode_step_2=j) for i in range(n[1]) for j in range(n[2])]
    path = write(tmp_path / "wrong.h5", acqs, wrong)
    held = read_scan(path)
    monkeypatch.setattr("rsd_mri.scan.measurement.LARGE", 0)
    (streamed,) = read_scans(path, streamed=True)
    np.testing.assert_allclose(np.asarray(streamed.kspace), held.kspace, atol=1e-6)
    assert any("centre of k-space is at partition 10" in note for note in streamed.notes)


@pytest.mark.long
def test_a_simulated_slab_is_the_transform_of_a_volume(tmp_path):
    """Slices of a slab and their neighbours are one volume: sigpy's 3-D transform of it, read back, is the scan."""
    settings = DataSettings(slices=12, coils=3, noise=0.0)
    scan, image = simulate_scan(settings, 1, "slab", size=(32, 32), slab=True)
    positions = np.array(scan.geometry.positions)
    step = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    np.testing.assert_allclose(step, scan.geometry.voxel_size[2], rtol=1e-4)
    assert scan.geometry.slice_gap == 0 and len({round(v, 4) for v in scan.geometry.voxel_size}) == 1
    coils = sigpy.ifft(scan.kspace, axes=(-2, -1))
    np.testing.assert_allclose(np.sqrt((np.abs(coils) ** 2).sum(1)), np.abs(image), atol=1e-4)
    raw = sigpy.fft(coils, axes=(0, 2, 3))  # [readout, coil, phase_encode, partition]
    acqs = [record(raw[:, :, i, j].T, i, centre=6, kspace_encode_step_2=j) for i in range(32) for j in range(32)]
    header = xml((12, 32, 32), (12, 32, 32), (36.0, 96.0, 96.0), (36.0, 96.0, 96.0), partitions=(0, 31, 16))
    back = read_scan(write(tmp_path / "raw.h5", acqs, header))
    np.testing.assert_allclose(back.kspace, scan.kspace, atol=1e-4 * np.abs(scan.kspace).max())
    assert replace(back, source=Path("x")).size == (32, 32)


def test_too_little_room_for_the_lines_is_a_sentence(tmp_path, monkeypatch):
    path, _ = volume_file(tmp_path / "slab.h5", (40, 24, 20))
    monkeypatch.setattr("rsd_mri.scan.measurement.LARGE", 0)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10})())
    from rsd_mri.errors import InputError

    with pytest.raises(InputError, match="temporary files"):
        read_scans(path, streamed=True)
