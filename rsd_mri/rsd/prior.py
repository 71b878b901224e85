"""A prior: trained weights with the protocol and the card they came with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from rsd_mri.corruption.undersampling import SAMPLING_FEATURES, Undersampling
from rsd_mri.diffusion.denoiser import Denoiser
from rsd_mri.errors import InputError
from rsd_mri.files import sha256
from rsd_mri.networks import UNet
from rsd_mri.protocol import Protocol, build
from rsd_mri.training.checkpoint import load_tensors, load_weights, save_tensors

KINDS = ("teacher", "generator", "denoiser")


@dataclass(frozen=True)
class Prior:
    """Teacher or one-step generator, ready to use."""

    denoiser: Denoiser
    kind: str
    """`teacher`, `generator` or `denoiser` (of whole images)."""
    protocol: Protocol
    card: dict[str, Any]
    """What it was trained on: anatomy, acceleration, matrix, noise levels, number of slices."""
    path: Path
    sha256: str

    def to(self, device: torch.device) -> "Prior":
        """Move the network to a device."""
        self.denoiser.to(device)
        return self


def build_denoiser(protocol: Protocol, kind: str = "teacher") -> Denoiser:
    """Build the untrained network of an MRI protocol; its weights are drawn from the protocol's seed.

    A `denoiser` sees whole images and is not told of any sampling.
    """
    channels = 1 if protocol.network.field == "complex" else 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(protocol.seed)
        features = 0 if kind == "denoiser" else SAMPLING_FEATURES
        network = UNet(protocol.network, channels=channels, sampling_features=features)
    return Denoiser(network, protocol.teacher.sigma_data)


def save_prior(path: Path, kind: str, module: nn.Module, protocol: Protocol, card: dict[str, Any]) -> None:
    """Write weights, protocol and card to one safetensors file."""
    save_tensors(path, module.state_dict(), {"kind": kind, "protocol": protocol.to_yaml(), "card": card})


def load_prior(source: str | Path, kind: str | None = None) -> Prior:
    """Load a prior from a run folder or a weights file.

    Parameters
    ----------
    source
        A run folder or a `.safetensors` file.
    kind
        `teacher`, `generator` or `denoiser`: which of a run's to take. By default the denoiser where there is
        one, else the teacher.

    Raises
    ------
    InputError
        If there is none, or the file is of another kind than was asked for.
    """
    path = Path(source)
    if path.is_dir():
        wanted = kind or ("denoiser" if (path / "denoiser.safetensors").is_file() else "teacher")
        path = path / f"{wanted}.safetensors"
        if not path.is_file():
            raise InputError(f"{source}: the run has no {wanted} yet; finish it with 'rsd-mri train --out {source}'")
    tensors, metadata = load_tensors(path)
    found = metadata.get("kind")
    if found not in KINDS or "protocol" not in metadata:
        raise InputError(f"{path}: not a prior of rsd-mri; expected a run folder or its teacher or generator file")
    if kind is not None and found != kind:
        raise InputError(f"{path}: holds a {found}, but a {kind} is needed here; give the run folder")
    protocol = build(Protocol, yaml.safe_load(metadata["protocol"]), f"{path.name}: protocol")
    denoiser = build_denoiser(protocol, found)
    load_weights(denoiser, tensors, str(path))
    denoiser.requires_grad_(False).eval()
    return Prior(denoiser, found, protocol, metadata.get("card", {}), path, sha256(path))


def save_bank(path: Path, corruption: Undersampling) -> None:
    """Store the coil maps and noise levels that generation draws from."""
    save_tensors(path, {"csm": torch.view_as_real(corruption.bank), "sigma": corruption.sigma}, {"kind": "bank"})


def load_bank(path: Path, protocol: Protocol) -> Undersampling:
    """Read what `save_bank` wrote.

    Raises
    ------
    InputError
        If the file is missing or of another kind.
    """
    tensors, metadata = load_tensors(path)
    if metadata.get("kind") != "bank":
        raise InputError(f"{path}: expected the coil maps of a run, found '{metadata.get('kind')}'")
    csm: Tensor = torch.view_as_complex(tensors["csm"].contiguous())
    return Undersampling(protocol.mask, csm, tensors["sigma"])
