"""Posterior samples of all slices of a volume together, before they are taken one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Key
from rsd_mri.errors import InputError
from rsd_mri.files.slices import SPOOLED_BYTES, SpooledSlices
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.operators import MovingSense, Sense
from rsd_mri.preparation.prepared_scan import PreparedScan
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.finish import as_operator
from rsd_mri.reconstruction.memory import require_room_for_volume
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.posterior.restorers import SMALLEST_LEVEL
from rsd_mri.reconstruction.posterior.volume import (
    AXES,
    InPlanes,
    OfMaps,
    Planes,
    SliceOperators,
    VolumeProblem,
    planes_of,
)
from rsd_mri.reconstruction.posterior_method import Posterior, in_common, keyed_noise, width_of
from rsd_mri.scan.scan import Scan

LEAST_SLICES = 16
"""Below that the other two planes of a volume are strips in which the prior knows nothing again."""
GAP = 0.05
"""Largest gap between slices of a volume, over their thickness."""


@dataclass(frozen=True)
class Together(Posterior):
    """Posterior samples of one volume that are drawn already."""

    drawn: tuple[Tensor, ...] = ()
    """Of each sample, [slice, (set,) readout, phase_encode]."""
    stds: tuple[Tensor, ...] = ()
    """Of each slice, what the reconstructor says of it, [(set,) readout, phase_encode]; none where it is not asked."""

    def run(
        self,
        operator: Sense,  # noqa: ARG002
        kspace: Tensor,
        sigma: float | Tensor,  # noqa: ARG002
        keys: Sequence[Key],
        progress: Progress = SILENT,  # noqa: ARG002
        first: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """The samples that the keys (seed, name, slice, sample) name."""
        return torch.stack([self.drawn[int(key[3])][int(key[2])] for key in keys]).to(kspace.device)

    def estimate(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: Sequence[Key],
        progress: Progress = SILENT,
    ) -> Made:
        """The samples with what the reconstructor said when they were begun."""
        images = self.run(operator, kspace, sigma, keys, progress)
        if not self.stds:
            return Made(images)
        return Made(images, torch.stack([self.stds[int(key[2])] for key in keys]).to(kspace.device))


def together(
    method: Method, prepared: PreparedScan, name: str, seed: int, device: torch.device, progress: Progress = SILENT
) -> Method:
    """The method with its samples of the whole volume drawn, where it draws them together; else the method itself.

    Parameters
    ----------
    method
        Settled.
    prepared
        All slices, side by side.
    name, seed
        Of the scan and of the draws: those of a slice are keyed as where it is reconstructed alone.
    device
        Where to compute.
    progress
        Told the share done.

    Raises
    ------
    InputError
        If the slices are no volume, or memory does not hold them.
    """
    if not isinstance(method, Posterior) or not method.volume:
        return method
    _require_volume(prepared.scan)
    count = len(prepared)
    sigma = max(prepared.volume.sigma, SMALLEST_LEVEL)
    firsts: list[Made] = []
    seen, back = [], []
    maps: np.ndarray[Any, Any] | SpooledSlices | None = None
    moved: dict[int, OfMaps] = {}
    operator, kspace = as_operator([prepared.middle], device)
    require_room_for_volume(count * operator.csm[0, ..., 0, :, :].numel(), method.samples)
    for index, part in progress.part(0.0, 0.1).each(range(count)):
        operator, kspace = as_operator([prepared[index]], device)
        firsts.append(method.begin(operator, kspace, sigma))
        operator, kspace = operator.balanced(kspace)
        back.append(operator.adjoint(kspace))
        seen.append((operator.csm[0] != 0).any(-3))
        if isinstance(operator, MovingSense):
            moved[index], operator = operator.of_maps(), operator.lying_still()
        one = operator.csm[0].cpu().numpy()
        if maps is None:
            room = SpooledSlices if count * one.nbytes > SPOOLED_BYTES else np.empty
            maps = room((count, *one.shape), one.dtype)
        if isinstance(maps, SpooledSlices):
            maps.put(index, one)
        else:
            maps[index] = one
        part(1.0)
    if maps is None:
        return method
    denoiser = InPlanes(method.prior, Planes(torch.stack(seen)), planes_of(prepared.scan.geometry.voxel_size))
    start, adjoint_kspace = torch.cat([one.images for one in firsts]), torch.cat(back)
    stds = tuple(one.std[0].cpu() for one in firsts if one.std is not None)
    operators = SliceOperators(operator, maps, moved)

    def problem(keys: list[Key], progress: Progress, common: VolumeProblem | None = None) -> VolumeProblem:
        return VolumeProblem(
            operator=operators,
            kspace=kspace,
            sigma=sigma,
            denoise=replace(denoiser, turn=method.turns(keys)[0]).denoise,
            noise=keyed_noise(keys),
            start=start,
            sigma_data=method.prior.denoiser.sigma_data,
            progress=progress,
            whole=True,
            width=width_of(operator, sigma),
            back_projected=adjoint_kspace,
            noise_of=lambda group: keyed_noise(keys[group]),
            common=common,
        )

    drawn: list[Tensor] = []
    commons: dict[Key, VolumeProblem] = {}
    for number, part in progress.part(0.1, 1.0).each(range(method.samples)):
        keys: list[Key] = [(seed, name, index, number) for index in range(count)]
        shared = [in_common(key, method.sampler.chains or 1) for key in keys]
        if shared[0] not in commons:
            commons[shared[0]] = problem(shared, part)
        with torch.no_grad():
            drawn.append(method.sampler.sample(problem(keys, part, commons[shared[0]])).cpu())
    return Together(**{f.name: getattr(method, f.name) for f in fields(Posterior)}, drawn=tuple(drawn), stds=stds)


def left_out_planes(method: Method, scan: Scan) -> str:
    """What to say where slices are sampled together and not all planes are denoised; empty where there is nothing."""
    voxel = scan.geometry.voxel_size
    if voxel is None or not isinstance(method, Posterior) or not method.volume:
        return ""
    used = len(planes_of(voxel))
    if used == len(AXES):
        return ""
    size = " x ".join(f"{one:.2g}" for one in voxel)
    which = "the slices' own plane alone, which leaves neighbours apart" if used == 1 else f"{used} planes of three"
    return f"Voxels of {size} mm are far from cubes: the volume was denoised in {which}."


def _require_volume(scan: Scan) -> None:
    """Refuse slices that are no volume."""
    if scan.n_slices < LEAST_SLICES:
        raise InputError(
            f"{scan.source}: --volume needs {LEAST_SLICES} slices or more side by side, this scan has {scan.n_slices}; "
            "leave --volume out"
        )
    voxel = scan.geometry.voxel_size
    if voxel is not None and scan.geometry.slice_gap > GAP * voxel[2]:
        raise InputError(
            f"{scan.source}: its slices have gaps of {scan.geometry.slice_gap:.3g} mm and are no volume; leave "
            "--volume out"
        )
