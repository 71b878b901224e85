"""The share told is that of the whole, whatever part of it is at work."""

import pytest

from rsd_mri.machine.progress import SILENT, Progress


def watched():
    told = []
    return told, Progress(lambda share, name, detail: told.append((share, name, detail)))


def test_parts_of_parts_fill_the_whole_in_order():
    told, progress = watched()
    for item, outer in progress.part(0.25, 1.0).each("abc", lambda letter: f"scan {letter}"):
        for number, inner in outer.each(range(7)):
            inner(0.5)
            assert told[-1][0] == pytest.approx(0.25 + 0.75 * ("abc".index(item) + (number + 0.5) / 7) / 3)
            assert told[-1][2] == f"scan {item}"
    shares = [share for share, _, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.25, 1.0)


def test_a_step_goes_from_nothing_to_the_whole_again():
    told, progress = watched()
    progress.part(0.5, 0.75).step("training")(0.1, "loss 2")
    assert told == [(0.1, "training", "loss 2")]


def test_items_that_do_not_know_their_number():
    told, progress = watched()
    assert [item for item, _ in progress.each(iter("ab"), count=2)] == ["a", "b"]
    assert [share for share, _, _ in told] == [0.0, 0.5, 0.5, 1.0]


def test_a_plain_function_serves_and_silence_is_silent():
    shares = []
    Progress.of(shares.append).part(0.5, 1.0)(0.5, "no matter")
    assert shares == [0.75]
    assert Progress.of(None) is SILENT and Progress.of(SILENT) is SILENT
    SILENT(0.5)
