"""`PreparedScan`: a scan, what is decided once for all its slices, and the slices as they are asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rsd_mri.preparation.prepare import (
    SliceMaps,
    VolumeCalibration,
    calibrate_volume,
    calibrated_like,
    maps_of,
    prepare_slice,
    with_phase_of,
)
from rsd_mri.preparation.prepared import PreparedSlice
from rsd_mri.protocol import PrepSettings
from rsd_mri.scan.scan import Scan

KEPT_BYTES = 1 << 27
"""Memory that kept slices may take [bytes]: about twelve slices of 320 x 320 pixels and six virtual coils."""


@dataclass(frozen=True)
class PreparedScan:
    """A sequence of prepared slices; each is made when it is first asked for, and kept while there is room."""

    scan: Scan
    settings: PrepSettings
    volume: VolumeCalibration
    """Whitening, compression, scale and number of sets of maps, which all slices share."""
    kept_bytes: int = KEPT_BYTES
    """Slices beyond so much memory are made again whenever they are asked for."""
    shared_maps: dict[int, SliceMaps] | None = field(default=None, repr=False, compare=False)
    """Coil maps of slices, kept while there is room, for frames that share one calibration."""
    poses: Mapping[int, NDArray[np.float32]] | None = field(default=None, repr=False, compare=False)
    """Of slices that moved, [segment, 3] as `PreparedSlice.poses`."""
    _kept: dict[int, PreparedSlice] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        scan: "Scan | PreparedScan",
        settings: PrepSettings | None = None,
        *,
        beside: VolumeCalibration | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> "PreparedScan":
        """Calibrate a scan; one that is prepared stays what it is.

        Parameters
        ----------
        scan
            As read.
        settings
            How to prepare; by default the package's settings.
        beside
            Of another frame of the same stack: the phases of both are against one combination of coils, so that their
            difference (velocity, field) is that of the object.
        kept_bytes
            Memory that kept slices may take.

        Raises
        ------
        InputError
            If the scan cannot be prepared.
        """
        if isinstance(scan, PreparedScan):
            return scan
        settings = settings or PrepSettings()
        volume = calibrate_volume(scan, settings)
        if beside is not None and beside.forward.shape[1] == scan.n_coils:
            volume = with_phase_of(volume, beside)
        return cls(scan, settings, volume, kept_bytes)

    def with_slices(self, scan: Scan) -> "PreparedScan":
        """Calibrate further slices of the same volume: whitening, compression, scale and sets of maps stay these.

        Parameters
        ----------
        scan
            As read, of the same coils.

        Raises
        ------
        InputError
            If they cannot be prepared.
        """
        return replace(self, scan=scan, volume=calibrated_like(scan, self.volume, self.settings), _kept={})

    def __len__(self) -> int:
        return self.scan.n_slices

    def __getitem__(self, index: int) -> PreparedSlice:
        if index in self._kept:
            return self._kept[index]
        made = prepare_slice(self.scan, index, self.settings, self.volume, self._maps_at_hand(index))
        if self.poses is not None and index in self.poses:
            made = replace(made, segments=self.scan.segments, poses=self.poses[index], aspect=self.aspect)
        if sum(map(_bytes, self._kept.values())) + _bytes(made) <= self.kept_bytes:
            self._kept[index] = made
        return made

    @property
    def aspect(self) -> float:
        """Voxel size along the readout over that along the phase encoding; 1 where they are not known."""
        voxel = self.scan.geometry.voxel_size
        return 1.0 if voxel is None else voxel[0] / voxel[1]

    def _maps_at_hand(self, index: int) -> SliceMaps | None:
        if self.shared_maps is None or not 0 <= index < len(self):
            return None
        if index in self.shared_maps:
            return self.shared_maps[index]
        made = maps_of(self.volume, index, self.scan.matrix[1], self.settings)
        if (len(self.shared_maps) + 1) * (made.csm.nbytes + made.eigenvalues.nbytes) <= KEPT_BYTES:
            self.shared_maps[index] = made
        return made

    @property
    def middle(self) -> PreparedSlice:
        """The slice in the middle, or nearest to it of those that hold data, on which methods are tried."""
        return self[self.scan.middle]

    def __iter__(self) -> Iterator[PreparedSlice]:
        return (self[index] for index in range(len(self)))


def _bytes(one: PreparedSlice) -> int:
    arrays = (one.kspace, one.csm, one.image, one.mask, one.back, one.eigenvalues, one.phase)
    return sum(array.nbytes for array in arrays if array is not None)
