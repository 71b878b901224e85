"""Readings of one case on disk: a run that was stopped goes on where it was."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from rsd_mri.bench.lesion_readings import Example, Reading
from rsd_mri.bench.lesion_sites import Site
from rsd_mri.files import written_whole

Made = tuple[list[Reading], list[Example]]
ARRAYS = ("truth", "image", "half_width"), ("truth", "tv", "image", "half_width")


def save_case(path: Path, made_of: str, readings: Sequence[Reading], examples: Sequence[Example]) -> None:
    """Write what was read of a case.

    Parameters
    ----------
    path
        Of an `.npz`.
    made_of
        All that decides the result: with another, the file is not used.
    readings, examples
        To store.
    """
    arrays: dict[str, Any] = {}
    plain: list[list[dict[str, Any]]] = [[], []]
    kinds: tuple[Sequence[Reading | Example], ...] = (readings, examples)
    for kind, items in enumerate(kinds):
        for number, one in enumerate(items):
            values = {f.name: getattr(one, f.name) for f in fields(one)}
            for name in ARRAYS[kind]:
                if values.pop(name) is not None:
                    arrays[f"{kind}/{number}/{name}"] = getattr(one, name)
            if "sites" in values:
                values["sites"] = [asdict(site) for site in values["sites"]]
            plain[kind].append(values)
    arrays["about"] = np.array(json.dumps({"made_of": made_of, "plain": plain}))
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def load_case(path: Path, made_of: str | None) -> Made | None:
    """Read a case again; None where it is not there, or was made of something else (`made_of` None: of whatever)."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            if made_of not in (None, about["made_of"]):
                return None
            arrays = [
                [{name: archive.get(f"{kind}/{number}/{name}") for name in names} for number in range(len(items))]
                for kind, (names, items) in enumerate(zip(ARRAYS, about["plain"], strict=True))
            ]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    if any(one is None for found in arrays[1] for one in found.values()):
        return None
    readings = [
        Reading(**{**plain, **found, "sites": tuple(Site(**site) for site in plain["sites"])})
        for plain, found in zip(about["plain"][0], arrays[0], strict=True)
    ]
    return readings, [Example(**plain, **found) for plain, found in zip(about["plain"][1], arrays[1], strict=True)]
