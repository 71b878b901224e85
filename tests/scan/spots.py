"""Raw data of Gaussian spots at known places in the patient, in closed form, and where a scan shows them."""

from pathlib import Path

import ismrmrd
import numpy as np
import sigpy
import torch

from rsd_mri.reconstruction.finish import crop
from rsd_mri.results.planes import plane
from rsd_mri.scan import records
from rsd_mri.scan.measurement import scans_of
from rsd_mri.scan.record_writing import write_records

WIDTH = 3.0
"""Standard deviation of a spot [mm]."""
READ, PHASE = np.array([np.cos(0.4), np.sin(0.4), 0.0]), np.array([-np.sin(0.4), np.cos(0.4), 0.0])
NORMAL = np.cross(READ, PHASE)
CENTRE = np.array([11.0, -17.0, 23.0])


def axes_of_samples(n, centre, fov):
    """Spatial frequencies of n samples whose zero is at `centre` [1/mm]."""
    return (np.arange(n) - centre) / fov


def signal(frequencies, place, sign=-1, width=WIDTH):
    """Of a spot at `place` [mm] along axes of frequencies: [coil, one axis each]."""
    parts = [
        np.exp(-2 * (np.pi * width * k) ** 2 + sign * 2j * np.pi * k * x)
        for k, x in zip(frequencies, place, strict=True)
    ]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole[..., None] * part
    return np.stack([whole, 0.5j * whole, -0.3 * whole]).astype(np.complex64)


def xml(encoded, recon, encoded_fov, recon_fov, *, lines=None, partitions=(0, 0, 0), slices=1, vendor="", more=""):
    def space(name, matrix, fov):
        return (
            f"<{name}><matrixSize><x>{matrix[0]}</x><y>{matrix[1]}</y><z>{matrix[2]}</z></matrixSize><fieldOfView_mm>"
            f"<x>{fov[0]}</x><y>{fov[1]}</y><z>{fov[2]}</z></fieldOfView_mm></{name}>"
        )

    def limits(name, low, high, centre):
        return f"<{name}><minimum>{low}</minimum><maximum>{high}</maximum><center>{centre}</center></{name}>"

    said = limits("kspace_encoding_step_1", *(lines or (0, encoded[1] - 1, encoded[1] // 2)))
    said += limits("kspace_encoding_step_2", *partitions) + limits("slice", 0, slices - 1, 0)
    system = f"<systemVendor>{vendor}</systemVendor>" if vendor else ""
    return (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">'
        f"<acquisitionSystemInformation>{system}<receiverChannels>3</receiverChannels>"
        "</acquisitionSystemInformation><experimentalConditions><H1resonanceFrequency_Hz>63500000"
        f"</H1resonanceFrequency_Hz></experimentalConditions><encoding>{space('encodedSpace', encoded, encoded_fov)}"
        f"{space('reconSpace', recon, recon_fov)}<encodingLimits>{said}</encodingLimits><trajectory>cartesian"
        f"</trajectory></encoding>{more}</ismrmrdHeader>"
    )


def record(samples, line, *, centre, read_dir=READ, phase_dir=PHASE, position=CENTRE, flags=(), user=None, **counters):
    acq = ismrmrd.Acquisition.from_array(np.ascontiguousarray(samples, np.complex64))
    acq.center_sample, acq.sample_time_us = centre, 5.0
    acq.idx.kspace_encode_step_1 = line
    for name, value in counters.items():
        setattr(acq.idx, name, value)
    for number, value in (user or {}).items():
        acq.idx.user[number] = value
    acq.read_dir[:], acq.phase_dir[:], acq.slice_dir[:] = read_dir, phase_dir, np.cross(read_dir, phase_dir)
    acq.position[:] = position
    for flag in flags:
        acq.setFlag(flag)
    return acq


def acquire(place, size, fov, *, centre=None, first=0, which=None, sign=-1, said=None, amplitude=1.0, **options):
    """Records of a spot at `place` = (read, phase) [mm] from the middle of its slice.

    `centre` = (sample, line) of zero frequency; `first` is subtracted from the line counters; `said` is the
    `center_sample` written, where it is not the true one.
    """
    centre = centre or (size[0] // 2, size[1] // 2)
    frequencies = [axes_of_samples(n, c, f) for n, c, f in zip(size, centre, fov, strict=True)]
    kspace = amplitude * signal(frequencies, place, sign)
    chosen = range(size[1]) if which is None else which
    said = centre[0] if said is None else said
    return [record(kspace[:, :, i], i - first, centre=said, **options) for i in chosen]


def scans(acquisitions, header):
    """Scans of records that never were in a file."""
    pairs = [(one.getHead(), one.data) for one in acquisitions]
    return scans_of(records.gather(pairs, header, Path("made.h5")))


def write(path, acquisitions, header):
    return write_records(path, header, acquisitions)


def images(scan):
    """Root sum of squares of each slice, cropped to the image wanted, by sigpy's transform."""
    coils = sigpy.ifft(scan.kspace, axes=(-2, -1))
    whole = torch.from_numpy(np.sqrt((np.abs(coils) ** 2).sum(axis=1)))
    return crop(whole, scan.image_size or scan.size).numpy()


def found_at(scan, index=0):
    """Centre of mass of the brightest spot of a slice in the patient [mm]."""
    image = images(scan)[index]
    bright = np.where(image > 0.2 * image.max(), image, 0)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    row, column = (bright * rows).sum() / bright.sum(), (bright * columns).sum() / bright.sum()
    where = plane(scan.geometry, index, image.shape)
    read, phase, _ = scan.geometry.voxel_size
    return where.first_pixel + row * read * where.down + column * phase * where.right


def patient(place, position=CENTRE, read=READ, phase=PHASE):
    return np.asarray(position) + place[0] * np.asarray(read) + place[1] * np.asarray(phase)
