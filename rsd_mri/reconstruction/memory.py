"""How many samples and slices fit into memory at once: planned before a scan is begun."""

import sys
from dataclasses import dataclass

import torch

from rsd_mri.errors import InputError
from rsd_mri.machine.limits import free_memory
from rsd_mri.protocol import NetworkSettings

SHARE = 0.7
"""Of the free memory that a plan may use."""
COMPLEX_BYTES = 8
IMAGES = 16
"""Images an item keeps besides the network's: conjugate gradients, noise, estimate."""
VOLUMES = 10
"""Complex volumes that sampling a volume keeps: start, data, noise, noisy, estimate, what is computed from these, and
what its samples share."""
COIL_IMAGES = 4
"""Stacks of coil images an item keeps: noise in k-space and what the transforms copy."""
FEATURE_MAPS = 12
"""Feature maps of the finest resolution alive at once in a forward pass, as measured."""
KEPT_FOR_GRADIENT = 8
"""How many times more a pass keeps whose gradient is wanted."""
MOST_ITEMS = 32
"""Beyond that a batch gains nothing on a GPU."""


@dataclass(frozen=True)
class Batches:
    """What is computed at once."""

    slices: int
    samples: int
    item_bytes: int
    """Estimated memory of one sample of one slice."""


def item_bytes(
    size: tuple[int, int], n_coils: int, n_sets: int, network: NetworkSettings | None, gradient: bool = False
) -> int:
    """Estimate the memory that one sample of one slice takes while it is drawn.

    Parameters
    ----------
    size
        (readout, phase_encode).
    n_coils, n_sets
        Virtual coils and sets of maps.
    network
        Of the prior, where there is one.
    gradient
        Whether the sampler follows the gradient through the network.
    """
    pixels = size[0] * size[1]
    physics = pixels * COMPLEX_BYTES * (IMAGES * n_sets + COIL_IMAGES * n_coils)
    if network is None:
        return physics
    maps = FEATURE_MAPS * (KEPT_FOR_GRADIENT if gradient else 1)
    # Complex features are two real numbers of four bytes.
    width = network.channels * (COMPLEX_BYTES if network.field == "complex" else COMPLEX_BYTES // 2)
    # Sets go through the network one after the other, but their gradient keeps all.
    return physics + maps * width * pixels // network.fold**2 * (n_sets if gradient else 1)


def plan_batches(
    bytes_each: int, samples: int, n_slices: int, device: torch.device, free: int | None = None
) -> Batches:
    """Choose how many samples of how many slices are computed at once.

    On a CPU one slice at a time: more would not be faster.

    Parameters
    ----------
    bytes_each
        As `item_bytes` says.
    samples, n_slices
        Wanted in all.
    device
        Where to compute.
    free
        Free memory [bytes]; asked of the device where not given.

    Raises
    ------
    InputError
        If not even one sample fits.
    """
    free = free_bytes(device) if free is None else free
    fit = int(SHARE * free // bytes_each)
    if fit < 1:
        raise InputError(
            f"one sample of one slice needs about {bytes_each / 2**20:.0f} MiB and {free / 2**20:.0f} MiB of memory "
            f"are free on {device.type}; close other programs or take --method tv"
        )
    at_once = min(samples, fit, MOST_ITEMS)
    slices = 1 if device.type == "cpu" or at_once < samples else max(min(fit, MOST_ITEMS) // samples, 1)
    return Batches(min(slices, n_slices), at_once, bytes_each)


def require_room_for_images(
    size: tuple[int, int], n_slices: int, samples: int, learned: bool, free: int | None = None
) -> None:
    """Refuse a volume whose images would not fit into memory, before anything is computed.

    Parameters
    ----------
    size
        (readout, phase_encode) of an image.
    n_slices
        Of the volume.
    samples
        Kept of each slice; 0 where the method draws none.
    learned
        Whether what the data determine and what the prior added are kept too.
    free
        Free memory of the processor [bytes]; asked for where not given.

    Raises
    ------
    InputError
        If they do not fit.
    """
    values = 3 + 2 * learned + (2 * samples + 2 if samples else 0)  # samples are copied once when they are written
    _require_room(
        size[0] * size[1] * n_slices * 4 * values,
        f"the images of {n_slices} slices of {size[0]} x {size[1]} pixels need",
        "or split the scan",
        free,
    )


def require_room_for_volume(voxels: int, samples: int) -> None:
    """Refuse a volume of so many voxels, over all sets of maps, whose samples could not be drawn together.

    Raises
    ------
    InputError
        If it does not fit.
    """
    _require_room(
        voxels * COMPLEX_BYTES * (VOLUMES + samples),
        f"{voxels} voxels sampled together need",
        "or leave --volume out",
    )


def _require_room(needed: int, what: str, way_out: str, free: int | None = None) -> None:
    free = free_bytes(torch.device("cpu")) if free is None else free
    if needed > SHARE * free:
        raise InputError(
            f"{what} about {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB of memory are free; "
            f"close other programs, take fewer samples, {way_out}"
        )


def free_bytes(device: torch.device) -> int:
    """Memory that can still be taken on a device."""
    if device.type == "cuda":
        # What the allocator holds but does not use is free as well.
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + held
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return free_memory()


def peak_bytes(device: torch.device) -> int:
    """The most memory taken so far: of the process on a CPU, of the allocator on a GPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def ran_out(error: Exception) -> bool:
    """Whether an error says that there was no memory left, as Python, torch and CUDA each say it."""
    text = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in text
