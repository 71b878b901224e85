"""Scans along a trajectory: each way in gives the same scan; units are told apart; bad input gets a sentence."""

import ismrmrd
import numpy as np
import pytest
from bart_files import write_cfl
from spots import xml

from rsd_mri.errors import InputError
from rsd_mri.scan.answers import Answers
from rsd_mri.scan.reading import inspect, read_scan, read_scans
from rsd_mri.scan.record_writing import write_records
from rsd_mri.scan.records import NOISE
from rsd_mri.scan.trajectory import archimedean_spiral, golden_radial
from rsd_mri.scan.writing import header_of, write_fastmri

pytest.importorskip("mrinufft")
pytest.importorskip("finufft")


@pytest.fixture(scope="module")
def scan():
    from rsd_mri.protocol import DataSettings
    from rsd_mri.simulation import simulate_scan

    settings = DataSettings(slices=2, matrix=32, coils=3, noise=0.01)
    return simulate_scan(settings, 0, 0, trajectory=golden_radial((32, 32), 2.0))[0]


def same(one, other):
    assert one.kspace.shape == other.kspace.shape
    assert np.array_equal(one.kspace, other.kspace)
    assert np.allclose(one.trajectory, other.trajectory, atol=1e-4)
    assert one.matrix == other.matrix and one.mask.shape == (one.kspace.shape[-1],)


def mrd(path, scan, unit=1.0, dimensions=2, frames=1, kind="radial", traj=True):
    noise = ismrmrd.Acquisition.from_array(np.ascontiguousarray(scan.noise))
    noise.setFlag(NOISE)
    noise.sample_time_us = 5.0
    records = [noise]
    for frame in range(frames):
        for shot in range(scan.kspace.shape[-1]):
            points = np.zeros((scan.kspace.shape[-2], dimensions), np.float32)
            points[:, :2] = scan.trajectory[:, shot] * unit
            for slice_ in range(scan.n_slices):
                data = np.ascontiguousarray(scan.kspace[slice_, :, :, shot])
                record = ismrmrd.Acquisition.from_array(data, points if traj else None)
                record.sample_time_us, record.idx.slice, record.idx.repetition = 5.0, slice_, frame
                record.idx.kspace_encode_step_1 = shot
                records.append(record)
    write_records(path, header_of(scan).replace("<trajectory>other", f"<trajectory>{kind}"), records)


def test_hdf5_keeps_it(scan, tmp_path):
    again = read_scan(write_fastmri(tmp_path / "a.h5", scan))
    same(again, scan)
    assert again.geometry.voxel_size == pytest.approx(scan.geometry.voxel_size)
    assert np.array_equal(again.noise, scan.noise)
    assert again.realised_acceleration == scan.realised_acceleration


def test_arrays_beside_a_trajectory(scan, tmp_path):
    np.save(tmp_path / "k.npy", scan.kspace)
    np.save(tmp_path / "t.npy", scan.trajectory)
    np.save(tmp_path / "first.npy", scan.trajectory.transpose(2, 0, 1))
    for name in ("t.npy", "first.npy"):
        again = read_scan(tmp_path / "k.npy", answers=Answers(trajectory=tmp_path / name))
        same(again, scan)
        assert any("twice the reach" in note for note in again.notes)


def test_bart_arrays(scan, tmp_path):
    kspace = np.zeros((1, *scan.size, scan.n_coils, *[1] * 9, scan.n_slices), np.complex64)
    kspace[0, :, :, :, 0, 0, 0, 0, 0, 0, 0, 0, 0] = scan.kspace.transpose(2, 3, 1, 0)
    write_cfl(tmp_path / "k", kspace)
    write_cfl(tmp_path / "t", np.concatenate([scan.trajectory, 0 * scan.trajectory[..., :1]], -1).transpose(2, 0, 1))
    same(read_scan(tmp_path / "k.cfl", answers=Answers(trajectory=tmp_path / "t.cfl")), scan)


@pytest.mark.parametrize(("unit", "words"), [(1.0, "field of view"), (1 / 32, "cycles per pixel"), (np.pi / 16, "rad")])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_records_in_every_usual_unit(scan, tmp_path, unit, words, dimensions):
    mrd(tmp_path / "a.mrd", scan, unit, dimensions)
    found = inspect(tmp_path / "a.mrd")
    same(found.scan, scan)
    assert words in found.as_dict()["evidence"]["sampling"]
    assert found.as_dict()["sampling"] == "trajectory"
    # Noise of the same dwell time keeps its size.
    assert np.allclose(found.scan.noise, scan.noise)


def test_frames_are_told_apart(scan, tmp_path):
    mrd(tmp_path / "a.mrd", scan, frames=2)
    frames = read_scans(tmp_path / "a.mrd")
    assert [one.frame for one in frames] == [{"repetition": 0}, {"repetition": 1}]
    for one in frames:
        same(one, scan)


def test_bad_input_gets_a_sentence(scan, tmp_path):
    def refused(words, **answers):
        with pytest.raises(InputError, match=words):
            read_scan(tmp_path / "k.npy", answers=Answers(**answers))

    np.save(tmp_path / "k.npy", scan.kspace)
    for name, points, words in (
        ("pixel", scan.trajectory / 32, "multiply one in cycles per pixel"),
        ("short", scan.trajectory[:-1], r"expected \[sample, shot, 2\]"),
        ("nan", np.where(scan.trajectory > 15, np.nan, scan.trajectory), "undefined"),
        ("text", scan.trajectory.astype(str), "type"),
        ("deep", np.concatenate([scan.trajectory, scan.trajectory[..., :1]], -1), "leaves the plane"),
    ):
        np.save(tmp_path / f"{name}.npy", points)
        refused(words, trajectory=tmp_path / f"{name}.npy")
    path = write_fastmri(tmp_path / "a.h5", scan)
    with pytest.raises(InputError, match="leave --trajectory out"):
        read_scan(path, answers=Answers(trajectory=tmp_path / "short.npy"))
    mrd(tmp_path / "none.mrd", scan, traj=False)
    with pytest.raises(InputError, match="records hold none"):
        read_scan(tmp_path / "none.mrd")
    mrd(tmp_path / "far.mrd", scan, unit=5.0)
    with pytest.raises(InputError, match="reaches 80"):
        read_scan(tmp_path / "far.mrd")


def test_made_trajectories_stay_in_k_space_and_hold_a_centre():
    for make in (golden_radial, archimedean_spiral):
        for size in ((64, 64), (64, 48)):
            points = make(size, 4.0)
            assert (np.abs(points).max(axis=(0, 1)) <= np.asarray(size) / 2).all()
            assert np.hypot(*points.transpose(2, 0, 1) * 32 / (np.asarray(size)[:, None, None] / 2)).max() > 0.95 * 32
    # The step along an arm, and the angle from spoke to spoke.
    arm = archimedean_spiral((64, 64), 4.0)[:, 0]
    assert np.linalg.norm(np.diff(arm, axis=0), axis=1).max() < 0.82
    spokes = golden_radial((64, 64), 1.0)
    assert spokes.shape == (128, round(np.pi / 2 * 64), 2)
    angle = np.degrees(np.arctan2(*spokes[0, :2].T[::-1]))
    assert (angle[1] - angle[0]) % 180 == pytest.approx(111.246, abs=0.01)


@pytest.mark.parametrize(("vendor", "sign"), [("Siemens Healthineers", 1), ("GE", -1)])
def test_the_sign_of_a_vendor_holds_along_a_trajectory_as_on_a_grid(tmp_path, vendor, sign):
    """A spot lies where records of lines by the same scanner would show it."""
    place, fov, points = np.array([9.0, -14.0]), 96.0, golden_radial((48, 48), 1.0)
    phase = np.exp(sign * 2j * np.pi * points @ place / fov)
    values = np.exp(-2 * (np.pi * 3 / fov) ** 2 * (points**2).sum(-1)) * phase
    records = []
    for shot in range(points.shape[1]):
        kspace = np.stack([values[:, shot], 0.5j * values[:, shot]]).astype(np.complex64)
        records.append(ismrmrd.Acquisition.from_array(kspace, np.ascontiguousarray(points[:, shot], np.float32)))
        records[-1].read_dir[:], records[-1].phase_dir[:], records[-1].slice_dir[:] = np.eye(3)
    header = xml((48, 48, 1), (48, 48, 1), (fov, fov, 5), (fov, fov, 5), vendor=vendor)
    write_records(tmp_path / "a.h5", header.replace("<trajectory>cartesian", "<trajectory>radial"), records)
    scan = read_scan(tmp_path / "a.h5")
    seen = [abs((scan.kspace[0, 0] * np.exp(2j * np.pi * scan.trajectory @ at / fov)).sum()) for at in (place, -place)]
    assert seen[0] > 5 * seen[1]
    assert any("sign of the Fourier transform is not known" in note for note in scan.notes) == (sign < 0)
