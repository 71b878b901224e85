"""Frames and stacks that come together or in turn are prepared as `recon` prepares those of a file."""

import io
import struct
from dataclasses import replace

import ismrmrd
import numpy as np
import pytest
import sigpy
from coil_phantom import make_scan
from ismrmrd.serialization import ISMRMRDMessageID, ProtocolDeserializer
from mrd_client import header_text, line, place

from rsd_mri.reconstruction.methods import method_of
from rsd_mri.reconstruction.movies import frames_in_turn, reconstruct_frame
from rsd_mri.reconstruction.reconstruct import CPU
from rsd_mri.scan.geometry import Geometry
from rsd_mri.scan.reading import read_scans
from rsd_mri.scan.record_writing import write_records
from rsd_mri.serve.job import Job
from rsd_mri.serve.noise_store import NoiseStore
from rsd_mri.serve.pipe import Reply
from rsd_mri.serve.settings import Settings
from rsd_mri.serve.work import Shop

CLOSE = struct.pack("<H", ISMRMRDMessageID.CLOSE)
SIZE = (64, 48)
X, Y = np.meshgrid(*[(np.arange(n) - n // 2) / n for n in SIZE], indexing="ij")
SETS = (np.ones(SIZE), np.exp(1j * (0.9 + 1.5 * X)), np.exp(-1.5 * (Y + 0.5) - 2j))
"""What multiplies the object: a velocity, and an echo that decays unevenly."""
AXIAL = Geometry((2.0, 2.0, 4.0), 0.0, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), ((0.0, 0.0, 0.0),))
SAGITTAL = replace(
    AXIAL, read_direction=(0.0, 1.0, 0.0), phase_direction=(0.0, 0.0, 1.0), slice_direction=(1.0, 0.0, 0.0)
)


def records(scan, counter=0, slice_=0, columns=None):
    made = []
    for column in np.flatnonzero(scan.mask) if columns is None else columns:
        made.append(line(scan.kspace[0, :, :, column], int(column), slice_))
        place(made[-1], scan, 0)
        made[-1].idx.set = counter
    made[-1].setFlag(ismrmrd.ACQ_LAST_IN_SLICE)
    return made


def served(still, groups, in_turn):
    """Complex images of groups of records, by the work of a connection; in turn each is done before the next comes."""
    sent = []

    def send(reply, what):
        sent.append((reply, what))

    job = Job(
        1, Settings(method="cg-sense", pixels="complex"), Shop(None, CPU, NoiseStore(), "none", None, 2**28), send
    )

    def work():
        while not job.closed and job.quick_in() is not None:
            job.quick_step()

    job.take_header(header_text(still))
    for group in groups:
        for one in group:
            job.take_line(bytes(one.getHead()) + one.data.tobytes())
        if in_turn:
            work()
    job.take_end()
    work()
    images = b"".join(what for reply, what in sent if reply == Reply.IMAGE) + CLOSE
    return [one.data[0, 0].T for one in ProtocolDeserializer(io.BytesIO(images)).deserialize()]


def reconstructed(path, still, groups):
    write_records(path, header_text(still), [one for group in groups for one in group])
    frames = frames_in_turn(read_scans(path), None, method_of("cg-sense"), CPU)
    return [reconstruct_frame(frame, held_out=False).image[0] for frame in frames]


@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize("own_centres", [True, False])
def test_phases_between_frames_are_those_of_recon_and_of_the_object(tmp_path, own_centres, in_turn):
    still = replace(make_scan(acceleration=2.0, sigma=0.002), geometry=AXIAL)
    images = sigpy.ifft(make_scan(sigma=0.002).kspace, axes=(-2, -1))
    frames = [
        replace(still, kspace=(sigpy.fft(images * one, axes=(-2, -1)) * still.mask).astype(np.complex64))
        for one in SETS
    ]
    columns = np.flatnonzero(still.mask)
    sparse = columns if own_centres else columns[(np.abs(columns - 24) > 12) | (columns % 2 == 0)]
    groups = [records(one, n, columns=sparse if n else columns) for n, one in enumerate(frames)]
    found = served(still, groups, in_turn)
    expected = reconstructed(tmp_path / "frames.h5", still, groups)
    for number, factor in enumerate(SETS[1:], 1):
        ours, theirs = (one[number] * one[0].conj() for one in (found, expected))
        body = np.abs(theirs) > 0.3 * np.abs(theirs).max()
        assert np.quantile(np.abs(np.angle(ours * theirs.conj())[body]), 0.95) < 0.02
        off = np.angle(ours * factor.conj())[body]
        assert abs(np.median(off)) < 0.02 and np.quantile(np.abs(off), 0.9) < 0.15


@pytest.mark.parametrize("in_turn", [False, True])
def test_coils_are_compressed_for_each_orientation(tmp_path, in_turn):
    """An axial slice sees eight coils of sixteen, a sagittal one the others."""
    whole = make_scan(acceleration=2.0, sigma=0.002)
    silent = 0.002 * sigpy.fft(np.random.default_rng(5).standard_normal((*whole.kspace.shape, 2)) @ [1, 1j])
    silent = (silent / np.sqrt(silent.size) * whole.mask).astype(np.complex64)
    scans = [
        replace(whole, kspace=np.concatenate(pair, axis=1), geometry=at, noise=None)
        for pair, at in (((whole.kspace, silent), AXIAL), ((silent, whole.kspace), SAGITTAL))
    ]
    groups = [records(one, slice_=n) for n, one in enumerate(scans)]
    found = served(scans[0], groups, in_turn)
    expected = reconstructed(tmp_path / "stacks.h5", scans[0], groups)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=0.02 * np.abs(theirs).max())
