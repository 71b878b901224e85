"""The linear theory: generators distilled on low-rank Gaussians, against their closed forms."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsd_mri.about.plain import Json, Row
from rsd_mri.bench.bench import About
from rsd_mri.machine.progress import Progress
from rsd_mri.protocol import checked
from rsd_mri.protocol.checked import Integer

if TYPE_CHECKING:
    from rsd_mri.rsd.linear import DistilledCases, LinearResult


@checked
class LinearSettings:
    """What the linear bench takes."""

    seed: Integer = 0
    """Seed of subspaces and operators."""


@dataclass(frozen=True)
class LinearCard:
    """What was found, case by case."""

    found: "DistilledCases"

    def rows(self) -> Sequence[Row]:
        """One case a row."""
        return [one.as_dict() for one in self.found.cases]

    def lines(self) -> list[str]:
        """For each operator, student and rank the worst case."""
        lines = [
            f"{'operator':<10}{'student':<9}{'k':<5}{'cases':>6}{'min cos':>9}{'on range':>10}"
            f"{'max W2^2':>10}{'max error':>11}"
        ]
        groups: dict[tuple[str, str, str], list[LinearResult]] = {}
        for one in self.found.cases:
            case, student = one.case, "b=sigma^2" if one.case.matched else "b=0"
            groups.setdefault((case.operator, student, "r" if case.k == case.r else "2r"), []).append(one.result)
        for (operator, student, rank), results in groups.items():
            errors = [one.error for one in results if one.error is not None]
            lines.append(
                f"{operator:<10}{student:<10}{rank:<4}{len(results):>6}{min(min(r.cosines) for r in results):>9.4f}"
                f"{min(min(r.cosines_seen) for r in results):>10.4f}{max(r.w2_squared for r in results):>10.4f}"
                + (f"{max(errors):>11.1e}" if errors else f"{'-':>11}")
            )
        worst, count = self.found.max_error, len(self.found.errors)
        return [*lines, f"largest difference from the closed forms: {worst:.1e} ({count} cases)"]

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {
            "max_error": self.found.max_error,
            "closed_forms": len(self.found.errors),
            "cases": list(self.rows()),
        }


class LinearBench:
    """Distils linear generators and compares them with their closed forms."""

    about = About(
        "linear",
        "identity, square, wide, random masks; sigma 0 to 1",
        "low-rank Gaussians, drawn here",
        "closed form",
        said="b = 0, k = r: U U^T = (1 + sigma^2) E E^T; b = sigma^2: U U^T = E E^T",
    )
    protocols: Mapping[str, str] = {}
    scales = ("mini", "paper")
    settings = LinearSettings

    def run(self, settings: LinearSettings, scale: str, out: Path, progress: Progress) -> LinearCard:  # noqa: ARG002
        """Every case that has a closed form and the smaller others, or the whole grid; writes nothing."""
        # Before torch is imported: on tiny matrices the threads of its libraries wait for each other.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        from rsd_mri.rsd import linear

        cases = linear.mini_cases(settings.seed) if scale == "mini" else linear.linear_cases(seed=settings.seed)
        return LinearCard(linear.run_linear(cases, progress))
