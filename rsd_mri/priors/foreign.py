"""Denoisers of deepinv as priors (Tachella et al. 2025): its networks with weights by file, and its classical ones.

Nothing is downloaded, and nothing is unpickled: weights are safetensors, or what PyTorch's `weights_only` reads.
"""

import hashlib
import pickle
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rsd_mri.diffusion.denoiser import USUAL_MAGNITUDE, Condition, Denoiser
from rsd_mri.errors import InputError, alike
from rsd_mri.files import read_whole
from rsd_mri.priors.card import Card
from rsd_mri.training.checkpoint import parse_tensors

PREFIX = "deepinv:"
NETWORKS = ("DRUNet", "DnCNN")
"""Need weights."""
CLASSICAL = ("TVDenoiser", "TGVDenoiser", "WaveletDenoiser")
"""Need none."""
FORM = f"expected {PREFIX}NAME=WEIGHTS of {', '.join(NETWORKS)}, or {PREFIX}NAME of {', '.join(CLASSICAL)}"


class ForeignDenoiser(Denoiser):
    """A denoiser of real pictures between 0 and 1, shown real and imaginary parts each as one.

    A network of two channels is shown both at once, as they are.

    Parameters
    ----------
    network
        Called with pictures [batch, channel, y, x] and the standard deviation of their noise.
    channels
        1 or 2.
    """

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__(network, USUAL_MAGNITUDE)  # type: ignore[arg-type]
        self.channels = channels

    def forward(self, u: Tensor, sigma: Tensor, condition: Condition | None = None) -> Tensor:  # noqa: ARG002
        """Estimate the clean image of complex [batch, y, x]; each part holds half of the noise's power."""
        parts = torch.view_as_real(u.resolve_conj()).movedim(-1, 1)
        scale = torch.ones_like(parts[:, :1, :1, :1])
        if self.channels == 1:
            # White, of both signs, is at the ends of what the network knows.
            scale = 2 * parts.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
            parts = parts / scale + 0.5
        made = torch.empty_like(parts)
        levels = (sigma.reshape(-1) / 2**0.5).expand(len(u)) / scale.reshape(-1)
        for index, level in enumerate(levels):
            shown = parts[index : index + 1]
            shown = shown.transpose(0, 1) if self.channels == 1 else shown
            if hasattr(self.network, "restart"):
                # Classical ones would go on from the image before: none is to depend on what came before it.
                setattr(self.network, "restart", True)  # noqa: B010 - not a tensor, whatever torch's types say
            with torch.no_grad():
                out = self.network(shown.contiguous(), float(level))
            made[index] = out[:, 0] if self.channels == 1 else out[0]
        if self.channels == 1:
            made = (made - 0.5) * scale
        return torch.view_as_complex(made.movedim(1, -1).contiguous())


def is_foreign(source: str | Path) -> bool:
    """Whether a prior is asked for by the name of another library's denoiser."""
    return str(source).startswith(PREFIX)


class Foreign(NamedTuple):
    """What makes a prior of it."""

    denoiser: ForeignDenoiser
    name: str
    card: Card
    digest: str
    """SHA-256 of its weights; of a classical one, of what it is called."""


def load_foreign(source: str | Path) -> Foreign:
    """Load `deepinv:NAME=WEIGHTS` or, of a classical denoiser, `deepinv:NAME`.

    Raises
    ------
    InputError
        If deepinv is not installed, there is no such denoiser, or the weights are missing or not its own.
    """
    name, _, file = str(source).removeprefix(PREFIX).partition("=")
    if name not in (*NETWORKS, *CLASSICAL):
        raise InputError(f"--prior {source}: {FORM}{alike(name, [*NETWORKS, *CLASSICAL])}")
    if (name in NETWORKS) != bool(file):
        said = "needs its weights: nothing is downloaded" if name in NETWORKS else "has no weights"
        raise InputError(f"--prior {source}: {name} {said}; {FORM}")
    try:
        import deepinv
    except ImportError as error:
        raise InputError(f"--prior {source}: deepinv is not installed; pip install 'rsd-mri[interop]'") from error
    make = getattr(deepinv.models, name)
    digest = hashlib.sha256(f"deepinv {deepinv.__version__} {name}".encode()).hexdigest()
    if not file:
        try:
            network, channels = make(), 1
        except ImportError as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"--prior {source}: deepinv cannot make it here ({reason})") from error
    else:
        path = Path(file)
        content, tensors = _weights(path)
        network, channels = _fitting(make, tensors, name, path)
        digest = hashlib.sha256(content).hexdigest()
    denoiser = ForeignDenoiser(network, channels)
    denoiser.requires_grad_(False).eval()
    card = Card(data=f"{name} of deepinv {deepinv.__version__}" + (f", weights {Path(file).name}" if file else ""))
    return Foreign(denoiser, f"deepinv {name}", card, digest)


def _weights(path: Path) -> tuple[bytes, dict[str, Tensor]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the weights of a denoiser, .safetensors or .pth")
    if path.suffix == ".safetensors":
        content = read_whole(path)
        return content, parse_tensors(content, path)[0]
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: holds more than weights, or is damaged; save its state_dict as .safetensors"
        ) from error
    if not isinstance(tensors, dict) or not all(isinstance(one, Tensor) for one in tensors.values()):
        raise InputError(f"{path}: expected the state_dict of a network; save that, as .safetensors or .pth")
    return read_whole(path), tensors


def _fitting(make: type[nn.Module], tensors: dict[str, Tensor], name: str, path: Path) -> tuple[nn.Module, int]:
    """The network with its weights, of one channel or two."""
    for channels in (1, 2):
        network = make(in_channels=channels, out_channels=channels, pretrained=None)
        shapes = {key: value.shape for key, value in network.state_dict().items()}
        if shapes == {key: value.shape for key, value in tensors.items()}:
            network.load_state_dict(tensors)
            return network, channels
    raise InputError(f"{path}: not the weights of deepinv's {name} of one channel (grey) or two (complex)")
