"""Prepared MRI slices as training data: measurements that are undersampled for good."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Literal
from typing import Protocol as Interface

import numpy as np
import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Measurements
from rsd_mri.corruption.undersampling import Undersampling
from rsd_mri.datasets.prepared_slice import PreparedArrays
from rsd_mri.errors import InputError
from rsd_mri.machine.evenly import evenly
from rsd_mri.machine.randomness import generator
from rsd_mri.operators import Sense, sense_operator
from rsd_mri.protocol import MaskSettings
from rsd_mri.scan.patterns import draw_mask

CACHE_BYTES = 4 * 2**30
BANK_CASES = 256


class PreparedSlices(Interface):
    """A folder of prepared slices, as `data_prep.PreparedDataset` opens it; no combined image among it."""

    @property
    def items(self) -> Sequence[str]:
        """Identity of each slice."""

    @property
    def shapes(self) -> Sequence[tuple[int, ...]]:
        """Shape of each slice's maps, matrix size last."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> PreparedArrays:
        """`kspace` [coil, readout, phase_encode], `csm`, `mask`, `sigma`, `item`; of a part its `slice` too."""


class UndersampledSlices:
    """Measurements of MRI slices.

    A fully sampled slice gets one retrospective mask, drawn from its identity, which it keeps for the whole
    training and in all of its parts; an undersampled one keeps its own. No line outside it is used. Of two
    sets of maps the first is used.

    Parameters
    ----------
    slices
        Prepared slices, any number of coils. Networks learn from batches of one matrix size: the slices of the
        commonest are taken, `left_out` counts the others.
    mask
        The law of the retrospective masks.
    seed
        Of the protocol.
    shown
        As for `Undersampling`.

    Raises
    ------
    InputError
        If there is no slice.
    """

    def __init__(
        self,
        slices: PreparedSlices,
        mask: MaskSettings,
        seed: int,
        shown: Literal["pseudo-inverse", "adjoint"] = "pseudo-inverse",
    ) -> None:
        if not len(slices):
            raise InputError("no prepared slices to train on; run 'rsd-mri prep' on a folder of scans first")
        self.slices = slices
        self.seed = seed
        # By identity, so that renaming or reordering the files changes nothing.
        self.size = commonest_size(slices)
        kept = [i for i, shape in enumerate(slices.shapes) if shape[-2:] == self.size]
        self.left_out = len(slices) - len(kept)
        self._order = sorted(kept, key=lambda i: slices.items[i])
        digest = hashlib.sha256("".join(slices.items[i] for i in self._order).encode())
        self.identity = digest.hexdigest()
        first = slices[self._order[0]]["kspace"]
        self.mask_settings = mask
        self._cache: dict[int, tuple[Tensor, Tensor, Tensor, float, str]] = {}
        self._cacheable = len(kept) * 2 * first.nbytes < CACHE_BYTES
        cases = [self._load(int(i)) for i in evenly(len(kept), BANK_CASES)]
        coils = max(case[1].shape[0] for case in cases)
        bank = torch.stack([_pad_coils(case[1], coils) for case in cases])
        self.corruption = Undersampling(mask, bank, torch.tensor([case[3] for case in cases]), shown)

    def __len__(self) -> int:
        return len(self._order)

    def batch(self, indices: Sequence[int]) -> Measurements:
        """Collate slices; coils are padded with zeros to a common number."""
        operator, kspace, sigma = self.measured(indices)
        return Measurements(kspace, operator, sigma, tuple((self.seed, self._load(i)[4]) for i in indices))

    def measured(self, indices: Sequence[int], device: torch.device | None = None) -> tuple[Sense, Tensor, Tensor]:
        """Operator, k-space and noise levels of some slices; coils are padded with zeros to a common number."""
        cases = [self._load(i) for i in indices]
        coils = max(case[0].shape[0] for case in cases)
        kspace = torch.stack([_pad_coils(case[0], coils) for case in cases])
        csm = torch.stack([_pad_coils(case[1], coils) for case in cases])
        masks = torch.stack([case[2] for case in cases])
        sigma = torch.tensor([case[3] for case in cases])
        return sense_operator(csm.to(device), masks.to(device)), kspace.to(device), sigma.to(device)

    def _load(self, index: int) -> tuple[Tensor, Tensor, Tensor, float, str]:
        if index in self._cache:
            return self._cache[index]
        one = self.slices[self._order[index]]
        item = str(one["item"])
        kspace = torch.from_numpy(np.ascontiguousarray(one["kspace"]))
        csm = torch.from_numpy(np.ascontiguousarray(one["csm"] if one["csm"].ndim == 3 else one["csm"][0]))
        mask = torch.from_numpy(np.ascontiguousarray(one["mask"]))
        if bool(mask.all()):
            rng = generator(self.seed, str(one.get("slice", item)), "acquisition")
            mask = draw_mask(self.mask_settings, (self.size[0], self.size[1]), rng).mask
        mask = mask[None] if mask.ndim == 1 else mask
        kspace = torch.where(mask, kspace, torch.zeros((), dtype=kspace.dtype))
        case = (kspace, csm, mask, float(one["sigma"]), item)
        if self._cacheable:
            self._cache[index] = case
        return case


def commonest_size(slices: PreparedSlices) -> tuple[int, int]:
    """Matrix size of most slices."""
    counts = Counter((shape[-2], shape[-1]) for shape in slices.shapes)
    # Of equally common sizes the larger one, so that the order of the files changes nothing.
    return max(counts, key=lambda size: (counts[size], size))


def _pad_coils(coils: Tensor, count: int) -> Tensor:
    missing = count - coils.shape[0]
    return torch.cat([coils, coils.new_zeros(missing, *coils.shape[1:])]) if missing > 0 else coils
