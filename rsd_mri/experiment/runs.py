"""Training runs from the command line's point of view: data found or simulated, then trained on."""

from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from data_prep import PreparedDataset, prepare_folder
from data_prep.downloads import how_to_get
from data_prep.images import SOURCES, read_images
from rsd_mri.corruption.build import image_corruption
from rsd_mri.datasets.crops import ReadoutCrops
from rsd_mri.datasets.images import CorruptedImages
from rsd_mri.datasets.slices import PreparedSlices, UndersampledSlices, commonest_size
from rsd_mri.errors import InputError
from rsd_mri.experiment.proximal import proximal_distance
from rsd_mri.files import claimed
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import load_prior
from rsd_mri.progress import SILENT, Progress
from rsd_mri.protocol import Protocol
from rsd_mri.reconstruction.classical.table import CLASSICAL
from rsd_mri.reconstruction.methods import Method
from rsd_mri.reconstruction.posterior.methods import Posterior
from rsd_mri.results.figures import write_contact_sheet
from rsd_mri.rsd.train import train, train_denoiser
from rsd_mri.simulation import simulate_folder
from rsd_mri.training.checkpoint import load_tensors, save_tensors
from rsd_mri.training.fabric import TrainOptions, make_fabric


def simulated_data(
    protocol: Protocol,
    folder: Path,
    seed: int,
    progress: Progress,
    *,
    first: int = 0,
    volumes: int | None = None,
    noise: float | None = None,
    name: str = "simulated",
) -> Path:
    """Simulate and prepare a protocol's scans; done once, continued where it was stopped.

    Parameters
    ----------
    protocol, folder, seed
        What to simulate, where, and from which seed.
    progress
        Told the share done.
    first, volumes, noise, name
        Number of the first case, how many, their noise and their folder, where they are not those of training.

    Returns
    -------
    Path
        The folder of prepared scans.
    """
    data = protocol.data
    raw = folder / name
    volumes = data.volumes if volumes is None else volumes
    noise = data.noise if noise is None else noise
    for case, _ in progress.part(0.0, 0.5).each(range(first, first + volumes)):
        if not (raw / f"brain_{seed}_{case:04d}.h5").is_file():
            simulate_folder(raw, 1, data.slices, data.matrix, data.coils, noise, None, seed, first=case)
    prepared = folder / f"{name}-prepared"
    prepare_folder(raw, prepared, protocol, progress=progress.part(0.5, 1.0))
    return prepared


def train_run(
    protocol: Protocol, out: Path, data: Path | None, options: TrainOptions, progress: Progress = SILENT
) -> dict[str, Any]:
    """Train on prepared scans or on pictures, or on what needs no data where none are given.

    Of several processes the first simulates, prepares and restores; the others wait for it.

    Returns
    -------
    dict
        As of `train`, and `first`: whether this is the first of all processes.
    """
    fabric = make_fabric(options)
    with claimed(out / "checkpoint") if fabric.is_global_zero else nullcontext():
        return _train_run(protocol, out, data, options, progress, fabric)


def _train_run(
    protocol: Protocol, out: Path, data: Path | None, options: TrainOptions, progress: Progress, fabric: Fabric
) -> dict[str, Any]:
    first = fabric.is_global_zero
    if protocol.corruption.kind != "undersampling":
        if options.stage == "denoiser":
            raise InputError("--stage denoiser makes the prior of MRI reconstruction; its protocol must be one of MRI")
        pictures = corrupted_images(protocol, data)
        source = protocol.data.source if data is None else data.name
        card = Card(data=source, images=len(pictures), corruption=asdict(protocol.corruption))
        monitor = proximal_distance(pictures, protocol)
        done = train(pictures, protocol, out, options, progress, card, write_contact_sheet, fabric, monitor)
        return {**done, "first": first}
    if data is None:
        if first:
            simulated_data(protocol, out, protocol.seed, progress.step("simulating"))
        fabric.barrier()
        data = out / "simulated-prepared"
    # Restored whole: a band would end where the image goes on.
    cut = protocol if options.stage != "denoiser" else replace(protocol, data=replace(protocol.data, crop=0))
    scans = PreparedDataset(data)
    slices = measured_slices(cut, scans)
    card = replace(described(slices), data=data.name, matrix=commonest_size(scans))
    if options.stage == "denoiser":
        # The first restores and stores; the others then read what it stored.
        if first:
            restore(slices, protocol, out, progress.step("restoring"), options.start)
        fabric.barrier()
        restored = restore(slices, protocol, out, progress.step("restoring"), options.start)
        card = replace(card, restored_by=protocol.denoiser.restored_by)
        done = train_denoiser(restored, protocol, out, options, progress, card, write_contact_sheet, fabric)
    else:
        monitor = proximal_distance(slices, protocol)
        done = train(slices, protocol, out, options, progress, card, write_contact_sheet, fabric, monitor)
    return {**done, "first": first}


def measured_slices(protocol: Protocol, scans: PreparedSlices) -> UndersampledSlices:
    """What a protocol learns of prepared scans."""
    slices = ReadoutCrops(scans, protocol.data.crop) if protocol.data.crop else scans
    return UndersampledSlices(slices, protocol.mask, protocol.seed, protocol.undersampling.shown)


def corrupted_images(protocol: Protocol, data: Path | None) -> CorruptedImages:
    """Read the pictures of a protocol, and corrupt them once and for good.

    Raises
    ------
    InputError
        If there are none, or the protocol names no source of images.
    """
    s = protocol.data
    if data is not None:
        images = read_images(data, s.matrix)
    elif s.source in SOURCES:
        images = SOURCES[s.source](s.volumes * s.slices, s.matrix, protocol.seed, "train")
    else:
        published = how_to_get(protocol.name)
        raise InputError(
            f"protocol '{protocol.name}' corrupts images but simulates {s.source}: give --data, or set data.source "
            f"to one of {', '.join(SOURCES)}" + (f". {published}" if published else "")
        )
    channels, height, width = images.shape[1:]
    return CorruptedImages(images, image_corruption(protocol, (channels, height, width)), protocol.seed)


def restore(
    slices: UndersampledSlices, protocol: Protocol, folder: Path, progress: Progress,
    start: Path | None = None,
) -> Tensor:
    """Restore every undersampled training slice; stored in the run, done once for each prior.

    With `restored_by: posterior` under the denoiser of `start`, or of the run's round before.

    Returns
    -------
    Tensor
        [slice, readout, phase_encode] complex64, prepared units.
    """
    method = protocol.denoiser.restored_by
    path = folder / f"restored-{method}.safetensors"
    prior = load_prior(start, "denoiser") if method == "posterior" and start else None
    made_from = {"data": slices.identity, "prior": prior.sha256 if prior else ""}
    if path.is_file():
        tensors, metadata = load_tensors(path)
        if all(metadata.get(name) == value for name, value in made_from.items()):
            return torch.view_as_complex(tensors["images"])
    if method == "posterior" and prior is None:
        prior = load_prior(folder, "denoiser")
    restoring: Method = CLASSICAL[method] if prior is None else Posterior(prior, samples=1)
    images = []
    for i, _ in progress.each(range(len(slices))):
        operator, y, sigma = slices.measured(i)
        images.append(restoring.run(operator, y, sigma, [(protocol.seed, "restore", i)])[0])
    stacked = torch.stack(images)
    save_tensors(path, {"images": torch.view_as_real(stacked)}, {"kind": "restored", **made_from})
    return stacked


def described(slices: UndersampledSlices) -> Card:
    """The card's facts on the training data: what a scan is compared with before it is reconstructed."""
    corruption = slices.corruption
    sigma = corruption.sigma.numpy()
    return Card(
        slices=len(slices),
        slices_of_other_sizes_left_out=slices.left_out,
        coils=int(corruption.bank.shape[1]),
        acceleration=corruption.mask.acceleration,
        mask=corruption.mask.kind,
        acs_lines=corruption.mask.acs_lines,
        sigma_median=float(np.median(sigma)),
        sigma_range=(float(sigma.min()), float(sigma.max())),
    )
