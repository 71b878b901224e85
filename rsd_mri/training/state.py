"""The state of a stage between two steps: to a checkpoint and back, exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn

from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.training.checkpoint import (
    load_optimizer,
    load_tensors,
    load_weights,
    optimizer_tensors,
    save_tensors,
)
from rsd_mri.training.stage import Stage

CHANCE = 0.1
"""Relative difference of two distances that says nothing: of 256 images the distance of the same weights scatters by a
twentieth to a tenth (standard deviation) with the noise that they are drawn from (`protocols/brain32-r4.md`)."""


@dataclass(frozen=True)
class Best:
    """The last averaged weights that came as close to the data as any, up to chance.

    Not those of the lowest distance, which is the luckiest draw of many: at falling learning rates the later ones are
    the better ones, and their distance hardly shows it. What came before the rates began to fall counts only until
    then: that fall gains more than the distance sees of it (`protocols/brain32-r4.md`).
    """

    distance: float
    lowest: float
    """Of all distances so far."""
    images: int
    """Images seen then."""
    tensors: dict[str, Tensor]
    """On the CPU, by `AVERAGE/WEIGHT`."""
    falling: bool = False
    """Whether the learning rates had begun to fall then."""

    @classmethod
    def after(cls, best: "Best | None", stage: Stage, distance: float, images: int, falling: bool = False) -> "Best":
        """The best so far, or a copy of the stage's averages where these are.

        Parameters
        ----------
        distance
            Of the averages to the data.
        images
            Seen so far.
        falling
            Whether the learning rates have begun to fall.
        """
        rival = None if best is None or falling > best.falling else best
        if rival is not None and distance > (1 + CHANCE) * rival.lowest:
            return rival
        lowest = distance if rival is None else min(distance, rival.lowest)
        tensors = {
            f"{name}/{k}": v.detach().cpu().clone()
            for name, module in stage.averages.items()
            for k, v in module.state_dict().items()
        }
        return cls(distance, lowest, images, tensors, falling)

    def put_back(self, stage: Stage) -> None:
        """Load the copy into the stage's averages."""
        for name, module in stage.averages.items():
            load_weights(module, _part(self.tensors, f"{name}/"), "the best weights so far")

    @property
    def facts(self) -> dict[str, float]:
        """For the card of the weights."""
        return {"proximal_distance": self.distance, "chosen_at_images": self.images}


def save_state(
    stage: Stage, fabric: Fabric, path: Path, images: int, identity: Mapping[str, Json], best: Best | None
) -> None:
    """Write a checkpoint."""
    tensors: dict[str, Tensor] = {}
    for kind, modules in (("module", stage.modules), ("average", stage.averages)):
        for name, module in modules.items():
            tensors |= {f"{kind}/{name}/{k}": v for k, v in bare(module).state_dict().items()}
    for name, optimizer in stage.optimizers.items():
        tensors |= {f"optimizer/{name}/{k}": v for k, v in optimizer_tensors(optimizer).items()}
    metadata: dict[str, Any] = {"images": images, "identity": identity, "stage": stage.name}
    # The scale of the loss in half precision; nothing otherwise.
    metadata["precision"] = fabric.strategy.precision.state_dict()
    if best is not None:
        tensors |= {f"best/{k}": v for k, v in best.tensors.items()}
        metadata["best"] = {k: v for k, v in vars(best).items() if k != "tensors"}
    save_tensors(path, tensors, metadata)


def resume_state(stage: Stage, fabric: Fabric, path: Path, identity: Mapping[str, Json]) -> tuple[int, Best | None]:
    """Read a checkpoint into a stage; return the images seen, and the best weights so far.

    Raises
    ------
    InputError
        If the checkpoint is damaged, or belongs to another protocol or other data.
    """
    tensors, metadata = load_tensors(path)
    for name, value in identity.items():
        stored = metadata.get("identity", {}).get(name)
        if stored != value:
            raise InputError(
                f"{path}: this run was started with another {name}; continue it with the same one, "
                "or start over with --fresh"
            )
    for kind, modules in (("module", stage.modules), ("average", stage.averages)):
        for name, module in modules.items():
            load_weights(bare(module), _part(tensors, f"{kind}/{name}/"), str(path))
    for name, optimizer in stage.optimizers.items():
        load_optimizer(optimizer, _part(tensors, f"optimizer/{name}/"))
    fabric.strategy.precision.load_state_dict(metadata.get("precision") or {})
    kept = metadata.get("best")
    best = Best(**kept, tensors=_part(tensors, "best/")) if kept else None
    return int(metadata["images"]), best


def module_weights(path: Path, name: str) -> dict[str, Tensor]:
    """The weights of a checkpoint's module as it was trained, not averaged; none where it had no such module."""
    return _part(load_tensors(path)[0], f"module/{name}/")


def bare(module: nn.Module) -> nn.Module:
    """The network inside Fabric's and DDP's wrappers."""
    while hasattr(module, "module") and isinstance(module.module, nn.Module):
        module = module.module
    return module


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
