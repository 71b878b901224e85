"""What is said of trust: one number, one sentence, one picture a question."""

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

from rsd_mri.priors import RECONSTRUCTION
from rsd_mri.priors.lesions import lesion_checks, lesions_of
from rsd_mri.results.page import write_page
from rsd_mri.results.spots import LARGEST, PICTURE, spots_picture
from rsd_mri.results.trust import lines, trust_of


@pytest.fixture
def rec(a_reconstruction):
    main = a_reconstruction()
    flat = np.ones_like(main.magnitude)
    posterior = dataclasses.replace(main.posterior, half_width=0.05 * flat)
    prior = dataclasses.replace(main.prior, prior_part=0.1 * flat, measured_part=0.9 * flat)
    checks = {
        "held_out_error": 0.02, "held_out_error_cg_sense": 0.06, "held_out_error_tv": 0.03, "own_lines": 9.0,
        "card_differences": 2.0, "card_loss": 3.25,
    }  # fmt: skip
    return dataclasses.replace(main, magnitude=flat, posterior=posterior, prior=prior, checks=checks)


def test_the_interval_is_told_in_bright_tissue_and_says_where_its_scale_is_from(rec):
    first = trust_of(rec)[0]
    assert first.number == "\N{PLUS-MINUS SIGN}5.0% of bright tissue" and "9 lines of this scan" in first.sentence
    assert np.array_equal(first.picture, rec.half_width[rec.n_slices // 2])
    # A twentieth of white, shown as bright as it can be without a pixel lost in white.
    assert first.shown.endswith("x 20") and first.white == pytest.approx(1 / 20)
    told = dataclasses.replace(rec, checks=rec.checks | {"half_width_within": 1.63})
    assert "off by a factor of up to 1.6" in trust_of(told)[0].sentence and "Most pixels" in trust_of(told)[0].sentence
    told = dataclasses.replace(rec, checks=rec.checks | {"half_width_coverage": 0.8})
    assert trust_of(told)[0].sentence.startswith("80% of the pixels of the body are expected to lie within this")
    unchecked = trust_of(dataclasses.replace(rec, checks={}))[0]
    assert "not checked on this one" in unchecked.sentence
    bare = dataclasses.replace(rec, posterior=dataclasses.replace(rec.posterior, half_width=None))
    assert trust_of(bare)[0].number == "not known"


@pytest.mark.parametrize(("error", "word"), [(0.02, "it helps"), (0.028, "hardly better"), (0.04, "do not believe")])
def test_own_lines_are_held_against_the_best_without_a_prior(rec, error, word):
    second = trust_of(dataclasses.replace(rec, checks=rec.checks | {"held_out_error": error}))[1]
    assert second.number.endswith("3.0% without learning") and word in second.sentence


def test_how_unlike_the_card_and_what_that_cost(rec):
    third = trust_of(rec)[2]
    assert third.number == "errors 1.5 times as large" and "2 ways" in third.sentence and "3.2 dB" in third.sentence
    known = {name: value for name, value in rec.checks.items() if name != "card_loss"}
    assert trust_of(dataclasses.replace(rec, checks=known))[2].number == "2 differences"
    assert (
        trust_of(dataclasses.replace(rec, checks=known | {"card_differences": 0.0}))[2].number == "no difference found"
    )


def test_a_method_without_a_prior_is_asked_nothing(rec):
    assert trust_of(dataclasses.replace(rec, prior=None)) == []


def test_the_page_has_a_card_for_each_question(rec, tmp_path):
    text = write_page(tmp_path / "page.html", rec, three_planes=False).read_text()
    section = re.search(r'<section id="trust".*?</section>', text, re.S).group()
    assert section.count("<h3>") == section.count("<img") == 3
    assert all(f"<b>{one.number}</b>" in section for one in trust_of(rec))
    assert len(lines(rec)) == 3
    plain = write_page(tmp_path / "plain.html", dataclasses.replace(rec, prior=None), three_planes=False).read_text()
    assert 'id="trust"' not in plain


def test_how_small_a_spot_may_be_lost(rec):
    told = {"lesion_acceleration": 6.0, "lesion_lost": 2.0, "lesion_hidden": 0.5, "lesion_contrast": 0.35}
    known = rec.checks | told

    def answer(**more):
        return next(one for one in trust_of(dataclasses.replace(rec, checks=known | more)) if "spot" in one.question)

    assert answer(lesion_least=4.0).number == "below 4 pixels"
    assert answer().number == "even of 2 pixels" and "50% of round spots of 2 pixels, 35%" in answer().sentence
    assert answer(lesion_lost=0.0, lesion_least=1.0).number == "none that was tried"
    sized = dataclasses.replace(rec.geometry, voxel_size=(0.9, 1.2, 4.0))
    rec = dataclasses.replace(rec, geometry=sized)
    assert answer(lesion_least=4.0).number == "below 4 pixels (4.8 mm)"


def test_a_lost_and_a_kept_spot_are_shown_where_they_lie_beside_the_prior(rec, tmp_path):
    told = {"lesion_acceleration": 4.0, "lesion_lost": 2.0, "lesion_hidden": 0.5, "lesion_contrast": 0.35}
    prior = dataclasses.replace(rec.prior, path=str(tmp_path / "denoiser.safetensors"))
    rec = dataclasses.replace(rec, prior=prior, checks=rec.checks | told | {"lesion_least": 4.0})
    assert spots_picture(rec) is None
    path = tmp_path / f"lesions-{rec.method}-r4.png"
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(grey).save(path)
    answer = next(one for one in trust_of(rec) if "spot" in one.question)
    assert np.allclose(answer.picture * 255, grey)
    assert "above a spot of 2 pixels that was lost, below one of 4 pixels that was kept" in answer.shown
    for checks, words in (
        (told, "heads, a spot of 2 pixels that was lost. "),
        (told | {"lesion_lost": 0.0, "lesion_least": 1.0}, "heads, a spot of 1 pixel that was kept. "),
    ):
        alone = dataclasses.replace(rec, checks={k: v for k, v in rec.checks.items() if k[:6] != "lesion"} | checks)
        assert words in next(one for one in trust_of(alone) if "spot" in one.question).shown
    assert spots_picture(dataclasses.replace(rec, checks={})) is None
    assert spots_picture(dataclasses.replace(rec, checks=rec.checks | {"lesion_acceleration": 8.0})) is None
    # None of ours: colours, too large, another format, damaged.
    for other in (np.zeros((6, 8, 3), np.uint8), np.zeros((2, LARGEST + 1), np.uint8)):
        Image.fromarray(other).save(path)
        assert spots_picture(rec) is None
    Image.fromarray(grey).save(path, format="BMP")
    assert spots_picture(rec) is None
    path.write_bytes(b"\x89PNG")
    assert spots_picture(rec) is None


def test_the_packages_prior_has_its_picture_of_every_method_and_acceleration_where_spots_were_lost():
    for method, acceleration in {(one.method, one.acceleration) for one in lesions_of(RECONSTRUCTION)}:
        checks = lesion_checks(lesions_of(RECONSTRUCTION), method, acceleration)
        with Image.open(RECONSTRUCTION / PICTURE.format(method, acceleration)) as image:
            rows, columns = 1 + ("lesion_least" in checks), 3
            assert checks["lesion_lost"] and image.width * rows == image.height * columns
