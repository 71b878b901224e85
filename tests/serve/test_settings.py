"""Names, parameters, sentences and pixels, without a server."""

import json

import numpy as np
import pytest
import sigpy
from hypothesis import given
from hypothesis import strategies as st

from rsd_mri.reconstruction.methods import OF_ONE_FRAME
from rsd_mri.serve.discretion import HIDDEN, Discretion
from rsd_mri.serve.pixels import level_of, on_matrix, stored, turned
from rsd_mri.serve.scale import settle_scale
from rsd_mri.serve.settings import Settings, with_config, with_text

OWN = Settings(method="tv", samples=3)


def parameters(**values):
    return with_text(OWN, json.dumps({"version": "1.1.0", "parameters": values}).encode(), OWN)


@pytest.mark.parametrize("name", ["rsd-mri", "rsdmri", "default", "", "default.xml"])
def test_names_of_the_servers_own_method(name):
    settings, warnings = with_config(Settings(), name.encode(), OWN)
    assert settings.method == "tv" and warnings == []


def test_method_wins_over_custom_config_over_config():
    assert parameters(config="posterior")[0].method == "posterior"
    assert parameters(config="posterior", customconfig="cg-sense")[0].method == "cg-sense"
    assert parameters(config="posterior", customconfig=" ")[0].method == "posterior"
    assert parameters(config="posterior", customconfig="cg-sense", method="one-step")[0].method == "one-step"
    assert parameters(method="one-step", config="posterior")[0].method == "one-step"


def test_values_may_be_strings():
    settings, warnings, remark = parameters(
        samples="4", seed="7", preview="False", uncertainty="false", sendsamples="True", pixels="float32"
    )
    assert (warnings, remark) == ([], None)
    assert (settings.samples, settings.seed, settings.pixels) == (4, 7, "float32")
    assert (settings.preview, settings.uncertainty, settings.sendsamples) == (False, False, True)


@pytest.mark.parametrize(("name", "value"), [
    ("samples", 0), ("samples", 17), ("samples", "four"), ("samples", 2.5), ("samples", True), ("samples", None),
    ("seed", -1), ("seed", 1e400), ("pixels", "int8"), ("preview", "perhaps"), ("preview", []), ("method", "magic"),
    ("method", {"a": 1}), ("method", "temporal-tv"), ("config", "low-rank-sparse"),
    ("unknown", 1), ("samples", [1]), ("config", 7), ("config", "magic"),
])  # fmt: skip
def test_what_is_out_of_range_is_named_and_changes_nothing(name, value):
    settings, (warning,), _ = parameters(**{name: value})
    assert settings in (OWN, Settings(config="unknown", method="tv", samples=3))
    assert name in warning or "known are" in warning


@given(st.binary(max_size=200))
def test_any_text_is_taken(text):
    settings, warnings, remark = with_text(OWN, text, OWN)
    assert settings == OWN or warnings or remark is None
    assert with_config(OWN, text, OWN)[0].method in OF_ONE_FRAME


def test_deep_texts_are_taken():
    assert with_text(OWN, b"[" * 100_000, OWN)[0] == OWN


def test_what_a_header_says_of_people_is_taken_out_of_sentences():
    hide = Discretion(
        "<a><subjectInformation><patientName>Doe^Jane</patientName><patientID>4711</patientID>"
        "<patientWeight_kg>70</patientWeight_kg></subjectInformation><encoding><trajectory>Roe</trajectory>"
        "<x>256</x></encoding><acquisitionSystemInformation><systemVendor>SIEMENS</systemVendor>"
        "</acquisitionSystemInformation></a>"
    )
    assert hide("trajectory is Roe; vendor SIEMENS") == f"trajectory is {HIDDEN}; vendor SIEMENS"
    assert hide("doe of 4711, JANE, Doe^Jane") == f"{HIDDEN} of {HIDDEN}, {HIDDEN}, {HIDDEN}"
    assert hide("a matrix of 256 in 70 % of the object") == "a matrix of 256 in 70 % of the object"


@pytest.mark.parametrize("size", [(8, 6), (7, 6), (9, 5)])
def test_turning_is_a_conjugation_of_kspace(size, numpy_rng):
    image = numpy_rng.normal(size=size)
    expected = sigpy.ifft(np.conj(sigpy.fft(image))).real
    np.testing.assert_allclose(turned(image), expected, atol=1e-5)
    np.testing.assert_array_equal(turned(turned(image)), image)


@pytest.mark.parametrize(("size", "matrix"), [((8, 9), (16, 9)), ((8, 9), (6, 12)), ((9, 8), (9, 8))])
def test_another_matrix_is_zero_filling_by_sigpy(size, matrix, numpy_rng):
    image = (numpy_rng.normal(size=size) + 1j * numpy_rng.normal(size=size)).astype(np.complex64)
    expected = sigpy.ifft(sigpy.resize(sigpy.fft(image), matrix)) * np.sqrt(np.prod(matrix) / np.prod(size))
    np.testing.assert_allclose(on_matrix(image, matrix), expected, atol=1e-5)
    np.testing.assert_allclose(on_matrix(np.ones(size, np.complex64), matrix), np.ones(matrix), atol=1e-5)


def test_specks_do_not_set_the_scale_and_no_more_than_a_thousandth_is_clipped(numpy_rng):
    image = numpy_rng.random((200, 100))
    image[3, 4] = 1000
    scale = settle_scale(image, 1.0, (), bits=None, samples=False, more=False, whole_numbers=True)
    values, clipped = stored(image, scale.factor, scale.largest)
    assert 0 < clipped <= 1e-3 and np.median(values) > 1000 and values.max() == 4095
    assert level_of(np.zeros((4, 4))) > 0


def test_brighter_slices_have_room(numpy_rng):
    image = numpy_rng.random((50, 50))
    alone = settle_scale(image, 1.0, (), bits=None, samples=False, more=False, whole_numbers=True)
    among = settle_scale(image, 1.0, (1.0, 3.0), bits=None, samples=False, more=False, whole_numbers=True)
    early = settle_scale(image, 1.0, (), bits=None, samples=False, more=True, whole_numbers=True)
    assert (3 * image * among.factor).max() <= 4095 < (3 * image * alone.factor).max()
    assert (2 * image * early.factor).max() <= 4096
