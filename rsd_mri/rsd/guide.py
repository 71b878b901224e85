"""The worse teacher that guides the one that is distilled: given once, kept in the run."""

import hashlib
from dataclasses import replace
from pathlib import Path

from lightning_fabric import Fabric

from rsd_mri.errors import InputError
from rsd_mri.files import read_whole, written_whole
from rsd_mri.priors.guided import GUIDE
from rsd_mri.priors.prior import Prior, load_prior
from rsd_mri.protocol import Protocol
from rsd_mri.training.fabric import TrainOptions


def round_folder(protocol: Protocol, out: Path, number: int) -> Path:
    """Folder of a round of a run's denoiser, counted from 1."""
    return out if protocol.denoiser.rounds == 1 else out / f"round-{number}"


def given_guide(protocol: Protocol, folder: Path, options: TrainOptions) -> Prior | None:
    """The guide of `--guide`; None without one.

    Refuses a guide without weight, for a stage without one, or another than the run has; and a weight without guide. A
    guide that is a round of the run's own denoiser may not be there yet.

    Raises
    ------
    InputError
        In these cases, or where the guide is no such teacher.
    """
    weight, kind, kept = protocol.distillation.autoguidance, protocol.distillation.teacher, folder / GUIDE
    number = protocol.distillation.guide_round
    if number and options.stage in ("generator", "all"):
        _check_round(protocol, options)
    if options.guide is None:
        if weight and options.stage in ("generator", "all") and not kept.is_file() and not number:
            raise InputError(
                f"protocol '{protocol.name}': distillation.autoguidance is {weight:g}, but the run has no guide; give "
                f"--guide EARLIER, a run whose {kind} was trained for a shorter time, or set it to 0"
            )
        return None
    if options.stage not in ("generator", "all"):
        raise InputError(f"--guide: guides the distillation, not --stage {options.stage}; leave it out here")
    if not weight:
        raise InputError(
            f"--guide {options.guide}: distillation.autoguidance is 0; set its weight, for example "
            "--set distillation.autoguidance=1"
        )
    given = load_prior(options.guide, kind)
    if kept.is_file() and not options.fresh and hashlib.sha256(read_whole(kept)).hexdigest() != given.sha256:
        raise InputError(
            f"--guide {options.guide}: the run {folder} is guided by other weights; leave --guide out to go on, or "
            "take another --out"
        )
    return given


def _check_round(protocol: Protocol, options: TrainOptions) -> None:
    """Refuse a round that is none of an earlier denoiser of the run, that has no weight, or beside a guide."""
    s, rounds = protocol.distillation, protocol.denoiser.rounds
    named = f"protocol '{protocol.name}': distillation.guide_round is {s.guide_round}"
    if options.guide is not None:
        raise InputError(f"--guide {options.guide}: {named}; set it to 0 to give another guide")
    if not s.autoguidance:
        raise InputError(f"{named}, but distillation.autoguidance is 0; set its weight, or set the round to 0")
    if s.teacher != "denoiser":
        raise InputError(f"{named}, but distillation.teacher is '{s.teacher}', which has no rounds; set it to 0")
    if s.guide_round >= rounds:
        raise InputError(f"{named}, but denoiser.rounds is {rounds}; a guide is of a round before the last")


def kept_guide(
    protocol: Protocol, folder: Path, options: TrainOptions, fabric: Fabric, given: Prior | None = None
) -> Prior | None:
    """The guide of a run, kept in its folder first where it is given; None where nothing guides.

    `given` is what `given_guide` gave, where that is at hand.

    Raises
    ------
    InputError
        As `given_guide`.
    """
    given = given or given_guide(protocol, folder, options)
    if not protocol.distillation.autoguidance:
        return None
    kind = protocol.distillation.teacher
    if protocol.distillation.guide_round and (options.fresh or not (folder / GUIDE).is_file()):
        source = round_folder(protocol, folder, protocol.distillation.guide_round)
        if not (source / "denoiser.safetensors").is_file():
            raise InputError(
                f"{source}: holds no denoiser to guide the distillation (distillation.guide_round); train with "
                "--stage denoiser first, or set it to 0 and give --guide EARLIER"
            )
        given = load_prior(source, kind)
    if given is not None and fabric.is_global_zero and (options.fresh or not (folder / GUIDE).is_file()):
        with written_whole(folder / GUIDE) as partial_file:
            partial_file.write_bytes(read_whole(given.path))
    fabric.barrier()
    return load_prior(folder / GUIDE, kind) if given is None else replace(given, path=folder / GUIDE)
