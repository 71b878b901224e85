"""How far an image can be trusted: for each question one number, one sentence and one picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsd_mri.results.spots import spots_picture
from rsd_mri.results.volume import ReconstructedVolume
from rsd_mri.results.window import upper_window

WITHOUT_LEARNING = {
    "held_out_error_temporal_tv": "temporal total variation",
    "held_out_error_tv": "total variation",
    "held_out_error_cg_sense": "CG-SENSE",
}
"""Methods without a prior that lines left out are predicted by too, by the names of their checks."""
BODY = 0.1
"""Pixels brighter than this share of white count as the body."""
GAINS = (1, 2, 5, 10, 20, 50, 100)
"""How many times as bright as the image a picture may be shown."""


@dataclass(frozen=True)
class Answer:
    """To one question."""

    question: str
    number: str
    sentence: str
    picture: NDArray[np.float32] | None
    """[readout, phase_encode] of the middle slice, where there is one to show."""
    shown: str = ""
    """What the picture shows."""
    white: float = 1.0
    """The value shown as white."""


def trust_of(rec: ReconstructedVolume) -> list[Answer]:
    """What a reader asks of a learned reconstruction, answered; empty for other methods.

    Parameters
    ----------
    rec
        With the checks that came with it.
    """
    if rec.prior is None:
        return []
    return [
        one for one in (_how_far_off(rec), _small_lesion(rec), _own_lines(rec), _like_the_card(rec)) if one is not None
    ]


def lines(rec: ReconstructedVolume) -> list[str]:
    """The same as sentences, without the pictures."""
    return [f"{one.question} {one.number}. {one.sentence}" for one in trust_of(rec)]


def _how_far_off(rec: ReconstructedVolume) -> Answer | None:
    question = "How far may a pixel be off?"
    if rec.std is None or not rec.std.any():
        return None
    white = upper_window(rec.magnitude)
    if rec.half_width is None:
        return Answer(
            question,
            "not known",
            "The standard deviation shows where the image is uncertain; nothing scales it to an error on this scan.",
            *_brightened(_middle(rec.std), "standard deviation", white),
        )
    body = rec.magnitude > BODY * white
    typical = float(np.median(rec.half_width[body])) / white if body.any() else 0.0
    lines = rec.checks.get("own_lines")
    unit = "lines" if rec.mask.ndim == 1 else "groups of points"
    basis = (
        f"The scale is from {lines:.0f} {unit} of this scan that the image was not shown"
        if lines
        else "The scale is from other scans, and was not checked on this one"
    )
    within, share = rec.checks.get("half_width_within"), rec.checks.get("half_width_coverage")
    pixels = "Most pixels" if share is None else f"{share:.0%} of the pixels of the body"
    basis += f", and may be off by a factor of up to {within:.1f}" if within else ""
    return Answer(
        question,
        f"\N{PLUS-MINUS SIGN}{typical:.1%} of bright tissue",
        f"{pixels} are expected to lie within this of the truth, typically. The picture says where it is more. "
        f"{basis}.",
        *_brightened(_middle(rec.half_width), "half width of the interval", white),
    )


def _small_lesion(rec: ReconstructedVolume) -> Answer | None:
    lost, least = rec.checks.get("lesion_lost"), rec.checks.get("lesion_least")
    if lost is None:
        return None
    where = f"In tests at R={rec.checks['lesion_acceleration']:g}"
    if not lost and least is not None:
        number = "none that was tried"
        sentence = f"{where}, spots of {_size(least)} and more kept most of their contrast."
    else:
        number = f"below {_pixels(rec, least)}" if least else f"even of {_pixels(rec, lost)}"
        sentence = (
            f"{where}, {rec.checks['lesion_hidden']:.0%} of round spots of {_size(lost)}, "
            f"{rec.checks['lesion_contrast']:.0%} brighter or darker than the tissue, lost more than half of that."
        )
    picture = spots_picture(rec)
    spots = f"a spot of {_size(lost)} that was lost" if lost else f"a spot of {_size(least or 0)} that was kept"
    if lost and least:
        spots = f"above {spots}, below one of {_size(least)} that was kept"
    shown = (
        f"on simulated heads, {spots}. From the left: truth with a ring round the place, image, half width of the "
        "interval x 4"
    )
    return Answer("How small a spot may be lost?", number, sentence, picture, shown)


def _size(pixels: float) -> str:
    return f"{pixels:g} pixel{'s' if pixels != 1 else ''}"


def _pixels(rec: ReconstructedVolume, count: float) -> str:
    """A diameter in pixels, and in millimetres where their size is known."""
    size = rec.geometry.voxel_size
    return f"{count:g} pixels" + (f" ({count * max(size[:2]):.2g} mm)" if size else "")


def _own_lines(rec: ReconstructedVolume) -> Answer | None:
    ours = rec.checks.get("held_out_error")
    others = [rec.checks[name] for name in WITHOUT_LEARNING if name in rec.checks]
    if ours is None or not others:
        return None
    best = min(others)
    if ours > best:
        verdict = "worse than without learning: do not believe detail that only this image shows"
    elif ours > 0.8 * best:
        verdict = "hardly better than without learning: believe detail only where other methods show it too"
    else:
        verdict = "better than without learning: it helps on this scan"
    part = rec.prior_part
    return Answer(
        "Does what was learned fit this scan?",
        f"{ours:.1%} wrong, {best:.1%} without learning",
        f"Measured data that were hidden from it are foretold {verdict}.",
        *(
            (None, "")
            if part is None
            else _brightened(_middle(part), "filled in by what was learned, not measured", upper_window(rec.magnitude))
        ),
    )


def _like_the_card(rec: ReconstructedVolume) -> Answer | None:
    count, loss = rec.checks.get("card_differences"), rec.checks.get("card_loss")
    if count is None:
        return None
    if not count:
        number = "no difference found"
        sentence = "Acceleration, noise, matrix and brightness are as in training; the anatomy is not compared."
    elif loss is None:
        number = f"{count:.0f} difference{'s' if count > 1 else ''}"
        sentence = "How much that costs was not measured; the notes say what differs."
    else:
        number = f"errors {10 ** (loss / 20):.1f} times as large" if loss > 0 else "errors no larger"
        sentence = (
            f"It differs in {count:.0f} way{'s' if count > 1 else ''} from those that were learned from; in tests "
            f"this cost {loss:.1f} dB. The notes say what differs."
        )
    part = rec.measured_part
    return Answer(
        "Is the scan like those that were learned from?",
        number,
        sentence,
        None if part is None else _middle(part),
        "what the measured data alone show",
        upper_window(rec.magnitude),
    )


def _brightened(values: NDArray[np.float32], what: str, white: float) -> tuple[NDArray[np.float32], str, float]:
    """Picture, words and the value shown as white: as many times as bright as the image as it takes to see anything."""
    reach = float(np.quantile(values, 0.99))
    gain = max((one for one in GAINS if one * reach <= 1.01 * white), default=1)
    return values, what if gain == 1 else f"{what}, x {gain}", white / gain


def _middle(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = volume[len(volume) // 2]
    return found
