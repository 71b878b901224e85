"""What lines left out usually say: read from beside a prior, interpolated, and used for what it is worth."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from rsd_mri.priors import PRIORS
from rsd_mri.priors.usual_lines import FILE, UsualLines, usual_at, usual_lines_of
from rsd_mri.reconstruction.intervals import drawn

ROW = UsualLines("abc", "diffpir", 12, True, 2.0, 6.0, 0.3, 8)
TABLE = (ROW, replace(ROW, acceleration=8.0, factor=24.0, scatter=0.5), replace(ROW, along_lines=False, factor=9.0))
MADE = ("diffpir", 12, "abc")


def test_between_two_accelerations_it_is_interpolated_and_beyond_them_the_nearest():
    assert usual_at(TABLE, MADE, True, 2.0) == (6.0, 0.3)
    assert usual_at(TABLE, MADE, True, 4.0) == pytest.approx((12.0, 0.4))
    assert usual_at(TABLE, MADE, True, 1.2) == (6.0, 0.3)
    assert usual_at(TABLE, MADE, True, 20.0) == (24.0, 0.5)
    assert usual_at(TABLE, MADE, False, 7.0) == (9.0, 0.3)


@pytest.mark.parametrize("other", [("varied", 12, "abc"), ("diffpir", 8, "abc"), ("diffpir", 12, "other")])
def test_of_another_sampler_or_prior_nothing_is_known(other):
    assert usual_at(TABLE, other, True, 4.0) is None


def test_a_damaged_table_is_none(tmp_path):
    assert usual_lines_of(tmp_path) == ()
    (tmp_path / FILE).write_text(json.dumps([asdict(one) for one in TABLE]), encoding="utf-8")
    assert usual_lines_of(tmp_path) == TABLE
    (tmp_path / FILE).write_text("[{}]", encoding="utf-8")
    assert usual_lines_of(tmp_path) == ()


def test_the_package_knows_its_own_sampler_under_lines_and_points():
    (table,) = [usual_lines_of(path.parent) for path in PRIORS.glob(f"*/{FILE}")]
    made = {(one.sampler, one.levels, one.prior_hash) for one in table}
    for one in made:
        for along_lines in (True, False):
            factor, scatter = usual_at(table, one, along_lines, 4.0)
            assert 1 < factor < 40 and 0.05 < scatter < 1


def test_drawn_factors_are_nearer_to_the_truth_and_know_how_near():
    """Truths that scatter about a usual one, each seen with an error: the closed form of two normal laws."""
    rng = np.random.default_rng(0)
    usual, scatter, error = 9.0, 0.3, 0.4
    truths = np.exp(math.log(usual) + scatter * rng.standard_normal(4000))
    seen = truths * np.exp(error * rng.standard_normal(4000))
    found = [drawn(one, error, (usual, scatter)) for one in seen]
    misses = np.log([one for one, _ in found]) - np.log(truths)
    expected = 1 / math.sqrt(1 / scatter**2 + 1 / error**2)
    assert np.sqrt(np.mean(misses**2)) == pytest.approx(expected, rel=0.04)
    assert all(one == pytest.approx(expected) for _, one in found)
    # Lines that know, or scans that all differ, leave the factor as it is.
    assert drawn(20.0, 1e-6, (usual, scatter))[0] == pytest.approx(20.0)
    assert drawn(20.0, error, (usual, 1e6)) == pytest.approx((20.0, error))
