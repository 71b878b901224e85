"""Who is next: classical images of any connection go before learned ones, and connections take turns."""

import threading
import time
from collections.abc import Callable

from rsd_mri.machine import threads
from rsd_mri.serve.faults import fault
from rsd_mri.serve.job import Dropped, Job


class Desk:
    """Two lanes over the same jobs: the slow one stands still where the quick one has something to do."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.changed = threading.Condition()
        self.failed: Callable[[Job, str], None] = lambda job, sentence: None  # noqa: ARG005
        self._quick_busy = False
        self._turns: dict[int, float] = {}

    def wake(self) -> None:
        """Something may have become due."""
        with self.changed:
            self.changed.notify_all()

    def remove(self, number: int) -> None:
        """Forget a connection."""
        with self.changed:
            job = self.jobs.pop(number, None)
            if job is not None:
                job.dropped = True
            self._turns.pop(number, None)
            self.changed.notify_all()

    def quick_lane(self) -> None:
        """Take steps of classical images for ever."""
        while True:
            with self.changed:
                self._quick_busy = False
                self.changed.notify_all()
                waits = {number: wait for number, job in self.jobs.items() if (wait := job.quick_in()) is not None}
                due = [number for number, wait in waits.items() if wait <= 0]
                if not due:
                    self.changed.wait(min(waits.values(), default=60.0))
                    continue
                self._quick_busy = True
                number = min(due, key=lambda n: self._turns.get(n, 0.0))
                self._turns[number] = time.monotonic()
                job = self.jobs[number]
            self._take(job, job.quick_step)

    def slow_lane(self) -> None:
        """Take steps of learned methods for ever."""
        turns: dict[int, float] = {}
        while True:
            with self.changed:
                due = [number for number, job in self.jobs.items() if job.slow_due()]
                if not due:
                    self.changed.wait(60.0)
                    continue
                number = min(due, key=lambda n: turns.get(n, 0.0))
                turns = {n: t for n, t in turns.items() if n in self.jobs} | {number: time.monotonic()}
                job = self.jobs[number]
            self._take(job, lambda job=job: job.slow_step(lambda: self._pause(job)))  # type: ignore[misc]
            self.wake()

    def _pause(self, job: Job) -> None:
        """Stand still while the quick lane works.

        Raises
        ------
        Dropped
            If the connection is over.
        """
        with self.changed:
            while not job.dropped and (self._quick_busy or any(j.quick_in() == 0 for j in self.jobs.values())):
                self.changed.wait(1.0)
        if job.dropped:
            raise Dropped
        threads.settle()

    def _take(self, job: Job, step: Callable[[], None]) -> None:
        threads.settle()  # other programs, or the other lane, may have come or gone
        try:
            step()
        except Dropped:
            pass
        except Exception as error:  # noqa: BLE001 - one connection must not end the others
            job.closed = True
            self.failed(job, fault(error))
