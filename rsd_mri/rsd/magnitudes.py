"""What a protocol leaves to the data: the magnitudes that the networks are scaled by."""

from dataclasses import replace

from rsd_mri.corruption.corruption import Key
from rsd_mri.machine.evenly import evenly
from rsd_mri.protocol import Protocol
from rsd_mri.rsd.data import Data

ITEMS = 64
"""Items looked at, at most."""
SMALLEST = 1e-3


def settled(protocol: Protocol, data: Data) -> Protocol:
    """Fill in what is left to the data: `teacher.sigma_data`, `teacher.sigma_hidden`, `distillation.sigma_min`.

    The same protocol and data give the same values, rounded to three digits, so that a run can be continued.

    Parameters
    ----------
    protocol
        As given.
    data
        Measurements of any corruption; no clean image is looked at.
    """
    teacher, distillation = protocol.teacher, protocol.distillation
    if None not in (teacher.sigma_data, teacher.sigma_hidden, distillation.sigma_min):
        return protocol
    chosen = evenly(len(data), ITEMS).tolist()
    batch = data.batch(chosen)
    keys: list[Key] = [(protocol.seed, "magnitudes", i) for i in chosen]
    found = data.corruption.magnitudes(batch, data.corruption.further(batch.operator, keys))
    image, hidden, lowest = (float(f"{value:.3g}") for value in (found.image, found.hidden, found.lowest))
    return replace(
        protocol,
        teacher=replace(
            teacher,
            sigma_data=max(image, SMALLEST) if teacher.sigma_data is None else teacher.sigma_data,
            sigma_hidden=hidden if teacher.sigma_hidden is None else teacher.sigma_hidden,
        ),
        distillation=replace(
            distillation, sigma_min=lowest if distillation.sigma_min is None else distillation.sigma_min
        ),
    )
