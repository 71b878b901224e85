"""Reasons to distrust a reconstruction, against what is known exactly."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rsd_mri.operators import fft2c, ifft2c, sense_operator
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.priors.card import Card
from rsd_mri.priors.elsewhere import Elsewhere, elsewhere_of
from rsd_mri.protocol import DataSettings
from rsd_mri.reconstruction.checks import (
    dispersion,
    distance_from_card,
    prior_part,
    reasons,
    residual_ratio,
)
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.classical.methods import cg_sense
from rsd_mri.reconstruction.finish import as_operator, finish
from rsd_mri.reconstruction.full_scans import body_of, full_image
from rsd_mri.reconstruction.held_out import Trial, hold_out
from rsd_mri.simulation.simulate import simulate_scan

SIZE = (16, 24)
CARD = Card(acceleration=4.0, matrix=(224, 224), sigma_range=(0.01, 0.02))


def noise(*shape, seed=0, dtype=torch.complex64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def one_coil(mask):
    return sense_operator(torch.ones(1, 1, *SIZE, dtype=torch.complex64), mask)


def test_residual_of_the_truth_is_one():
    operator = one_coil(torch.arange(24) % 3 == 0)
    x = noise(1, *SIZE)
    y = operator(x) + 0.1 * operator.sampling(noise(1, 1, *SIZE, seed=1))
    # 128 complex numbers: chi-square over its mean has a standard deviation of 1 / sqrt(128).
    assert residual_ratio(operator, y, x, 0.1) == pytest.approx(1.0, abs=4 / math.sqrt(128))
    assert residual_ratio(operator, y, 0 * x, 0.1) > 50


def test_parts_are_the_measured_frequencies_and_the_rest():
    mask = torch.arange(24) % 2 == 0
    x = noise(1, *SIZE)
    filled = prior_part(one_coil(mask), x, 1e-2, 1.0)
    assert (filled - ifft2c(fft2c(x) * ~mask)).abs().max() < 1e-2
    assert prior_part(one_coil(torch.ones(24)), x, 1e-2, 1.0).abs().max() < 1e-2
    # Where the noise is as strong as the image, half of every measured component is the prior's.
    assert torch.allclose(prior_part(one_coil(torch.ones(24)), x, 1.0, 1.0), x / 2, atol=1e-3)


def test_dispersion_tells_measured_from_unmeasured_frequencies():
    mask = torch.arange(24) % 2 == 0
    kspace = noise(400, *SIZE) * torch.where(mask, 0.1, 0.7)
    msd, usd = dispersion(one_coil(mask), ifft2c(kspace) + 5)
    assert msd == pytest.approx(0.1, rel=0.02)
    assert usd == pytest.approx(0.7, rel=0.02)
    assert dispersion(one_coil(torch.ones(24)), ifft2c(kspace))[1] == 0


@given(st.integers(20, 200), st.integers(1, 12), st.integers(0, 100), st.booleans())
def test_only_acquired_outer_lines_are_left_out(n, width, seed, two_dimensional):
    rng = torch.Generator().manual_seed(seed)
    mask = torch.rand((30, n) if two_dimensional else (n,), generator=rng) < 0.4
    begin = n // 2 - width // 2
    rows = slice(15 - width // 2, 15 - width // 2 + width)
    mask[(rows, slice(begin, begin + width)) if two_dimensional else slice(begin, begin + width)] = True
    left = hold_out(mask, (seed,), (width, width))
    assert not (left & ~mask).any()
    assert not left[(rows, slice(begin, begin + width)) if two_dimensional else slice(begin, begin + width)].any()
    outer = int(mask.sum()) - (width**2 if two_dimensional else width)
    assert left.sum() == (round(0.15 * outer) or min(outer, 1))
    assert torch.equal(left, hold_out(mask, (seed,), (width, width)))


def test_held_out_error_is_none_for_the_truth_and_one_for_nothing():
    mask = torch.ones(24, dtype=torch.bool)
    operator = one_coil(mask)
    x = 3 * noise(1, *SIZE)
    y = operator(x) + 0.1 * noise(1, 1, *SIZE, seed=1)
    left = hold_out(mask, (0,), (4, 4))

    trial = Trial.of(operator, y, 0.1, left)
    assert not trial.operator.mask[..., left].any()
    assert not trial.kspace[..., left].any()
    assert trial.error(x) < 0.01
    assert trial.error(0 * x) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, None),
        ({"acceleration": 8.0}, "R=8.0"),
        ({"sigma": 0.2}, "noise"),
        ({"size": (64, 64)}, "matrix"),
        ({"rms": 3.0}, "brightness"),
    ],
)
def test_distance_from_the_card(changed, word):
    scan = {"acceleration": 4.2, "sigma": 0.015, "size": (320, 168), "rms": 0.4} | changed
    found = distance_from_card(CARD, 0.35, **scan)
    assert len(found) == (word is not None)
    assert word is None or word in found[0].sentence


def test_a_difference_says_what_it_cost_in_the_benches():
    table = [
        Elsewhere("nothing", 0.0, 3, 0.0, 4.0),
        Elsewhere("acceleration", 6.0, 3, 2.5, 3.0),
        Elsewhere("acceleration", 8.0, 3, 5.25, -0.5),
        Elsewhere("noise", 0.06, 3, 4.0, 1.0),
    ]
    scan = {"acceleration": 8.2, "sigma": 0.15, "size": (320, 168), "rms": 3.0, "elsewhere": table}
    by_rate, by_noise, by_brightness = distance_from_card(CARD, 0.35, **scan)
    assert by_rate.measured == table[2] and "R=8, 3 heads) were 5.2 dB worse" in by_rate.sentence
    assert by_rate.sentence.endswith("0.5 dB below total variation")
    assert by_noise.measured == table[3] and by_noise.sentence.endswith("1.0 dB above total variation")
    assert by_brightness.measured is None and "benches" not in by_brightness.sentence
    quiet = distance_from_card(CARD, 0.35, **(scan | {"acceleration": 5.2, "sigma": 0.001, "rms": 0.4}))
    assert [one.measured for one in quiet] == [table[1], None]  # less noise is no loss


def test_the_table_beside_a_prior(tmp_path):
    assert elsewhere_of(tmp_path / "denoiser.safetensors") == ()
    rows = [{"differs": "noise", "value": 0.06, "images": 3, "worse": 4.0, "gain": 1.0}]
    (tmp_path / "elsewhere.json").write_text(json.dumps(rows))
    assert elsewhere_of(tmp_path / "denoiser.safetensors") == elsewhere_of(tmp_path) == (Elsewhere(**rows[0]),)
    (tmp_path / "elsewhere.json").write_text("[{]")
    assert elsewhere_of(tmp_path) == ()


def test_a_prior_that_predicts_worse_than_none_is_called_so():
    checks = {"prior_share": 0.2, "held_out_error": 0.5, "held_out_error_cg_sense": 0.2, "held_out_seconds": 1.0}
    assert any("distrust" in line for line in reasons(checks))
    assert not any("distrust" in line or "compare" in line for line in reasons(checks | {"held_out_error": 0.1}))
    assert any("compare with --method tv" in line for line in reasons(checks | {"held_out_error": 0.21}))
    told = reasons(checks | {"held_out_error": 0.1, "held_out_error_tv": 0.05})
    assert any("total variation: 5.0%" in line for line in told) and any("distrust" in line for line in told)


def test_maps_that_do_not_explain_the_centre_are_told():
    assert any("coil maps are not quite" in line for line in reasons({"prior_share": 0.1, "centre_residual": 2.0}))
    assert not any("coil maps" in line for line in reasons({"prior_share": 0.1, "centre_residual": 1.2}))


def test_wrong_maps_show_in_the_fully_sampled_centre(undersampled_scan):
    one = PreparedScan.of(undersampled_scan[0])[0]
    wrong = replace(one, csm=np.ascontiguousarray(np.roll(one.csm, 6, -1)))

    def centre_residual(prepared):
        operator, kspace = as_operator([prepared], torch.device("cpu"))
        return finish(prepared, Made(cg_sense(operator, kspace, prepared.sigma)), 0.0, parted=False).centre_residual

    assert 0 < centre_residual(one) < 2 and centre_residual(wrong) > 2 * centre_residual(one)


def test_the_complex_image_holds_nothing_where_no_coil_sees_anything(undersampled_scan):
    """There a sample is what the prior makes of noise; the magnitude is without it too."""
    prepared = PreparedScan.of(undersampled_scan[0])[0]
    anything = torch.ones(2, *prepared.csm.shape[-2:], dtype=torch.complex64)
    found = finish(prepared, Made(anything), 0.0)
    unseen = ~(found.csm != 0).any(axis=0)
    assert unseen.any() and not unseen.all()
    assert not found.image[unseen].any() and not found.magnitude[unseen].any()
    np.testing.assert_allclose(np.abs(found.image), found.magnitude, rtol=1e-3)


def test_the_noise_of_the_magnitude_is_that_of_the_scan():
    """In the scan's unit, which is none of ours; acquired in part, it is as much less."""
    settings = replace(DataSettings(), slices=1, coils=6, noise=0.02)
    law = {"size": (64, 56), "plane": "axial", "contrast": "T1"}
    noisy, _ = simulate_scan(settings, 4, "noise", **law)
    clean, _ = simulate_scan(replace(settings, noise=0.0), 4, "noise", **law)
    prepared = PreparedScan.of(replace(noisy, kspace=300 * noisy.kspace, noise=300 * noisy.noise))[0]
    operator, kspace = as_operator([prepared], torch.device("cpu"))
    found = finish(prepared, Made(cg_sense(operator, kspace, prepared.sigma)), 0.0)
    truth = 300 * full_image(clean)[0]
    body = body_of(truth)
    assert found.noise == pytest.approx(float((found.magnitude - truth)[body].std()), rel=0.1)
