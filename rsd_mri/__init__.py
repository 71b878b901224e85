"""rsd-mri: generative models for multi-coil MRI, learned from undersampled and noisy scans only.

Research software. Not for diagnostic use.

>>> import rsd_mri as rsd
>>> rec = rsd.reconstruct(rsd.read("scan.h5"))  # doctest: +SKIP
>>> rec.show()  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from rsd_mri.about import NOT_FOR_DIAGNOSTIC_USE, __version__

if TYPE_CHECKING:
    from rsd_mri.api import (
        Calibration,
        LinearResult,
        Movie,
        PreparedScan,
        Prior,
        Quality,
        Reconstruction,
        Samples,
        Scan,
        TrainingView,
        calibrate,
        distil_linear,
        evaluate,
        evaluate_set,
        generate,
        load_images,
        load_movie,
        load_prior,
        load_reconstruction,
        prepare,
        read,
        read_frames,
        reconstruct,
        show,
        simulate,
        simulate_beating,
        to_image,
        to_kspace,
        train,
        training_views,
    )

__all__ = [
    "NOT_FOR_DIAGNOSTIC_USE",
    "Calibration",
    "LinearResult",
    "Movie",
    "PreparedScan",
    "Prior",
    "Quality",
    "Reconstruction",
    "Samples",
    "Scan",
    "TrainingView",
    "__version__",
    "calibrate",
    "distil_linear",
    "evaluate",
    "evaluate_set",
    "generate",
    "load_images",
    "load_movie",
    "load_prior",
    "load_reconstruction",
    "prepare",
    "read",
    "read_frames",
    "reconstruct",
    "show",
    "simulate",
    "simulate_beating",
    "to_image",
    "to_kspace",
    "train",
    "training_views",
]


def __getattr__(name: str) -> Any:
    """Load the interface when it is first used: importing the package stays quick."""
    if name in __all__:
        from rsd_mri import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
