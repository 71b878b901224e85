"""Tissue signals of the common brain contrasts, from relaxation times and the signal equations."""

import math
from dataclasses import dataclass
from typing import Literal

import torch

from rsd_mri.simulation.fields import uniform

Contrast = Literal["T1", "T2", "FLAIR", "PD"]

# T1 [ms], T2 [ms] and proton density at 3 T, about as in Stanisz et al. 2005 (doi:10.1002/mrm.20605) and
# Wansapura et al. 1999 (doi:10.1002/(SICI)1522-2586(199904)9:4<531).
TISSUES: dict[str, tuple[float, float, float]] = {
    "white": (880.0, 72.0, 0.72),
    "grey": (1400.0, 98.0, 0.84),
    "csf": (4200.0, 1800.0, 1.0),
    "fat": (380.0, 110.0, 0.75),
    "muscle": (1400.0, 42.0, 0.78),
    "bone": (700.0, 2.0, 0.10),
    "marrow": (480.0, 75.0, 0.42),
    "skin": (900.0, 38.0, 0.65),
    "lesion": (1600.0, 170.0, 0.92),
    "blood": (1800.0, 110.0, 0.85),
}


@dataclass(frozen=True)
class SpinEcho:
    """A spin-echo sequence, after an inversion pulse where `inversion` is not zero."""

    repetition: float
    """Repetition time [ms]."""
    echo: float
    """Echo time [ms]."""
    inversion: float = 0.0
    """Inversion time [ms]."""

    def signal(self, t1: float, t2: float, density: float) -> float:
        """Magnitude of the signal (Bernstein et al. 2004, Handbook of MRI Pulse Sequences, 14.3 and 14.4)."""
        recovered = 1 - math.exp(-self.repetition / t1)
        if self.inversion:
            recovered -= 2 * (math.exp(-self.inversion / t1) - math.exp(-self.repetition / t1))
        return abs(density * recovered) * math.exp(-self.echo / t2)


def draw_signals(contrast: Contrast, rng: torch.Generator) -> dict[str, float]:
    """Signal of each tissue, the brightest one being 1, with the variation of protocols and of people."""
    vary = 1 + 0.1 * float(uniform(rng, -1, 1))
    if contrast == "T1" and float(uniform(rng, 0, 1)) < 0.5:  # T1 with an inversion pulse, or without
        sequence = SpinEcho(2000 * vary, 10, float(uniform(rng, 800, 950)))
    elif contrast == "T1":
        sequence = SpinEcho(450 * vary, float(uniform(rng, 8, 14)))
    elif contrast == "T2":
        sequence = SpinEcho(5000 * vary, float(uniform(rng, 80, 115)))
    elif contrast == "FLAIR":
        # The inversion time nulls CSF, not quite.
        repetition = 9000 * vary
        null = 4200 * math.log(2 / (1 + math.exp(-repetition / 4200)))
        sequence = SpinEcho(repetition, float(uniform(rng, 80, 110)), null * float(uniform(rng, 0.93, 1.03)))
    else:
        sequence = SpinEcho(3500 * vary, float(uniform(rng, 12, 25)))
    signals = {}
    for name, (t1, t2, density) in TISSUES.items():
        scale = [1 + 0.05 * float(uniform(rng, -1, 1)) for _ in range(3)]
        signals[name] = sequence.signal(t1 * scale[0], t2 * scale[1], density * scale[2])
    # Fat is partly suppressed in many protocols; blood flows out of the slice or, now and then, into it.
    fat = float(uniform(rng, 0.35, 1.0))
    signals["fat"] *= fat
    signals["marrow"] *= fat
    signals["blood"] *= 1.6 if contrast == "T1" and float(uniform(rng, 0, 1)) < 0.6 else 0.1
    brightest = max(signals.values())
    return {name: value / brightest for name, value in signals.items()} | {"air": 0.0}
