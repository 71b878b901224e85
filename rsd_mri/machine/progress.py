"""`Progress`: how far a piece of work has come, told to whoever watches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Show: TypeAlias = Callable[[float, str, str], object]
"""(share done of a step from 0 to 1, name of the step, detail)."""


@dataclass(frozen=True)
class Progress:
    """Told the share done of a piece of work; knows what part of a step that piece is."""

    show: Show
    name: str = ""
    """Of the step: what is being done."""
    detail: str = ""
    low: float = 0.0
    high: float = 1.0
    """Shares of the step at which this piece begins and ends."""

    @classmethod
    def of(cls, told: "Callable[[float], object] | None") -> "Progress":
        """A function of the share alone, as one; None is silent."""
        if isinstance(told, Progress):
            return told
        return SILENT if told is None else cls(lambda share, name, detail: told(share))  # noqa: ARG005

    def __call__(self, share: float, detail: str = "") -> None:
        """Tell the share of this piece that is done, and perhaps what it is at."""
        self.show(self._at(min(share, 1.0)), self.name, detail or self.detail)

    def step(self, name: str) -> "Progress":
        """A step of its own name, which goes from 0 to 1 again."""
        return Progress(self.show, name)

    def part(self, low: float, high: float, detail: str = "") -> "Progress":
        """What goes on between two shares of this piece."""
        return replace(self, low=self._at(low), high=self._at(high), detail=detail or self.detail)

    def each(
        self, items: Iterable[T], what: Callable[[T], str] | str = "", count: int | None = None
    ) -> Iterator[tuple[T, "Progress"]]:
        """Go through items of equal weight; each comes with its part of this piece.

        Parameters
        ----------
        items
            What is worked through.
        what
            Detail shown with an item, or a function that gives it.
        count
            How many items there are, where they do not know it.
        """
        n = len(items) if count is None else count  # type: ignore[arg-type]
        for number, item in enumerate(items):
            part = self.part(number / n, (number + 1) / n, what if isinstance(what, str) else what(item))
            part(0.0)
            yield item, part
            part(1.0)

    def _at(self, share: float) -> float:
        """Exact at both ends, so that one part ends where the next begins."""
        return (1 - share) * self.low + share * self.high


SILENT = Progress(lambda share, name, detail: None)  # noqa: ARG005
