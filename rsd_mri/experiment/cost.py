"""What a protocol costs before it is run: parameters, memory, hours."""

from dataclasses import dataclass

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.flop_counter import FlopCounterMode

from rsd_mri.about.plain import Json
from rsd_mri.corruption.build import image_corruption
from rsd_mri.diffusion.denoiser import Condition, Denoiser
from rsd_mri.priors.prior import Inputs, build_denoiser
from rsd_mri.protocol import Protocol

SUSTAINED = 60e12
"""Operations a second assumed of a data-centre GPU in half precision: a fifth of an A100's peak."""
BACKWARD = 2
"""A backward pass costs about twice a forward one."""


@dataclass(frozen=True)
class Plan:
    """Costs of a protocol's two stages, from one image through its network."""

    parameters: int
    """Real numbers in one network."""
    flops: float
    """Of one forward pass of one image."""
    activation_bytes: int
    """Kept for the backward pass, per image."""
    weight_bytes: dict[str, int]
    """Weights, gradients, optimiser states and averages of each stage."""
    batch: dict[str, int]
    hours: dict[str, float]
    """On one GPU of `SUSTAINED` operations a second."""

    def memory(self, stage: str) -> int:
        """Bytes a stage takes where one device holds the whole batch."""
        return self.weight_bytes[stage] + self.batch[stage] * self.activation_bytes

    def lines(self) -> list[str]:
        """Say it."""
        out = [f"{self.parameters / 1e6:.1f} million parameters, {self.flops / 1e9:.2f} GFLOP an image"]
        for stage, hours in self.hours.items():
            weights, each = self.weight_bytes[stage] / 2**30, self.activation_bytes / 2**20
            out.append(
                f"{stage}: {weights:.1f} GiB of weights, averages and optimiser states, and {each:.0f} MiB an image "
                f"({self.memory(stage) / 2**30:.0f} GiB for the whole batch of {self.batch[stage]}); about "
                f"{hours:,.{0 if hours >= 10 else 2}f} GPU hours at {SUSTAINED / 1e12:.0f} TFLOP/s"
            )
        return out

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {
            "parameters": self.parameters,
            "flops_per_image": self.flops,
            "activation_bytes": self.activation_bytes,
            "weight_bytes": self.weight_bytes,
            "batch": self.batch,
            "gpu_hours": self.hours,
            "memory_bytes": {stage: self.memory(stage) for stage in self.batch},
        }


def plan(protocol: Protocol) -> Plan:
    """Measure a protocol's network on one image and multiply.

    Parameters
    ----------
    protocol
        Its `data.matrix` is the size of the images; natural ones have three channels.
    """
    side = protocol.data.matrix
    shape: tuple[int, ...]
    if protocol.corruption.kind == "undersampling":
        inputs, shape, dtype = Inputs(), (1, side, side), torch.complex64
    else:
        corruption = image_corruption(protocol, (3, side, side))
        inputs, shape, dtype = Inputs.of(corruption), (1, *corruption.generator_shape), torch.float32
    # Shapes are all that counts: tensors without content, but for complex networks, whose kernels need it.
    device = torch.device("cpu" if protocol.network.field == "complex" else "meta")
    with device:
        denoiser = build_denoiser(protocol, inputs).requires_grad_(True)
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[StorageWeakRef(storage).cdata] = storage.nbytes()
        return tensor

    weights = {StorageWeakRef(p.untyped_storage()).cdata for p in denoiser.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        flops, out = _flops(denoiser, torch.zeros(shape, dtype=dtype, device=device), inputs)
    del out
    activations = sum(size for where, size in kept.items() if where not in weights)
    parameters = sum(p.numel() for p in denoiser.parameters())
    (images, batch), d = protocol.taught, protocol.distillation
    # Weights, gradients, two moments of Adam, average; the teacher of the distillation is frozen.
    weight_bytes = {"teacher": 4 * parameters * 5, "distillation": 4 * parameters * (2 * 4 + 2)}
    teacher = images * flops * (1 + BACKWARD)
    # Fake score: the student's image, then a training step. Student: its step, teacher and fake score through which
    # the gradient passes to the image (a backward pass without weights costs one forward).
    student = d.images * flops * (1 + (1 + BACKWARD) + (1 + BACKWARD) + 2 * 2)
    hours = {"teacher": teacher / SUSTAINED / 3600, "distillation": student / SUSTAINED / 3600}
    return Plan(parameters, flops, activations, weight_bytes, {"teacher": batch, "distillation": d.batch}, hours)


def _flops(denoiser: Denoiser, image: torch.Tensor, inputs: Inputs) -> tuple[float, torch.Tensor]:
    condition = Condition(
        image.new_ones((1, inputs.condition_channels, *image.shape[-2:]), dtype=torch.float32)
        if inputs.condition_channels
        else None,
        image.new_zeros((1, inputs.sampling_features), dtype=torch.float32) if inputs.sampling_features else None,
    )
    with FlopCounterMode(display=False) as counter:
        out = denoiser(image, torch.ones(1, device=image.device), condition)
    return float(counter.get_total_flops()), out
