"""Where to compute, and how precisely a network has to."""

from contextlib import AbstractContextManager, nullcontext
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


@lru_cache(maxsize=1)
def bfloat16_is_quick() -> bool:
    """Whether the processor multiplies bfloat16 twice as fast as single precision or faster; False where unknown."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return "avx512_bf16" in flags or "amx_bf16" in flags


def quick_products(device: torch.device) -> AbstractContextManager[object]:
    """A network's products in bfloat16 on processors that are quick at it, where no gradient is taken.

    Everything that is not a product of the network, the physics above all, keeps its precision.
    """
    if device.type == "cpu" and bfloat16_is_quick() and not torch.is_grad_enabled():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()
