"""`Movie`: the reconstructed frames of a scan, which show and save themselves together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsd_mri.results.facts import warnings
from rsd_mri.results.formats import save_as
from rsd_mri.results.reconstruction import Reconstruction
from rsd_mri.results.timing import moments_of, step_of

if TYPE_CHECKING:
    from rsd_mri.results.overview import Picture


@dataclass(frozen=True, repr=False)
class Movie(Sequence[Reconstruction]):
    """Frames of one stack of slices; `movie[0]` is the first, and `for frame in movie` goes through them."""

    frames: tuple[Reconstruction, ...]

    def __post_init__(self) -> None:
        sizes = sorted({frame.magnitude.shape for frame in self.frames})
        if len(sizes) != 1:
            raise ValueError(f"expected at least one frame, and all of one size, got {sizes}")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204 - as of a tuple
        return self.frames[index]

    def __iter__(self) -> Iterator[Reconstruction]:
        return iter(self.frames)

    @property
    def magnitude(self) -> NDArray[np.float32]:
        """[frame, slice, readout, phase_encode]."""
        return np.stack([frame.magnitude for frame in self.frames])

    @property
    def image(self) -> NDArray[np.complex64]:
        """[frame, slice, readout, phase_encode], complex."""
        return np.stack([frame.image for frame in self.frames])

    @property
    def std(self) -> NDArray[np.float32] | None:
        """[frame, slice, readout, phase_encode]: standard deviation over the samples, where there are any."""
        found = [frame.std for frame in self.frames if frame.std is not None]
        return np.stack(found) if len(found) == len(self.frames) else None

    @property
    def moments(self) -> list[float] | None:
        """When each frame was measured [ms], after the trigger or the first; None where that is not known."""
        return moments_of(self.frames)

    @property
    def step(self) -> float | None:
        """From one frame to the next [ms]; None where it is not known or not even."""
        return step_of(self.frames)

    @property
    def warnings(self) -> list[str]:
        """What a reader has to know before the images, in sentences."""
        return warnings(self.frames)

    def show(self, frames: Sequence[int] | None = None, slice: int | None = None) -> "Picture":  # noqa: A002
        """Frames of one slice side by side; below the half width of their interval, or their standard deviation.

        Parameters
        ----------
        frames
            Which, counted from 0; at most six, evenly spread, where not given.
        slice
            Which; the middle one where not given.
        """
        from rsd_mri.results.overview import movie_figure

        return movie_figure(self.frames, frames, slice)

    def save(self, path: str | Path, patient_id: str | None = None) -> list[Path]:
        """Write all frames in the format that the file's ending says; see `Reconstruction.save`.

        Raises
        ------
        InputError
            As `Reconstruction.save`, or if a file of the format holds one frame only.
        """
        return save_as(Path(path), self.frames, patient_id)

    def __repr__(self) -> str:
        one = self.frames[0]
        size = "x".join(map(str, one.magnitude.shape))
        return f"<{type(self).__name__} {one.source.name} {one.method} {len(self)} frames of {size}>"

    def _repr_html_(self) -> str:
        from rsd_mri.results.panel import movie_panel

        return movie_panel(self.frames, repr(self))
