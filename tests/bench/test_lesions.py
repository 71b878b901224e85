"""The bench of lesions: exact insertion, figures that follow from what was put in, a run that goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rsd_mri.bench import lesions as lesions_bench
from rsd_mri.bench.benches import find_bench
from rsd_mri.bench.lesion_card import outcomes
from rsd_mri.bench.lesion_picture import page_picture
from rsd_mri.bench.lesion_readings import FULL, Example, Reading, simulated_case
from rsd_mri.bench.lesion_sites import (
    APART,
    LESIONS,
    PATCH,
    Site,
    disc,
    draw_sites,
    patches_at,
    signal_change,
    with_lesions,
)
from rsd_mri.bench.lesion_store import load_case, save_case
from rsd_mri.commands.bench import bench
from rsd_mri.errors import InputError
from rsd_mri.operators import fft2c
from rsd_mri.reconstruction.full_scans import full_image
from rsd_mri.simulation import draw_head, simulate_slice

SIZES = tuple(LESIONS)


@pytest.fixture(scope="module")
def case():
    return simulated_case(0, (96, 88), SIZES, 0)


@pytest.mark.parametrize("size", SIZES)
def test_a_disc_has_its_area_and_is_centred(size):
    profile = disc(size)
    assert profile.sum() == pytest.approx(np.pi * size**2 / 4, rel=0.06)
    assert np.allclose(profile, profile[::-1, ::-1]) and np.allclose(profile, profile.T)
    assert profile[PATCH // 2, PATCH // 2] == profile.max()


def test_sites_lie_apart_in_the_body_and_are_balanced(case):
    sites = case.sites
    places = np.array([(site.row, site.column) for site in sites])
    away = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    assert len(sites) >= 8 and away[~np.eye(len(sites), dtype=bool)].min() >= APART
    assert patches_at(case.truth, sites).shape == (len(sites), PATCH, PATCH)
    assert all(case.truth[site.row, site.column] > case.truth.max() / 10 for site in sites)
    counts = [sum(site.size == size for site in sites) for size in SIZES]
    assert max(counts) - min(counts) <= 1
    assert {site.contrast > 0 for site in sites} == {site.second for site in sites} == {False, True}
    assert sites == draw_sites(case.truth, SIZES, 0, "lesions 0")
    assert sites != draw_sites(case.truth, SIZES, 1, "lesions 0")


def test_an_empty_image_has_no_sites():
    assert draw_sites(np.zeros((40, 40)), SIZES, 0) == ()


def test_what_is_put_in_is_what_the_image_shows(case):
    change = signal_change(case.sites, case.truth.shape, second=False)
    assert np.count_nonzero(change) and np.abs(change).max() == pytest.approx(
        max(LESIONS.values()) * np.pi / 4, rel=0.1
    )
    clean = full_image(with_lesions(case.clean, case.clean, change))[0]
    assert np.abs(clean - case.truth * (1 + change)).max() < 1e-5 * case.truth.max()
    noisy = with_lesions(case.scan, case.clean, change)
    added = with_lesions(case.clean, case.clean, change).kspace - case.clean.kspace
    assert np.allclose(noisy.kspace - case.scan.kspace, added, atol=1e-5)


def test_the_k_space_is_that_of_the_lesion_through_the_simulators_own_maps():
    head = draw_head(3, "maps", 1, 4, plane="axial")
    kspace, csm, image = simulate_slice(head, 0, (64, 56))
    change = torch.zeros(64, 56)
    change[30:33, 25:27] = 0.4
    case = simulated_case(0, (64, 56), (2.0,), 0)
    clean = replace(case.clean, kspace=kspace[None].numpy(), image_size=(64, 56))
    added = with_lesions(clean, clean, change.double().numpy()).kspace[0] - clean.kspace[0]
    assert np.abs(added - fft2c(csm * (image * change)).numpy()).max() < 1e-4


def test_oversampled_readouts_and_smaller_images_keep_their_centre(case):
    """The same object in a field of view twice as long: lesions come out at the same pixels."""
    wide = torch.zeros(1, 8, 192, 88, dtype=torch.complex64)
    from rsd_mri.operators import ifft2c

    wide[:, :, 48:144] = ifft2c(torch.from_numpy(case.clean.kspace))
    long = replace(case.clean, kspace=fft2c(wide).numpy(), image_size=(96, 88))
    change = signal_change(case.sites, case.truth.shape, second=True)
    found = full_image(with_lesions(long, long, change))[0]
    assert np.abs(found - case.truth * (1 + change)).max() < 1e-4 * case.truth.max()


def made_up(method, left, noise, width, cases=5, acceleration=4.0, seed=0):
    """Readings of a method that leaves a share of every lesion, with white noise, on a flat tissue."""
    rng = np.random.default_rng(seed)
    readings = []
    for number in range(cases):
        sites = tuple(Site(0, 0, 4.0, sign * LESIONS[4.0], False) for sign in (1, -1) * 6)
        add = np.stack([site.contrast * disc(site.size) for site in sites])
        truth = np.stack([np.ones_like(add), 1 + add])
        drawn = noise * rng.standard_normal(truth.shape)
        image = np.stack([truth[0], 1 + left * add]) + drawn
        half = None if width is None else np.full_like(add, width)
        readings.append(Reading(f"head {number}", method, acceleration, sites, truth, image, half, 30.0))
    return readings


def test_outcomes_are_those_of_what_was_put_in():
    full = made_up(FULL, 1.0, 0.02, None, acceleration=1.0, seed=1)
    kept = made_up("tv", 1.0, 0.02, None, seed=2)
    hidden = made_up("posterior", 0.0, 0.02, 2 * LESIONS[4.0], seed=3)
    found, left = outcomes([*full, *kept, *hidden], 0)
    by = {one.method: one for one in found}
    assert not left
    assert by[FULL].area == pytest.approx(1, abs=0.01) and by[FULL].false_alarms < 0.3
    assert by["tv"].area > 0.99 and by["tv"].recovered == pytest.approx(1, abs=0.05) and by["tv"].seen > 0.9
    lost = by["posterior"]
    assert abs(lost.area - 0.5) < 0.15 and lost.recovered == pytest.approx(0, abs=0.05)
    assert lost.hidden == 1 and lost.hidden_inside == 1 and lost.gain < -0.3 and lost.gain_high < 0
    assert lost.gain_apart == pytest.approx(lost.gain, abs=0.05)  # one rival: nobody is chosen
    narrow, _ = outcomes([*full, *kept, *made_up("posterior", 0.0, 0.02, 0.3 * LESIONS[4.0], seed=3)], 0)
    assert next(one for one in narrow if one.method == "posterior").hidden_inside == 0


def test_inventions_are_counted():
    """A method that shows a lesion everywhere is called by the reader of full scans everywhere."""
    full = made_up(FULL, 1.0, 0.02, None, acceleration=1.0, seed=1)
    everywhere = [
        replace(one, image=np.stack([one.image[1], one.image[1]])) for one in made_up("tv", 1.0, 0.02, None, seed=4)
    ]
    found, _ = outcomes([*full, *everywhere], 0)
    tv = next(one for one in found if one.method == "tv")
    assert tv.false_alarms > 0.9 and tv.area == pytest.approx(0.5, abs=0.05)


def test_too_few_lesions_are_said():
    few = made_up(FULL, 1.0, 0.02, None, cases=1, acceleration=1.0)
    few = [replace(few[0], sites=few[0].sites[:4], truth=few[0].truth[:, :4], image=few[0].image[:, :4])]
    found, left = outcomes(few, 0)
    assert found == [] and "4 lesions, fewer than" in left[0]


def test_readings_come_back_as_they_were(tmp_path):
    readings = [*made_up("tv", 1.0, 0.1, None, cases=1), *made_up("posterior", 1.0, 0.1, 0.2, cases=1)]
    path = tmp_path / "case.npz"
    save_case(path, "this", readings, [])
    back, examples = load_case(path, "this")
    assert examples == [] and [one.sites for one in back] == [one.sites for one in readings]
    assert back[0].half_width is None
    assert np.array_equal(back[1].half_width, readings[1].half_width)
    assert np.array_equal(back[0].image, readings[0].image)
    assert load_case(path, "something else") is None
    path.write_bytes(path.read_bytes()[:100])
    assert load_case(path, "this") is None


def test_the_pages_picture_has_a_hidden_lesion_above_a_kept_one():
    """Ringed in the truth, absent and present in the image; the half width four times as bright; of each method its
    own image."""
    middle, size = (40, 40), (80, 80)
    readings, examples = [], []
    for case, left in (("hidden", 0.0), ("kept", 1.0)):
        site = Site(*middle, 4.0 if case == "hidden" else 6.0, 0.5, False)
        change = signal_change([site], size, False)
        images = [np.ones(size), 1 + change, 1 + left * change]
        flat, there, shown = (patches_at(one, [site]) for one in images)
        half = np.full_like(flat, 0.1)
        readings.append(
            Reading(case, "posterior", 4.0, (site,), np.stack([flat, there]), np.stack([flat, shown]), half, 30.0)
        )
        for method, image in (("one-step", images[0]), ("posterior", images[2])):
            examples.append(Example(case, method, 4.0, False, images[1], images[0], image, np.full(size, 0.1)))
    readings.append(replace(readings[0], method="one-step"))
    picture = page_picture(readings, examples, "posterior", 4.0, 4.0, 6.0)
    side = picture.shape[0] // 2
    assert picture.shape == (2 * side, 3 * side) and picture.dtype == np.uint8
    tiles = picture.reshape(2, side, 3, side).swapaxes(1, 2)
    edges, centres = tiles[:, :, 2, 2].astype(int), tiles[:, :, side // 2, side // 2].astype(int)
    assert centres[0, 0] > edges[0, 0] + 60 and centres[0, 1] == edges[0, 1]
    assert centres[1, 0] > edges[1, 0] + 60 and centres[1, 1] == centres[1, 0]
    assert np.ptp(tiles[:, 2]) == 0 and tiles[0, 2, 0, 0] == pytest.approx(0.4 * edges[0, 0], abs=1)
    assert (tiles[:, 0] == 255).sum() > (tiles[:, 1] == 255).sum()
    own = page_picture(readings, examples, "one-step", 4.0, 4.0, 6.0)  # of which nothing was kept
    assert own.shape == (side, 3 * side) and np.array_equal(own, picture[:side])
    assert page_picture(readings, examples, "posterior", 4.0, 4.0, None).shape == (side, 3 * side)
    assert page_picture(readings, examples, "posterior", 4.0, 6.0, None) is None
    assert page_picture(readings, examples, "posterior", 8.0, 4.0, 6.0) is None


@pytest.mark.parametrize(
    ("values", "said"),
    [({"sizes": (3.0,)}, "expected some of 1, 2, 4, 6"), ({"accelerations": (1.0,)}, "expected numbers above 1")],
)
def test_what_cannot_be_done_is_refused(values, said, tmp_path):
    bench = find_bench("lesions")
    with pytest.raises(InputError, match=said):
        bench.run(bench.settings(**values), "mini", tmp_path, None)


@pytest.mark.long
def test_the_bench_runs_and_goes_on(monkeypatch, tmp_path):
    monkeypatch.setitem(lesions_bench.HEADS, "mini", (1, (80, 72)))
    monkeypatch.setattr("rsd_mri.bench.lesion_card.FEWEST", 4)
    monkeypatch.setattr("rsd_mri.bench.peers.shutil.which", lambda name: None)
    arguments = ["run", "lesions", "--out", str(tmp_path), "--json"]
    for text in ("accelerations=[2]", "sizes=[2]", "levels=2"):
        arguments += ["--set", text]
    done = CliRunner().invoke(bench, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout.splitlines()[-1])
    rows = {row["method"]: row for row in found["rows"]}
    assert {FULL, "zero-filled", "l1-wavelet", "tv", "one-step", "posterior"} <= set(rows)
    for row in rows.values():
        assert 0 <= row["area"] <= 1 and 0 <= row["false_alarms"] <= 1 and row["lesions"] >= 4
    # Half of the lines of a noisy scan show less than all of them.
    assert rows[FULL]["recovered"] == pytest.approx(1, abs=0.02)
    assert rows["posterior"]["gain"] is not None and rows["tv"]["gain"] is None
    assert "BART TV: BART is not installed." in (tmp_path / "lesions.md").read_text()
    assert "Not for diagnostic use" in (tmp_path / "lesions.md").read_text()
    assert (tmp_path / "lesions.png").stat().st_size > 1000
    monkeypatch.setattr("rsd_mri.bench.lesion_readings.read_case", None)  # nothing is computed again
    again = CliRunner().invoke(bench, arguments)
    assert json.loads(again.stdout.splitlines()[-1])["rows"] == found["rows"]
