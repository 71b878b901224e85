"""`--method teacher`: the restoration that a teacher learned from measurements alone, in one call."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from rsd_mri.about.plain import Parameters
from rsd_mri.corruption.corruption import Key
from rsd_mri.errors import InputError
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.operators import Sense
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.classical.direct import Direct
from rsd_mri.reconstruction.posterior.restorers import restorer_of
from rsd_mri.reconstruction.posterior.sampler import Sampling


@dataclass(frozen=True)
class TeacherStep(Direct):
    """One network call and one data step, by the teacher of the prior's run where there is one."""

    prior: Prior

    name: ClassVar[str] = "teacher"
    title: ClassVar[str] = "Teacher"

    @classmethod
    def of(cls, prior: Prior, how: Sampling) -> "TeacherStep":  # noqa: ARG003
        """As `method_of` makes it."""
        return cls(prior)

    def run(
        self,
        operator: Sense,
        kspace: Tensor,
        sigma: float | Tensor,
        keys: Sequence[Key] = (),  # noqa: ARG002
        progress: Progress = SILENT,
        first: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """Reconstruct one slice, [1, (set,) readout, phase_encode], prepared units."""
        with torch.no_grad():
            return restorer_of(self.prior.teacher or self.prior, operator).one_step(kspace, float(sigma))

    def along_trajectory(self) -> "TeacherStep":
        """Without the teacher, which knows lines of a Cartesian grid alone."""
        return TeacherStep(prior_along_trajectory(self.prior))

    def candidates(self) -> "list[TeacherStep]":
        """By the teacher, or by the denoiser: on scans unlike those it was trained on the teacher can be the worse."""
        return [self] if self.prior.teacher is None else [self, TeacherStep(replace(self.prior, teacher=None))]

    def parameters(self) -> Parameters:
        """As they are stored."""
        return {"network": "teacher" if self.prior.teacher is not None else self.prior.kind, **teacher_hash(self.prior)}


def teacher_hash(prior: Prior) -> Parameters:
    """Which teacher a prior comes with, as it is stored."""
    return {} if prior.teacher is None else {"teacher_hash": prior.teacher.sha256}


def prior_along_trajectory(prior: Prior) -> Prior:
    """A prior for scans that are not Cartesian.

    Raises
    ------
    InputError
        If it has no denoiser of whole images.
    """
    if prior.kind != "denoiser":
        raise InputError(
            f"{prior.path}: a {prior.kind} knows lines of a Cartesian grid, and the scan is along another trajectory; "
            "take --method l1-wavelet, or a prior with a denoiser of whole images"
        )
    return replace(prior, teacher=None)
