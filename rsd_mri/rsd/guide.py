"""The worse teacher that guides the one that is distilled: given once, kept in the run."""

from pathlib import Path

from lightning_fabric import Fabric

from rsd_mri.errors import InputError
from rsd_mri.files import written_whole
from rsd_mri.priors.guided import GUIDE
from rsd_mri.priors.prior import Prior, load_prior
from rsd_mri.protocol import Protocol
from rsd_mri.training.fabric import TrainOptions


def check_guide(protocol: Protocol, folder: Path, options: TrainOptions) -> None:
    """Refuse a guide without weight, for a stage without one, or another than the run has; and a weight without guide.

    Raises
    ------
    InputError
        In these cases, or where the guide is no such teacher.
    """
    weight, kind, kept = protocol.distillation.autoguidance, protocol.distillation.teacher, folder / GUIDE
    if options.guide is None:
        if weight and options.stage in ("generator", "all") and not kept.is_file():
            raise InputError(
                f"protocol '{protocol.name}': distillation.autoguidance is {weight:g}, but the run has no guide; give "
                f"--guide EARLIER, a run whose {kind} was trained for a shorter time, or set it to 0"
            )
        return
    if options.stage not in ("generator", "all"):
        raise InputError(f"--guide: guides the distillation, not --stage {options.stage}; leave it out here")
    if not weight:
        raise InputError(
            f"--guide {options.guide}: distillation.autoguidance is 0; set its weight, for example "
            "--set distillation.autoguidance=1"
        )
    given = load_prior(options.guide, kind)
    if kept.is_file() and not options.fresh and load_prior(kept, kind).sha256 != given.sha256:
        raise InputError(
            f"--guide {options.guide}: the run {folder} is guided by other weights; leave --guide out to go on, or "
            "take another --out"
        )


def kept_guide(protocol: Protocol, folder: Path, options: TrainOptions, fabric: Fabric) -> Prior | None:
    """The guide of a run, kept in its folder first where it is given; None where nothing guides.

    Raises
    ------
    InputError
        As `check_guide`.
    """
    check_guide(protocol, folder, options)
    if not protocol.distillation.autoguidance:
        return None
    kind = protocol.distillation.teacher
    if options.guide is not None and fabric.is_global_zero:
        given = load_prior(options.guide, kind).path.read_bytes()
        with written_whole(folder / GUIDE) as partial_file:
            partial_file.write_bytes(given)
    fabric.barrier()
    return load_prior(folder / GUIDE, kind)
