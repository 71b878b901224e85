"""Slices excited at once are refused and not shown on top of each other."""

import ismrmrd
import numpy as np
import pytest
from spots import CENTRE, NORMAL, acquire, scans, xml
from twix_files import end_bytes, header_bytes, record_bytes, write_twix

from rsd_mri.errors import InputError
from rsd_mri.scan.reading import read_scan
from rsd_mri.scan.twix_protocol import Protocol, to_ismrmrd

SIZE, FOV = (32, 24), (64, 48)
BAND = (
    "<parallelImaging><accelerationFactor><kspace_encoding_step_1>1</kspace_encoding_step_1><kspace_encoding_step_2>1"
    "</kspace_encoding_step_2></accelerationFactor><multiband><spacing><dZ>0</dZ></spacing><deltaKz>0</deltaKz>"
    "<multiband_factor>{}</multiband_factor><calibration>other</calibration><calibration_encoding>0"
    "</calibration_encoding></multiband></parallelImaging></encoding>"
)


def header(factor, slices):
    text = xml((*SIZE, 1), (*SIZE, 1), (*FOV, 4), (*FOV, 4), slices=slices)
    return text.replace("</encoding>", BAND.format(factor))


def slices(count, **counters):
    return [
        one for s in range(count)
        for one in acquire((5.0, 4.0), SIZE, FOV, slice=s, position=CENTRE + 6.0 * s * NORMAL, **counters)
    ]  # fmt: skip


@pytest.mark.parametrize("said", [4, 1])
def test_collapsed_slices_are_refused(said):
    assert ismrmrd.xsd.CreateFromDocument(header(2, said)).encoding[0].parallelImaging.multiband.multiband_factor == 2
    with pytest.raises(InputError, match="2 slices were excited at once"):
        scans(slices(2), header(2, said))


def test_a_reference_of_single_slices_does_not_hide_those_that_follow():
    with pytest.raises(InputError, match="on top of each other in 2 recorded"):
        scans(slices(4, repetition=0) + slices(2, repetition=1), header(2, 4))


def test_one_band_and_slices_that_were_separated_are_read():
    assert scans(slices(2), header(1, 2))[0].n_slices == 2
    (scan,) = scans(slices(4), header(2, 4))
    assert scan.n_slices == 4 and any("2 slices at once" in note for note in scan.notes)


def test_the_factor_of_a_siemens_protocol_is_read(tmp_path):
    protocol = Protocol(
        {"sSliceAcceleration.lMultiBandFactor": "3", "tPatientPosition": "HFS", "sKSpace.lBaseResolution": "32",
         "sKSpace.lPhaseEncodingLines": "24"}, {},
    )  # fmt: skip
    parsed = ismrmrd.xsd.CreateFromDocument(to_ismrmrd(protocol, 2))
    assert parsed.encoding[0].parallelImaging.multiband.multiband_factor == 3
    k = np.random.default_rng(0).standard_normal((2, 64, 24)) + 0j
    lines = b"".join(record_bytes(k[:, :, i], Lin=i, centre_line=12) for i in range(24))
    one = header_bytes()
    band = one.replace(b"lContrasts = 1", b"lContrasts = 1\nsSliceAcceleration.lMultiBandFactor = 2")
    # The lengths of the header and of its last part grow by what was put in.
    grown = len(band) - len(one)
    start = band.index(b"MeasYaps\0") + 9
    length = int.from_bytes(band[start : start + 4], "little") + grown
    band = band[:start] + length.to_bytes(4, "little") + band[start + 4 :]
    padding = -len(band) % 32
    band = (len(band) + padding).to_bytes(4, "little") + band[4:] + b"\0" * padding
    path = write_twix(tmp_path / "meas.dat", [band + lines + end_bytes()])
    with pytest.raises(InputError, match="2 slices were excited at once"):
        read_scan(path)
