"""Devices, processes and precision: how to run, as against what to train."""

import os
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from lightning_fabric.strategies.ddp import DDPStrategy

from rsd_mri.errors import InputError
from rsd_mri.machine.device import resolve_device
from rsd_mri.training.checkpoint import start_over

PRECISIONS: dict[str, torch.dtype | None] = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}
"""What the networks compute in; FFTs and data consistency are always complex64."""
PATIENCE = timedelta(hours=12)
"""How long processes wait for the first one, which simulates and prepares scans."""


@dataclass(frozen=True)
class TrainOptions:
    """How to run, as against what to train (the protocol)."""

    stage: str = "all"
    """`teacher`, `generator`, `all`, `denoiser` or `reconstructor`."""
    fresh: bool = False
    device: str = "auto"
    devices: int = 1
    """Processes per node, one device each; 1 takes what torchrun was told."""
    nodes: int = 1
    precision: str = "32"
    """One of `PRECISIONS`."""
    accumulate: int = 1
    """Parts that each process's share of a batch is taken in, to save memory."""
    compile: bool = False
    """Compile the networks with torch.compile."""
    checkpoint_activations: bool = False
    """Compute activations again in the backward pass, to save memory."""
    tensorboard: bool = False
    checkpoint_seconds: float = 60.0
    seconds: float = 0.0
    """Longest time of this call, in equal parts for its stages; 0 for as long as it takes."""
    start: Path | None = None
    """Run folder or file whose weights a new network starts from; random ones without it."""
    guide: Path | None = None
    """Run folder or file whose teacher, a worse one, guides the teacher that is distilled."""


class Clock:
    """Shares the time of a call among what is still to be done."""

    def __init__(self, options: TrainOptions) -> None:
        self._options = options
        self._end = time.monotonic() + options.seconds

    def share(self, left: float) -> TrainOptions:
        """The options of the next part, with its share of the time that is left; at least a second.

        `left` is how many such parts are still to be done, this one included.
        """
        if not self._options.seconds:
            return self._options
        return replace(self._options, seconds=max((self._end - time.monotonic()) / left, 1.0))


class ScaledLosses(MixedPrecision):
    """The scaling of losses that float16 needs; the networks cast themselves."""

    def convert_input(self, data: Any) -> Any:
        """Leave it: operators and images keep their types."""
        return data

    def convert_output(self, data: Any) -> Any:
        """Leave it."""
        return data

    def forward_context(self) -> AbstractContextManager[Any]:
        """No autocast around scaling and physics."""
        return nullcontext()


def make_fabric(options: TrainOptions) -> Fabric:
    """Set Fabric up for the options, and start or join the processes.

    Raises
    ------
    InputError
        If the precision is unknown, the device is not there, or the processes are not as many as asked for.
    """
    if options.precision not in PRECISIONS:
        raise InputError(f"--precision {options.precision}: expected one of {', '.join(PRECISIONS)}")
    accelerator = resolve_device(options.device).type
    devices, nodes = _processes(options)
    parallel = devices * nodes > 1
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy=DDPStrategy(timeout=PATIENCE) if parallel else "auto",
            plugins=[ScaledLosses("16-mixed", accelerator)] if options.precision == "16" else None,
        )
        fabric.launch()
    except (RuntimeError, ValueError) as error:
        asked = f"--device {options.device} --devices {devices} --nodes {nodes}"
        raise InputError(f"{asked}: not available here ({error})") from error
    return fabric


def begin_folder(fabric: Fabric, folder: Path, stages: tuple[str, ...], options: TrainOptions) -> None:
    """Make the run folder, without what is to be started over; every process goes on when it is there."""
    if fabric.is_global_zero:
        if options.fresh:
            start_over(folder, stages)
        folder.mkdir(parents=True, exist_ok=True)
    fabric.barrier()


def _processes(options: TrainOptions) -> tuple[int, int]:
    """Devices per node and nodes: what torchrun started, where it did."""
    if not torch.distributed.is_available() or not torch.distributed.is_torchelastic_launched():
        return options.devices, options.nodes
    local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if options.devices not in (1, local) or options.nodes not in (1, world // local):
        raise InputError(
            f"--devices {options.devices} --nodes {options.nodes}: torchrun started {local} processes on each of "
            f"{world // local} nodes; leave the two options out"
        )
    return local, world // local
