"""A prior: trained weights with the protocol and the card they came with."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from rsd_mri.about.panel import panel
from rsd_mri.corruption.build import image_corruption
from rsd_mri.corruption.corruption import Corruption
from rsd_mri.corruption.identity import Noise
from rsd_mri.corruption.undersampling import SAMPLING_FEATURES, Undersampling
from rsd_mri.diffusion.denoiser import USUAL_MAGNITUDE, Denoiser
from rsd_mri.errors import InputError
from rsd_mri.files import read_whole
from rsd_mri.networks import UNet
from rsd_mri.priors.card import Card
from rsd_mri.priors.foreign import is_foreign, load_foreign
from rsd_mri.protocol import Protocol, build, checked, values_of
from rsd_mri.training.checkpoint import load_tensors, load_weights, parse_tensors, save_tensors

KINDS = ("teacher", "generator", "denoiser")


@checked
class Inputs:
    """What a network takes."""

    image_shape: tuple[int, ...] = ()
    """(channel, y, x) of real images; empty for complex ones, of any size."""
    condition_channels: int = 0
    sampling_features: int = SAMPLING_FEATURES

    @classmethod
    def of(cls, corruption: Corruption) -> "Inputs":
        """What the networks of a corruption take."""
        shape = () if corruption.dtype.is_complex else tuple(corruption.generator_shape)
        return cls(shape, corruption.condition_channels, corruption.sampling_features)


WHOLE_IMAGES = Inputs(sampling_features=0)
"""A denoiser of whole complex images is not told of any sampling."""


@dataclass(frozen=True)
class Prior:
    """Teacher or one-step generator, ready to use."""

    denoiser: Denoiser
    kind: str
    """`teacher`, `generator` or `denoiser` (of whole images)."""
    inputs: Inputs
    protocol: Protocol
    card: Card
    """What it was trained on."""
    path: Path
    sha256: str
    teacher: "Prior | None" = None
    """Of a denoiser: the teacher of its run, which restores a scan under its own mask in one call."""

    @property
    def in_one_call(self) -> bool:
        """Whether it makes an image of noise in one call: it then restores none."""
        return self.kind == "generator"

    @property
    def of_whole_images(self) -> bool:
        """Whether it knows whole images, edges and all, and not patches or measurements of them."""
        return self.kind == "denoiser" and self.protocol.denoiser.patch == 0

    @property
    def label(self) -> str:
        """The name of its file, and how its hash begins."""
        return f"{self.path.name} ({self.sha256[:12]})"

    def __reduce__(self) -> tuple[Callable[..., "Prior"], tuple[object, ...]]:
        """In another process it is read from its file, once for all jobs."""
        return _again, (self.path, self.kind, self.sha256, self.teacher)

    def __repr__(self) -> str:
        return f"<Prior {self.path.name} {self.kind}>"

    def _repr_html_(self) -> str:
        settings = self.protocol.network
        rows = [
            ("Kind", {"denoiser": "denoiser of whole images"}.get(self.kind, self.kind)),
            ("File", str(self.path)),
            ("SHA-256", self.sha256),
            ("Protocol", f"{self.protocol.name}: {self.protocol.description}"),
            ("Network", ", ".join(f"{name} {_short(value)}" for name, value in asdict(settings).items() if value)),
            *((name.replace("_", " "), _short(value)) for name, value in self.card.as_dict().items() if value),
        ]
        return panel(repr(self), rows)

    def to(self, device: torch.device) -> "Prior":
        """Move the networks to a device."""
        self.denoiser.to(device)
        if self.teacher is not None:
            self.teacher.to(device)
        return self


def _short(value: object) -> str:
    """For a table: numbers to three digits, pairs without brackets."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_short(one) for one in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def build_denoiser(protocol: Protocol, inputs: Inputs) -> Denoiser:
    """Build the untrained network of a protocol; its weights are drawn from the protocol's seed.

    Raises
    ------
    InputError
        If a complex network is asked for on real images.
    """
    is_complex = protocol.network.field == "complex"
    if inputs.image_shape and is_complex:
        raise InputError(
            f"protocol '{protocol.name}': a complex network cannot take real images; set network.field to real"
        )
    channels = inputs.image_shape[0] if inputs.image_shape else (1 if is_complex else 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(protocol.seed)
        network = UNet(
            protocol.network,
            channels=channels,
            condition_channels=inputs.condition_channels,
            sampling_features=inputs.sampling_features,
        )
    # A denoiser of whole images sees all of them.
    hidden = protocol.teacher.sigma_hidden if inputs != WHOLE_IMAGES else 0.0
    return Denoiser(network, protocol.teacher.sigma_data or USUAL_MAGNITUDE, hidden or 0.0)


def save_prior(path: Path, kind: str, module: nn.Module, protocol: Protocol, inputs: Inputs, card: Card) -> None:
    """Write weights, protocol and card to one safetensors file."""
    metadata = {"kind": kind, "protocol": protocol.to_yaml(), "inputs": asdict(inputs), "card": card.as_dict()}
    save_tensors(path, module.state_dict(), metadata)


def load_prior(source: str | Path, kind: str | None = None) -> Prior:
    """Load a prior from a run folder or a weights file.

    Parameters
    ----------
    source
        A run folder or a `.safetensors` file; or a denoiser of deepinv, as `load_foreign` takes it.
    kind
        `teacher`, `generator` or `denoiser`: which of a run's to take. By default the denoiser where there is
        one, with the teacher beside it, else the teacher.

    Raises
    ------
    InputError
        If there is none, or the file is of another kind than was asked for.
    """
    if is_foreign(source):
        if kind not in (None, "denoiser"):
            raise InputError(f"--prior {source}: is a denoiser, but a {kind} is needed here; give the run folder")
        foreign = load_foreign(source)
        own = Protocol(name=foreign.name)
        return Prior(foreign.denoiser, "denoiser", WHOLE_IMAGES, own, foreign.card, Path(source), foreign.digest)
    path = Path(source)
    teacher = None
    if path.is_dir():
        wanted = kind or ("denoiser" if (path / "denoiser.safetensors").is_file() else "teacher")
        if kind is None and wanted == "denoiser" and (path / "teacher.safetensors").is_file():
            teacher = load_prior(path, "teacher")
        path = path / f"{wanted}.safetensors"
        if not path.is_file():
            marks = ("protocol.yaml", *(f"{known}.safetensors" for known in KINDS))
            if not any((path.parent / name).is_file() for name in marks):
                raise InputError(f"{source}: not a run folder; 'rsd-mri train --accel 4 --out RUN' makes one")
            raise InputError(f"{source}: the run has no {wanted} yet; finish it with 'rsd-mri train --out {source}'")
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights written by 'rsd-mri train'")
    content = read_whole(path)  # once: the hash is of the weights that are used
    tensors, metadata = parse_tensors(content, path)
    found = metadata.get("kind")
    if found not in KINDS or "protocol" not in metadata:
        raise InputError(f"{path}: not a prior of rsd-mri; expected a run folder or its teacher or generator file")
    if kind is not None and found != kind:
        raise InputError(f"{path}: holds a {found}, but a {kind} is needed here; give the run folder")
    protocol = build(Protocol, values_of(metadata["protocol"]), f"{path.name}: protocol")
    inputs = build(Inputs, metadata.get("inputs", asdict(WHOLE_IMAGES if found == "denoiser" else Inputs())), path.name)
    denoiser = build_denoiser(protocol, inputs)
    load_weights(denoiser, tensors, str(path))
    denoiser.requires_grad_(False).eval()
    card, digest = Card.of(metadata.get("card", {})), hashlib.sha256(content).hexdigest()
    return Prior(denoiser, found, inputs, protocol, card, path, digest, teacher)


@lru_cache(maxsize=4)
def _of_file(path: Path, kind: str, digest: str) -> Prior:
    loaded = load_prior(path, kind)
    if loaded.sha256 != digest:
        raise InputError(f"{path}: was changed since the command began; run it again")
    return loaded


def _again(path: Path, kind: str, digest: str, teacher: Prior | None) -> Prior:
    return replace(_of_file(path, kind, digest), teacher=teacher)


BANK = "sensitivities.safetensors"


def save_corruption(folder: Path, corruption: Corruption) -> None:
    """Store what generation needs beside the protocol: the coil maps and noise levels of MRI, nothing for images."""
    if isinstance(corruption, Undersampling):
        tensors = {"csm": torch.view_as_real(corruption.bank), "sigma": corruption.sigma}
        save_tensors(folder / BANK, tensors, {"kind": "bank"})


def load_corruption(folder: Path, prior: Prior) -> Corruption:
    """What a run's network is told, and its images are seen through: the law of the data, or nothing of whole images.

    Raises
    ------
    InputError
        If the coil maps of an MRI run are missing or the file is of another kind.
    """
    if prior.inputs != WHOLE_IMAGES:
        return data_corruption(folder, prior)
    matrix = prior.card.matrix
    if not matrix:
        raise InputError(f"{prior.path}: does not say of what size its images are; train it again")
    return Noise(matrix, 0.0, torch.complex64)


def data_corruption(folder: Path, prior: Prior) -> Corruption:
    """The law of the measurements that a run was trained on.

    Raises
    ------
    InputError
        As for `load_corruption`.
    """
    if len(prior.inputs.image_shape) == 3:
        channels, height, width = prior.inputs.image_shape
        return image_corruption(prior.protocol, (channels, height, width))
    path = folder / BANK
    if not path.is_file():
        raise InputError(
            f"{folder}: this prior has no coil maps to generate with; give a run folder that 'rsd-mri train --accel 4' "
            "wrote, or none for the package's generator"
        )
    tensors, metadata = load_tensors(path)
    if metadata.get("kind") != "bank":
        raise InputError(f"{path}: expected the coil maps of a run, found '{metadata.get('kind')}'")
    csm: Tensor = torch.view_as_complex(tensors["csm"].float().contiguous())
    return Undersampling(prior.protocol.mask, csm, tensors["sigma"], prior.protocol.undersampling.shown)
