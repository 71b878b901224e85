"""Sets of one law cannot be told apart; copies are found, and so is what is never shown."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rsd_mri.commands.app import app
from rsd_mri.errors import InputError
from rsd_mri.metrics.likeness import groups, likeness, nearest, two_sample


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr("rsd_mri.metrics.likeness.TREES", 50)


def pictures(count, seed, where=(2, 5, 8, 11)):
    """A bright square at one of four places, on noise."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 0.1, (count, 16, 16)) + 1
    for image in images:
        y, x = rng.choice(where), rng.choice(where)
        image[y : y + 3, x : x + 3] += 2
    return images


def test_one_law_is_told_from_itself_by_chance_and_from_another_surely():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300, 6))
    same = two_sample(a, b)
    assert abs(same.accuracy - 0.5) < 2 * same.interval
    # Means d apart along one axis: no classifier is right more often than Phi(d / 2), here 0.933.
    apart = two_sample(a, b + np.array([3.0, 0, 0, 0, 0, 0]))
    assert 0.88 < apart.accuracy < 0.965


def test_copies_are_found():
    training, held_out = pictures(150, 1), pictures(150, 2)
    honest = nearest(pictures(100, 3), training, held_out)
    copied = nearest(training[:100] + 0.001, training, held_out)
    assert honest.share_nearer < 0.06 and honest.median == pytest.approx(honest.held_out_median, rel=0.1)
    assert copied.share_nearer == 1.0 and copied.lowest < 0.01


def test_what_is_never_shown_is_found():
    rng = np.random.default_rng(0)
    centres = 10 * np.eye(3)
    real = np.concatenate([c + rng.normal(size=(100, 3)) for c in centres])
    made = np.concatenate([c + rng.normal(size=(100, 3)) for c in centres[:2]])
    found = groups(real, made)
    never = [g for g in found if g.generated == 0]
    assert sum(g.share for g in never) == pytest.approx(1 / 3, abs=0.01)
    assert all(g.recall == 0 for g in never) and all(g.example >= 200 for g in never)
    assert np.average([g.recall for g in found if g.generated], weights=[g.share for g in found if g.generated]) > 0.8


def test_it_is_said_in_words_and_plain_values():
    found = likeness(pictures(60, 3), pictures(60, 2), pictures(60, 1))
    assert len(found.lines()) == 3 and "chance 50 %" in found.lines()[0]
    assert found.as_dict()["nearest"]["median"] > 0
    with pytest.raises(InputError, match="at least 40 images"):
        likeness(pictures(10, 3), pictures(60, 2))


def test_the_command_finds_copies(tmp_path):
    for name, seed in (("made", 1), ("real", 2)):
        np.save(tmp_path / f"{name}.npy", (60 * pictures(60, seed)[:, None]).clip(0, 255).astype(np.uint8))
    made, real = (str(tmp_path / f"{name}.npy") for name in ("made", "real"))
    asked = ["evaluate", made, "--reference", real, "--features", "principal", "--device", "cpu", "--json"]
    done = CliRunner().invoke(app, [*asked, "--training", made])
    assert done.exit_code == 0, done.output
    like = json.loads(done.stdout.splitlines()[-1])["likeness"]
    assert like["nearest"]["share_nearer"] == 1.0 and like["two_sample"]["images"] == 60
