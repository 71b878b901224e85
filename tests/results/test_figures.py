"""Pictures: the right way up, one window, the warning burnt in."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from rsd_mri.results.figures import (
    comparison_figure,
    contact_sheet,
    upper_window,
    write_contact_sheet,
)
from rsd_mri.results.png import write_png
from rsd_mri.scan.scan import Geometry


def test_a_png_shows_the_object_the_right_way_up_and_warns(tmp_path, a_reconstruction):
    rec = a_reconstruction()
    path = write_png(tmp_path / "scan.png", rec)
    sheet = np.asarray(Image.open(path))
    tile = sheet[:360, :288]
    zoom = 288 / 32
    assert tile[int(8.5 * zoom), int(12 * zoom)] > 200 and tile[int(8.5 * zoom), int(22 * zoom)] < 30
    black = dataclasses.replace(rec, magnitude=np.zeros_like(rec.magnitude))
    empty = np.asarray(Image.open(write_png(tmp_path / "black.png", black)))
    # Nothing of the image is left, the letters at the foot of every tile are.
    for row in range(2):
        for column in range(2):
            foot = empty[row * 364 + 335 : row * 364 + 360, column * 292 : column * 292 + 288]
            assert (foot > 200).sum() > (150 if row * 2 + column < 3 else -1)


def test_pixels_keep_their_proportions(a_reconstruction):
    square = contact_sheet(np.ones((1, 40, 40)))
    assert square.size == (288, 288)
    assert contact_sheet(np.ones((1, 40, 40)), pixel=(2.0, 1.0)).size == (288, 576)
    assert contact_sheet(np.ones((5, 400, 300)), columns=5).size == (5 * 304 - 4, 400)
    assert Geometry().voxel_size is None and a_reconstruction().geometry == Geometry()


def test_generated_images_are_shown_by_magnitude(tmp_path):
    image = np.zeros((2, 64, 64), np.complex64)
    image[:, :32] = -1j
    sheet = np.asarray(Image.open(write_contact_sheet(tmp_path / "samples.png", image, columns=2)))
    assert sheet[60, 60] == 255 and sheet[200, 60] == 0


def test_the_window_ignores_the_background_and_outliers_and_is_never_zero():
    volume = np.zeros((1, 100, 100))
    volume[0, :50] = 1.0
    volume[0, 0, 0] = 3.0
    assert upper_window(volume) == pytest.approx(1.0)
    assert upper_window(np.zeros((1, 4, 4))) == 1.0


def test_a_comparison_shares_one_window_and_shows_differences():
    reference = np.random.default_rng(0).random((20, 16))
    figure = comparison_figure({"a": reference * 0.5, "b": reference}, reference)
    shown = [axis.images[0] for axis in figure.axes if axis.images]
    assert len(shown) == 5 and len({image.get_clim() for image in shown[:3]}) == 1
    assert shown[0].get_clim()[1] == pytest.approx(upper_window(reference), rel=1e-3)
    np.testing.assert_allclose(shown[3].get_array(), -0.5 * reference)
    assert "Not for diagnostic use" in figure.get_supxlabel()


def test_an_empty_sheet_is_refused():
    with pytest.raises(ValueError, match="expected images"):
        contact_sheet(np.ones((0, 4, 4)))
