"""Motion between segments: the operator against a head rendered anew, and poses found in data."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import rsd_mri as rsd
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.operators import Rigid
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors import RECONSTRUCTION
from rsd_mri.priors.prior import load_prior
from rsd_mri.protocol import DataSettings, MaskSettings
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.motion import find_motion
from rsd_mri.reconstruction.moved import look_for_motion
from rsd_mri.reconstruction.movies import frames_in_turn, reconstruct_frame
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.scan.patterns import draw_mask
from rsd_mri.serve import methods
from rsd_mri.simulation.moving import Moving, Pose
from rsd_mri.simulation.simulate import draw_head, render_object, simulate_scan, voxel_size

SIZE = (96, 80)


def test_an_image_is_moved_as_a_head_is_that_lies_otherwise():
    head = draw_head(1, 0, 1, 4)
    voxel = voxel_size(head, SIZE)
    pose = Pose(4.0, -6.0, np.deg2rad(5))
    image, wanted = (render_object(head, 0, SIZE, voxel, one) for one in (Pose(), pose))
    in_pixels = torch.tensor([[pose.readout / voxel[0], pose.phase_encode / voxel[1], pose.angle]])
    moved = Rigid(in_pixels, SIZE, voxel[0] / voxel[1]).move(image[None])[0]
    # Edges within a voxel differ; without the motion half of the energy's root does.
    assert (wanted - moved).norm() < 0.1 * wanted.norm() < 0.25 * (wanted - image).norm()


def test_whole_pixels_are_shifted_exactly():
    image = torch.randn(9, 12, generator=generator("image"), dtype=torch.complex128)
    moved = Rigid(torch.tensor([[2.0, -3.0, 0.0]]).double(), (9, 12)).move(image, 0)
    torch.testing.assert_close(moved, image.roll((2, -3), (0, 1)))


@pytest.fixture(scope="module")
def moved():
    return rsd.simulate(2, matrix=96, coils=8, motion=3.0, seed=4)


def poses_of(scan):
    return np.array(Moving(3.0).poses(scan.segments, 4, 0))


@pytest.mark.long
def test_poses_are_found(moved):
    scan, _ = moved
    found = find_motion(PreparedScan.of(scan), 0)
    true = poses_of(scan)
    assert found.found and found.misfit > 1.5 and found.calibration is not None
    # Where all lay together is known less well than how they lay to each other.
    assert (found.shifts - true[:, :2]).std(axis=0).max() < 0.6
    assert np.rad2deg((found.angles - true[:, 2]).std()) < 0.4


@pytest.mark.long
def test_a_head_that_lies_still_is_left_alone():
    scan, _ = rsd.simulate(2, matrix=96, coils=8, motion=0.0, seed=4)
    found = find_motion(PreparedScan.of(scan), 0)
    assert not found.found and found.misfit < 1.03 and found.reach < 0.4


@pytest.mark.long
def test_the_image_is_better_and_the_notes_say_so(moved):
    scan, image = moved
    rec = reconstruct_scan(scan, method_of("cg-sense"))
    alone = reconstruct_scan(replace(scan, segments=None), method_of("cg-sense"))
    assert psnr(np.abs(image), rec.magnitude) > psnr(np.abs(image), alone.magnitude) + 3
    assert any("moved in the plane between its 8 segments" in note for note in rec.notes)
    assert rec.checks["motion_slices"] == 1 and 1 < rec.checks["motion_mm"] < 5
    # Nobody expects it of lines of which nothing is known.
    assert not any("otion" in note for note in alone.notes)
    # The data agree with the image again.
    assert rec.residual[0] < 0.6 * alone.residual[0]


def test_segments_are_kept_in_files(moved, tmp_path):
    scan, _ = moved
    back = rsd.read(scan.save(tmp_path / "scan.h5"))
    assert np.array_equal(back.segments, scan.segments) and set(scan.segments[scan.mask]) == set(range(8))
    assert (scan.segments[~scan.mask] == -1).all()


SLAB = Moving(4.0, count=4)


@pytest.fixture(scope="module")
def moved_slab():
    data = DataSettings(slices=16, matrix=40, coils=8, noise=0.01)
    pattern = draw_mask(MaskSettings("elliptical", 3.0, 16), (40, 40), generator("slab"))
    return simulate_scan(data, 4, 0, size=(40, 40), pattern=pattern, slab=True, plane="axial", moving=SLAB)


@pytest.mark.long
def test_points_of_a_slab_have_segments_and_one_pose(moved_slab, tmp_path):
    scan, image = moved_slab
    assert scan.segments.shape == scan.mask.shape == (40, 40)
    found = look_for_motion(PreparedScan.of(rsd.read(scan.save(tmp_path / "slab.h5"))))
    assert "between its 4 segments of points" in found.note and "in 16 of 16 slices" in found.note
    poses = list(found.prepared.poses.values())
    assert all(np.array_equal(one, poses[0]) for one in poses)
    true = np.array(SLAB.poses(scan.segments, 4, 0))
    voxel = np.array(scan.geometry.voxel_size[:2])
    assert (poses[0][:, :2] * voxel - true[:, :2]).std(axis=0).max() < 0.7
    assert np.rad2deg((poses[0][:, 2] - true[:, 2]).std()) < 0.7
    alone = replace(scan, segments=None)
    before, after = (
        psnr(np.abs(image), reconstruct_scan(one, method_of("cg-sense")).magnitude) for one in (alone, found)
    )
    assert after > before + 2


@pytest.mark.slow
def test_slices_that_moved_are_sampled_together(moved_slab):
    """Each with its own poses: the image agrees with the data as that of each slice alone does."""
    scan, image = moved_slab
    few = SAMPLERS["few-step"]
    rec = reconstruct_scan(scan, method_of("posterior", sampler=few, samples=1, volume=True), held_out=False)
    still = reconstruct_scan(
        replace(scan, segments=None), method_of("posterior", sampler=few, samples=1, volume=True), held_out=False
    )
    assert psnr(np.abs(image), rec.magnitude) > psnr(np.abs(image), still.magnitude) + 2
    assert rec.residual.mean() < 0.85 * still.residual.mean()


@pytest.mark.long
def test_a_frame_of_its_own_is_looked_at(moved):
    """One after the other, as frames come that need no maps of the others."""
    scan, _ = moved
    frames = [replace(scan, frame={"repetition": number}) for number in range(2)]
    recs = [reconstruct_frame(one) for one in frames_in_turn(frames, None, method_of("cg-sense"), torch.device("cpu"))]
    assert all(rec.checks["motion_slices"] == 1 for rec in recs)


def test_why_motion_is_not_looked_for_is_said_where_segments_are_known(moved):
    scan, _ = moved
    prepared = PreparedScan.of(scan)
    many = np.where(scan.mask, np.arange(96) - 1, -1).astype(np.int16)
    one_coil = PreparedScan.of(replace(scan, kspace=scan.kspace[:, :1], noise=scan.noise[:1]))
    for changed, reason in (
        (one_coil, "one coil"),
        (replace(prepared, scan=replace(scan, segments=many)), "its lines are of"),
        (replace(prepared, shared_maps={}), "frames that share their coil maps"),
    ):
        looked = look_for_motion(changed)
        assert looked.note.startswith(f"Motion was not looked for: {reason}")
        assert looked.prepared is changed and not looked.checks
    together = replace(prepared, scan=replace(scan, segments=np.minimum(scan.segments, 0)))
    assert look_for_motion(together).note == ""


@pytest.mark.long
def test_the_server_looks_for_it_before_learned_images(moved):
    scan, image = moved
    prior = load_prior(RECONSTRUCTION)
    found = {}
    for one in (scan, replace(scan, segments=None)):
        prepared = methods.prepare(one)
        learned = methods.Learned("one-step", 1, 0, torch.device("cpu"), prior, None)
        learned.settle(prepared)
        result = learned.run(prepared, 0, 0, SILENT, False)
        found[one.segments is None] = psnr(np.abs(image), result.magnitude[None])
        said = any("moved in the plane" in remark for remark in result.remarks)
        assert said is (one.segments is not None)
        # Classical images have no time for it, and that is said.
        assert any("all segments of lines as one" in r for r in methods.remarks_of(prepared)[1]) is said
    assert found[False] > found[True] + 2


def test_along_a_trajectory_there_are_no_segments():
    with pytest.raises(InputError, match="segments of lines"):
        rsd.simulate(3, matrix=32, coils=4, motion=1.0, trajectory="radial")
