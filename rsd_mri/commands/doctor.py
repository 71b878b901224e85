"""`rsd-mri doctor`: what is installed, what there is to compute on, and what is missing."""

import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import util

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.plain import Json
from rsd_mri.commands.console import refusing
from rsd_mri.commands.options import JsonOption
from rsd_mri.commands.output import result
from rsd_mri.machine.limits import processors, total_memory

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
    with refusing():
        found = examination()
    result([*found.lines(), NOT_FOR_DIAGNOSTIC_USE], found.as_dict(), json)


@dataclass(frozen=True)
class Device:
    """What there may be to compute on."""

    name: str
    usable: bool
    memory_bytes: int | None
    detail: str

    def line(self) -> str:
        """For a person."""
        size = "" if self.memory_bytes is None else f", {_gib(self.memory_bytes)}"
        return f"{self.name}: {'yes' if self.usable else 'no'} ({self.detail}{size})"


@dataclass(frozen=True)
class Missing:
    """An optional part that is not there."""

    part: str
    use: str
    install: str
    """How to get it."""


@dataclass(frozen=True)
class Examination:
    """What was found; None where it is not known or not there."""

    version: str
    python: str
    system: str
    libraries: dict[str, str | None]
    """Name to version."""
    devices: list[Device]
    cpus: int
    threads: int
    memory_bytes: int
    """Of the machine, or of the container where that may use less."""
    memory_free_bytes: int
    compiled_in: str | None
    """Where compiled code is kept from one process to the next."""
    prior: str | None
    """The package's."""
    missing: list[Missing]

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        parts = [{"part": one.part, "for": one.use, "install": one.install} for one in self.missing]
        return {**asdict(self), "missing": parts, "not_for_diagnostic_use": True}

    def lines(self) -> list[str]:
        """For a person."""
        libraries = [f"{name} {version or 'MISSING'}" for name, version in self.libraries.items()]
        lines = [
            f"rsd-mri {self.version}, Python {self.python}, {self.system}",
            f"libraries: {', '.join(libraries)}",
            f"memory: {_gib(self.memory_free_bytes)} of {_gib(self.memory_bytes)} free; {self.cpus} CPUs, "
            f"{self.threads} used by a process",
            "compiled code: "
            + (
                f"kept in {self.compiled_in}"
                if self.compiled_in
                else "compiled anew by every process, which takes seconds, for neither the package nor a home can be "
                "written: set NUMBA_CACHE_DIR to a folder of your own"
            ),
            *(device.line() for device in self.devices),
            f"prior: {self.prior or 'none comes with this installation; give recon --prior RUN'}",
        ]
        if not all(self.libraries.values()):
            lines.append("a library is MISSING: install again with  pip install --force-reinstall rsd-mri")
        lines += [f"optional, not installed: {one.part} ({one.use}): {one.install}" for one in self.missing]
        return lines if self.missing else [*lines, "every optional part is installed"]


def examination() -> Examination:
    """Look around."""
    from rsd_mri.machine.compiling import kept_in
    from rsd_mri.priors import RECONSTRUCTION
    from rsd_mri.reconstruction.memory import free_bytes

    devices = _devices()
    import torch

    return Examination(
        version=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        libraries={name: _version(name) for name in LIBRARIES},
        devices=devices,
        cpus=processors(),
        threads=torch.get_num_threads(),
        memory_bytes=total_memory(),
        memory_free_bytes=free_bytes(torch.device("cpu")),
        compiled_in=kept_in(),
        prior=str(RECONSTRUCTION) if RECONSTRUCTION.is_dir() else None,
        missing=missing(EXTRAS, PROGRAMS),
    )


def missing(extras: dict[str, tuple[str, tuple[str, ...]]], programs: dict[str, str]) -> list[Missing]:
    """Optional parts that are not there, and how to get them."""
    parts = [
        Missing(name, use, f'pip install "rsd-mri[{name}]"')
        for name, (use, modules) in extras.items()
        if not _all_there(modules)
    ]
    for name, use in programs.items():
        if shutil.which(name) is None:
            what, _, where = use.partition("; ")
            parts.append(Missing(name, what, f"apt install {name}, or {where}"))
    return parts


def _all_there(modules: Iterable[str]) -> bool:
    return all(util.find_spec(module) is not None for module in modules)


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[Device]:
    """CPU, CUDA and MPS as torch sees them."""
    import torch

    devices = [Device("cpu", True, total_memory(), platform.processor() or platform.machine())]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(index)
            devices.append(Device(f"cuda:{index}", True, found.total_memory, found.name))
    else:
        built = torch.version.cuda is not None
        why = "no NVIDIA GPU or no driver found" if built else "this torch is built without CUDA"
        devices.append(Device("cuda", False, None, why))
    if sys.platform == "darwin":
        there = torch.backends.mps.is_available()
        devices.append(Device("mps", there, None, "--device mps" if there else "not available to this torch"))
    return devices


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
