"""Motion between segments: the operator against a head rendered anew, and poses found in data."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import rsd_mri as rsd
from rsd_mri.errors import InputError
from rsd_mri.machine.randomness import generator
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.operators import Rigid
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.motion import find_motion
from rsd_mri.reconstruction.moved import look_for_motion
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.simulation.moving import Moving, Pose
from rsd_mri.simulation.simulate import draw_head, render_object, voxel_size

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


def test_poses_are_found(moved):
    scan, _ = moved
    found = find_motion(PreparedScan.of(scan), 0)
    true = poses_of(scan)
    assert found.found and found.misfit > 1.5 and found.calibration is not None
    # Where all lay together is known less well than how they lay to each other.
    assert (found.shifts - true[:, :2]).std(axis=0).max() < 0.6
    assert np.rad2deg((found.angles - true[:, 2]).std()) < 0.4


def test_a_head_that_lies_still_is_left_alone():
    scan, _ = rsd.simulate(2, matrix=96, coils=8, motion=0.0, seed=4)
    found = find_motion(PreparedScan.of(scan), 0)
    assert not found.found and found.misfit < 1.03 and found.reach < 0.4


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


def test_why_motion_is_not_looked_for_is_said_where_segments_are_known(moved):
    scan, _ = moved
    for changed, reason in (
        (replace(scan, kspace=scan.kspace[:, :1], noise=scan.noise[:1]), "one coil"),
        (replace(scan, frame={"repetition": 1}), "frames"),
    ):
        prepared = PreparedScan.of(changed)
        looked = look_for_motion(prepared, method_of("cg-sense"))
        assert looked.note.startswith(f"Motion was not looked for: {reason}")
        assert looked.prepared is prepared and not looked.checks
    together = PreparedScan.of(replace(scan, segments=np.minimum(scan.segments, 0)))
    assert look_for_motion(together, method_of("cg-sense")).note == ""


def test_segments_are_kept_in_files(moved, tmp_path):
    scan, _ = moved
    back = rsd.read(scan.save(tmp_path / "scan.h5"))
    assert np.array_equal(back.segments, scan.segments) and set(scan.segments[scan.mask]) == set(range(8))
    assert (scan.segments[~scan.mask] == -1).all()


def test_what_has_no_segments_of_lines_is_refused():
    for asked in ({"slab": True, "slices": 16, "acs_lines": 8}, {"trajectory": "radial"}):
        with pytest.raises(InputError, match="segments of lines"):
            rsd.simulate(3, matrix=32, coils=4, motion=1.0, **asked)
