"""Memory and processors that this process may use: of the machine, of its control group, or of its own limits.

Containers, batch systems and services limit by control groups (Linux kernel documentation, admin-guide/cgroup-v2 and
cgroup-v1): every group above the process limits it, too. Other batch systems, and `ulimit`, limit the addresses or the
data of a process (setrlimit(2), and proc(5) for what it has of them).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
GROUPS = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
STATM = Path("/proc/self/statm")
NEARLY = 0.3
"""A processor of which all but this share is there counts as whole."""
UNKNOWN_TOTAL, UNKNOWN_FREE = 4 << 30, 2 << 30
"""What is taken where the system does not say it [bytes]."""


@dataclass(frozen=True)
class _Names:
    """Files of a memory group."""

    limit: str
    used: str
    reclaimed: str
    """Entry of `memory.stat`: pages of files that are given back when memory runs short."""


_V2 = _Names("memory.max", "memory.current", "inactive_file")
_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def total_memory() -> int:
    """Memory of the machine or of the groups of this process, whichever is least [bytes]."""
    limits = (limit for folder, names in _memory_groups() if (limit := _number(folder / names.limit)) is not None)
    return min([_machine("MemTotal", UNKNOWN_TOTAL), *limits, *(limit for limit, _ in _own_limits())])


def free_memory() -> int:
    """Memory that can still be taken [bytes]: of the machine, or up to the limit of a group."""
    free = [_machine("MemAvailable", UNKNOWN_FREE)]
    for folder, names in _memory_groups():
        limit, used = (_number(folder / name) for name in (names.limit, names.used))
        if limit is not None and used is not None:
            free.append(max(limit - used + _entry(folder / "memory.stat", names.reclaimed), 0))
    free += (max(limit - used, 0) for limit, used in _own_limits())
    return min(free)


def _own_limits() -> Iterator[tuple[int, int]]:
    """Limits of this process, and what it has of each [bytes]; only where there is one."""
    try:
        import resource
    except ImportError:  # Windows
        return
    pages = _words(STATM)
    for name, place in (("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)):
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit != resource.RLIM_INFINITY:
            yield limit, int(pages[place]) * resource.getpagesize() if len(pages) > place else 0


def processors_allowed() -> float:
    """Processors that the groups of this process may use at a time; infinity without a limit."""
    found = [float("inf")]
    for folder in _folders(""):
        found += _ratio(*_words(folder / "cpu.max"))
    for folder in _folders("cpu"):
        found += _ratio(*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us"))
    return min(found)


def processors() -> int:
    """Processors to compute on: those that this process may run on, as far as its groups let it; at least one."""
    try:
        there = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        there = os.cpu_count() or 1
    return max(int(min(there, processors_allowed() + NEARLY)), 1)


def _memory_groups() -> Iterator[tuple[Path, _Names]]:
    for controller, names in (("", _V2), ("memory", _V1)):
        for folder in _folders(controller):
            yield folder, names


def _folders(controller: str) -> Iterator[Path]:
    """Folders of this process's group and of those above it; `controller` is that of version 1, empty for version 2.

    What a container sees of the tree may begin at its own group: of a path that is not there, what is above it counts.
    """
    for line in _lines(GROUPS):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller not in controllers.split(","):
            continue
        parts = [part for part in path.strip().split("/") if part not in ("", "..")]
        for top in (MOUNT / controllers, MOUNT / controller) if controller else (MOUNT, MOUNT / "unified"):
            if top.is_dir():
                yield from (top.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))
                break


def _machine(name: str, unknown: int) -> int:
    """A line of /proc/meminfo [bytes]; where there is none, the pages that the system counts."""
    for line in _lines(MEMINFO):
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if name == "MemTotal" else unknown
    except (AttributeError, ValueError, OSError):
        return unknown


def _entry(path: Path, name: str) -> int:
    return next((int(line.split()[1]) for line in _lines(path) if line.startswith(f"{name} ")), 0)


def _number(path: Path) -> int | None:
    """The number that a file holds; None where there is none, or it is a word such as `max`."""
    words = _words(path)
    return int(words[0]) if words and words[0].isdigit() else None


def _ratio(*words: str) -> list[float]:
    if len(words) != 2 or not all(word.isdigit() for word in words) or int(words[1]) == 0:
        return []
    return [int(words[0]) / int(words[1])]


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
