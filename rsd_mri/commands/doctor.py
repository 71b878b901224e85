"""`rsd-mri doctor`: what is installed, what there is to compute on, and what is missing."""

import os
import platform
import shutil
import sys
from collections.abc import Iterable
from importlib import metadata, util
from pathlib import Path
from typing import Any

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.commands.console import result
from rsd_mri.commands.options import JsonOption

LIBRARIES = (
    "torch",
    "numpy",
    "scipy",
    "sigpy",
    "fastmri",
    "pytorch-lightning",
    "h5py",
    "ismrmrd",
    "nibabel",
    "pydicom",
)
"""Libraries whose versions matter when something goes wrong."""
EXTRAS = {
    "notebooks": ("sliders in the notebooks", ("jupyterlab", "ipywidgets")),
    "logging": ("TensorBoard logs of training", ("tensorboard",)),
    "metrics": ("FID and KID on Inception features", ("torchmetrics", "torch_fidelity")),
    "bench": ("comparisons with deepinv in `rsd-mri bench run recon`", ("deepinv",)),
    "cluster": ("preparing scans on several machines", ("distributed",)),
}
"""Extra of this package to what it brings and the modules it consists of."""
PROGRAMS = {"bart": "comparisons with BART in `rsd-mri bench run recon`; https://mrirecon.github.io/bart"}
"""Programs that are used where they are found."""


def doctor(json: JsonOption = False) -> None:
    """Say what is installed, what there is to compute on, and which optional parts are missing.

    Example: rsd-mri doctor --json
    """
    found = examination()
    result([*describe(found), NOT_FOR_DIAGNOSTIC_USE], found, json)


def examination() -> dict[str, Any]:
    """Look around.

    Returns
    -------
    dict
        `version`, `python`, `system`, `libraries` (name to version, None where missing), `devices` (a list of `name`,
        `usable`, `memory_bytes`, `detail`), `memory_bytes` and `memory_free_bytes` of the machine (None where unknown),
        `cpus`, `threads`, `prior` (the package's, or None), and `missing` (a list of `part`, `for`, `install`).
    """
    from rsd_mri.priors import RECONSTRUCTION
    from rsd_mri.reconstruction.memory import free_bytes

    devices, threads = _devices()
    import torch

    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: _version(name) for name in LIBRARIES},
        "devices": devices,
        "cpus": os.cpu_count(),
        "threads": threads,
        "memory_bytes": _memory(),
        "memory_free_bytes": free_bytes(torch.device("cpu")),
        "prior": str(RECONSTRUCTION) if RECONSTRUCTION.is_dir() else None,
        "missing": missing(EXTRAS, PROGRAMS),
        "not_for_diagnostic_use": True,
    }


def describe(found: dict[str, Any]) -> list[str]:
    """Say it to a person."""
    libraries = [f"{name} {version or 'MISSING'}" for name, version in found["libraries"].items()]
    memory, free = found["memory_bytes"], found["memory_free_bytes"]
    whole = "" if memory is None else f" of {_gib(memory)}"
    lines = [
        f"rsd-mri {found['version']}, Python {found['python']}, {found['system']}",
        f"libraries: {', '.join(libraries)}",
        f"memory: {_gib(free)}{whole} free; {found['cpus']} CPUs, {found['threads']} used by a process",
    ]
    for device in found["devices"]:
        size = "" if device["memory_bytes"] is None else f", {_gib(device['memory_bytes'])}"
        lines.append(f"{device['name']}: {'yes' if device['usable'] else 'no'} ({device['detail']}{size})")
    lines.append(f"prior: {found['prior'] or 'none comes with this installation; give recon --prior RUN'}")
    if not all(found["libraries"].values()):
        lines.append("a library is MISSING: install again with  pip install --force-reinstall rsd-mri")
    for part in found["missing"]:
        lines.append(f"optional, not installed: {part['part']} ({part['for']}): {part['install']}")
    if not found["missing"]:
        lines.append("every optional part is installed")
    return lines


def missing(extras: dict[str, tuple[str, tuple[str, ...]]], programs: dict[str, str]) -> list[dict[str, str]]:
    """Optional parts that are not there, and how to get them."""
    parts = [
        {"part": name, "for": use, "install": f'pip install "rsd-mri[{name}]"'}
        for name, (use, modules) in extras.items()
        if not _all_there(modules)
    ]
    for name, use in programs.items():
        if shutil.which(name) is None:
            what, _, where = use.partition("; ")
            parts.append({"part": name, "for": what, "install": f"apt install {name}, or {where}"})
    return parts


def _all_there(modules: Iterable[str]) -> bool:
    return all(util.find_spec(module) is not None for module in modules)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> tuple[list[dict[str, Any]], int]:
    """CPU, CUDA and MPS as torch sees them, and the number of threads it takes."""
    import torch

    devices: list[dict[str, Any]] = [_device("cpu", True, _memory(), platform.processor() or platform.machine())]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(index)
            devices.append(_device(f"cuda:{index}", True, found.total_memory, found.name))
    else:
        built = torch.version.cuda is not None
        why = "no NVIDIA GPU or no driver found" if built else "this torch is built without CUDA"
        devices.append(_device("cuda", False, None, why))
    if sys.platform == "darwin":
        there = torch.backends.mps.is_available()
        devices.append(_device("mps", there, None, "--device mps" if there else "not available to this torch"))
    return devices, torch.get_num_threads()


def _device(name: str, usable: bool, memory: int | None, detail: str) -> dict[str, Any]:
    return {"name": name, "usable": usable, "memory_bytes": memory, "detail": detail}


def _memory() -> int | None:
    """Memory of the machine; a container may allow less."""
    if not hasattr(os, "sysconf"):
        return None
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else ""
    return min(whole, int(text)) if text.isdigit() else whole


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
