"""`rsd-mri restore`: single pictures under a prior of natural images."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from rsd_mri.commands.console import Bar, refusing, result, say
from rsd_mri.commands.options import Device, DeviceOption, JsonOption, LevelsOption, SeedOption, existing, one_of
from rsd_mri.errors import InputError
from rsd_mri.reconstruction.pictures.samplers import PICTURE_SAMPLERS
from rsd_mri.reconstruction.posterior.samplers.sampler import described, sampler_of


class KindName(str, Enum):
    """What happened to the picture."""

    noise = "noise"
    inpainting = "inpainting"
    blur = "gaussian-blur"
    smaller = "super-resolution"


def restore(
    pictures: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures, or .npy [channel, y, x].")],
    prior: Annotated[Path, typer.Option(help="Run folder of a teacher of images behind noise or inpainting.")],
    corruption: Annotated[KindName, typer.Option(help="What to undo.")],
    sigma: Annotated[float, typer.Option(min=0.0, help="Noise on the picture; images go from -1 to 1.")] = 0.0,
    mask: Annotated[
        Optional[Path],
        typer.Option(help="Inpainting: a picture, white where a pixel is seen; the black pixels are hidden without."),
    ] = None,
    kernel_size: Annotated[int, typer.Option(min=1, help="Blur: width of the kernel, odd [pixels].")] = 9,
    kernel_std: Annotated[float, typer.Option(help="Blur: standard deviation of the Gaussian [pixels].")] = 2.0,
    factor: Annotated[int, typer.Option(min=2, help="Super-resolution: how many times larger.")] = 2,
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
        from rsd_mri.machine.device import resolve_device
        from rsd_mri.priors.prior import load_prior
        from rsd_mri.reconstruction.pictures.degradations import Degradation
        from rsd_mri.reconstruction.pictures.restoration import restore_files

        if corruption is KindName.noise and not sigma:
            raise InputError("--corruption noise needs --sigma, the noise on the picture; images go from -1 to 1")
        for given in (mask, reference):
            if given is not None:
                existing(given, "file or folder")
        loaded = load_prior(existing(prior, "run folder"), "teacher").to(resolve_device(device.value))
        degradation = Degradation(corruption.value, sigma, kernel_size, kernel_std, factor)
        chosen = sampler_of(sampler, levels, PICTURE_SAMPLERS)
        with Bar("restoring") as bar:
            done = restore_files(
                pictures,
                loaded,
                degradation,
                samples,
                chosen,
                out,
                mask,
                reference,
                seed,
                bar.progress,
            )
        for failure in done.failures:
            say(f"Error: {failure}")
        result(done.lines(), done.as_dict(), json)
        if done.failures:
            raise typer.Exit(1 if done.written else 2)
