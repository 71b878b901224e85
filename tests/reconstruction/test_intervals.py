"""Conformal calibration: its guarantee on exchangeable images, its file, its refusals."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_mri.errors import InputError
from rsd_mri.metrics.image_quality import psnr
from rsd_mri.priors.usual_lines import FILE, UsualLines
from rsd_mri.protocol import DataSettings
from rsd_mri.reconstruction import intervals
from rsd_mri.reconstruction.calibration import (
    Calibration,
    conformal_factor,
    image_score,
    rank_correlation,
    rank_limit,
    read_calibration,
    write_calibration,
)
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.finish import pooled_std
from rsd_mri.reconstruction.full_scans import full_image, undersampled
from rsd_mri.reconstruction.intervals import drawn, own_factor, with_interval, with_own_interval
from rsd_mri.reconstruction.reconstruct import reconstruct_scan
from rsd_mri.results.files import write_reconstruction
from rsd_mri.results.reading import read_reconstruction
from rsd_mri.results.reconstruction import PosteriorPart, PriorUse
from rsd_mri.scan.trajectory import archimedean_spiral, golden_radial, within_reach
from rsd_mri.simulation.simulate import simulate_scan

KNOWN = Calibration(1.7, 0.9, 0.8, 0.91, 0.4, 0.6, 12, 4.1, 8, "annealing", 24, "abc")


def test_the_score_of_a_normal_error_is_its_quantile():
    rng = np.random.default_rng(0)
    std = rng.uniform(0.1, 2.0, (300, 300))
    target = np.full(std.shape, 10.0)
    mean = target + std * rng.standard_normal(std.shape)
    assert image_score(target, mean, std, 0.9) == pytest.approx(1.645, abs=0.02)
    # Twice too small a standard deviation needs twice the factor.
    assert image_score(target, mean, std / 2, 0.9) == pytest.approx(3.29, abs=0.04)
    assert rank_correlation(target, mean, std) > 0.4


def test_pooled_spread_is_unbiased_and_orders_the_error_better():
    rng = np.random.default_rng(2)
    true = np.where(np.arange(96) < 48, 0.5, 2.0) * np.ones((1, 96, 96))
    samples = 20 + true * rng.standard_normal((4, 1, 96, 96))
    target = 20 + true * rng.standard_normal((1, 96, 96))
    pooled, raw = pooled_std(samples[:, 0])[None], samples.std(0, ddof=1)
    assert np.mean(pooled[..., :40] ** 2) == pytest.approx(0.25, rel=0.05)
    assert np.mean(pooled[..., 56:] ** 2) == pytest.approx(4.0, rel=0.05)
    mean = samples.mean(0)
    assert rank_correlation(target, mean, pooled) > rank_correlation(target, mean, raw) + 0.02


def test_how_well_a_smooth_map_could_order_the_error():
    """Perfectly where the error is smooth itself, hardly where it is the same noise everywhere."""
    rng = np.random.default_rng(3)
    target = np.full((96, 96), 20.0)
    smooth = 1 + np.sin(np.arange(96) / 15) * np.ones((96, 1))
    assert rank_limit(target, target + smooth * rng.choice([-1, 1], (96, 96))) > 0.95
    flat = rank_limit(target, target + rng.standard_normal((96, 96)))
    uneven = rank_limit(target, target + smooth * rng.standard_normal((96, 96)))
    assert 0 < flat < 0.25 < uneven < 0.9


def test_a_reconstruction_gets_its_half_width(tmp_path):
    scan, _ = simulate_scan(replace(DataSettings(), slices=1, coils=4), 3, 0, size=(48, 40))
    rec = reconstruct_scan(undersampled(scan, 2.0, 0), CLASSICAL["cg-sense"])
    with pytest.raises(InputError, match="two posterior samples or more"):
        with_interval(rec, KNOWN)
    samples = rec.magnitude * np.array([0.9, 1.0, 1.1], np.float32)[:, None, None, None]
    part = PosteriorPart(samples, pooled_std(samples[:, 0])[None])
    sampled = replace(rec, method="posterior", posterior=part, prior=PriorUse("x", "abc"))
    out = with_interval(sampled, replace(KNOWN, acceleration=rec.acceleration))
    assert np.allclose(out.half_width, KNOWN.factor * pooled_std(samples[:, 0]))
    # Neither the sampler nor the number of samples is the calibration's.
    assert any("another sampler, number of levels, number of samples" in note for note in out.notes)
    assert "kind of sampling" not in " ".join(out.notes)
    points = with_interval(replace(sampled, mask=np.ones(sampled.magnitude.shape[1:], bool)), KNOWN)
    assert "kind of sampling" in " ".join(points.notes)
    again = read_reconstruction(write_reconstruction(tmp_path / "x.h5", out))
    assert np.array_equal(again.half_width, out.half_width)
    assert again.checks["half_width_coverage"] == KNOWN.coverage


def test_the_package_gives_an_interval_to_its_own_prior_only(tmp_path, monkeypatch):
    folder = tmp_path / "brain"
    folder.mkdir()
    for acceleration, factor in ((2.0, 1.5), (4.0, 2.5), (8.0, 3.5)):
        known = replace(KNOWN, acceleration=acceleration, factor=factor)
        write_calibration(folder / f"calibration-r{acceleration:g}.json", known)
    monkeypatch.setattr(intervals, "PRIORS", tmp_path)
    scan, _ = simulate_scan(replace(DataSettings(), slices=1, coils=4), 3, 0, size=(48, 40))
    rec = reconstruct_scan(undersampled(scan, 2.0, 0), CLASSICAL["cg-sense"])
    assert with_own_interval(rec) is rec
    samples = rec.magnitude * np.array([0.9, 1.0, 1.1], np.float32)[:, None, None, None]
    sampled = replace(
        rec,
        posterior=PosteriorPart(samples, pooled_std(samples[:, 0])[None]),
        prior=PriorUse("x", "abc"),
        acceleration=3.6,
        parameters={"sampler": "annealing", "levels": 24, "samples": 3},
    )
    assert np.allclose(with_own_interval(sampled).half_width, 2.5 * sampled.std)
    assert "nothing of this scan checked it" in with_own_interval(sampled).notes[-2]
    wrong = (("diffpir", 24, 3), ("annealing", 12, 3), ("annealing", 24, 1))
    settings = [dict(zip(("sampler", "levels", "samples"), values, strict=True)) for values in wrong]
    settings[-1]["deviation"] = "reconstructor"
    another = replace(sampled, prior=PriorUse("x", "another"))
    unknown = (another, *(replace(sampled, parameters=s) for s in settings))
    for other in unknown:
        assert with_own_interval(other) is other
    # The scan's own lines widen the interval, and stand alone where nothing is known or the pattern is of points.
    told = {"own_lines": 5.0, "own_lines_factor": 8.0, "own_lines_error": 0.1}
    alone = own_factor(sampled, 8.0)
    wide = with_own_interval(replace(sampled, checks=told))
    known = intervals.OF_LINES**2 + 0.1**2
    weight = intervals.PACKAGE_SCATTER**2 / (intervals.PACKAGE_SCATTER**2 + known)
    assert np.allclose(wide.half_width, 2.5 ** (1 - weight) * alone**weight * sampled.std)
    assert any("left out of this scan" in note for note in wide.notes)
    # Two that know it, each as well as it says: together better than either.
    together = math.exp(1.645 * (1 / known + 1 / intervals.PACKAGE_SCATTER**2) ** -0.5)
    assert wide.checks["half_width_within"] == pytest.approx(together, rel=1e-3)
    assert f"factor of up to {together:.1f}" in wide.notes[-1]
    points = replace(sampled, mask=np.ones((48, 40), bool))
    for other in (points, *unknown):
        assert np.allclose(with_own_interval(replace(other, checks=told)).half_width, alone * sampled.std)
    # Where it is known what lines usually say of this sampler, those of one scan are drawn towards it.
    usual = [UsualLines("abc", "annealing", 24, lines, 4.0, 4.0, 0.4, 9) for lines in (True, False)]
    (folder / FILE).write_text(json.dumps([asdict(row) for row in usual]), encoding="utf-8")
    for mask, own, package in ((sampled.mask, intervals.OF_LINES, True), (points.mask, intervals.OF_POINTS, False)):
        between = with_own_interval(replace(sampled, mask=mask, checks=told))
        ratio, error = drawn(8.0, math.hypot(own, 0.1), (4.0, 0.4))
        error = math.hypot(error, intervals.HARDER) if package else error
        weight = intervals.PACKAGE_SCATTER**2 / (intervals.PACKAGE_SCATTER**2 + error**2) if package else 1.0
        width = 2.5 ** (1 - weight) * own_factor(sampled, ratio) ** weight
        assert 4 < ratio < 8 and np.allclose(between.half_width, width * sampled.std)
        assert between.checks["half_width_within"] == pytest.approx(
            math.exp(1.645 * math.sqrt(weight) * error), rel=1e-3
        )
        assert any("what they usually say of this sampler" in note for note in between.notes)
    # The last differs in its deviation and number of samples alone: that is no matter here.
    for other in unknown[:-1]:
        assert np.allclose(with_own_interval(replace(other, checks=told)).half_width, alone * sampled.std)
    (folder / FILE).unlink()
    # Another deviation needs a calibration of its own.
    mixed = {**sampled.parameters, "deviation": "both"}
    assert with_own_interval(replace(sampled, parameters=mixed)).half_width is None
    write_calibration(folder / "calibration-r4.json", replace(KNOWN, factor=3.0, deviation="both"))
    assert np.allclose(with_own_interval(replace(sampled, parameters=mixed)).half_width, 3.0 * sampled.std)


def gaussian(seed, wrong=1.0, samples=400):
    """Error and samples of one known law, the latter `wrong` times as wide: magnitudes far from zero."""
    rng = np.random.default_rng(seed)
    sizes = np.where(np.arange(96) < 48, 0.5, 2.0) * np.ones((1, 96, 96))
    target = 60 + sizes * rng.standard_normal(sizes.shape)
    drawn = 60 + wrong * sizes * rng.standard_normal((samples, *sizes.shape))
    return target, drawn.astype(np.float32), sizes


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), wrong=st.floats(0.05, 20), unit=st.floats(0.1, 10))
def test_an_interval_by_own_lines_is_exact_where_the_error_is_gaussian(seed, wrong, unit):
    """Whatever the spread is wrong by, once the lines say so, and whatever the unit of the standard deviation.

    Noise that the samples do not have is a part of the error.
    """
    target, drawn, sizes = gaussian(seed, wrong, 8)
    scan, _ = simulate_scan(replace(DataSettings(), slices=1, coils=4), 3, 0, size=(16, 16))
    rec = replace(
        reconstruct_scan(scan, CLASSICAL["zero-filled"]),
        magnitude=np.full(sizes.shape, 60.0, np.float32),
        posterior=PosteriorPart(drawn, (unit * sizes).astype(np.float32)),
        prior=PriorUse("x", "abc"),
        parameters={"sampler": "unheard of", "levels": 1, "samples": 8},
        checks={"own_lines_factor": 1 / wrong},
    )
    half_width = with_own_interval(rec).half_width / intervals.longer_of(rec)
    assert np.mean(np.abs(target - rec.magnitude) <= half_width) == pytest.approx(0.9, abs=0.015)
    noisy = replace(rec, checks={"own_lines_factor": 0.8 / wrong, "noise": 0.6 * float(np.mean(sizes**2)) ** 0.5})
    assert np.allclose(with_own_interval(noisy).half_width / intervals.longer_of(rec), half_width, rtol=0.02)


def test_the_factor_reaches_its_confidence_on_new_images():
    rng = np.random.default_rng(1)
    scores = rng.lognormal(size=(4000, 20))
    new = rng.lognormal(size=4000)
    reached = np.mean([value <= conformal_factor(row, 0.8) for row, value in zip(scores, new, strict=True)])
    # Exactly 17/21 for 20 scores without ties: ceil(21 x 0.8) / 21.
    assert reached == pytest.approx(17 / 21, abs=0.02)


@settings(max_examples=30)
@given(st.lists(st.floats(0.1, 10), min_size=4, max_size=30))
def test_the_factor_is_one_of_the_scores_and_grows_with_confidence(scores):
    factors = [conformal_factor(np.array(scores), c) for c in (0.5, 0.8)]
    assert set(factors) <= set(scores)
    assert factors[0] <= factors[1]


def test_too_few_images_are_refused():
    with pytest.raises(InputError, match="at least 4 fully sampled slices"):
        conformal_factor(np.ones(3), 0.8)


def test_file_round_trip_and_damage(tmp_path):
    write_calibration(tmp_path / "c.json", KNOWN)
    assert read_calibration(tmp_path / "c.json") == KNOWN
    (tmp_path / "bad.json").write_text('{"factor": 1}')
    for name in ("bad.json", "none.json"):
        with pytest.raises(InputError, match="rsd-mri calibrate"):
            read_calibration(Path(tmp_path / name))


def test_full_image_and_undersampling():
    scan, image = simulate_scan(replace(DataSettings(), slices=2, coils=4, noise=0.0), 3, 0, size=(48, 40))
    assert np.allclose(full_image(scan), np.abs(image), atol=1e-4)
    short = undersampled(scan, 2.0, 0)
    assert short.realised_acceleration > 1.2
    assert np.array_equal(short.kspace, scan.kspace * short.mask)
    with pytest.raises(InputError, match="needs fully sampled scans"):
        full_image(short)


def test_full_image_and_undersampling_along_trajectories():
    pytest.importorskip("finufft")
    data = replace(DataSettings(), slices=1, coils=4, noise=0.0)
    grid, _ = simulate_scan(data, 3, 0, size=(64, 64))
    for made in (golden_radial, archimedean_spiral):
        scan, _ = simulate_scan(data, 3, 0, size=(64, 64), trajectory=made((64, 64)))
        # No shot reaches the corners of k-space.
        inside = replace(grid, kspace=grid.kspace * within_reach(scan.trajectory, (64, 64)))
        assert psnr(full_image(inside), full_image(scan)) > 40
        if made is golden_radial:
            short = undersampled(scan, 3.0, 0)
            assert short.mask.sum() == round(scan.size[1] / 3) and short.realised_acceleration > 1.5
            assert np.array_equal(short.kspace, scan.kspace * short.mask)
            with pytest.raises(InputError, match="miss nothing"):
                full_image(short)
        else:
            # A third of these arms leaves gaps in the centre.
            with pytest.raises(InputError, match="lower --accel"):
                undersampled(scan, 3.0, 0)
