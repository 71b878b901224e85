"""How fast this machine trains and runs the networks, against what its convolutions could do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rsd_mri.about.plain import Json, Row
from rsd_mri.bench.bench import About
from rsd_mri.files import require_writable, write_json
from rsd_mri.machine.progress import Progress
from rsd_mri.protocol import checked
from rsd_mri.protocol.checked import Integer, NotNegative, Switch

if TYPE_CHECKING:
    from rsd_mri.bench.speeds import Limit, Speed


@checked
class ThroughputSettings:
    """What the bench of speeds takes."""

    seed: Integer = 0
    """Seed of weights and images."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seconds: NotNegative = 0.5
    """How long each thing is timed for, at least."""
    compiled: Switch = False
    """Compile the networks too: minutes more."""


@dataclass(frozen=True)
class ThroughputCard:
    """Limits of the device, and the speeds of the networks on it."""

    device: str
    limits: Sequence["Limit"]
    speeds: Sequence["Speed"]

    def rows(self) -> Sequence[Row]:
        """A network a row."""
        return [speed.as_dict() for speed in self.speeds]

    def lines(self) -> list[str]:
        """For a person; a complex network's share of the speed of the real one of its cost stands last."""
        real = {s.beside: s.training for s in self.speeds if s.field == "real"}
        lines = [f"{self.device}: " + ", ".join(limit.line() for limit in self.limits)]
        lines.append(
            f"{'network':<9}{'pixels':>7}{'batch':>7}{'precision':>11}{'compiled':>10}{'training/s':>12}{'images/s':>10}"
            f"{'TFLOP/s':>9}{'of real':>9}"
        )
        for s in self.speeds:
            share = f"{s.training / real[s.beside]:>9.2f}" if s.field == "complex" and s.beside in real else ""
            lines.append(
                f"{s.field:<9}{s.pixels:>7}{s.batch:>7}{s.precision:>11}{'yes' if s.compiled else 'no':>10}"
                f"{s.training:>12.4g}{s.forward:>10.4g}{s.flops / 1e12:>9.3g}{share}"
            )
        return lines

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {
            "device": self.device,
            "limits": [limit.as_dict() for limit in self.limits],
            "rows": list(self.rows()),
        }


class ThroughputBench:
    """Times the training step and the forward pass of networks of several sizes and precisions."""

    about = About(
        "throughput",
        "none",
        "random numbers",
        "measured here",
        said="none: images/s, complex networks beside real ones of the same cost",
    )
    protocols: Mapping[str, str] = {}
    scales = ("mini", "gpu")
    settings = ThroughputSettings

    def run(self, settings: ThroughputSettings, scale: str, out: Path, progress: Progress) -> ThroughputCard:
        """Time every network; writes throughput.json."""
        from rsd_mri.bench.speeds import CASES, FIELDS, limits, speed
        from rsd_mri.machine.device import resolve_device

        require_writable(out)
        device = resolve_device(settings.device)
        told = progress.step("timing")
        cases = [
            (field, case, compiled)
            for case in CASES[scale]
            for compiled in ((False, True) if settings.compiled else (False,))
            for field in FIELDS
        ]
        found = [
            speed(field, case, compiled, device, settings.seconds, settings.seed)
            for (field, case, compiled), _ in told.each(cases)
        ]
        name, bounds = limits(device, settings.seconds, large=scale == "gpu")
        card = ThroughputCard(name, tuple(bounds), tuple(found))
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "throughput.json", card.as_dict())
        return card
