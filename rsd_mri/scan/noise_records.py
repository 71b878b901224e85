"""Noise records, brought to the unit of k-space: of the measurement, of another one in the file, or of another file."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsd_mri.scan.findings import Finding
from rsd_mri.scan.noise_band import CUT, in_band
from rsd_mri.scan.records import COUNTERS, NOISE, Records
from rsd_mri.scan.roles import Roles


def noise_of(
    records: Records, roles: Roles, dwell: float, others: Sequence[Records] = (), asked: Records | None = None
) -> tuple[NDArray[np.complex64] | None, Finding | None, tuple[str, ...]]:
    """Noise samples in the unit of lines measured once.

    Variance goes with the bandwidth, so samples are scaled by the square root of noise dwell time over imaging dwell
    time. Where the receiver's filter fell off towards the ends of their band, they are cut to its middle; of samples
    too few to tell, the header's relative noise bandwidth of the receiver is believed. Coils are put in the image's
    order by their labels.

    Parameters
    ----------
    records, roles
        Of the measurement of the image.
    dwell
        Time of a sample of the imaging lines [us].
    others
        Measurements to look for noise in where this one has none; the first that has any is taken.
    asked
        The one to take noise from instead; where none of its records is flagged as noise, all are.

    Returns
    -------
    noise
        [coil, sample]; None where there is none.
    finding, notes
        What was found.
    """
    notes: list[str] = []
    labels = records.header.coil_labels
    own = roles.of("noise")
    copied = _copied(records, roles.of("image"), own)
    if copied.any():
        notes.append(f"{int(copied.sum())} noise records are copies of lines of the image and were left out")
    sources = [(records, own[~copied]), *((one, noise_indices(one)) for one in others)]
    if asked is not None:
        flagged = noise_indices(asked)
        sources = [(asked, flagged if len(flagged) else np.arange(len(asked)))]
    for source, chosen in sources:
        if len(chosen) == 0:
            continue
        noise, said = _scaled(source, chosen, roles.n_coils, dwell, labels)
        notes += said
        if noise is not None:
            where = "" if source is records else f" of {source.name or source.source.name}"
            if where:
                notes.append(f"noise was taken from the {len(chosen)} noise records{where}")
            finding = Finding(
                "noise", f"{noise.shape[1]} samples a coil", f"{len(chosen)} noise records{where}",
                {"samples": int(noise.shape[1])},
            )  # fmt: skip
            return noise, finding, tuple(notes)
    return None, None, tuple(notes)


def _copied(records: Records, image: NDArray[np.intp], noise: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which noise records hold the samples of a line of the image with the same counters.

    Converters that have no noise scan put a line from the edge of k-space there (fastmri_to_mrd of mrd-python 2.2.1),
    where the object has its signal too.
    """
    head = records.head
    image = image[np.isin(head["number_of_samples"][image], head["number_of_samples"][noise])]
    names = ("kspace_encode_step_1", "kspace_encode_step_2", "slice", *COUNTERS)

    def places(chosen: NDArray[np.intp]) -> list[tuple[int, ...]]:
        columns = [head["idx"][name][chosen].tolist() for name in names]
        return list(zip(*columns, head["active_channels"][chosen].tolist(), strict=True))

    wanted = dict(zip(noise.tolist(), places(noise), strict=True))
    lines = dict(zip(places(image), image.tolist(), strict=True))
    values = dict(records.samples(np.array(sorted({lines[one] for one in wanted.values() if one in lines}), np.intp)))
    copied = np.zeros(len(noise), bool)
    for number, (index, found) in enumerate(records.samples(noise)):
        line = lines.get(wanted[index])
        copied[number] = line is not None and found.any() and np.array_equal(found, values[line])
    return copied


def noise_indices(records: Records) -> NDArray[np.intp]:
    """Indices of the noise records of a measurement."""
    return np.flatnonzero(records.flagged(NOISE))


def _scaled(
    source: Records, chosen: NDArray[np.intp], n_coils: int, dwell: float, labels: tuple[str, ...]
) -> tuple[NDArray[np.complex64] | None, list[str]]:
    """Noise of one measurement at the bandwidth of another, and what was unusual."""
    notes: list[str] = []
    head, header = source.head, source.header
    counts = head["active_channels"][chosen].astype(int)
    order = _order(header.coil_labels, labels, n_coils)
    wanted = n_coils if order is None else len(header.coil_labels)
    left = int((counts != wanted).sum())
    if left:
        notes.append(f"{left} noise records have another number of coils and were left out")
    chosen = chosen[counts == wanted]
    if len(chosen) == 0:
        return None, notes
    blocks, unknown = [], False
    for index, samples in source.samples(chosen):
        own = float(head["sample_time_us"][index])
        unknown |= not (own > 0 and dwell > 0)
        ratio = own / dwell if own > 0 and dwell > 0 else 1.0
        with np.errstate(invalid="ignore", over="ignore"):  # checked below
            blocks.append(samples * np.float32(np.sqrt(ratio)))
    if unknown:
        notes.append("sample_time_us is missing; noise is taken at the bandwidth of the imaging lines")
    noise = np.concatenate(blocks, axis=1)
    if order is not None:
        notes.append("the coils of the noise records were put in the image's order by their labels")
        noise = noise[order]
    if not np.isfinite(noise.view(np.float32)).all() or not noise.any():
        notes.append("the noise records are zero or not finite and were left out")
        return None, notes
    band = in_band(noise.astype(np.complex64))
    noise, said = band.samples, header.noise_bandwidth
    if not band.known and said is not None and 0.1 < said <= 1:
        noise = (noise / np.float32(np.sqrt(said))).astype(np.complex64)
    elif band.cut:
        notes.append(CUT)
    return noise, notes


def _order(theirs: tuple[str, ...], ours: tuple[str, ...], n_coils: int) -> list[int] | None:
    """Where each of our coils is among theirs; None where the labels do not tell or the order is the same."""
    if len(ours) != n_coils or len(set(theirs)) != len(theirs) or theirs == ours or not set(ours) <= set(theirs):
        return None
    return [theirs.index(name) for name in ours]


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
