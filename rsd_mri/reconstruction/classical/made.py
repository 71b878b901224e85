"""`Made`: what a method makes of one slice."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Made(NamedTuple):
    """Images in prepared units, and their standard deviation where the method itself says it."""

    images: "Tensor"
    """[item, (set,) readout, phase_encode]."""
    std: "Tensor | None" = None
    """Root mean square magnitude of the images' error, real, of the same shape; None where samples tell it, or nothing
    does."""
