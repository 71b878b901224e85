"""Frames reconstructed together: maps from their average, and what each frame left out found in the others."""

from dataclasses import replace

import numpy as np
import pytest
import sigpy
import torch
from adjointness import assert_adjoint
from coil_phantom import make_scan

from rsd_mri.errors import InputError
from rsd_mri.machine.progress import Progress
from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import sense_operator
from rsd_mri.preparation import prepare
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.protocol import PrepSettings
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.classical.temporal import (
    TimeShrinkage,
    Together,
    _differences,
    _differences_adjoint,
    _lower_rank,
    low_rank_sparse,
)
from rsd_mri.reconstruction.deliver import Task, reconstruct_files
from rsd_mri.reconstruction.full_scans import body_of
from rsd_mri.reconstruction.intervals import with_own_interval
from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.movies import AHEAD, average_of, each_frame, frames_in_turn, reconstruct_frame
from rsd_mri.reconstruction.posterior.near import NearProblem
from rsd_mri.reconstruction.posterior.samplers import SAMPLERS
from rsd_mri.reconstruction.reconstruct import CPU, reconstruct_scan
from rsd_mri.reconstruction.started import Started
from rsd_mri.results.delivery import Delivery
from rsd_mri.results.reading import read_reconstruction
from rsd_mri.scan.answers import Answers
from rsd_mri.simulation.beating import beating_image, simulate_beating

DOUBLE = torch.complex128


def test_the_differences_in_time_have_their_adjoint():
    x, y = normal((1, 5, 4, 3), generator("x"), DOUBLE), normal((1, 5, 4, 3), generator("y"), DOUBLE)
    torch.testing.assert_close(
        torch.vdot(_differences(x).flatten(), y.flatten()), torch.vdot(x.flatten(), _differences_adjoint(y).flatten())
    )


def test_a_movie_is_one_item():
    mask = torch.rand(3, 1, 6, generator=generator("mask")) < 0.5
    operator = Together(sense_operator(normal((1, 2, 8, 6), generator("maps"), DOUBLE), mask))
    assert_adjoint(operator, (1, 3, 8, 6), (1, 3, 2, 8, 6))
    x = normal((1, 3, 8, 6), generator("x"), DOUBLE)
    torch.testing.assert_close(operator.gram(x), operator.adjoint(operator(x)))


def test_shrinkage_in_time_of_a_step_is_known():
    """A step of height h between halves of n frames shrinks at both its ends to h - 4 a / (n / 2); its mean stays."""
    movie = torch.zeros(1, 8, 1, 1, dtype=DOUBLE)
    movie[:, 4:] = 1j
    found = TimeShrinkage(steps=400)(movie, torch.tensor(0.4).reshape(1, 1, 1, 1))
    wanted = torch.full((8,), 0.2, dtype=torch.float64)
    wanted[4:] = 0.8
    torch.testing.assert_close(found[0, :, 0, 0].imag, wanted, atol=1e-4, rtol=0)


def test_singular_values_are_shrunk():
    movie = normal((5, 4, 3), generator("movie"), DOUBLE)
    u, s, v = torch.linalg.svd(movie.flatten(1), full_matrices=False)
    wanted = (u * (s - 1.5).clamp_min(0)) @ v
    torch.testing.assert_close(_lower_rank(movie, 1.5).flatten(1), wanted)


def test_still_images_seen_in_turn_come_back():
    """Without noise and movement, frames that leave out different lines hold the whole image together."""
    still = beating_image(0.0, (32, 32)).to(DOUBLE)
    csm = normal((1, 2, 32, 32), generator("maps"), DOUBLE)
    csm = csm / csm.abs().square().sum(1, keepdim=True).sqrt()
    masks = torch.stack([torch.arange(32) % 4 == frame for frame in range(4)])[:, None]
    operator = sense_operator(csm, masks)
    kspace = operator(still.expand(4, -1, -1))
    found = low_rank_sparse(operator, kspace, low_rank=1e-4, sparse=1e-4)
    assert (found - still).norm() < 0.01 * still.norm() * 2


@pytest.fixture(scope="module")
def movie():
    return simulate_beating(8, (40, 40), 6, 0.01, 4)


def test_the_average_is_over_those_that_measured(movie):
    scans, _ = movie
    average = average_of(scans)
    assert average.mask.all() and average.mask.ndim == 1
    np.testing.assert_allclose(
        average.kspace[..., 1], np.mean([scan.kspace[..., 1] for scan in scans[1::4]], axis=0), atol=1e-6
    )


def psnr(recs, truth):
    images = np.concatenate([rec.magnitude for rec in recs])
    return 10 * np.log10(abs(truth).max() ** 2 / ((images - abs(truth)) ** 2).mean())


def all_frames(scans, name):
    return [reconstruct_scan(one.prepared, one.method) for one in frames_in_turn(scans, None, CLASSICAL[name], CPU)]


def test_frames_together_are_better_than_one_by_one(movie):
    scans, truth = movie
    alone, variation, low_rank = (all_frames(scans, name) for name in ("tv", "temporal-tv", "low-rank-sparse"))
    assert "average over 8 frames" in " ".join(alone[0].notes)
    assert psnr(variation, truth) > psnr(alone, truth) + 1
    assert psnr(low_rank, truth) > psnr(alone, truth)
    assert variation[3].method == "temporal-tv" and variation[3].frame == {"phase": 3}
    assert 0.3 < np.mean([rec.residual.mean() for rec in variation]) < 1.5


@pytest.mark.long
def test_posterior_samples_of_frames_start_from_what_all_gave(movie):
    scans, truth = movie
    method = method_of("posterior", sampler=SAMPLERS["few-step"], samples=2)
    second = list(frames_in_turn(scans[:4], None, method, CPU))[1]
    one = reconstruct_scan(second.prepared, second.method)
    assert one.method == "posterior" and one.parameters["start"] == "temporal-tv"
    assert one.posterior.samples.shape[0] == 2
    assert psnr([one], truth[1:2]) > 20
    # Lines are left out of all frames at once: the others would know those of one.
    assert second.method.pair() is None and one.checks["own_lines_factor"] > 0
    assert "held_out_error_cg_sense" not in one.checks
    assert 0 < one.checks["held_out_error"] < 1 and "temporal total variation" in " ".join(one.notes)
    # Readers of records give frames the centre of their average, the same for all.
    centre = average_of(scans[:4]).kspace[..., 14:34]
    given = [replace(scan, calibration=centre) for scan in scans[:4]]
    assert all(isinstance(frame.method, Started) for frame in frames_in_turn(given, None, method, CPU))
    # Other contrasts are no other times.
    echoes = [replace(scan, frame={"contrast": number}) for number, scan in enumerate(scans[:4])]
    assert [frame.method for frame in frames_in_turn(echoes, None, method, CPU)] == [method] * 4
    # Frames with a centre of their own that saw the same are each for themselves.
    full, _ = simulate_beating(2, (48, 48), 6, 0.01, 1)
    assert [one.method for one in frames_in_turn(full, None, method, CPU)] == [method, method]


@pytest.mark.long
def test_posterior_samples_of_frames_are_no_worse_than_what_they_start_from(movie):
    scans, truth = movie
    found = {}
    for method in (CLASSICAL["temporal-tv"], method_of("posterior", samples=1)):
        frames = list(frames_in_turn(scans, None, method, CPU))[2:4]
        found[method.name] = psnr([reconstruct_frame(frame) for frame in frames], truth[2:4])
    assert found["posterior"] > found["temporal-tv"]


@pytest.mark.long
def test_the_interval_of_frames_holds(movie):
    """By lines left out of all frames; the other frames' samples scatter twenty times too little."""
    scans, truth = movie
    covered, wide = [], []
    frames = list(frames_in_turn(scans, None, method_of("posterior", samples=3), CPU))
    for number in (2, 6):
        rec = with_own_interval(reconstruct_frame(frames[number]))
        true = abs(truth[number])
        body = body_of(true)
        error, half = abs(rec.magnitude[0] - true)[body], rec.posterior.half_width[0][body]
        covered.append((error <= half).mean())
        wide.append(half.mean() / np.quantile(error, 0.9))
    assert 0.85 < np.mean(covered) < 0.99 and np.mean(wide) < 2.2
    # Found once, for all frames.
    assert len(frames[0].method.trial.found) == 1 and frames[0].method.trial is frames[6].method.trial


def test_an_image_that_is_known_nearly_is_one_more_measurement():
    """Without a prior the solution is that of both in least squares."""
    operator = sense_operator(normal((1, 2, 4, 3), generator("maps"), DOUBLE), torch.tensor([True, False, True]))
    y, near = normal((1, 2, 4, 3), generator("y"), DOUBLE), normal((1, 4, 3), generator("near"), DOUBLE)
    sigma, error = 0.3, 0.7
    problem = NearProblem(operator, y, sigma, None, None, near, 1.0, near=near, error=error)
    found = problem.solve(problem.precision * problem.adjoint_kspace, 1e9, None, 200, 1e-12)
    basis = torch.eye(12, dtype=DOUBLE).reshape(12, 4, 3)
    dense = torch.stack([operator.gram(one[None]).flatten() for one in basis], 1)
    both = dense / sigma**2 + torch.eye(12) / error**2
    wanted = torch.linalg.solve(both, (operator.adjoint(y) / sigma**2 + near / error**2).flatten())
    torch.testing.assert_close(found.flatten(), wanted, rtol=1e-5, atol=1e-6)


def test_one_frame_is_refused(movie):
    with pytest.raises(InputError, match="several frames at once, and there is one"):
        next(frames_in_turn(movie[0][:1], None, CLASSICAL["temporal-tv"], CPU))


def test_frames_of_two_sizes_are_refused_together(movie):
    small, _ = simulate_beating(1, (32, 48), 6, 0.01, 4)
    with pytest.raises(InputError, match="differ in size"):
        next(frames_in_turn([movie[0][0], small[0]], None, CLASSICAL["temporal-tv"], CPU))


def test_frames_of_their_own_are_not_calibrated_before_they_are_asked_for(monkeypatch):
    made = []
    of = PreparedScan.of
    monkeypatch.setattr(PreparedScan, "of", lambda scan, *more, **known: made.append(scan) or of(scan, *more, **known))
    full, _ = simulate_beating(3, (48, 48), 6, 0.01, 1)
    for number, _ in enumerate(frames_in_turn(full, None, CLASSICAL["tv"], CPU), start=1):
        assert len(made) == number


def test_frames_that_share_maps_estimate_them_once(movie, monkeypatch):
    asked = []
    espirit = prepare.espirit
    monkeypatch.setattr(prepare, "espirit", lambda *a, **k: asked.append(1) or espirit(*a, **k))
    slices = [one.prepared[0] for one in frames_in_turn(movie[0], None, CLASSICAL["tv"], CPU)]
    assert len(asked) == 1 and len(slices) == 8
    alone = prepare.prepare_slice(
        movie[0][5],
        0,
        PrepSettings(),
        next(one.prepared.volume for one in frames_in_turn(movie[0], None, CLASSICAL["tv"], CPU)),
    )
    np.testing.assert_array_equal(slices[5].csm, alone.csm)
    np.testing.assert_array_equal(slices[5].kspace, alone.kspace)


def test_the_progress_of_frames_together_is_told_and_never_goes_back(movie):
    told = []
    each = each_frame(movie[0][:3], None, CLASSICAL["low-rank-sparse"], CPU, Progress.of(told.append))
    recs = [reconstruct_frame(frame, progress=part) for frame, part in each]
    assert len(recs) == 3 and told == sorted(told) and told[-1] == 1
    assert AHEAD in told


def test_a_file_of_frames_is_written_with_a_leading_axis(tmp_path, movie):
    scans, truth = movie
    np.save(tmp_path / "beat.npy", np.stack([scan.kspace[0] for scan in scans]))
    path, said = tmp_path / "beat.npy", Answers(axes="time,coil,readout,phase")
    done = reconstruct_files(
        [path], Task(path, CLASSICAL["temporal-tv"], Delivery(None, ("h5", "nifti")), answers=said)
    )
    assert not done.failures
    recs = [read_reconstruction(tmp_path / "beat_recon.h5", frame) for frame in range(8)]
    # Without a noise scan the level is that of the data; the scan's unit is the same.
    assert psnr(recs, truth) > 25


@pytest.mark.parametrize("name", ["temporal-tv", "low-rank-sparse"])
def test_the_worst_case_of_a_movie_is_that_of_all_frames(tmp_path, movie, name):
    scans, _ = movie
    np.save(tmp_path / "beat.npy", np.stack([scan.kspace[0] for scan in scans[:6]]))
    path, said = tmp_path / "beat.npy", Answers(axes="time,coil,readout,phase")
    done = reconstruct_files([path], Task(path, CLASSICAL[name], Delivery(), answers=said, stress=True))
    assert not done.failures
    recs = [read_reconstruction(tmp_path / "beat_recon.h5", frame) for frame in range(6)]
    assert len({rec.checks["stress_factor"] for rec in recs}) == 1
    assert 1 <= recs[0].checks["stress_factor"] < 20 and any("Worst case" in note for note in recs[0].notes)


def test_phases_between_frames_are_those_of_the_object():
    """Sets of opposite velocity encoding, and echoes that decay unevenly: a constant, a ramp and another contrast."""
    still = make_scan(acceleration=2.0, sigma=0.002)
    x = (np.arange(64) - 32)[:, None] / 64
    y = (np.arange(48) - 24) / 48
    factors = (np.ones((64, 48)), np.exp(1j * (0.9 + 1.5 * x + 0 * y)), np.exp(-1.5 * (y + 0.5) - 2j + 0 * x))
    images = sigpy.ifft(make_scan(sigma=0.002).kspace, axes=(-2, -1))
    frames = [
        replace(still, kspace=(sigpy.fft(images * one, axes=(-2, -1)) * still.mask).astype(np.complex64),
                frame={"set": n})
        for n, one in enumerate(factors)
    ]  # fmt: skip
    first, *others = (
        reconstruct_frame(one).image[0] for one in frames_in_turn(frames, None, CLASSICAL["zero-filled"], CPU)
    )
    for other, factor in zip(others, factors[1:], strict=True):
        product = other * first.conj()
        body = np.abs(product) > 0.3 * np.abs(product).max()
        off = np.angle(product * np.conj(factor))[body]
        assert abs(np.median(off)) < 0.02 and np.quantile(np.abs(off), 0.9) < 0.1
