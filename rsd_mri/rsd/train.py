"""Train a run: teacher, then generator, in one folder."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lightning_fabric import Fabric
from torch import Tensor

from rsd_mri.corruption.corruption import Corruption
from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.undersampling import Undersampling
from rsd_mri.datasets.patches import RestoredPatches
from rsd_mri.datasets.restored import RestoredImages
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import WHOLE_IMAGES, Prior, save_corruption
from rsd_mri.protocol import DistillationSettings, Protocol
from rsd_mri.rsd.data import Data, Monitor
from rsd_mri.rsd.guide import kept_guide
from rsd_mri.rsd.pairs import paired_in
from rsd_mri.rsd.planned import Work, new_network, plan_generator, plan_start, plan_teacher, write_weights
from rsd_mri.rsd.stages import DenoiserStage
from rsd_mri.training.fabric import Clock, TrainOptions, begin_folder, make_fabric
from rsd_mri.training.loop import LoopSettings, Picture, run_stage


@dataclass(frozen=True)
class Trained:
    """What a training did."""

    images: dict[str, int]
    """Stage to the images it saw in this call."""
    files: list[str]
    """Weights that were written."""
    first: bool = True
    """Whether this is the first of all processes, which alone has something to say."""

    def and_then(self, other: "Trained") -> "Trained":
        """Add a training that followed this one."""
        return Trained({**self.images, **other.images}, [*self.files, *other.files], self.first)


def train(
    data: Data,
    protocol: Protocol,
    folder: Path,
    options: TrainOptions,
    progress: Progress,
    card: Card,
    picture: Picture | None = None,
    fabric: Fabric | None = None,
    monitor: Monitor | None = None,
    restored: Data | None = None,
    guide: Prior | None = None,
) -> "Trained":
    """Train what is missing of a run.

    Parameters
    ----------
    data
        Measurements of any corruption.
    protocol
        Pins everything that decides the result.
    folder
        The run folder; see `docs/commands.md` for its files.
    options
        Device, precision, stages.
    progress
        Told as training goes on.
    card
        What is known of the data; stored with the weights.
    picture
        Writes sample grids; none without it.
    fabric
        Launched; made from the options without it.
    monitor
        Judges the networks as they train and chooses the weights; without it the last ones are the result.
    restored
        What a denoiser of whole images learned from, where that is distilled.
    guide
        What `options.guide` names, where it is read already.

    Returns
    -------
    Trained
        Images seen in this call, and the files written.
    """
    fabric = fabric or make_fabric(options)
    stages = ("teacher", "generator") if options.stage == "all" else (options.stage,)
    # Before anything is trained: what cannot be distilled is refused.
    corruptions = {"teacher": data.corruption}
    if "generator" in stages:
        corruptions["generator"] = distilled_in(protocol, data.corruption)
        paired_in(protocol, corruptions["generator"])
    pairs = bool("generator" in stages and protocol.distillation.pairs)
    begin_folder(fabric, folder, (*stages, "start") if pairs else stages, options)
    _keep_protocol(protocol, data.corruption, folder, fabric)
    guide = kept_guide(protocol, folder, options, fabric, guide) if "generator" in stages else None
    # Where the teacher is trained in the same call, what to start from is the teacher's.
    earlier = options.start if options.stage == "generator" else None
    if pairs and earlier is None and not (folder / "checkpoint" / "generator.safetensors").is_file():
        stages = (*stages[:-1], "start", "generator")
    work = Work(data, restored, protocol, corruptions, folder, options, card, fabric, progress, monitor, guide)
    images: dict[str, int] = {}
    clock = Clock(options)
    for number, stage in enumerate(stages):
        left = len(stages) - number
        if stage == "teacher":
            planned = plan_teacher(work)
        elif stage == "start":
            planned = plan_start(work, clock.share(left + 1).seconds)
        else:
            planned = plan_generator(work, earlier, pairs, "start" in stages)
        loop = replace(LoopSettings.of(planned.length, clock.share(left), fabric), from_nothing=planned.from_nothing)
        images[stage] = run_stage(planned.stage, fabric, folder, loop, planned.identity, progress, picture)
    files = [str(folder / f"{stage}.safetensors") for stage in stages]
    return Trained(images, files, fabric.is_global_zero)


def _keep_protocol(protocol: Protocol, corruption: Corruption, folder: Path, fabric: Fabric) -> None:
    """Write down what the run is made by, once for all processes."""
    if fabric.is_global_zero:
        text = folder / "protocol.yaml"
        if not text.is_file() or text.read_text(encoding="utf-8") != protocol.to_yaml():
            with written_whole(text) as partial_file:
                partial_file.write_text(protocol.to_yaml(), encoding="utf-8")
        save_corruption(folder, corruption)
    fabric.barrier()


def distilled_in(protocol: Protocol, corruption: Corruption) -> Corruption:
    """What stands between the generator's images and the networks that judge them.

    That of the data, or nothing where a denoiser of whole images is distilled.

    Raises
    ------
    InputError
        If such a denoiser is asked of pictures.
    """
    if protocol.distillation.teacher == "teacher":
        return corruption
    if not isinstance(corruption, Undersampling):
        raise InputError(
            f"protocol '{protocol.name}': distillation.teacher: a denoiser of whole images is learned from scans; "
            "take 'teacher' for pictures"
        )
    return Noise(corruption.image_shape, 0.0, corruption.dtype)


def train_denoiser(
    images: Tensor,
    protocol: Protocol,
    folder: Path,
    options: TrainOptions,
    progress: Progress,
    card: Card,
    picture: Picture | None = None,
    fabric: Fabric | None = None,
) -> "Trained":
    """Train the reconstruction prior on restored training scans.

    Parameters
    ----------
    images
        [image, readout, phase_encode] complex64, prepared units.
    protocol, folder, options, progress, card, picture, fabric
        As for `train`.
    """
    fabric = fabric or make_fabric(options)
    begin_folder(fabric, folder, ("denoiser",), options)
    s = protocol.denoiser
    settings = replace(
        protocol.teacher,
        images=s.images,
        batch=s.batch,
        learning_rate=s.learning_rate,
        cooldown=s.cooldown,
        log_mean=s.log_mean,
        log_std=s.log_std,
        ema_halflife=s.ema_halflife,
    )
    data: Data = RestoredImages(images, protocol.seed)
    if s.patch:
        data = RestoredPatches(images, s.patch, protocol.seed, s.variety)
    finish = partial(write_weights, folder / "denoiser.safetensors", "denoiser", protocol, WHOLE_IMAGES, card)
    new = new_network(protocol, WHOLE_IMAGES, "denoiser", options)
    # Patches of one image are no independent measurements: nothing judges them.
    stage = DenoiserStage(new, data, replace(protocol, teacher=settings), fabric, finish, compiled=options.compile)
    identity = {
        "protocol": replace(
            protocol,
            denoiser=replace(s, rounds=1, images=0, cooldown=0, last_images=None, last_cooldown=None),
            distillation=DistillationSettings(),
        ).hash,
        "data": data.identity,
    }
    trained = run_stage(stage, fabric, folder, LoopSettings.of(s, options, fabric), identity, progress, picture)
    return Trained({"denoiser": trained}, [str(folder / "denoiser.safetensors")], fabric.is_global_zero)
