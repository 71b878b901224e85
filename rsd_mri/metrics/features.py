"""What images are compared by: Inception, a network of your own, or principal components."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsd_mri.errors import InputError
from rsd_mri.files import sha256
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.metrics.distribution import PrincipalFeatures

PRINCIPAL = "principal"
INSTALL = 'pip install "rsd-mri[metrics]"'

Extract = Callable[[Tensor], tuple[Tensor, "Tensor | None"]]
"""Bytes [image, 3, y, x] to features [image, feature], and the logits of classes [image, class] where there are any."""


@dataclass(frozen=True)
class Extractor:
    """A feature space."""

    name: str
    """Of the features; distances in different spaces do not compare."""
    extract: Extract
    inception: bool = False
    """Whether the Frechet distance is the one called FID."""
    sha256: str | None = None
    """Of the file it came from."""

    def __call__(
        self,
        images: NDArray[Any],
        batch: int,
        device: torch.device,
        progress: Progress = SILENT,
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Features and logits of images [image, 3, y, x]: bytes, or magnitudes as they are (float32).

        Raises
        ------
        InputError
            If a network of yours does not take these images, or gives no features.
        """
        features, logits = [], []
        for first in range(0, len(images), batch):
            part = torch.from_numpy(np.array(images[first : first + batch])).to(device)
            try:
                with torch.no_grad():
                    found, classes = self.extract(part)
            except RuntimeError as error:
                raise InputError(f"{self.name}: does not take bytes of shape {list(part.shape)} ({error})") from error
            if found.ndim != 2 or len(found) != len(part) or not bool(torch.isfinite(found).all()):
                raise InputError(
                    f"{self.name}: expected finite features [image, feature] of {len(part)} images, "
                    f"got shape {list(found.shape)}"
                )
            features.append(found.double().cpu().numpy())
            if classes is not None:
                logits.append(classes.double().cpu().numpy())
            progress(min(first + batch, len(images)) / len(images))
        return np.concatenate(features), np.concatenate(logits) if logits else None


def find_extractor(features: str | None, reference: NDArray[Any], device: torch.device) -> Extractor:
    """Inception without a name, `principal` components of the reference, or a TorchScript file.

    Raises
    ------
    InputError
        If Inception is not to be had here, or the file cannot be loaded.
    """
    if features == PRINCIPAL:
        return principal(reference)
    return inception(device) if features is None else from_file(features, device)


def principal(reference: NDArray[Any], count: int = 64) -> Extractor:
    """The leading principal components of the reference images: no download, and no meaning beyond these images."""
    space = PrincipalFeatures.fit(reference, count)

    def extract(images: Tensor) -> tuple[Tensor, Tensor | None]:
        return torch.from_numpy(space(images.cpu().numpy())), None

    return Extractor(f"{len(space.components)} principal components of the reference", extract)


def from_file(path: str | Path, device: torch.device) -> Extractor:
    """Load a network from a TorchScript file: bytes [image, 3, y, x] to [image, feature], or to (features, logits).

    TorchScript is the one kind that is loaded without unpickling; archives of torch.export and pickled networks are
    refused, for loading them can run any Python. A TorchScript network is a program all the same: use files you trust.
    The file's SHA-256 goes into the result.

    Raises
    ------
    InputError
        If the file is missing, of another kind, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file of features; give a TorchScript file or '{PRINCIPAL}'")
    try:
        with warnings.catch_warnings():
            # Deprecated for new networks; nothing else loads one without running Python.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            network = torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path}: not a TorchScript network; save one with torch.jit.save") from error

    def extract(images: Tensor) -> tuple[Tensor, Tensor | None]:
        found = network(images)
        return (found[0], found[1]) if isinstance(found, tuple) else (found, None)

    return Extractor(path.name, extract, sha256=sha256(path))


def inception(device: torch.device) -> Extractor:
    """Inception-v3 as the published figures use it, from torch-fidelity; its weights are fetched once.

    Raises
    ------
    InputError
        If torch-fidelity is missing or the weights cannot be fetched.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
    except ImportError as error:
        raise InputError(f"Inception needs torch-fidelity: {INSTALL}, or give --features") from error
    try:
        # torch-fidelity unpickles the file it finds in torch's cache: let it find one that holds tensors only.
        torch.hub.load_state_dict_from_url(URL_INCEPTION_V3, progress=False, weights_only=True, map_location="cpu")
    except (OSError, UnpicklingError) as error:
        raise InputError(
            f"Inception's weights cannot be fetched ({error}); put them into {torch.hub.get_dir()}/checkpoints, or "
            f"give --features FILE or --features {PRINCIPAL}"
        ) from error
    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"]).to(device)

    def extract(images: Tensor) -> tuple[Tensor, Tensor | None]:
        found = network(images) if images.dtype == torch.uint8 else of_numbers(network, images)
        return found[0], found[1]

    return Extractor("Inception-v3 (torch-fidelity)", extract, inception=True)


def of_numbers(network: torch.nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """Inception's features of real numbers, of which torch-fidelity takes whole ones only.

    They are resized and shifted as bytes are: the published MRI figures give magnitudes of about 0 to 1.5 to a network
    made for 0 to 255.

    Parameters
    ----------
    network
        torch-fidelity's.
    images
        [image, 3, y, x].
    """
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    side = network.INPUT_IMAGE_SIZE
    shown = (interpolate_bilinear_2d_like_tensorflow1x(images, size=(side, side), align_corners=False) - 128) / 128
    first = cast(nn.Module, network.Conv2d_1a_3x3)
    handle = first.register_forward_pre_hook(lambda module, given: (shown,))
    try:
        found: tuple[Tensor, ...] = network(torch.zeros(len(images), 3, 8, 8, dtype=torch.uint8, device=images.device))
    finally:
        handle.remove()
    return found
