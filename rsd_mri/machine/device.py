"""Where to compute."""

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
