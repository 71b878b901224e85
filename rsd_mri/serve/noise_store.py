"""Noise of earlier connections, kept in memory for the measurements that name it."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.serve.facts import HeaderFacts

Lines = list[tuple[np.void, NDArray[np.complex64]]]
MOST_KEPT = 16
MOST_BYTES = 2**28


@dataclass(frozen=True)
class KeptNoise:
    """Noise lines and the coils that they are of."""

    lines: Lines
    labels: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(samples.nbytes for _, samples in self.lines)


class NoiseStore:
    """The latest noise measurements by their identifiers."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, KeptNoise] = OrderedDict()

    def keep(self, facts: HeaderFacts, lines: Lines) -> str:
        """Keep noise; says what was done."""
        if facts.measurement is None:
            return "noise lines came without a measurementID: they cannot be named later and are not kept"
        # Copies, so that the whole message they came in is not kept as well.
        own = KeptNoise([(head.copy(), samples.copy()) for head, samples in lines], facts.coil_labels)
        if own.size > MOST_BYTES:
            return "the noise lines are too many to be kept"
        self._kept.pop(facts.measurement, None)
        self._kept[facts.measurement] = own
        while len(self._kept) > MOST_KEPT or sum(one.size for one in self._kept.values()) > MOST_BYTES:
            self._kept.popitem(last=False)
        return f"{len(lines)} noise lines are kept for later measurements"

    def find(self, facts: HeaderFacts, coils: int | None) -> tuple[Lines, str | None]:
        """Noise that a measurement names, if its coils are the same; and what there is to say where there is none."""
        if facts.noise is None:
            return [], None
        kept = self._kept.get(facts.noise)
        if kept is None:
            return [], "the noise measurement that the header names is not known here: the noise is found from the data"
        counts = {int(head["active_channels"]) for head, _ in kept.lines}
        if counts != {coils} or (kept.labels and facts.coil_labels and kept.labels != facts.coil_labels):
            return [], "the noise measurement that the header names has other coils and is not used"
        return kept.lines, None
