"""Noise records, brought to the unit of k-space."""

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.findings import Finding
from rsd_mri.scan.records import Records
from rsd_mri.scan.roles import Roles


def noise_of(
    records: Records, roles: Roles, dwell: float
) -> tuple[NDArray[np.complex64] | None, Finding | None, tuple[str, ...]]:
    """Noise samples in the unit of lines measured once.

    Variance goes with the bandwidth, so samples are scaled by the square root of noise dwell time over imaging dwell
    time, over the receiver's relative noise bandwidth.

    Parameters
    ----------
    records, roles
        Of the measurement whose noise records are wanted.
    dwell
        Time of a sample of the imaging lines [us].

    Returns
    -------
    noise
        [coil, sample]; None where there is none.
    finding, notes
        What was found.
    """
    notes: list[str] = []
    head, header = records.head, records.header
    every = roles.of("noise")
    chosen = every[head["active_channels"][every] == roles.n_coils]
    if len(every) > len(chosen):
        notes.append(f"{len(every) - len(chosen)} noise records have another number of coils and were left out")
    if len(chosen) == 0:
        return None, None, tuple(notes)
    blocks = []
    for index, samples in records.samples(chosen):
        own = float(head["sample_time_us"][index])
        ratio = own / dwell if own > 0 and dwell > 0 else 1.0
        if not (own > 0 and dwell > 0) and not notes:
            notes.append("sample_time_us is missing; noise is taken at the bandwidth of the imaging lines")
        with np.errstate(invalid="ignore", over="ignore"):  # checked below
            blocks.append(samples * np.float32(np.sqrt(ratio)))
    noise = np.concatenate(blocks, axis=1)
    if header.noise_bandwidth is not None and 0.1 < header.noise_bandwidth <= 1:
        noise = noise / np.float32(np.sqrt(header.noise_bandwidth))
    if not np.isfinite(noise.view(np.float32)).all() or not noise.any():
        notes.append("the noise records are zero or not finite and were left out")
        return None, None, tuple(notes)
    finding = Finding(
        "noise", f"{noise.shape[1]} samples a coil", f"{len(chosen)} noise records", {"samples": int(noise.shape[1])}
    )
    return noise.astype(np.complex64), finding, tuple(notes)


def averaged(noise: NDArray[np.complex64], count: NDArray[np.int32]) -> tuple[NDArray[np.complex64], tuple[str, ...]]:
    """The noise of lines that were measured several times and averaged.

    Parameters
    ----------
    noise
        Of lines measured once.
    count
        Times measured, [slice, phase_encode].
    """
    times = count[count > 0]
    if times.max() <= 1:
        return noise, ()
    notes = ("lines were averaged unevenly; the noise level holds for the usual line",)
    scaled = noise / np.float32(np.sqrt(float(np.median(times))))
    return scaled.astype(np.complex64), notes if times.min() != times.max() else ()
