"""Many scans: folders of them, in several processes, on a cluster or in a job array; what is done is kept."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rsd_mri.about import __version__
from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.files import write_json
from rsd_mri.files.claims import claimed
from rsd_mri.files.numbers import numbers_of
from rsd_mri.machine.one_thread import one_thread
from rsd_mri.machine.progress import SILENT, Progress
from rsd_mri.machine.randomness import key
from rsd_mri.machine.workers import Lost, checked_shard, run_jobs
from rsd_mri.reconstruction.deliver import Delivered, Task, Written, apart, attempt
from rsd_mri.scan.reading import find_scans

MANIFEST = "reconstructions.json"


@dataclass(frozen=True)
class Scale:
    """How the work is shared."""

    workers: int = 1
    """Processes, each with one scan and one thread."""
    scheduler: str | None = None
    """Address of a dask scheduler whose workers see the same files."""
    shard: tuple[int, int] | None = None
    """(i, n): only the i-th of n parts; the parts are disjoint and may run at the same time."""
    fresh: bool = False
    """Reconstruct again what is done and has not changed."""


def listed(sources: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The scans behind paths of scans and folders, each with its folder below the one it was found in.

    Raises
    ------
    InputError
        If a folder holds none.
    """
    found = []
    for source in sources:
        if not source.is_dir():
            found.append((source, Path()))
            continue
        for path in find_scans(source):
            if "_recon" not in path.stem:  # what an earlier run wrote beside the scans is no scan
                found.append((path, path.relative_to(source).parent))
    return found


def reconstruct_many(sources: Sequence[Path], like: Task, scale: Scale, progress: Progress = SILENT) -> Delivered:
    """Reconstruct every scan of folders and lists; what an earlier run did, and has not changed since, is kept.

    `reconstructions.json` in the output folder, or in that of the first source, has one status for each scan. It is
    written after every scan: a run that was stopped goes on where it was. A folder without scans is a failure of its
    own and does not stop the others.

    Parameters
    ----------
    sources
        Scans, and folders of them; with an output folder, what lies in subfolders goes to subfolders.
    like
        How; its path is left out of account.
    scale
        How the work is shared.
    progress
        Told the share done and the scan's name.

    Raises
    ------
    InputError
        If two scans would be written to the same files.
    """
    done = Delivered()
    found: list[Task] = []
    for source in sources:
        try:
            for path, below in listed([source]):
                out = like.delivery.out
                delivery = replace(like.delivery, out=None if out is None else out / below)
                found.append(replace(like, path=path, delivery=delivery))
        except InputError as error:
            done.add(str(error))
    tasks = apart(found)
    if not tasks:
        return done
    if scale.shard is not None:
        i, n = checked_shard(scale.shard)
        # By name, not by place in the list: a scan added later moves no other scan to another shard.
        tasks = [task for task in tasks if key("shard", task.path.name) % n == i - 1]
    first = sources[0] if sources[0].is_dir() else sources[0].parent
    name = MANIFEST if scale.shard is None else f"reconstructions-{scale.shard[0]}-of-{scale.shard[1]}.json"
    manifest = (like.delivery.out or first) / name
    if like.delivery.archive is not None:
        like.delivery.archive.check()
    with claimed(manifest):
        entries = {} if scale.fresh else _read(manifest)
        waiting = []
        for task in tasks:
            kept = _kept(entries.get(str(task.path)), task)
            if kept is None:
                waiting.append(task)
            else:
                done.add(kept)
                done.kept += 1
        alone = scale.workers == 1 and scale.scheduler is None
        results = (
            ((task, attempt(task, part)) for task, part in progress.each(waiting, lambda task: task.path.name))
            if alone
            else run_jobs(on_one_thread, waiting, scale.workers, scale.scheduler)
        )
        for number, (task, outcome) in enumerate(results, start=1):
            said = f"{task.path}: {outcome.reason}" if isinstance(outcome, Lost) else outcome
            done.add(said)
            entries[str(task.path)] = Entry(str(task.path), _identity(task), said)
            _write(manifest, entries)
            if not alone:
                progress(number / len(waiting), task.path.name)
        if not manifest.is_file():
            _write(manifest, entries)
    return done


def on_one_thread(task: Task) -> Written | str:
    """Reconstruct one scan with one thread, so that workers do not compete for the processors."""
    if task.method.prior is not None:
        task.method.prior.to(task.device)
    with one_thread():
        return attempt(task)


def _identity(task: Task) -> str:
    """Hash of what decides a reconstruction: the scan's size and date, and how it is reconstructed."""
    prior = task.method.prior
    stat = task.data.stat() if task.data.exists() else None
    values = [
        stat and [stat.st_size, stat.st_mtime_ns], task.method.name, task.method.parameters(), prior and prior.sha256,
        task.seed, task.held_out, task.adapt, task.stress, str(task.delivery), str(task.prep),
        str(task.answers),
        str(task.calibration), __version__,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """What the manifest says of a scan."""

    source: str
    identity: str
    outcome: Written | str
    """What was written, or why nothing was."""

    @property
    def status(self) -> str:
        """`done` or `failed`."""
        return "failed" if isinstance(self.outcome, str) else "done"

    def as_dict(self) -> dict[str, Json]:
        """As it is stored."""
        said = {"reason": self.outcome} if isinstance(self.outcome, str) else {"written": asdict(self.outcome)}
        return {"source": self.source, "identity": self.identity, "status": self.status, **said}


def _kept(entry: Entry | None, task: Task) -> Written | None:
    """What the manifest says of a scan that is done, if it is still true."""
    if entry is None or isinstance(entry.outcome, str) or entry.identity != _identity(task):
        return None
    return entry.outcome if all(Path(file).is_file() for file in entry.outcome.files) else None


def _read(manifest: Path) -> dict[str, Entry]:
    entries = {}
    try:
        for stored in json.loads(manifest.read_text(encoding="utf-8"))["scans"]:
            # Another release may have written other figures: such a scan is done again.
            with suppress(KeyError, TypeError):
                made: Any = numbers_of(Written, stored["written"]) if stored["status"] == "done" else None
                outcome = str(stored["reason"]) if made is None else Written(**made)
                entries[str(stored["source"])] = Entry(str(stored["source"]), str(stored["identity"]), outcome)
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # none, or damaged: everything is done again
    return entries


def _write(manifest: Path, entries: Mapping[str, Entry]) -> None:
    counts = Counter(entry.status for entry in entries.values())
    scans = [entries[name].as_dict() for name in sorted(entries)]
    write_json(manifest, {"counts": dict(counts), "scans": scans, "not_for_diagnostic_use": True})
