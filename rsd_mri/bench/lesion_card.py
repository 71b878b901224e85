"""What became of the lesions: contrast, detectability, what is seen where nothing is, and whether the interval knew."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.about.plain import Json, Row
from rsd_mri.bench.lesion_readings import FULL, PEERS, Reading
from rsd_mri.bench.lesion_sites import LESIONS, disc
from rsd_mri.files import written_whole
from rsd_mri.metrics.observer import (
    Curve,
    Observer,
    Scores,
    channels,
    curve_of,
    gain_over_chosen,
    middle,
    unseen_scores,
)

CLASSICAL = ("zero-filled", "l1-wavelet", "tv", *PEERS)
FEWEST = 12
"""Lesions below which an observer of four channels learns nothing."""
FEW_CASES = 4
"""Cases below which the sites, and not the cases, are what is left out and drawn."""
SPECIFICITY = 0.9
"""Of the reader of full scans, by which false alarms are counted."""
HIDDEN = 0.5
"""Share of the contrast below which a lesion counts as hidden."""


@dataclass(frozen=True)
class Outcome:
    """One method, one acceleration, one size of lesion."""

    acceleration: float
    method: str
    size: float
    """Diameter [pixels]."""
    lesions: int
    area: float
    """Under the curve of an observer that learned on other cases of the same method."""
    low: float
    high: float
    """Of its 95 % interval, by a bootstrap over cases."""
    recovered: float
    """Contrast over the true contrast, mean."""
    recovered_worst: float
    """The same of the worst tenth: its tenth percentile."""
    seen: float
    """Share of lesions called by a reader who learned on full scans; the threshold clears 90 % of places without."""
    false_alarms: float
    """Share of places without a lesion that this reader calls one: 0.1 on full scans."""
    hidden: float | None = None
    """Share of lesions of which less than half of the contrast is left."""
    hidden_inside: float | None = None
    """Share of these whose true signal lies inside the interval; None where none is hidden or there is no interval."""
    gain: float | None = None
    """Of the posterior: its area less that of the best classical method."""
    gain_low: float | None = None
    gain_high: float | None = None
    """Of its 95 % interval: the same cases drawn for both."""
    gain_apart: float | None = None
    """The same where one half of the lesions chooses the best classical method and the other half judges it: the best
    of several on the lesions that chose it is flattered."""


def outcomes(readings: Sequence[Reading], seed: int) -> tuple[list[Outcome], list[str]]:
    """Judge all readings, and say what could not be judged.

    Parameters
    ----------
    readings
        Of every case, method and acceleration, and of the full scans.
    seed
        Of the bootstrap.
    """
    found, left = [], []
    sizes = sorted({site.size for one in readings for site in one.sites})
    accelerations = sorted({one.acceleration for one in readings if one.method != FULL})
    for size in sizes:
        full = _Pooled.of([one for one in readings if one.method == FULL], size)
        if full.count < FEWEST:
            left.append(f"size {size:g}: {full.count} lesions, fewer than the {FEWEST} that an observer learns from")
            continue
        found.append(_judged(full, full, size, seed)[0])
        for acceleration in accelerations:
            here = [one for one in readings if one.method != FULL and one.acceleration == acceleration]
            judged = {
                method: _judged(_Pooled.of([one for one in here if one.method == method], size), full, size, seed)
                for method in dict.fromkeys(one.method for one in here)
            }
            found += _with_gain(judged, seed)
    return sorted(found, key=lambda one: (one.acceleration, one.size)), left


@dataclass(frozen=True)
class _Pooled:
    """The sites of one size over all cases, for one method."""

    acceleration: float
    method: str
    groups: NDArray[np.integer]
    outputs: NDArray[np.float64]
    """[2, site, channel]: without and with, over the tissue's brightness; the sign of dark lesions is turned."""
    recovered: NDArray[np.float64]
    inside: NDArray[np.bool_] | None

    @property
    def count(self) -> int:
        return len(self.groups)

    @classmethod
    def of(cls, readings: Sequence[Reading], size: float) -> "_Pooled":
        bank, profile = channels(disc(size).shape[0]), disc(size)
        groups, outputs, recovered, inside = [], [], [], []
        for number, one in enumerate(readings):
            own = np.array([site.size == size for site in one.sites], bool)
            sign = np.array([np.sign(site.contrast) for site in one.sites])[own]
            truth, image = one.truth[:, own], one.image[:, own]
            level = truth[0].mean((1, 2))
            outputs.append(np.einsum("kij,asij->ask", bank, image) * (sign / level)[None, :, None])
            there = np.einsum("ij,sij->s", profile, truth[1] - truth[0])
            recovered.append(np.einsum("ij,sij->s", profile, image[1] - image[0]) / there)
            if one.half_width is not None:
                error = np.einsum("ij,sij->s", profile, truth[1] - image[1])
                inside.append(np.abs(error) <= np.einsum("ij,sij->s", profile, one.half_width[own]))
            groups.append(np.full(int(own.sum()), number))
        group = np.concatenate(groups)
        if len(readings) < FEW_CASES:
            group = np.arange(len(group))
        first = readings[0]
        return cls(
            first.acceleration,
            first.method,
            group,
            np.concatenate(outputs, axis=1),
            np.concatenate(recovered),
            np.concatenate(inside) if inside else None,
        )


def _judged(pooled: _Pooled, full: _Pooled, size: float, seed: int) -> tuple[Outcome, Curve, Scores]:
    absent, present = pooled.outputs
    scores = unseen_scores(present, absent, pooled.groups)
    curve = curve_of(*scores, pooled.groups, (seed,))
    hidden = pooled.recovered < HIDDEN
    inside = pooled.inside is not None and hidden.any()
    seen, alarms = _by_reader(pooled, full)
    outcome = Outcome(
        pooled.acceleration,
        pooled.method,
        size,
        pooled.count,
        curve.area,
        *curve.interval,
        float(pooled.recovered.mean()),
        float(np.quantile(pooled.recovered, 0.1)),
        seen,
        alarms,
        float(hidden.mean()),
        float(pooled.inside[hidden].mean()) if inside and pooled.inside is not None else None,
    )
    return outcome, curve, scores


def _by_reader(pooled: _Pooled, full: _Pooled) -> tuple[float, float]:
    """Lesions seen, and alarms where there are none, by one who has learned on the full scans of other cases."""
    seen, alarms = [], []
    for group in np.unique(full.groups):
        own = full.groups == group
        absent, present = full.outputs[:, ~own]
        reader = Observer.trained(present, absent)
        threshold = np.quantile(reader.scores(absent), SPECIFICITY)
        alarms += list(reader.scores(pooled.outputs[0, own]) > threshold)
        seen += list(reader.scores(pooled.outputs[1, own]) > threshold)
    return float(np.mean(seen)), float(np.mean(alarms))


def _with_gain(judged: dict[str, tuple[Outcome, Curve, Scores]], seed: int) -> list[Outcome]:
    rivals = [judged[name] for name in CLASSICAL if name in judged]
    best = max((curve for _, curve, _ in rivals), key=lambda curve: curve.area)
    made = []
    for name, (outcome, curve, scores) in judged.items():
        if name == "posterior":
            low, high = middle(curve.drawn - best.drawn)
            apart = gain_over_chosen(scores, [one for _, _, one in rivals], (seed,))
            outcome = replace(outcome, gain=curve.area - best.area, gain_low=low, gain_high=high, gain_apart=apart)
        made.append(outcome)
    return made


@dataclass(frozen=True)
class LesionsCard:
    """Every method at every acceleration and size."""

    results: tuple[Outcome, ...]
    path: Path
    """The card as Markdown."""
    scans: tuple[str, ...]
    psnr: Mapping[tuple[float, str], float]
    """Mean over the cases [dB]."""
    prior: str
    notes: tuple[str, ...] = ()

    def rows(self) -> Sequence[Row]:
        """A method, acceleration and size a row."""
        return [asdict(one) for one in self.results]

    def lines(self) -> list[str]:
        """For a person."""
        return [*self.tables(), *self.verdict(), f"card, figures and picture in {self.path.parent}"]

    def verdict(self) -> list[str]:
        """Where the posterior is behind the best classical method."""
        gains = [(one.gain, one) for one in self.results if one.gain is not None]
        behind = [(gain, one) for gain, one in gains if gain < 0]
        sure = [one for _, one in behind if one.gain_high is not None and one.gain_high < 0]
        if not gains:
            return []
        said = (
            f"The posterior's area is at least that of the best of the classical methods in "
            f"{len(gains) - len(behind)} of {len(gains)} cells"
        )
        apart = self._apart()
        if not behind:
            return [said + ".", apart]
        where = ", ".join(f"R={one.acceleration:g} {one.size:g} px ({gain:+.3f})" for gain, one in behind)
        which = ", ".join(f"R={one.acceleration:g} {one.size:g} px" for one in sure) or "none"
        return [f"{said}; behind at {where}. The 95 % interval of the difference lies below zero in: {which}.", apart]

    def _apart(self) -> str:
        """The same without the advantage of who is chosen after the fact."""
        gains = [(one.gain_apart, one) for one in self.results if one.gain_apart is not None]
        cells = ", ".join(f"R={one.acceleration:g} {one.size:g} px {gain:+.3f}" for gain, one in gains)
        mean = float(np.mean([gain for gain, _ in gains]))
        return (
            f"Where one half of the lesions chooses the best classical method and the other half judges, the "
            f"posterior's area is {mean:+.3f} above it on average: {cells}."
        )

    def tables(self) -> list[str]:
        """One Markdown table an acceleration."""
        lines: list[str] = []
        for acceleration in sorted({one.acceleration for one in self.results}):
            here = [one for one in self.results if one.acceleration == acceleration]
            sizes = sorted({one.size for one in here})
            lines += [
                "",
                "Full scans" if acceleration == 1 else f"R = {acceleration:g}",
                "",
                "| method | PSNR | " + " | ".join(f"{size:g} px, {LESIONS[size]:.0%}" for size in sizes) + " |",
                "| --- " * (len(sizes) + 2) + "|",
            ]
            for method in dict.fromkeys(one.method for one in here):
                cells = [_cell(one) for size in sizes for one in here if (one.method, one.size) == (method, size)]
                lines.append(f"| {method} | {self.psnr[acceleration, method]:.1f} | " + " | ".join(cells) + " |")
        return lines[1:]

    def as_dict(self) -> dict[str, Json]:
        """Plain values."""
        return {
            "rows": self.rows(),
            "card": str(self.path),
            "scans": list(self.scans),
            "psnr": [{"acceleration": r, "method": name, "psnr": value} for (r, name), value in self.psnr.items()],
            "prior": self.prior,
            "notes": list(self.notes),
            "version": __version__,
            "not_for_diagnostic_use": True,
        }

    def write_text(self) -> None:
        """Write the tables as Markdown."""
        text = [
            "# What becomes of small lesions",
            "",
            NOT_FOR_DIAGNOSTIC_USE,
            "",
            f"Scans: {', '.join(self.scans)}. Prior: {self.prior}. rsd-mri {__version__}.",
            EXPLAINED,
            *self.notes,
            "",
            *self.tables(),
            "",
            *self.verdict(),
            "",
        ]
        with written_whole(self.path) as partial:
            partial.write_text("\n".join(text), encoding="utf-8")


EXPLAINED = (
    "A cell: area under the curve [95 % interval]; share of the contrast that is left (tenth percentile); lesions seen "
    "/ false alarms of a reader who learned on full scans and there calls one place without a lesion in ten; of the "
    "posterior, hidden (less than half of the contrast left) and how many of these lie inside the interval."
)


def _cell(one: Outcome) -> str:
    text = (
        f"{one.area:.2f} [{one.low:.2f}, {one.high:.2f}]; {one.recovered:.2f} ({one.recovered_worst:.2f}); "
        f"{one.seen:.0%} / {one.false_alarms:.0%}"
    )
    if one.gain is None or one.hidden is None:
        return text
    inside = "" if one.hidden_inside is None else f", {one.hidden_inside:.0%} of them inside"
    return f"{text}; hidden {one.hidden:.0%}{inside}"


def mean_psnr(readings: Sequence[Reading]) -> dict[tuple[float, str], float]:
    """Mean over the cases, by acceleration and method [dB]."""
    keys = dict.fromkeys((one.acceleration, one.method) for one in readings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a full scan that is its own truth: infinite
        return {
            key: float(np.mean([one.psnr for one in readings if (one.acceleration, one.method) == key])) for key in keys
        }
