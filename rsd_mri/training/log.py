"""The log of a run: `metrics.csv` always, TensorBoard where it is asked for."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsd_mri.errors import InputError
from rsd_mri.files import appended, written_whole

FIELDS = ("stage", "images", "seconds", "name", "value")


def require_tensorboard() -> Any:
    """Return TensorBoard's writer.

    Raises
    ------
    InputError
        If the package is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("--tensorboard: the package is missing; pip install 'rsd-mri[logging]'") from error
    return SummaryWriter


class MetricsLog:
    """What was measured of a stage as it trained.

    Parameters
    ----------
    folder
        The run folder.
    stage
        Its name.
    images
        Images seen so far: what was logged after them is dropped, it will be logged again.
    tensorboard
        Write to `tensorboard/STAGE` too.
    """

    def __init__(self, folder: Path, stage: str, images: int, tensorboard: bool = False) -> None:
        self.path, self.stage = folder / "metrics.csv", stage
        self._cut(images)
        self._board = None
        if tensorboard:
            writer = require_tensorboard()
            self._board = writer(str(folder / "tensorboard" / stage), purge_step=images + 1)

    def write(self, images: int, seconds: float, values: Mapping[str, float]) -> None:
        """Append values at a number of images seen, after so many seconds of this call."""
        with appended(self.path) as file:
            csv.writer(file).writerows(
                [self.stage, images, f"{seconds:.1f}", name, f"{value:.6g}"] for name, value in values.items()
            )
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, images)
            self._board.flush()

    def close(self) -> None:
        """Finish writing."""
        if self._board is not None:
            self._board.close()

    def _cut(self, images: int) -> None:
        rows: list[dict[str, str]] = []
        if self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = [r for r in csv.DictReader(file) if not self._is_later(r, images)]
        with written_whole(self.path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)

    def _is_later(self, row: Mapping[str, str | None], images: int) -> bool:
        """Whether a row is of this stage and was logged after so many images, or was cut short by a kill."""
        if None in row.values() or None in row:
            return True
        return row["stage"] == self.stage and int(row["images"] or 0) > images
