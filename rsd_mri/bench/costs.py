"""What an experiment would cost, as a card."""

from collections.abc import Sequence
from dataclasses import dataclass

from rsd_mri.about.plain import Json, Row
from rsd_mri.experiment.cost import Plan, plan
from rsd_mri.protocol import Protocol


@dataclass(frozen=True)
class CostCard:
    """Parameters, memory and hours of a protocol."""

    recipe: Protocol
    plan: Plan

    @classmethod
    def of(cls, recipe: Protocol) -> "CostCard":
        """Measure the networks of a protocol on one image."""
        return cls(recipe, plan(recipe))

    def rows(self) -> Sequence[Row]:
        """One stage a row."""
        return [
            {"stage": stage, "gpu_hours": hours, "memory_bytes": self.plan.memory(stage)}
            for stage, hours in self.plan.hours.items()
        ]

    def lines(self) -> list[str]:
        """For a person."""
        return [f"{self.recipe.name}: {self.recipe.description}", *self.plan.lines()]

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {"protocol": self.recipe.name, **self.plan.as_dict()}
