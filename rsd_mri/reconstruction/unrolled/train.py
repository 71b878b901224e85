"""Train the reconstructor of a prior on restored scans."""

from dataclasses import replace
from pathlib import Path

from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.errors import InputError
from rsd_mri.machine.progress import Progress
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol import Protocol
from rsd_mri.reconstruction.unrolled.examples import RestoredScans
from rsd_mri.reconstruction.unrolled.network import start_weights
from rsd_mri.reconstruction.unrolled.stage import ReconstructorStage
from rsd_mri.reconstruction.unrolled.weights import FILE, KIND, build_model, load_reconstructor, save_reconstructor
from rsd_mri.training.checkpoint import load_weights
from rsd_mri.training.fabric import TrainOptions, begin_folder, make_fabric
from rsd_mri.training.loop import LoopSettings, Picture, run_stage


def train_reconstructor(
    images: Tensor,
    prior: Prior,
    protocol: Protocol,
    folder: Path,
    options: TrainOptions,
    progress: Progress,
    card: Card,
    picture: Picture | None = None,
    fabric: Fabric | None = None,
) -> int:
    """Train, or go on; the result is `reconstructor.safetensors` in the folder.

    Parameters
    ----------
    images
        [image, readout, phase_encode] complex64, prepared units: restored training scans.
    prior
        The denoiser that it begins as; network and scale are its. Where `options.start` is a reconstructor's file, it
        goes on from that one's weights.
    protocol
        Its `seed` and `reconstructor` are used.
    folder, options, progress, card, picture, fabric
        As for `rsd.train.train_denoiser`.

    Returns
    -------
    int
        Scans seen in this call.

    Raises
    ------
    InputError
        If the prior's network is not a complex one of whole images.
    """
    known = prior.protocol
    if prior.kind != "denoiser" or known.network.field != "complex":
        raise InputError(f"{prior.path}: a reconstructor begins as a denoiser of whole complex images; give one")
    protocol = replace(
        protocol, network=known.network, teacher=replace(protocol.teacher, sigma_data=prior.denoiser.sigma_data)
    )
    fabric = fabric or make_fabric(options)
    s = protocol.reconstructor
    begin_folder(fabric, folder, (KIND,), options)
    model = build_model(protocol)
    if options.start is not None and options.start.name == FILE:
        earlier = load_reconstructor(options.start)
        load_weights(model, earlier.model.state_dict(), str(earlier.path))
    else:
        start_weights(model, prior.denoiser.state_dict())
    scans = RestoredScans(images, s, protocol.seed)

    def finish(trained: nn.Module, found: dict[str, float]) -> None:
        save_reconstructor(folder / FILE, trained, protocol, card.with_found(found))

    stage = ReconstructorStage(model, scans, s, fabric, finish)
    lasting = replace(s, images=0, cooldown=0)
    identity = {
        "protocol": replace(protocol, reconstructor=lasting).hash,
        "data": scans.identity,
        "prior": prior.sha256,
    }
    return run_stage(stage, fabric, folder, LoopSettings.of(s, options, fabric, 200), identity, progress, picture)
