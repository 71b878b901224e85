"""What preparation did to every scan and every slice, kept as JSON beside the prepared files."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from rsd_mri.about.plain import Json
from rsd_mri.errors import InputError
from rsd_mri.files import write_json


@dataclass(frozen=True)
class SliceStatus:
    """What became of one slice."""

    index: int
    status: str
    """`done`, `skipped` or `failed`."""
    reason: str = ""


@dataclass(frozen=True)
class VolumeEntry:
    """What became of one scan."""

    source: str
    """Path of the scan, relative to the folder prepared."""
    output: str
    """Path of the prepared file, relative to the output folder."""
    status: str
    """`done`, `failed`, or in a dry run `missing` (would be made)."""
    reason: str = ""
    """Why it failed, or why it would be made again."""
    picture: str = ""
    """Path of the picture of its coil maps, relative to the output folder."""
    source_hash: str = ""
    """SHA-256 of the scan."""
    split: str = ""
    """`train` or `val`."""
    slices: tuple[SliceStatus, ...] = ()
    notes: tuple[str, ...] = ()
    """Conflicts and repairs found while reading the scan."""
    made_now: bool = field(default=False, compare=False)
    """Whether this run made it; False where it was there already."""


@dataclass(frozen=True)
class Manifest:
    """What became of a folder of scans."""

    out: Path
    entries: tuple[VolumeEntry, ...]
    """Sorted by source."""
    protocol_hash: str = ""
    """SHA-256 of the protocol's preparation settings."""
    peak_bytes: int = 0
    """Estimate of the memory that all workers take together at most [bytes]."""

    @property
    def failed(self) -> tuple[VolumeEntry, ...]:
        """Scans that failed as a whole or in some slices."""
        return tuple(e for e in self.entries if e.status == "failed" or any(s.status == "failed" for s in e.slices))

    @property
    def counts(self) -> dict[str, int]:
        """Number of scans done, made in this run, missing and failed, and of slices by status."""
        slices = [s.status for e in self.entries for s in e.slices]
        return {
            "volumes_done": sum(e.status == "done" for e in self.entries),
            "volumes_made_now": sum(e.made_now and e.status == "done" for e in self.entries),
            "volumes_missing": sum(e.status == "missing" for e in self.entries),
            "volumes_failed": sum(e.status == "failed" for e in self.entries),
            **{f"slices_{status}": slices.count(status) for status in ("done", "skipped", "failed")},
        }

    def failures(self) -> list[str]:
        """One line for each failure: the scan, the slice where there is one, and the reason."""
        lines = []
        for entry in self.failed:
            if entry.status == "failed":
                lines.append(entry.reason if entry.source in entry.reason else f"{entry.source}: {entry.reason}")
            lines += [f"{entry.source}: slice {s.index}: {s.reason}" for s in entry.slices if s.status == "failed"]
        return lines

    def as_dict(self) -> dict[str, Json]:
        """Plain values, as they are written to `manifest.json`."""
        entries = [dataclasses.asdict(e) for e in self.entries]
        for entry in entries:
            del entry["made_now"]
        return {"protocol_hash": self.protocol_hash, "counts": self.counts, "entries": entries}


def write_manifest(manifest: Manifest, name: str = "manifest.json") -> Path:
    """Write a manifest into its output folder; return the file."""
    return write_json(manifest.out / name, manifest.as_dict())


def read_manifest(out: str | Path) -> Manifest:
    """Read the manifest of a prepared folder; those of several shards are put together.

    Raises
    ------
    InputError
        If there is none, or it is not one of ours.
    """
    out = Path(out)
    entries: dict[str, VolumeEntry] = {}
    digest = ""
    files = sorted(out.glob("manifest*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not files:
        raise InputError(f"{out}: there is no manifest.json; expected a folder written by prep")
    for path in files:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            digest = values["protocol_hash"]
            for value in values["entries"]:
                slices = tuple(SliceStatus(**s) for s in value.pop("slices"))
                entry = VolumeEntry(slices=slices, notes=tuple(value.pop("notes")), **value)
                entries[entry.source] = entry
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not a manifest ({error}); remove it and run prep again") from error
    return Manifest(out, tuple(entries[name] for name in sorted(entries)), digest)
