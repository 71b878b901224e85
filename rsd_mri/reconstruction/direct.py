"""What methods have in common that make one image of a slice, at once."""

from typing import Any, ClassVar

from typing_extensions import Self


class Direct:
    """One image, no spread: nothing is to be chosen, hurried or sampled twice. Subclasses have `run`."""

    samples: ClassVar[int] = 1
    sampled: ClassVar[bool] = False
    through_network: ClassVar[bool] = False

    def candidates(self) -> "tuple[Self, ...] | list[Self]":
        """Nothing is to be chosen by lines left out."""
        return ()

    def first(self) -> Self:
        """Itself."""
        return self

    def quick(self) -> Self:
        """Itself."""
        return self

    def pair(self) -> None:
        """There is no spread."""

    def parameters(self) -> dict[str, Any]:
        """None are set."""
        return {}
