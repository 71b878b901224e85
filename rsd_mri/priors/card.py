"""`Card`: what a prior was trained on, and how well it did."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from rsd_mri.about.plain import Json

UNKNOWN_ERROR = 0.1
"""Error taken of a teacher whose card does not say it."""


@dataclass(frozen=True)
class Card:
    """What is known of a prior's training; None where it is not, or does not apply."""

    data: str | None = None
    """Name of the training data."""
    slices: int | None = None
    slices_of_other_sizes_left_out: int | None = None
    images: int | None = None
    """Of pictures: how many."""
    corruption: Mapping[str, Any] | None = None
    """Of pictures: the corruption's settings."""
    coils: int | None = None
    acceleration: float | None = None
    mask: str | None = None
    """Kind of the sampling pattern."""
    acs_lines: int | None = None
    sigma_median: float | None = None
    sigma_range: tuple[float, float] | None = None
    """Lowest and highest noise level of the scans, prepared units."""
    matrix: tuple[int, int] | None = None
    """(readout, phase_encode) of most scans."""
    restored_by: str | None = None
    """Of a denoiser: the method that made its training images."""
    round: int | None = None
    """Of a denoiser: how many times images were restored and learned."""
    hidden_error: float | None = None
    """Root mean square error on what the network is not shown."""
    proximal_images: int | None = None
    proximal_held_out: int | None = None
    proximal_distance: float | None = None
    """Distance to the measurements at which the weights were chosen."""
    chosen_at_images: int | None = None
    """Images seen by the weights that were chosen."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Card":
        """Read what `as_dict` gave, of this version or an earlier one; what is unknown here is left out."""
        known = {f.name: values[f.name] for f in fields(cls) if values.get(f.name) is not None}
        for pair in ("sigma_range", "matrix"):
            if pair in known:
                known[pair] = tuple(known[pair])
        return cls(**known)

    def as_dict(self) -> dict[str, Json]:
        """Plain values of what is known."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }

    def with_found(self, found: Mapping[str, float]) -> "Card":
        """With what was measured of the trained network."""
        return replace(self, **found)  # type: ignore[arg-type]

    @property
    def floor(self) -> float:
        """The network's error on what it is not shown, or a guess at it."""
        return UNKNOWN_ERROR if self.hidden_error is None else float(self.hidden_error)
