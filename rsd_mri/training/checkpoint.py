"""Checkpoints: tensors and JSON in one safetensors file, written whole or not at all; nothing is unpickled."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.errors import InputError
from rsd_mri.files import read_whole, written_whole


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and a JSON description, atomically."""
    text = {k: json.dumps(v) for k, v in metadata.items()}
    text |= {"version": json.dumps(__version__), "use": json.dumps(NOT_FOR_DIAGNOSTIC_USE)}
    kept = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with written_whole(path) as partial:
        save_file(kept, partial, metadata=text)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Raises
    ------
    InputError
        If the file is missing or not a whole safetensors file of this package.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights written by 'rsd-mri train'")
    return parse_tensors(read_whole(path), path)


def keep_images(path: Path, images: Tensor, kind: str, made_from: Mapping[str, str]) -> None:
    """Store images, real or complex, with what decided them."""
    # A complex image is stored with a last axis of two.
    stored = torch.view_as_real(images) if images.is_complex() else images
    save_tensors(path, {"images": stored}, {"kind": kind, "complex": images.is_complex(), **made_from})


def kept_images(path: Path, made_from: Mapping[str, str]) -> Tensor | None:
    """The images that `keep_images` stored, if they are there and were made from the same."""
    if not path.is_file():
        return None
    tensors, metadata = load_tensors(path)
    if any(metadata.get(name) != value for name, value in made_from.items()):
        return None
    # Restored images of earlier versions are complex and do not say so.
    return torch.view_as_complex(tensors["images"]) if metadata.get("complex", True) else tensors["images"]


def parse_tensors(content: bytes, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and description of a file's content; `path` is for messages.

    Raises
    ------
    InputError
        If it is not a whole safetensors file of this package.
    """
    try:
        tensors = load(content)
        # The format: eight bytes with the length of the JSON header, then the header.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return tensors, {k: json.loads(v) for k, v in header.get("__metadata__", {}).items()}
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{path}: not a whole safetensors file of rsd-mri ({error})") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of an optimiser as named tensors: `<parameter index>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(v) for i, values in state.items() for name, v in values.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Load weights strictly.

    Raises
    ------
    InputError
        Naming the first missing or unexpected weight.
    """
    own = module.state_dict()
    missing, unexpected = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    wrong = sorted(k for k in own.keys() & tensors.keys() if own[k].shape != tensors[k].shape)
    for names, problem in ((missing, "lacks"), (unexpected, "has an unknown"), (wrong, "has another shape for")):
        if names:
            raise InputError(
                f"{where}: {problem} weight '{names[0]}' ({len(names)} in all); "
                "the network settings differ from those it was trained with"
            )
    module.load_state_dict(dict(tensors))


def start_over(folder: Path, stages: tuple[str, ...]) -> None:
    """Remove the weights of stages, finished or not; of a teacher and what follows it also their log and pictures."""
    for stage in stages:
        (folder / f"{stage}.safetensors").unlink(missing_ok=True)
        (folder / "checkpoint" / f"{stage}.safetensors").unlink(missing_ok=True)
    if "teacher" in stages and len(stages) > 1:
        (folder / "metrics.csv").unlink(missing_ok=True)
        shutil.rmtree(folder / "samples", ignore_errors=True)
