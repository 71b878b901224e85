"""Movies from Python: frames reconstructed together, shown, judged, saved and read again."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest

import rsd_mri as rsd
from rsd_mri.errors import InputError
from rsd_mri.results.reconstruction import PosteriorPart


@pytest.fixture(scope="module")
def beating():
    return rsd.simulate_beating(8, 4, matrix=48, coils=6)


@pytest.fixture(scope="module")
def movie(beating):
    return rsd.reconstruct(beating[0], method="temporal-tv")


@pytest.mark.long
def test_frames_together_are_a_movie(beating, movie):
    scans, truth = beating
    assert len(movie) == 8 and movie.magnitude.shape == truth.shape == (8, 1, 48, 48)
    assert movie[2].frame == {"phase": 2} and movie[-1] is movie.frames[7]
    assert movie.step == 100 and movie.moments[3] == 300
    alone = rsd.reconstruct(scans, method="tv")
    assert rsd.evaluate(movie, truth).psnr > rsd.evaluate(alone, truth).psnr + 1
    error = np.mean((movie.magnitude - abs(truth)) ** 2)
    np.testing.assert_allclose(rsd.evaluate(movie, truth).psnr, 10 * np.log10(abs(truth).max() ** 2 / error), rtol=1e-5)
    assert any("average over 8 frames" in line for line in movie.warnings)


def test_a_movie_shows_and_saves_all_frames(movie, tmp_path):
    assert [axis.get_title() for axis in movie.show([0, 3]).axes] == ["image, frame 0, 0 ms", "image, frame 3, 300 ms"]
    assert "8 frames" in movie._repr_html_() and "not for diagnostic use" in movie._repr_html_().lower()
    (h5,) = movie.save(tmp_path / "a.h5")
    again = rsd.load_movie(h5)
    np.testing.assert_array_equal(again.magnitude, movie.magnitude)
    assert again.moments == movie.moments and len(again) == 8
    np.testing.assert_array_equal(rsd.load_reconstruction(h5).magnitude, movie[0].magnitude)
    movie.save(tmp_path / "a.nii.gz")
    assert nibabel.load(tmp_path / "a.nii.gz").header.get_zooms()[3] == pytest.approx(0.1)
    assert movie.save(tmp_path / "a.html")[0].stat().st_size > 1e6
    with pytest.raises(InputError, match="one of the 8 frames"):
        movie.save(tmp_path / "a.png")


def test_below_the_frames_is_how_far_they_may_be_off(movie):
    """The half width where all that are shown have one, else the standard deviation."""
    spread = [PosteriorPart(None, 0.1 * one.magnitude, 0.3 * one.magnitude) for one in movie]
    both = rsd.Movie(tuple(replace(one, posterior=part) for one, part in zip(movie, spread, strict=True)))
    axes = both.show([0, 3]).axes
    np.testing.assert_array_equal(axes[2].images[0].get_array(), 0.3 * movie[0].magnitude[0])
    assert axes[2].get_title().startswith("half width (x 3), frame 0")
    part = replace(both[3], posterior=replace(spread[3], half_width=None))
    mixed = rsd.Movie((*both[:3], part, *both[4:]))
    assert mixed.show([0, 3]).axes[2].get_title().startswith("std (x 10)")


def test_frames_of_a_file(beating, tmp_path):
    assert len(rsd.reconstruct(beating[0][:2], method="zero-filled")) == 2
    with pytest.raises(InputError, match="one stack of slices"):
        rsd.reconstruct([], method="tv")
    with pytest.raises(InputError, match="several frames at once"):
        rsd.reconstruct(beating[0][0], method="temporal-tv")
    with pytest.raises(InputError, match="several frames at once"):
        rsd.reconstruct(beating[0][:1], method="temporal-tv")


def test_what_does_not_fit_is_refused(movie, beating):
    scans, truth = beating
    with pytest.raises(InputError, match="8 frames, the truth is one scan"):
        rsd.evaluate(movie, scans[0])
    with pytest.raises(InputError, match="the shape"):
        rsd.evaluate(movie, truth[:3])
    with pytest.raises(InputError, match="frames .9.: expected"):
        movie.show([9])
