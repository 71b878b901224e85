"""`Finding`: how a question about a scan was settled, and by what evidence."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

QUESTIONS = (
    "format", "frames", "slices", "axes", "coils", "matrix", "field of view", "voxel", "sign", "centre", "sampling",
    "acceleration", "segments", "calibration", "noise", "geometry",
)  # fmt: skip
"""What has to be settled of every scan, in the order in which it is shown."""


@dataclass(frozen=True)
class Finding:
    """One question about a scan, its answer and the evidence for it."""

    question: str
    """One of `QUESTIONS`."""
    answer: str
    """In a few words."""
    evidence: str = ""
    """Where the answer comes from: a field of the header, a counter of the records, the energy of k-space, ..."""
    value: Any = None
    """The answer as plain values for JSON, where numbers say more than words."""

    def __post_init__(self) -> None:
        if self.question not in QUESTIONS:
            raise ValueError(f"{self.question!r} is no question; expected one of {', '.join(QUESTIONS)}")

    def __str__(self) -> str:
        return f"{self.answer} ({self.evidence})" if self.evidence else self.answer


def merged(*groups: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings in the order of `QUESTIONS`; a later one on the same question replaces an earlier one."""
    last = {one.question: one for group in groups for one in group}
    return tuple(last[question] for question in QUESTIONS if question in last)
