"""`rsd-mri evaluate`: reconstructions against their targets, generated images against real ones."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE
from rsd_mri.commands.console import Bar, refusing
from rsd_mri.commands.options import Device, DeviceOption, JsonOption, SeedOption, existing
from rsd_mri.commands.output import result
from rsd_mri.errors import InputError


def evaluate(
    targets: Annotated[
        Path, typer.Argument(help="Folder of fully sampled scans, or one; with --reference: generated images.")
    ],
    predictions: Annotated[Optional[Path], typer.Argument(help="Folder of reconstructions, or one.")] = None,
    reference: Annotated[
        Optional[Path],
        typer.Option(help="Real images: a folder or archive of pictures, .npy, what `generate` wrote, prepared scans."),
    ] = None,
    features: Annotated[
        Optional[str],
        typer.Option(
            help="Compare by a network of yours (TorchScript, bytes [n, 3, y, x] to [n, feature]) or by 'principal' "
            "components, instead of Inception. A network is a program: use files you trust."
        ),
    ] = None,
    lpips: Annotated[bool, typer.Option("--lpips", help="Also LPIPS of image by image, in their order.")] = False,
    likeness: Annotated[
        bool,
        typer.Option("--likeness", help="Also whether a classifier tells the sets apart, and what is never generated."),
    ] = False,
    training: Annotated[
        Optional[Path],
        typer.Option(help="Images of the training, as for --reference: also whether the generated ones are copies."),
    ] = None,
    batch: Annotated[
        Optional[int], typer.Option(min=1, help="Images at a time; 64 without it.", show_default=False)
    ] = None,
    device: DeviceOption = Device.auto,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """PSNR, SSIM and NMSE of reconstructions as fastMRI defines them; FID, KID, precision, recall of sets of images.

    Examples: rsd-mri evaluate scans/ reconstructions/, rsd-mri evaluate run/generated.h5 --reference pictures.zip
    """
    with refusing():
        existing(targets, "file or folder")
        if (predictions is None) == (reference is None):
            raise InputError("give either reconstructions to compare with the targets, or --reference with real images")
        if predictions is not None:
            asked = {
                "--features": features, "--lpips": lpips, "--likeness": likeness, "--training": training,
                "--batch": batch,
            }  # fmt: skip
            if of_sets := [name for name, value in asked.items() if value]:
                raise InputError(f"{' and '.join(of_sets)}: of sets of images; give --reference, no predictions")
            from rsd_mri.metrics.image_quality import METRICS, evaluate_files

            with Bar("evaluating") as bar:
                found = evaluate_files(targets, existing(predictions, "file or folder"), bar.progress)
            lines = [f"{k} {getattr(found, k):.6g}" for k in METRICS]
            result([*lines, NOT_FOR_DIAGNOSTIC_USE], asdict(found), json)
        elif reference is not None:
            if training is not None:
                existing(training, "file or folder")
            _sets(
                targets,
                existing(reference, "file or folder"),
                features,
                lpips,
                likeness or training is not None,
                training,
                batch or 64,
                device,
                seed,
                json,
            )


def _sets(
    generated: Path,
    reference: Path,
    features: str | None,
    lpips: bool,
    alike: bool,
    training: Path | None,
    batch: int,
    device: Device,
    seed: int,
    json: bool,
) -> None:
    from dataclasses import replace

    from rsd_mri.experiment.image_sets import read_set
    from rsd_mri.machine.device import resolve_device
    from rsd_mri.metrics.features import find_extractor
    from rsd_mri.metrics.set_metrics import compare_sets, perceptual_distance

    where = resolve_device(device.value)
    images, real = read_set(generated), read_set(reference)
    if images.shape[2:] != real.shape[2:]:
        sizes = [f"{s.shape[2]}x{s.shape[3]}" for s in (images, real)]
        raise InputError(f"{generated}: images of {sizes[0]} pixels, but {reference}: of {sizes[1]}; bring them to one")
    extractor = find_extractor(features, real, where)
    with Bar("evaluating") as bar:
        found = compare_sets(images, real, extractor, where, batch, seed, bar.progress)
    if lpips:
        found = replace(found, figures={**found.figures, "lpips": perceptual_distance(images, real, where)})
    values = {**found.as_dict(), "generated": str(generated), "reference": str(reference), "seed": seed}
    lines = found.lines()
    if alike:
        from rsd_mri.metrics.likeness import likeness

        known = None if training is None else read_set(training)
        if known is not None and known.shape[1:] != images.shape[1:]:
            raise InputError(f"{training}: images of another size than those of {generated}; bring them to one")
        like = likeness(images, real, known, seed)
        lines, values = [*lines, *like.lines()], {**values, "likeness": like.as_dict()}
    result([*lines, NOT_FOR_DIAGNOSTIC_USE], values, json)
