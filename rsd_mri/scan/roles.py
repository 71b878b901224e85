"""What each record is: a line of the image, of a calibration, noise, phase correction, or none of these."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.errors import InputError
from rsd_mri.scan.findings import Finding
from rsd_mri.scan.records import CALIBRATION, CALIBRATION_AND_IMAGING, COUNTERS, NOISE, PHASE_CORRECTION, Records

MOST_COILS = 256
IN_TURN = 0.25
"""Lines of an array of coils, over those of the one with most, from which the two took turns."""
SKIPPED = {
    23: "navigator",
    24: "phase correction",
    26: "feedback",
    27: "dummy",
    28: "feedback",
    29: "surface-coil correction",
    30: "phase stabilisation",
    31: "phase stabilisation",
}
"""Flag numbers (counted from 1) of records that are not lines of k-space."""


@dataclass(frozen=True)
class Roles:
    """What the records of a measurement are."""

    kinds: NDArray[np.str_]
    """`image`, `calibration`, `noise`, `phase correction` or `skipped`, a word for each record."""
    n_coils: int
    """Of the image's records."""
    space: int
    """Number of the image's encoding."""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, kind: str) -> NDArray[np.intp]:
        """Indices of the records of a kind."""
        return np.flatnonzero(self.kinds == kind)


def settle_roles(records: Records) -> Roles:
    """Say what each record is, by its flags, its encoding and its number of coils.

    Raises
    ------
    InputError
        If no record is a line of the image.
    """
    head, notes = records.head, []
    kinds: NDArray[np.str_] = np.full(len(head), "image", dtype="U16")
    both = records.flagged(CALIBRATION_AND_IMAGING)
    only = records.flagged(CALIBRATION) & ~both
    if only.any() and records.header.calibration_mode == "embedded":
        notes.append(f"{int(only.sum())} embedded calibration lines are part of k-space")
    elif only.any():
        kinds[only] = "calibration"
    for flag, what in SKIPPED.items():
        chosen = records.flagged(flag)
        if chosen.any():
            kinds[chosen] = "phase correction" if flag == PHASE_CORRECTION else "skipped"
            left = "are no lines of the image" if flag == PHASE_CORRECTION else "were left out"
            notes.append(f"{int(chosen.sum())} {what} records {left}")
    kinds[records.flagged(NOISE)] = "noise"
    if not (kinds == "image").any():
        raise InputError(f"{records.source}: no imaging record among {len(head)}; expected lines of k-space")
    space = _space(head, kinds, notes)
    _between(records, kinds, space, notes)
    n_coils, finding = _coils(records, kinds, notes)
    return Roles(kinds, n_coils, space, (finding,), tuple(notes))


def _space(head: NDArray[np.void], kinds: NDArray[np.str_], notes: list[str]) -> int:
    """Number of the encoding that is the image's: the one with most lines of one.

    Lines of another encoding with as many coils are a calibration, where none is flagged as such.
    """
    spaces = head["encoding_space_ref"]
    image = kinds == "image"
    numbers, lines = np.unique(spaces[image], return_counts=True)
    space = int(numbers[lines.argmax()])
    other = image & (spaces != space)
    if other.any():
        coils = head["active_channels"][image & (spaces == space)].max()
        first = spaces[other].min()
        taken = other & (spaces == first) & (head["active_channels"] == coils) & ~(kinds == "calibration").any()
        kinds[other & ~taken] = "skipped"
        kinds[taken] = "calibration"
        if taken.any():
            notes.append(
                f"{int(taken.sum())} records of encoding {first} are taken as calibration lines of encoding {space}: "
                "of encodings of other sizes only the one with most lines becomes an image"
            )
        if (left := int((other & ~taken).sum())) > 0:
            notes.append(f"{left} records of another encoding were left out")
    return space


def _between(records: Records, kinds: NDArray[np.str_], space: int, notes: list[str]) -> None:
    """Take calibration lines of the image's encoding as lines of the image, where they lie between its lines.

    Reference lines proper cover the centre by themselves, with those of the image that are flagged as both.
    """
    if records.header.encoding(space).calibration_mode in ("separate", "external"):
        return
    head = records.head
    calibration = (kinds == "calibration") & (head["encoding_space_ref"] == space)
    image = kinds == "image"
    if not calibration.any():
        return
    places = ("kspace_encode_step_1", "kspace_encode_step_2", "slice", *COUNTERS)
    key = np.stack([head["idx"][name].astype(np.int64) for name in places], axis=1)
    measured = {tuple(one) for one in key[image].tolist()}
    if any(tuple(one) in measured for one in key[calibration].tolist()):
        return
    lines = np.unique(head["idx"]["kspace_encode_step_1"][calibration | records.flagged(CALIBRATION_AND_IMAGING)])
    if len(lines) > 1 and (np.diff(lines.astype(int)) == 1).all():
        return
    if (head["active_channels"][calibration] != head["active_channels"][image].max()).any():
        return
    kinds[calibration] = "image"
    notes.append(f"{int(calibration.sum())} calibration lines lie between those of the image: they are part of k-space")


def _coils(records: Records, kinds: NDArray[np.str_], notes: list[str]) -> tuple[int, Finding]:
    """Number of coils of the image: where two arrays took turns, that of the larger one, unless it has few lines."""
    image = np.flatnonzero(kinds == "image")
    counts = records.head["active_channels"][image]
    coils, lines = np.unique(counts, return_counts=True)
    if not 1 <= coils[-1] <= MOST_COILS:
        raise InputError(
            f"{records.source}: active_channels is {coils[:8].tolist()}; expected a number of coils up to {MOST_COILS}"
        )
    n_coils = int(coils[lines >= IN_TURN * lines.max()][-1])
    if len(coils) > 1:
        left = image[counts != n_coils]
        kinds[left] = "skipped"
        others = ", ".join(str(n) for n in coils[coils != n_coils])
        notes.append(
            f"{len(left)} records of another coil array ({others} coils) were left out; that of {n_coils} coils is kept"
        )
    return n_coils, Finding("coils", str(n_coils), "active channels of the imaging records", n_coils)
