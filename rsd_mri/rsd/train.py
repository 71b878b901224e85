"""Train a run: teacher, then generator, in one folder."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.corruption.corruption import Corruption
from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.undersampling import Undersampling
from rsd_mri.datasets.patches import RestoredPatches
from rsd_mri.datasets.restored import RestoredImages
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import WHOLE_IMAGES, Inputs, build_denoiser, load_prior, save_corruption, save_prior
from rsd_mri.protocol import DenoiserSettings, DistillationSettings, Protocol, ReconstructorSettings
from rsd_mri.rsd.data import Data, Monitor
from rsd_mri.rsd.distillation import Beginning, DistillationStage, guided_teacher
from rsd_mri.rsd.guide import kept_guide
from rsd_mri.rsd.pairs import PairsStage, draw_pairs, paired_in
from rsd_mri.rsd.stages import DenoiserStage, TeacherStage
from rsd_mri.training.checkpoint import load_weights
from rsd_mri.training.fabric import PRECISIONS, Clock, TrainOptions, begin_folder, make_fabric
from rsd_mri.training.loop import Length, LoopSettings, Picture, run_stage
from rsd_mri.training.stage import Stage
from rsd_mri.training.state import module_weights


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
    pairs = "generator" in stages and protocol.distillation.pairs
    begin_folder(fabric, folder, (*stages, "start") if pairs else stages, options)
    if fabric.is_global_zero:
        text = folder / "protocol.yaml"
        if not text.is_file() or text.read_text(encoding="utf-8") != protocol.to_yaml():
            with written_whole(text) as partial_file:
                partial_file.write_text(protocol.to_yaml(), encoding="utf-8")
        save_corruption(folder, data.corruption)
    fabric.barrier()
    guide = kept_guide(protocol, folder, options, fabric) if "generator" in stages else None
    # Where the teacher is trained in the same call, what to start from is the teacher's.
    earlier = options.start if options.stage == "generator" else None
    if pairs and earlier is None and not (folder / "checkpoint" / "generator.safetensors").is_file():
        stages = (*stages[:-1], "start", "generator")
    images: dict[str, int] = {}
    clock = Clock(options)
    for number, stage in enumerate(stages):
        left, identity = len(stages) - number, _identity(protocol, data, stage)
        kind = "teacher" if stage == "teacher" else "generator"
        corruption = corruptions[kind]
        inputs = Inputs.of(corruption)
        finish = partial(_finish, folder / f"{stage}.safetensors", kind, protocol, inputs, card)
        built: Stage
        length: Length = protocol.distillation
        from_nothing = True
        if stage == "teacher":
            new, length = new_network(protocol, inputs, "teacher", options), protocol.teacher
            built = TeacherStage(new, data, protocol, fabric, finish, monitor, options.compile)
            from_nothing = options.start is None
        else:
            taught = load_prior(folder, protocol.distillation.teacher)
            teacher = equipped(taught.denoiser, options)
            worse = None if guide is None else equipped(guide.denoiser, options)
            if guide is not None:
                identity["guide"] = guide.sha256
        if stage == "start":
            identity["teacher"] = taught.sha256
            guided = guided_teacher(teacher, worse, protocol.distillation).to(fabric.device).eval()
            made_by, seconds = f"{identity['teacher']} {identity.get('guide')}", clock.share(left + 1).seconds
            told = progress.step("sampling the teacher")
            samples = draw_pairs(guided, corruption, protocol, folder / "checkpoint", made_by, told, fabric, seconds)
            built = PairsStage(teacher, samples, corruption, protocol, fabric, finish, monitor)
            length = replace(protocol.distillation, images=protocol.distillation.pair_images)
        elif stage == "generator":
            learned_from = data if protocol.distillation.teacher == "teacher" else restored
            start = None
            if earlier is not None:
                start = _beginning(protocol, inputs, earlier, options)
            elif "start" in stages:
                start = Beginning(equipped(load_prior(folder / "start.safetensors", "generator").denoiser, options))
            built = DistillationStage(
                teacher, corruption, protocol, fabric, finish, monitor, options.compile, learned_from, start, worse
            )
            from_nothing = earlier is None and not pairs
        loop = replace(LoopSettings.of(length, clock.share(left), fabric), from_nothing=from_nothing)
        images[stage] = run_stage(built, fabric, folder, loop, identity, progress, picture)
    files = [str(folder / f"{stage}.safetensors") for stage in stages]
    return Trained(images, files, fabric.is_global_zero)


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
    finish = partial(_finish, folder / "denoiser.safetensors", "denoiser", protocol, WHOLE_IMAGES, card)
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


def new_network(protocol: Protocol, inputs: Inputs, kind: str, options: TrainOptions) -> Denoiser:
    """A network to train: of random weights, or of those of an earlier run.

    Raises
    ------
    InputError
        If the earlier weights are of another kind, or do not fit the protocol's network.
    """
    new = build_denoiser(protocol, inputs)
    if options.start is not None:
        earlier = load_prior(options.start, kind)
        load_weights(new, earlier.denoiser.state_dict(), str(earlier.path))
    return equipped(new, options)


def _beginning(protocol: Protocol, inputs: Inputs, start: Path, options: TrainOptions) -> Beginning:
    """An earlier run's generator, with the fake score that knows its images where the checkpoint is there."""
    generator = new_network(protocol, inputs, "generator", options)
    checkpoint = start / "checkpoint" / "generator.safetensors"
    judges = {}
    if checkpoint.is_file():
        judges = {name: weights for name in ("fake", "critic") if (weights := module_weights(checkpoint, name))}
    return Beginning(generator, judges)


def equipped(denoiser: Denoiser, options: TrainOptions) -> Denoiser:
    """Set a network to the precision and the use of memory that the options ask for."""
    denoiser.autocast_to = PRECISIONS[options.precision]
    denoiser.network.checkpointing = options.checkpoint_activations
    return denoiser


def _identity(protocol: Protocol, data: Data, stage: str) -> dict[str, str]:
    """What must be the same for a checkpoint to be continued; the training length may grow, and end in another way."""
    teacher = replace(protocol.teacher, images=0, cooldown=0)
    usual = DistillationSettings()
    distillation = replace(protocol.distillation, images=0, cooldown=0, pair_images=usual.pair_images)
    if stage == "teacher":
        distillation = usual
    plain = replace(
        protocol,
        teacher=teacher,
        distillation=distillation,
        denoiser=DenoiserSettings(),
        reconstructor=ReconstructorSettings(),
    )
    return {"protocol": plain.hash, "data": data.identity}


def _finish(
    path: Path,
    kind: str,
    protocol: Protocol,
    inputs: Inputs,
    card: Card,
    module: nn.Module,
    found: dict[str, float],
) -> None:
    save_prior(path, kind, module, protocol, inputs, card.with_found(found))
