"""What methods have in common that make one image of a slice, at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rsd_mri.about.plain import Parameters
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.reconstruction.classical.made import Made

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

    from rsd_mri.corruption.corruption import Key
    from rsd_mri.operators import Sense


class Direct:
    """One image, no spread: nothing is to be chosen, hurried or sampled twice. Subclasses have `run`."""

    samples: ClassVar[int] = 1
    sampled: ClassVar[bool] = False
    through_network: ClassVar[bool] = False
    band: ClassVar[int] = 0

    if TYPE_CHECKING:

        def run(
            self,
            operator: "Sense",
            kspace: "Tensor",
            sigma: "float | Tensor",
            keys: "Sequence[Key]" = (),
            progress: Progress = SILENT,
            first: "Tensor | None" = None,
        ) -> "Tensor":
            """Of the subclass."""

    def estimate(
        self,
        operator: "Sense",
        kspace: "Tensor",
        sigma: "float | Tensor",
        keys: "Sequence[Key]" = (),
        progress: Progress = SILENT,
    ) -> Made:
        """As `run`; nothing is said of the image's error."""
        return Made(self.run(operator, kspace, sigma, keys, progress))

    def along_trajectory(self) -> "Self":
        """Itself: the operator makes the difference."""
        return self

    def candidates(self) -> "tuple[Self, ...] | list[Self]":
        """Nothing is to be chosen by lines left out."""
        return ()

    def first(self) -> "Self":
        """Itself."""
        return self

    def quick(self) -> "Self":
        """Itself."""
        return self

    def pair(self) -> None:
        """There is no spread."""

    def own_lines(self) -> None:
        """There is no spread."""

    def parameters(self) -> Parameters:
        """None are set."""
        return {}
