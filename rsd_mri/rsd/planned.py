"""What a training call does one after another: a stage, its length, and what its checkpoint must agree with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lightning_fabric import Fabric
from torch import nn

from rsd_mri.corruption.corruption import Corruption
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import Inputs, Prior, build_denoiser, load_prior, save_prior
from rsd_mri.protocol import DenoiserSettings, DistillationSettings, Protocol, ReconstructorSettings
from rsd_mri.rsd.data import Data, Monitor
from rsd_mri.rsd.distillation import Beginning, DistillationStage, guided_teacher
from rsd_mri.rsd.pairs import PairsStage, draw_pairs
from rsd_mri.rsd.stages import Finish, TeacherStage
from rsd_mri.training.checkpoint import load_weights
from rsd_mri.training.fabric import PRECISIONS, TrainOptions
from rsd_mri.training.loop import Length
from rsd_mri.training.stage import Stage
from rsd_mri.training.state import module_weights


@dataclass(frozen=True)
class Work:
    """What the stages of a call share; see `train`."""

    data: Data
    restored: Data | None
    protocol: Protocol
    corruptions: Mapping[str, Corruption]
    """What `teacher` and `generator` see images through."""
    folder: Path
    options: TrainOptions
    card: Card
    fabric: Fabric
    progress: Progress
    monitor: Monitor | None
    guide: Prior | None

    def finish(self, stage: str, kind: str) -> Finish:
        """What writes the weights of a stage."""
        inputs = Inputs.of(self.corruptions[kind])
        return partial(write_weights, self.folder / f"{stage}.safetensors", kind, self.protocol, inputs, self.card)


@dataclass(frozen=True)
class Planned:
    """A stage that is about to be trained."""

    stage: Stage
    length: Length
    identity: Mapping[str, str]
    """What must be the same for its checkpoint to be continued."""
    from_nothing: bool
    """See `LoopSettings.from_nothing`."""


def plan_teacher(work: Work) -> Planned:
    """The teacher of measurements, of random weights or of an earlier run's."""
    inputs = Inputs.of(work.corruptions["teacher"])
    new = new_network(work.protocol, inputs, "teacher", work.options)
    finish, compiled = work.finish("teacher", "teacher"), work.options.compile
    stage = TeacherStage(new, work.data, work.protocol, work.fabric, finish, work.monitor, compiled)
    identity = run_identity(work.protocol, work.data, "teacher")
    return Planned(stage, work.protocol.teacher, identity, work.options.start is None)


def _taught(work: Work, stage: str) -> tuple[Prior, Denoiser | None, dict[str, str]]:
    """What is distilled, its guide, and what a checkpoint of the stage must agree with."""
    taught = load_prior(work.folder, work.protocol.distillation.teacher)
    equipped(taught.denoiser, work.options)
    identity = run_identity(work.protocol, work.data, stage)
    if work.guide is None:
        return taught, None, identity
    return taught, equipped(work.guide.denoiser, work.options), {**identity, "guide": work.guide.sha256}


def plan_start(work: Work, seconds: float) -> Planned:
    """The generator's beginning, once its teacher's samples are drawn, in that time at most."""
    taught, guide, identity = _taught(work, "start")
    identity["teacher"] = taught.sha256
    settings, corruption, fabric = work.protocol.distillation, work.corruptions["generator"], work.fabric
    guided = guided_teacher(taught.denoiser, guide, settings).to(fabric.device).eval()
    made_by = f"{taught.sha256} {identity.get('guide')}"
    told = work.progress.step("sampling the teacher")
    kept = work.folder / "checkpoint"
    samples = draw_pairs(guided, corruption, work.protocol, kept, made_by, told, fabric, seconds)
    finish = work.finish("start", "generator")
    stage = PairsStage(taught.denoiser, samples, corruption, work.protocol, fabric, finish, work.monitor)
    return Planned(stage, replace(settings, images=settings.pair_images), identity, True)


def plan_generator(work: Work, earlier: Path | None, pairs: bool, started: bool) -> Planned:
    """The distillation: of an earlier run's generator, of the one that has learned the pairs, or of the teacher."""
    protocol, options = work.protocol, work.options
    corruption = work.corruptions["generator"]
    taught, guide, identity = _taught(work, "generator")
    measured = work.data if protocol.distillation.teacher == "teacher" else work.restored
    start = None
    if earlier is not None:
        start = _beginning(protocol, Inputs.of(corruption), earlier, options)
    elif started:
        learned = load_prior(work.folder / "start.safetensors", "generator").denoiser
        start = Beginning(equipped(learned, options))
    finish = work.finish("generator", "generator")
    stage = DistillationStage(
        taught.denoiser,
        corruption,
        protocol,
        work.fabric,
        finish,
        work.monitor,
        options.compile,
        measured,
        start,
        guide,
    )
    return Planned(stage, protocol.distillation, identity, earlier is None and not pairs)


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


def run_identity(protocol: Protocol, data: Data, stage: str) -> dict[str, str]:
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


def write_weights(
    path: Path,
    kind: str,
    protocol: Protocol,
    inputs: Inputs,
    card: Card,
    module: nn.Module,
    found: dict[str, float],
) -> None:
    """Write a stage's averaged weights, with what was found about them in their card."""
    save_prior(path, kind, module, protocol, inputs, card.with_found(found))
