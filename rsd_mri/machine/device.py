"""Where to compute, and how precisely a network has to."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path

import torch

from rsd_mri.errors import InputError


def resolve_device(name: str) -> torch.device:
    """Device for a name; `auto` takes CUDA, then the CPU (Apple's MPS lacks complex FFTs: ask for it by name).

    Raises
    ------
    InputError
        If the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(name, False):
        have = ", ".join(n for n, ok in there.items() if ok)
        raise InputError(f"--device {name}: not available here; there is {have}")
    return torch.device(name)


CPUINFO = Path("/proc/cpuinfo")


def bfloat16_is_quick() -> bool:
    """Whether the processor multiplies bfloat16 twice as fast as single precision or faster; False where unknown."""
    return bool(flags() & {"avx512_bf16", "amx_bf16"})


def whole_numbers_are_quick() -> bool:
    """Whether the processor adds products of pairs of whole numbers of 16 bits quicker than single ones of 32.

    In one instruction (AVX-512 VNNI), or in two where its widest vectors are those of AVX2.
    """
    here = flags()
    return here >= {"avx512_vnni", "avx512bw"} or ("avx2" in here and "avx512f" not in here)


@lru_cache(maxsize=1)
def flags() -> frozenset[str]:
    """What the processor can do, as Linux names it."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return frozenset()
    return frozenset(next((line.split() for line in lines if line.startswith("flags")), []))


class _Products(threading.local):
    """How this thread's networks multiply."""

    whole_numbers = False


_products = _Products()


def whole_numbers_wanted() -> bool:
    """Whether a network that runs now may round what it multiplies to whole numbers."""
    return _products.whole_numbers and not torch.is_grad_enabled()


@contextmanager
def in_whole_numbers() -> Iterator[None]:
    """Let networks round what they multiply to whole numbers of 16 bits, where they can."""
    before, _products.whole_numbers = _products.whole_numbers, True
    try:
        yield
    finally:
        _products.whole_numbers = before


def quick_products(device: torch.device) -> AbstractContextManager[object]:
    """A network's products in what a processor is quick at, where no gradient is taken: bfloat16, or whole numbers.

    Everything that is not a product of the network, the physics above all, keeps its precision.
    """
    if device.type == "cpu" and not torch.is_grad_enabled():
        if bfloat16_is_quick():
            return torch.autocast("cpu", torch.bfloat16)
        if whole_numbers_are_quick():
            return in_whole_numbers()
    return nullcontext()


PIXELS = {"cpu": 2**16, "cuda": 2**21}
"""Of the images that are sampled together on each kind of device, where nothing but rounding depends on it."""


def images_at_once(device: torch.device, pixels: int) -> int:
    """How many images of so many pixels to sample together on a device; at least one."""
    return max(PIXELS.get(device.type, PIXELS["cpu"]) // pixels, 1)
