"""What became of small lesions: the nearest acceleration, the largest size lost, the least one kept."""

import json

import pytest

from rsd_mri.priors.lesions import FILE, Lesions, lesion_checks, lesions_of


def row(acceleration, size, hidden, method="posterior"):
    return Lesions(method, acceleration, size, 0.2, 30, hidden)


TABLE = (row(4, 1, 0.3), row(4, 2, 0.05), row(8, 1, 1.0), row(8, 2, 0.6), row(8, 4, 0.4), row(8, 4, 0.0, "one-step"))


@pytest.mark.parametrize(
    ("acceleration", "lost", "least", "hidden"), [(3, 1, 2, 0.3), (5, 1, 2, 0.3), (6, 4, None, 0.4), (20, 4, None, 0.4)]
)
def test_the_nearest_acceleration_says_what_is_lost(acceleration, lost, least, hidden):
    found = lesion_checks(TABLE, "posterior", acceleration)
    assert (found["lesion_lost"], found.get("lesion_least"), found["lesion_hidden"]) == (lost, least, hidden)


def test_nothing_is_said_of_what_was_not_measured():
    assert lesion_checks(TABLE, "tv", 4) == {} and lesion_checks((), "posterior", 4) == {}
    assert lesion_checks(TABLE, "one-step", 4) == {"lesion_acceleration": 8, "lesion_lost": 0.0, "lesion_least": 4}


def test_a_table_lies_beside_its_prior_or_is_none(tmp_path):
    assert lesions_of(tmp_path) == ()
    (tmp_path / FILE).write_text(json.dumps([vars(one) for one in TABLE]))
    assert lesions_of(tmp_path) == lesions_of(tmp_path / "denoiser.safetensors") == TABLE
    (tmp_path / FILE).write_text("[{}]")
    assert lesions_of(tmp_path) == ()
