"""`--method one-step`: posterior mean and standard deviation by the unrolled network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from rsd_mri.about.plain import Parameters
from rsd_mri.corruption.corruption import Key
from rsd_mri.machine.device import quick_products
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.operators import Sense
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.classical.direct import Direct
from rsd_mri.reconstruction.classical.made import Made
from rsd_mri.reconstruction.posterior.sampler import Sampling
from rsd_mri.reconstruction.posterior.support import whole_fields, windows_of
from rsd_mri.reconstruction.posterior.teacher_step import TeacherStep
from rsd_mri.reconstruction.unrolled.weights import Reconstructor, reconstructor_beside


@dataclass(frozen=True)
class OneStep(Direct):
    """The posterior mean and its standard deviation by a few network calls, with a data step after each."""

    prior: Prior
    """The denoiser that the network began as: its card says what both have learned from."""
    reconstructor: Reconstructor

    name: ClassVar[str] = "one-step"
    title: ClassVar[str] = "One-step"
    band: ClassVar[int] = 64

    @classmethod
    def of(cls, prior: Prior, how: Sampling) -> Direct:
        """As `method_of` makes it; the teacher's step for a prior that has no reconstructor."""
        reconstructor = reconstructor_beside(prior)
        return TeacherStep.of(prior, how) if reconstructor is None else cls(prior, reconstructor)

    def run(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: Sequence[Key] = (),
        progress: Progress = SILENT,
        first: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """Reconstruct slices, [slice, (set,) readout, phase_encode], prepared units."""
        return self.estimate(operator, kspace, sigma, keys, progress).images

    def estimate(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: Sequence[Key] = (),  # noqa: ARG002
        progress: Progress = SILENT,
    ) -> Made:
        """Reconstruct slices, with their standard deviation."""
        operator, kspace = operator.balanced(kspace)
        model = self.reconstructor.to(kspace.device).model
        level = torch.as_tensor(sigma, dtype=torch.float32, device=kspace.device).expand(len(kspace))
        steps = self.reconstructor.protocol.reconstructor.iterations
        # What wraps it has learned to see where it lies, at both ends of the field of view.
        windows = (windows_of if operator.csm.ndim == 4 else whole_fields)(operator.csm)
        with torch.no_grad(), quick_products(kspace.device):
            last = model(operator, kspace, level, steps, windows, progress)[-1]
        return Made(last.image, last.std)

    def candidates(self) -> "list[OneStep]":
        """Itself alone: lines left out then judge it."""
        return [self]

    def parameters(self) -> Parameters:
        """As they are stored."""
        s = self.reconstructor.protocol.reconstructor
        return {
            "network": "reconstructor",
            "network_hash": self.reconstructor.sha256,
            "calls": s.calls,
            "iterations": s.iterations,
        }
