"""What the worker process has to know, and how it is told."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class WorkerOptions:
    """Paths are absolute, as texts; None where nothing was named."""

    device: str
    flip: str
    method: str
    memory: int
    """Bytes of k-space that a connection may take."""
    prior: str | None = None
    calibration: str | None = None
    save: str | None = None
    debug: bool = False

    def text(self) -> str:
        """For the command line of the worker."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> "WorkerOptions":
        """What `text` wrote."""
        return cls(**json.loads(text))
