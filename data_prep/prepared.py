"""`PreparedDataset`: the slices of prepared files, for training."""

import hashlib
import os
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from rsd_mri.datasets.prepared_slice import PreparedArrays
from rsd_mri.errors import InputError
from rsd_mri.files.below import files_below, readable
from rsd_mri.files.claims import require_unclaimed
from rsd_mri.files.hdf5 import read_hdf5
from rsd_mri.files.trouble import of_the_machine

NEEDED = ("scale", "sigma", "source_hash", "split", "not_for_diagnostic_use")
Version = tuple[int, int]
"""Size and date [ns] of a file: prepared anew, it has others."""
OPEN_FILES = 16
"""Files kept open in each worker."""


class PreparedDataset:
    """The slices of all prepared files of a folder; works with `torch.utils.data.DataLoader`.

    The combined image is never read: it is there for evaluation only. Files are opened in the process that
    reads them, so workers and forks share no handle.

    Parameters
    ----------
    folder
        Written by `prepare_folder`; or one prepared file.
    split
        Only the scans for training or for validation; None for all.

    Raises
    ------
    InputError
        If there is no such slice, or a command is still preparing the folder.
    """

    def __init__(self, folder: str | Path, split: Literal["train", "val"] | None = None) -> None:
        self.folder = Path(folder)
        if self.folder.is_dir():
            require_unclaimed(self.folder, "manifest*.json")
        paths = readable(files_below(self.folder)) if self.folder.is_dir() else [self.folder]
        self._rows: list[tuple[Path, int, str]] = []
        self._shapes: list[tuple[int, ...]] = []
        self._open: dict[Path, h5py.File] = {}
        self._versions: dict[Path, Version] = {}
        self._pid = os.getpid()
        for path in paths:
            if path == self.folder or (path.suffix == ".h5" and not path.name.startswith(".")):
                self._add(path, split)
        if not self._rows:
            raise InputError(
                f"{self.folder}: no prepared slice{f' for {split}' if split else ''}; run prep on a folder of scans"
            )

    def _add(self, path: Path, split: str | None) -> None:
        try:
            with read_hdf5(path) as file:
                if not {"kspace", "csm"} <= set(file) or any(name not in file.attrs for name in NEEDED):
                    raise InputError(f"{path}: not a prepared file; expected what 'rsd-mri prep' writes")
                if split is not None and file.attrs["split"] != split:
                    return
                digest, shape = str(file.attrs["source_hash"]), file["csm"].shape[1:]
                for row, index in enumerate(file["slice_index"][()]):
                    item = hashlib.blake2b(f"{digest}:{int(index)}".encode(), digest_size=16).hexdigest()
                    self._rows.append((path, row, item))
                    self._shapes.append(shape)
                self._versions[path] = _version(path)
        except (OSError, KeyError, RuntimeError) as error:
            raise InputError(_unread(path, error)) from error

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def items(self) -> list[str]:
        """Key of each slice: hash of its scan's content and its index; the same in any order or folder."""
        return [item for _, _, item in self._rows]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each slice's maps; only equal ones fit into one batch."""
        return list(self._shapes)

    def __getitem__(self, i: int) -> PreparedArrays:
        """Read a slice.

        Returns
        -------
        dict
            `kspace` [coil, readout, phase_encode], `csm` (a set axis first with two sets), `mask`
            [phase_encode] or [readout, phase_encode], `sigma` and `scale` (float32), `item` (str).

        Raises
        ------
        InputError
            If the file is damaged, or is no longer the one that was found.
        """
        path, row, item = self._rows[i]
        try:
            file = self._file(path)
            kspace, csm = file["kspace"][row], file["csm"][row]
            mask = file["mask"][()] if "mask" in file else np.ones(kspace.shape[-1], bool)
            sigma, scale = np.float32(file.attrs["sigma"]), np.float32(file.attrs["scale"])
        except (OSError, KeyError, RuntimeError) as error:
            raise InputError(_unread(path, error)) from error
        return {"kspace": kspace, "csm": csm, "mask": mask, "sigma": sigma, "scale": scale, "item": item}

    def _file(self, path: Path) -> h5py.File:
        if self._pid != os.getpid():  # forked: the parent's handles must not be used
            self._open, self._pid = {}, os.getpid()
        if path not in self._open:
            while len(self._open) >= OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            if _version(path) != self._versions[path]:
                raise InputError(
                    f"{path}: was prepared anew since this command looked at it; start it again, and prepare no scans "
                    "while they are trained on"
                )
            self._open[path] = read_hdf5(path)
        return self._open[path]

    def close(self) -> None:
        """Close the files that are open in this process."""
        for file in self._open.values():
            file.close()
        self._open = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}


def _version(path: Path) -> Version:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _unread(path: Path, error: Exception) -> str:
    said = of_the_machine(path, error)
    return said or f"{path}: damaged prepared file ({error}); remove it and run prep again"
