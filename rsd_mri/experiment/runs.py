"""Training runs from the command line's point of view: data found or simulated, then trained on."""

import shutil
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
from lightning_fabric import Fabric

from data_prep import PreparedDataset, prepare_folder
from data_prep.downloads import how_to_get
from data_prep.images import SOURCES, read_images
from rsd_mri.corruption.build import image_corruption
from rsd_mri.datasets.crops import ReadoutCrops
from rsd_mri.datasets.images import CorruptedImages
from rsd_mri.datasets.restored import RestoredImages
from rsd_mri.datasets.slices import PreparedSlices, UndersampledSlices, commonest_size
from rsd_mri.errors import InputError
from rsd_mri.experiment.proximal import proximal_distance
from rsd_mri.experiment.reconstructing import reconstructor_run
from rsd_mri.experiment.restoring import last_restored, restore
from rsd_mri.files import written_whole
from rsd_mri.files.claims import claimed
from rsd_mri.machine.limits import processors
from rsd_mri.machine.one_thread import one_thread
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.workers import Lost, run_jobs
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol import DataSettings, Protocol
from rsd_mri.results.figures import write_contact_sheet
from rsd_mri.rsd.guide import given_guide, round_folder
from rsd_mri.rsd.magnitudes import settled
from rsd_mri.rsd.train import Trained, train, train_denoiser
from rsd_mri.simulation import simulate_folder
from rsd_mri.training.fabric import Clock, TrainOptions, make_fabric


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
    missing = [n for n in range(first, first + volumes) if not (raw / f"brain_{seed}_{n:04d}.h5").is_file()]
    workers = processes(len(missing))
    make = partial(_simulate if workers == 1 else _simulate_on_one_thread, raw, data, noise, seed)
    for (_, outcome), _part in progress.part(0.0, 0.5).each(run_jobs(make, missing, workers), count=len(missing)):
        if isinstance(outcome, Lost):
            raise InputError(f"{raw}: {outcome.reason}; the same call again goes on from what there is")
    prepared = folder / f"{name}-prepared"
    prepare_folder(raw, prepared, protocol, workers, progress=progress.part(0.5, 1.0))
    return prepared


def _simulate(raw: Path, data: DataSettings, noise: float, seed: int, case: int) -> None:
    """One case; a function of its own, for other processes."""
    simulate_folder(raw, 1, data.slices, data.matrix, data.coils, noise, None, seed, first=case)


def _simulate_on_one_thread(raw: Path, data: DataSettings, noise: float, seed: int, case: int) -> None:
    with one_thread():
        _simulate(raw, data, noise, seed, case)


def processes(jobs: int) -> int:
    """How many processes are worth their start for so many scans.

    A process costs seconds to start, a scan about one to simulate; one core is left for whoever watches.
    """
    return max(1, min(processors() - 1, jobs // 16))


def train_run(
    protocol: Protocol, out: Path, data: Path | None, options: TrainOptions, progress: Progress = SILENT
) -> Trained:
    """Train on prepared scans or on pictures, or on what needs no data where none are given.

    Of several processes the first simulates, prepares and restores; the others wait for it.

    Parameters
    ----------
    protocol
        Pins everything that decides the result.
    out
        The run folder; what is there already is continued.
    data
        Folder of prepared scans, or a folder or archive of pictures.
    options
        Stages, device, precision.
    progress
        Told the share done.

    Returns
    -------
    Trained
        Images seen in this call, and the files written.

    Raises
    ------
    InputError
        If data, stages, guide and protocol do not fit, or another process trains in the folder.
    """
    guide = given_guide(protocol, out, options)
    fabric = make_fabric(options)
    with claimed(out / "checkpoint") if fabric.is_global_zero else nullcontext():
        return _train_run(protocol, out, data, options, progress, fabric, guide)


def _train_run(
    protocol: Protocol,
    out: Path,
    data: Path | None,
    options: TrainOptions,
    progress: Progress,
    fabric: Fabric,
    guide: Prior | None,
) -> Trained:
    first = fabric.is_global_zero
    rounds: Trained | None = None
    if protocol.corruption.kind != "undersampling":
        if options.stage in ("denoiser", "reconstructor"):
            raise InputError(
                f"--stage {options.stage} makes networks of MRI reconstruction; its protocol must be one of MRI"
            )
        pictures = corrupted_images(protocol, data)
        protocol = settled(protocol, pictures)
        source = protocol.data.source if data is None else data.name
        card = Card(data=source, images=len(pictures), corruption=asdict(protocol.corruption))
        monitor = proximal_distance(pictures, protocol)
        return train(
            pictures, protocol, out, options, progress, card, write_contact_sheet, fabric, monitor, guide=guide
        )
    if data is None:
        if first:
            simulated_data(protocol, out, protocol.seed, progress.step("simulating"))
        fabric.barrier()
        data = out / "simulated-prepared"
    if options.stage == "reconstructor":
        whole = measured_slices(replace(protocol, data=replace(protocol.data, crop=0)), PreparedDataset(data))
        said = replace(described(whole), data=data.name, matrix=whole.size)
        return reconstructor_run(whole, protocol, out, options, progress, said, fabric)
    if options.stage == "denoiser" or (options.stage == "all" and protocol.distillation.teacher == "denoiser"):
        clock = Clock(options)
        timed = clock.share(1 if options.stage == "denoiser" else 2)
        rounds = denoiser_rounds(protocol, out, data, timed, progress, fabric)
        if options.stage == "denoiser":
            return rounds
        options = replace(clock.share(1), stage="generator", start=None)
    scans = PreparedDataset(data)
    slices = measured_slices(protocol, scans)
    protocol = settled(protocol, slices)
    card = replace(described(slices), data=data.name, matrix=commonest_size(scans))
    monitor = proximal_distance(slices, protocol)
    told = None
    if protocol.distillation.adversarial and protocol.distillation.teacher == "denoiser" and options.stage != "teacher":
        told = RestoredImages(last_restored(protocol, out), protocol.seed)
    done = train(slices, protocol, out, options, progress, card, write_contact_sheet, fabric, monitor, told, guide)
    return done if rounds is None else rounds.and_then(done)


def measured_slices(protocol: Protocol, scans: PreparedSlices) -> UndersampledSlices:
    """What a protocol learns of prepared scans."""
    slices = ReadoutCrops(scans, protocol.data.crop) if protocol.data.crop else scans
    return UndersampledSlices(slices, protocol.mask, protocol.seed, protocol.undersampling.shown)


def denoiser_rounds(
    protocol: Protocol, out: Path, data: Path, options: TrainOptions, progress: Progress, fabric: Fabric
) -> Trained:
    """Expectation maximisation: restore the training slices, learn their law, restore them again under it.

    Of several rounds each has a folder `round-N` in the run, and is not done twice; the last one's denoiser is the
    run's.

    Returns
    -------
    Trained
        Images of all rounds together.
    """
    # Restored whole: a band would end where the image goes on.
    slices = measured_slices(replace(protocol, data=replace(protocol.data, crop=0)), PreparedDataset(data))
    protocol = settled(protocol, slices)
    card = replace(described(slices), data=data.name, matrix=slices.size)
    tell = progress.step("restoring")
    start, images, folder = options.start, 0, out
    clock = Clock(options)
    for number in range(1, protocol.denoiser.rounds + 1):
        folder, this = round_folder(protocol, out, number), protocol.denoiser.of_round(number)
        recipe = replace(protocol, denoiser=this)
        if options.fresh and fabric.is_global_zero and folder != out:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        # The first restores and stores; the others then read what it stored.
        if fabric.is_global_zero:
            restore(slices, recipe, folder, tell, start, fabric.device)
        fabric.barrier()
        restored = restore(slices, recipe, folder, tell, start, fabric.device)
        said = replace(card, restored_by=this.restored_by, round=number)
        still = sum(protocol.denoiser.of_round(n).images for n in range(number, protocol.denoiser.rounds + 1))
        begin = replace(clock.share(still / max(this.images, 1)), start=start)
        done = train_denoiser(restored, recipe, folder, begin, progress, said, write_contact_sheet, fabric)
        start, images = folder, images + done.images["denoiser"]
    result = out / "denoiser.safetensors"
    if folder != out and fabric.is_global_zero:
        with written_whole(result) as partial_file:
            shutil.copyfile(folder / result.name, partial_file)
    fabric.barrier()
    return Trained({"denoiser": images}, [str(result)], fabric.is_global_zero)


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
