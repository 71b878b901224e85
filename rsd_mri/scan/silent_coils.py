"""Coils that are dead: in the noise scan, in k-space, or in both."""

import numpy as np
from numpy.typing import NDArray

SILENT = 1e-6
"""Share of the median coil's power below which a coil is silent."""


def silent_coils(samples: NDArray[np.complexfloating]) -> NDArray[np.bool_]:
    """Which coils of [coil, ...] hold next to nothing."""
    power = np.array([float(np.mean(np.abs(one) ** 2, dtype=np.float64)) for one in samples])
    heard = power[power > 0]
    return power <= SILENT * np.median(heard) if len(heard) else np.ones(len(power), bool)


def in_words(noise: NDArray[np.complex64] | None, kspace: NDArray[np.complex64]) -> tuple[str, ...]:
    """What is odd about the coils of noise [coil, sample] and k-space [slice, coil, readout, phase_encode]."""
    energy = np.sum([(np.abs(one) ** 2).sum(axis=(1, 2), dtype=np.float64) for one in kspace], axis=0)
    dead = silent_coils(np.sqrt(energy)[:, None])
    notes = []
    if dead.any() and not dead.all():
        notes.append(f"{_names(dead)} without any signal in k-space")
    if noise is None or len(noise) != len(dead):
        return tuple(notes)
    mute = silent_coils(noise) & ~dead
    if mute.any() and not mute.all():
        notes.append(
            f"{_names(mute)} silent in the noise scan but not in k-space; the noise of such a coil is estimated from "
            "the data"
        )
    return tuple(notes)


def _names(which: NDArray[np.bool_]) -> str:
    numbers = np.flatnonzero(which).tolist()
    return f"coil {numbers[0]} is" if len(numbers) == 1 else f"coils {', '.join(map(str, numbers))} are"
