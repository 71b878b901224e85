"""Complex images as BART's `.cfl` with its `.hdr`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__
from rsd_mri.files import written_whole
from rsd_mri.results.formats import Beside
from rsd_mri.results.reconstruction import Reconstruction


def write(path: Path, frames: Sequence[Reconstruction], beside: Beside) -> list[Path]:  # noqa: ARG001
    """Write the images with dimensions READ, PHS1, SLICE (13) and, for frames, TIME (10); see `Format.write`."""
    # Column-major [readout, phase, frame, slice] is row-major [slice, frame, phase, readout].
    images = np.stack([frame.image for frame in frames], axis=1).swapaxes(-1, -2)
    n_slices, n_frames, phase, readout = images.shape
    sizes = [readout, phase, *[1] * 8, n_frames, 1, 1, n_slices, 1, 1]
    with written_whole(path) as partial:
        np.ascontiguousarray(images, dtype="<c8").tofile(partial)
    header = path.with_suffix(".hdr")
    with written_whole(header) as partial:
        text = (
            f"# Dimensions\n{' '.join(map(str, sizes))}\n# Creator\nrsd-mri {__version__}. {NOT_FOR_DIAGNOSTIC_USE}\n"
        )
        partial.write_text(text, encoding="ascii")
    return [path, header]
