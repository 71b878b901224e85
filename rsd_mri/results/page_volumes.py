"""What the report page shows: every volume with its frames, as many of them as a browser holds."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rsd_mri.results.volume import ReconstructedVolume

Movie = Sequence[ReconstructedVolume]
"""The frames by one method; one where nothing moves."""

FILM_SAMPLES = 12
FILM_PIXELS = 8_000_000
"""The film's samples and their pixels in all, at most; two bytes a pixel before compression."""
PAGE_PIXELS = 64_000_000
"""Pixels of all volumes of a page of several frames, at most: a browser holds four bytes of each."""


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume that a panel can show."""

    name: str
    """Shown above the panel."""
    kind: str
    """`image`, `part`, `std`, `prior` or `difference`; volumes of a kind share one window."""
    caption: str
    values: NDArray[np.floating] | None
    """[frame, slice, readout, phase_encode]; None for a difference, which the page computes itself."""
    subtracted: str = ""
    """Name of the volume that a difference takes from the first one."""
    sample: int | None = None
    """Number of a posterior sample: a picture of the film."""


def thinned(movies: Sequence[Movie]) -> list[Movie]:
    """The movies, or where they are too long for a page every so many of their frames."""
    first = movies[0]
    every = max(math.ceil(2 * len(first) * first[0].magnitude.size / PAGE_PIXELS), 1)
    return [movie[:: min(every, len(movie))] for movie in movies]


def volumes(movies: Sequence[Movie], reference: NDArray[np.floating] | None = None) -> list[Volume]:
    """List what there is to see, in the order of the panels: image, comparison, std, difference, the rest.

    Parameters
    ----------
    movies
        The frames of the reconstruction reported, then those of others.
    reference
        A fully sampled image, [(frame,) slice, readout, phase_encode].
    """
    main, *others = movies

    def of(value: Callable[[ReconstructedVolume], NDArray[np.floating] | None]) -> NDArray[np.floating] | None:
        values = [value(frame) for frame in main]
        known = [v for v in values if v is not None]
        return np.stack(known) if len(known) == len(values) else None

    first = [Volume(_title(main), "image", "The reconstruction reported.", of(lambda r: r.magnitude))]
    compared = [Volume(_title(o), "image", "For comparison.", np.stack([r.magnitude for r in o])) for o in others]
    if reference is not None:
        values = reference if reference.ndim == 4 else reference[None]
        compared.append(Volume("Reference", "image", "The fully sampled image.", values))
    differences = [
        Volume(
            f"Difference from {_lower(other.name)}",
            "difference",
            "Orange: brighter in the reconstruction. Blue: darker.",
            None,
            other.name,
        )
        for other in compared
    ]
    # Where the truth is there, the difference from it is what one wants to see first.
    differences.reverse() if reference is not None else None
    count = 0 if main[0].samples is None else len(main[0].samples)
    known = f" From {count} samples, averaged over neighbours." if count > 1 else ""
    half = of(lambda r: r.half_width)
    # One is a multiple of the other: both would say two things of one.
    unsure = (
        Volume(
            "Uncertainty (standard deviation)",
            "std",
            f"Bright: the data do not decide here; read the image with care.{known}",
            of(lambda r: r.std),
        )
        if half is None
        else Volume(
            "How far a pixel may be off",
            "std",
            "Half width of the interval; the notes say how many pixels are to lie nearer to the truth. Bright: read "
            "with care.",
            half,
        )
    )
    measured, filled = (
        [Volume(name, kind, caption, values)] if values is not None else []
        for name, kind, caption, values in (
            ("Measured part", "part", "What the data determine of the image.", of(lambda r: r.measured_part)),
            ("Prior part", "prior", "What the data leave open; it could be otherwise.", of(lambda r: r.prior_part)),
        )
    )
    uncertain = [] if unsure.values is None else [unsure]
    shown = first + compared[:1] + uncertain + differences[:1] + measured + filled + compared[1:] + differences[1:]
    return _fitting(shown + _film(main))


def _fitting(shown: Sequence[Volume]) -> list[Volume]:
    """Those that a browser holds together; the first always."""
    left, kept = float(PAGE_PIXELS), list[Volume]()
    for volume in shown:
        size = 0 if volume.values is None else volume.values.size
        if not kept or size <= left:
            kept.append(volume)
            left -= size
    names = {volume.name for volume in kept}
    return [volume for volume in kept if not volume.subtracted or volume.subtracted in names]


def _film(movie: Movie) -> list[Volume]:
    """The posterior samples, as many as keep the page small; none of some frames only."""
    counts = {0 if frame.samples is None else len(frame.samples) for frame in movie}
    size = len(movie) * movie[0].magnitude.size
    count = min(*counts, FILM_SAMPLES, max(FILM_PIXELS // size, 2))
    caption = "One of the images that fit the data; what differs between them is not known."
    return [
        Volume(
            f"Sample {number + 1} of {min(counts)}", "image", caption,
            np.stack([frame.samples[number] for frame in movie if frame.samples is not None]), sample=number,
        )
        for number in range(count)
    ]  # fmt: skip


def _title(movie: Movie) -> str:
    return movie[0].title or movie[0].method


def _lower(name: str) -> str:
    return name if name[:2].isupper() else name[0].lower() + name[1:]
