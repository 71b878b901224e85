"""`rsd-mri restore`: single pictures under a prior of natural images."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.commands.console import Bar, conclude, refusing
from rsd_mri.commands.options import (
    Device,
    DeviceOption,
    JsonOption,
    LevelsOption,
    SeedOption,
    existing,
    one_of,
    pairs_of,
)
from rsd_mri.errors import InputError
from rsd_mri.reconstruction.picture_samplers import PICTURE_SAMPLERS
from rsd_mri.reconstruction.posterior.sampler import described, sampler_of


def restore(
    pictures: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", readable=False, help="Pictures, or .npy [channel, y, x].")
    ],
    prior: Annotated[Path, typer.Option(help="Run folder of a teacher of images behind noise or inpainting.")],
    corruption: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="What to undo: noise, inpainting, gaussian-blur, super-resolution, or another that protocols have.",
        ),
    ],
    sigma: Annotated[
        Optional[float], typer.Option(min=0.0, help="Noise on the picture; images go from -1 to 1.")
    ] = None,
    mask: Annotated[
        Optional[Path],
        typer.Option(help="Inpainting: a picture, white where a pixel is seen; the black pixels are hidden without."),
    ] = None,
    kernel_size: Annotated[
        Optional[int], typer.Option(min=1, help="Blur: width of the kernel, odd [pixels]; 9 without it.")
    ] = None,
    kernel_std: Annotated[
        Optional[float], typer.Option(help="Blur: standard deviation of the Gaussian [pixels]; 2 without it.")
    ] = None,
    factor: Annotated[
        Optional[int], typer.Option(min=2, help="Super-resolution: how many times larger; 2 without it.")
    ] = None,
    assignments: Annotated[
        Optional[list[str]], typer.Option("--set", help="Change one value of the corruption: --set kernel_size=7.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Posterior samples.")] = 8,
    sampler: Annotated[
        str,
        typer.Option(
            parser=one_of(PICTURE_SAMPLERS), metavar="|".join(PICTURE_SAMPLERS), help=described(PICTURE_SAMPLERS)
        ),
    ] = "diffpir",
    levels: LevelsOption = None,
    reference: Annotated[
        Optional[Path], typer.Option(help="The true picture, or a folder with one of each name: adds PSNR and SSIM.")
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="Folder; default beside each picture.")] = None,
    device: DeviceOption = Device.auto,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Denoise, fill in, deblur or enlarge pictures: the mean of posterior samples, and their standard deviation.

    Example: rsd-mri restore photo.png --prior run --corruption noise --sigma 0.2
    """
    with refusing():
        from rsd_mri.corruption.build import restored
        from rsd_mri.machine.device import resolve_device
        from rsd_mri.priors.prior import load_prior
        from rsd_mri.protocol import NoiseSettings
        from rsd_mri.reconstruction.pictures import restore_files

        given = {"sigma": sigma, "kernel_size": kernel_size, "kernel_std": kernel_std, "factor": factor}
        texts = {name: str(value) for name, value in given.items() if value is not None}
        undone = restored(corruption, {**texts, **pairs_of(assignments)})
        if isinstance(undone, NoiseSettings) and not undone.sigma:
            raise InputError("--corruption noise needs --sigma, the noise on the picture; images go from -1 to 1")
        for named in (mask, reference):
            if named is not None:
                existing(named, "file or folder")
        loaded = load_prior(existing(prior, "run folder"), "teacher").to(resolve_device(device.value))
        chosen = sampler_of(sampler, levels, PICTURE_SAMPLERS)
        with Bar("restoring") as bar:
            done = restore_files(
                pictures,
                loaded,
                undone,
                samples,
                chosen,
                out,
                mask,
                reference,
                seed,
                bar.progress,
            )
        conclude(done, json)
