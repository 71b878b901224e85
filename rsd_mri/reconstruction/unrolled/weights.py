"""The weights of an unrolled network: to a file and back."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from rsd_mri.errors import InputError
from rsd_mri.files import read_whole
from rsd_mri.priors.card import Card
from rsd_mri.priors.prior import Prior
from rsd_mri.protocol import Protocol, build, values_of
from rsd_mri.reconstruction.unrolled.network import Unrolled
from rsd_mri.training.checkpoint import load_weights, parse_tensors, save_tensors

KIND = "reconstructor"
FILE = f"{KIND}.safetensors"


@dataclass(frozen=True)
class Reconstructor:
    """An unrolled network, ready to use."""

    model: Unrolled
    protocol: Protocol
    card: Card
    path: Path
    sha256: str

    def __reduce__(self) -> tuple[Callable[..., "Reconstructor"], tuple[object, ...]]:
        """In another process it is read from its file, once for all jobs."""
        return _again, (self.path, self.sha256)

    def __repr__(self) -> str:
        return f"<Reconstructor {self.path.name} {self.protocol.reconstructor.calls} calls>"

    def to(self, device: torch.device) -> "Reconstructor":
        """Move the network to a device."""
        self.model.to(device)
        return self


def build_model(protocol: Protocol) -> Unrolled:
    """The untrained network of a protocol; its weights are drawn from the protocol's seed.

    Raises
    ------
    InputError
        If the protocol leaves the scale of its images open.
    """
    scale = protocol.teacher.sigma_data
    if scale is None:
        raise InputError(
            f"protocol '{protocol.name}': teacher.sigma_data: a reconstructor needs the one of its denoiser"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(protocol.seed)
        return Unrolled(protocol.network, scale, protocol.reconstructor.calls)


def save_reconstructor(path: Path, model: torch.nn.Module, protocol: Protocol, card: Card) -> None:
    """Write weights, protocol and card to one safetensors file."""
    save_tensors(path, model.state_dict(), {"kind": KIND, "protocol": protocol.to_yaml(), "card": card.as_dict()})


def reconstructor_beside(prior: Prior) -> "Reconstructor | None":
    """The reconstructor that lies beside a denoiser's file, where there is one."""
    there = prior.path.parent / FILE
    return load_reconstructor(there) if prior.kind == "denoiser" and there.is_file() else None


def load_reconstructor(path: Path) -> Reconstructor:
    """Read what `save_reconstructor` wrote.

    Raises
    ------
    InputError
        If the file is missing or of another kind.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; 'rsd-mri train --stage reconstructor --from PRIOR' makes one")
    content = read_whole(path)
    tensors, metadata = parse_tensors(content, path)
    if metadata.get("kind") != KIND:
        raise InputError(f"{path}: holds a {metadata.get('kind')}, but a {KIND} is needed here")
    protocol = build(Protocol, values_of(metadata["protocol"]), f"{path.name}: protocol")
    model = build_model(protocol)
    load_weights(model, {name: value.float() for name, value in tensors.items()}, str(path))
    model.requires_grad_(False).eval()
    digest = hashlib.sha256(content).hexdigest()
    return Reconstructor(model, protocol, Card.of(metadata.get("card", {})), path, digest)


@lru_cache(maxsize=4)
def _of_file(path: Path, digest: str) -> Reconstructor:
    loaded = load_reconstructor(path)
    if loaded.sha256 != digest:
        raise InputError(f"{path}: was changed since the command began; run it again")
    return loaded


def _again(path: Path, digest: str) -> Reconstructor:
    return _of_file(path, digest)
