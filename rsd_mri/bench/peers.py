"""Reconstructions of other libraries: sigpy, BART and deepinv on our prepared data.

sigpy, deepinv and bartorch know one set of maps: they get the first.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.bench.measuring import status_kib
from rsd_mri.errors import InputError
from rsd_mri.preparation.prepared import PreparedSlice

DEEPINV_ABSENT = "" if importlib.util.find_spec("deepinv") else "deepinv is not installed: pip install 'rsd-mri[bench]'"
BARTORCH_ABSENT = (
    "" if importlib.util.find_spec("bartorch") else "bartorch is not installed: pip install 'rsd-mri[bench]'"
)
BART = ("bart",)
BARTORCH = (sys.executable, "-c", "from bartorch.cli import main; raise SystemExit(main())")
"""BART 1.0 by pip, as a command of its own: its time holds the start of Python."""
TV_STEPS, TV_INNER = 60, 50
"""Accelerated proximal steps of deepinv's total variation, and its iterations in each."""


@dataclass(frozen=True)
class Peer:
    """A method of another library."""

    name: str
    absent: str
    """Why it cannot run here; empty if it can."""
    penalty: str
    """Ours whose default regularisation its own is a multiple of; empty where it has none to choose."""
    run: Callable[[PreparedSlice, float], tuple[NDArray[np.complex64], float | None]]
    """(slice, regularisation) to the image [(set,) readout, phase_encode] and the memory of its process [MiB]."""


def all_peers() -> list[Peer]:
    """The methods of other libraries, with the reason where one cannot run here."""
    bart = "" if shutil.which("bart") else "BART is not installed"
    return [
        Peer("sigpy CG-SENSE, one set", "", "cg-sense", _sigpy("SenseRecon")),
        Peer("sigpy L1-wavelet, one set", "", "l1-wavelet", _sigpy("L1WaveletRecon")),
        Peer("sigpy TV, one set", "", "tv", _sigpy("TotalVariationRecon")),
        Peer("BART CG-SENSE", bart, "cg-sense", _bart("-l2 -r {}")),
        Peer("BART L1-wavelet", bart, "l1-wavelet", _bart("-l1 -r {}")),
        Peer("BART TV", bart, "tv", _bart("-R T:3:0:{}")),
        *(
            Peer(f"{name} (1.0, bartorch), one set", BARTORCH_ABSENT, ours, _bart(flags, BARTORCH))
            for name, ours, flags in (
                ("BART L1-wavelet", "l1-wavelet", "-l1 -r {}"),
                ("BART TV", "tv", "-R T:3:0:{}"),
            )
        ),
        Peer("deepinv TV, one set", DEEPINV_ABSENT, "tv", _deepinv_tv),
    ]


def _sigpy(app: str) -> Callable[[PreparedSlice, float], tuple[NDArray[np.complex64], float | None]]:
    def run(one: PreparedSlice, weight: float) -> tuple[NDArray[np.complex64], float | None]:
        import sigpy.mri

        maps = one.csm if one.n_sets == 1 else one.csm[0]
        made = getattr(sigpy.mri.app, app)(one.kspace, maps, lamda=weight, show_pbar=False)
        return made.run().astype(np.complex64), None

    return run


def deepinv_physics(one: PreparedSlice) -> Any:
    """Deepinv's operator of a slice, with the first set of maps; equal to ours."""
    from deepinv.physics import MultiCoilMRI

    maps = torch.from_numpy(one.csm if one.n_sets == 1 else one.csm[0])
    mask = torch.from_numpy(np.broadcast_to(one.mask, one.kspace.shape[-2:]).astype(np.float32))
    return MultiCoilMRI(mask=mask.expand(1, 2, -1, -1), coil_maps=maps[None])


def deepinv_kspace(one: PreparedSlice) -> Tensor:
    """K-space of a slice in deepinv's layout, [1, 2, coil, readout, phase_encode]."""
    return torch.view_as_real(torch.from_numpy(one.kspace)).moveaxis(-1, 0)[None]


@torch.no_grad()
def _deepinv_tv(one: PreparedSlice, weight: float) -> tuple[NDArray[np.complex64], float | None]:
    from deepinv.optim import FISTA, L2, TVPrior

    # Its maps are normalised: the operator's norm is at most one, and so is the step.
    solver = FISTA(
        data_fidelity=L2(),
        prior=TVPrior(n_it_max=TV_INNER),
        lambda_reg=weight,
        stepsize=1.0,
        max_iter=TV_STEPS,
    )
    image = solver(deepinv_kspace(one), deepinv_physics(one))
    return torch.view_as_complex(image[0].moveaxis(0, -1).contiguous()).numpy(), None


def _bart(
    flags: str, program: tuple[str, ...] = BART
) -> Callable[[PreparedSlice, float], tuple[NDArray[np.complex64], float | None]]:
    def run(one: PreparedSlice, weight: float) -> tuple[NDArray[np.complex64], float | None]:
        sets = one.n_sets if program == BART else 1
        maps = one.csm.reshape(-1, *one.csm.shape[-3:])[:sets]
        with tempfile.TemporaryDirectory() as folder:
            kspace = _centred_for_pics(one.kspace, program)
            image, peak = _pics(Path(folder), program, flags.format(weight).split(), kspace, maps)
        return image if sets == 2 else image[0], peak

    return run


def _pics(
    path: Path, program: tuple[str, ...], flags: list[str], kspace: NDArray[np.complex64], maps: NDArray[np.complex64]
) -> tuple[NDArray[np.complex64], float | None]:
    """Images [set, readout, phase_encode] of `bart pics`, and the memory of its process [MiB]; files go to a folder."""
    _write_cfl(path / "kspace", np.moveaxis(kspace, 0, -1)[:, :, None])
    _write_cfl(path / "maps", np.moveaxis(maps, (0, 1), (-1, -2))[:, :, None])
    options = [*flags, "-S", "-w", "1", "-i", "100"]
    command = [*program, "pics", *options, str(path / "kspace"), str(path / "maps"), str(path / "image")]
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, status_kib(Path(f"/proc/{process.pid}/status"), "VmHWM"))
            time.sleep(0.005)
    if process.returncode:
        raise InputError(f"bench recon: '{program[0]} pics {' '.join(options)}' ended with {process.returncode}")
    flat = np.fromfile(path / "image.cfl", np.complex64)
    image = flat.reshape(*maps.shape[-2:], len(maps), order="F")
    return np.moveaxis(image, -1, 0), peak / 1024 if peak else None


@cache
def _pics_lies_beside(program: tuple[str, ...]) -> bool:
    """Whether the image of `bart pics` has the middle of an odd axis one pixel beyond n // 2: 0.8.00, not 1.0.00."""
    n = 9
    maps = np.full((1, 2, n, n), np.sqrt(0.5), np.complex64)
    point = np.full((2, n, n), np.sqrt(0.5) / n, np.complex64)
    with tempfile.TemporaryDirectory() as folder:
        image, _ = _pics(Path(folder), program, ["-l2", "-r", "0.001"], point, maps)
    return int(np.abs(image[0]).argmax()) != (n // 2) * (n + 1)


def _centred_for_pics(kspace: NDArray[np.complex64], program: tuple[str, ...]) -> NDArray[np.complex64]:
    """K-space [coil, readout, phase_encode] as `bart pics` takes it.

    On an axis of odd length its image lies one pixel beside that of `bart fft -u` in some versions, and so beside the
    maps.
    """
    if not any(n % 2 for n in kspace.shape[1:]) or not _pics_lies_beside(program):
        return kspace
    for axis in (1, 2):
        n = kspace.shape[axis]
        if n % 2:
            shift = np.exp(2j * np.pi * np.arange(n) / n).astype(np.complex64)
            kspace = kspace * (shift[:, None] if axis == 1 else shift)
    return kspace


def _write_cfl(path: Path, array: NDArray[Any]) -> None:
    sizes = [*array.shape, *[1] * (16 - array.ndim)]
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n", encoding="ascii")
    array.astype(np.complex64).ravel("F").tofile(path.with_suffix(".cfl"))
