"""`Geometry`: where the slices of a scan lie."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """Where the image lies in the patient; unknown parts are None."""

    voxel_size: tuple[float, float, float] | None = None
    """Size of a voxel along (readout, phase encode, slice) [mm]."""
    slice_gap: float = 0.0
    """Gap between slices [mm]."""
    read_direction: tuple[float, float, float] | None = None
    """Unit vector of the readout axis in patient coordinates (LPS)."""
    phase_direction: tuple[float, float, float] | None = None
    """Unit vector of the phase-encode axis in patient coordinates (LPS)."""
    slice_direction: tuple[float, float, float] | None = None
    """Unit vector of the slice normal in patient coordinates (LPS)."""
    positions: tuple[tuple[float, float, float], ...] = ()
    """Centre of each slice in patient coordinates (LPS) [mm]; empty where unknown."""
