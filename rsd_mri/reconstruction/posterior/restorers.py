"""`Restorer`: what a prior makes of the images of one scan, whichever network it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from rsd_mri.corruption.corruption import Key
from rsd_mri.corruption.undersampling import Undersampling, sampling_features
from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.machine.device import quick_products
from rsd_mri.operators import Sense, sense_operator
from rsd_mri.operators.regularised import solve_regularised
from rsd_mri.operators.sense import compiled
from rsd_mri.priors.prior import Prior
from rsd_mri.reconstruction.classical.methods import cg_sense
from rsd_mri.reconstruction.posterior.support import Window, whole_fields, windows_of

SMALLEST_LEVEL = 0.002
"""Below this noise level no network is trained."""

CG_SENSE_ERROR = 0.07
"""Noise level at which the one-step path denoises CG-SENSE, prepared units; measured in docs/choices.md."""


WAYS = 8
"""Ways in which the image is turned and flipped at the steps in turn; 1 is as it is. Measured in docs/choices.md."""


class Restorer(Protocol):
    """A prior bound to the operator of a scan."""

    @property
    def floor(self) -> float:
        """Root mean square error that it makes at any level, because it is shown less than the whole image."""

    @property
    def whole(self) -> bool:
        """Whether it is shown whole images."""

    @property
    def level(self) -> float:
        """Its only noise level; 0 where it knows all."""

    def denoise(self, x: Tensor, t: Tensor, step: int) -> Tensor:
        """Estimate clean images from noisy ones [item, ...] of levels [item]."""

    def one_step(self, kspace: Tensor, sigma: float) -> Tensor:
        """One network call, then one data step: [slice, (set,) readout, phase_encode], prepared units."""


@dataclass(frozen=True)
class _Bound:
    prior: Prior
    operator: Sense
    keys: Sequence[Key] = ()
    """One per item: what the draws of the network's views are keyed by."""
    turns: Sequence[int] = ()
    """One per item, or none: how much further than others its image is turned for a network that learned from images
    turned at random."""

    @cached_property
    def windows(self) -> list[Window]:
        """Where the maps see anything, for each set."""
        return windows_of(self.operator.csm)

    def by_sets(self, u: Tensor, t: Tensor, features: Tensor | None, ways: Sequence[int] = ()) -> Tensor:
        """Denoise where the maps see; with several sets of maps each set's image is an anatomy in its own right.

        `ways` has how each item is turned for it; as they are where it is empty.
        """
        sets = u[:, None] if u.ndim == 3 else u
        condition, ways = Condition(sampling=features), ways or [0] * len(u)

        def part(image: Tensor, window: Window) -> Tensor:
            cut = window.cut(image)
            estimate = torch.empty_like(cut)
            for items in _of_one_shape(ways):
                shown = torch.stack([turned(cut[i], ways[i]) for i in items])
                with quick_products(u.device):
                    made = self.prior.denoiser(shown, t[items], condition)
                for i, one in zip(items, made, strict=True):
                    estimate[i] = turned_back(one, ways[i])
            return window.paste(estimate, (u.shape[-2], u.shape[-1]))

        parts = [part(sets[:, m], window) for m, window in enumerate(self.windows)]
        return parts[0] if u.ndim == 3 else torch.stack(parts, 1)

    def data_step(self, adjoint_kspace: Tensor, estimate: Tensor, trust: float, sigma: float) -> Tensor:
        """The maximum of the exact likelihood times a Gaussian of width `trust` around the estimate."""
        right = adjoint_kspace / sigma**2 + estimate / trust**2
        return solve_regularised(compiled(self.operator.gram), sigma**-2, trust**2, right, estimate, 20, 1e-3)


class WholeImages(_Bound):
    """A denoiser of whole images.

    It learned from patches turned and flipped at random, so the law it stands for is symmetric, but the network is not.
    Every step shows it the image turned and flipped another way, which averages its errors over the steps (Terris et
    al. 2024, arXiv 2312.01831; docs/choices.md). Where `turns` has each sample of a slice turned another way again, the
    samples average them too, and have them in their spread.
    """

    floor, whole, level = 0.0, True, 0.0

    def denoise(self, x: Tensor, t: Tensor, step: int) -> Tensor:
        """Denoise the image turned another way at each step."""
        return self.by_sets(x, t, None, [(step + turn) % WAYS for turn in self.turns or [0] * len(x)])

    def one_step(self, kspace: Tensor, sigma: float) -> Tensor:
        """Denoise CG-SENSE, then a data step."""
        sigma = max(sigma, SMALLEST_LEVEL)
        level = max(CG_SENSE_ERROR, 2 * sigma)
        balanced, weighted = self.operator.balanced(kspace)
        adjoint_kspace = balanced.adjoint(weighted)
        shown = cg_sense(self.operator, kspace, sigma)
        estimate = self.by_sets(shown, _levels(level, adjoint_kspace), None)
        return replace(self, operator=balanced).data_step(adjoint_kspace, estimate, level, sigma)


class FramedImages(WholeImages):
    """A denoiser that learned from images neither cut nor turned: it knows their framing, and is shown it as it is."""

    @cached_property
    def windows(self) -> list[Window]:
        """The whole field of view."""
        return whole_fields(self.operator.csm)

    def denoise(self, x: Tensor, t: Tensor, step: int) -> Tensor:  # noqa: ARG002
        """Denoise the image as it is."""
        return self.by_sets(x, t, None)


class ShownImages(_Bound):
    """A teacher, which was trained on undersampled data only and knows images through further-corrupted operators.

    At each step it sees the noisy image through one with the scan's maps and a mask of its training law, a fresh one
    per step, so that over the steps it sees all of k-space.
    """

    whole, level = False, 0.0

    @property
    def floor(self) -> float:
        """Its error on what it is not shown, as found at the end of its training."""
        return self.prior.card.floor

    @cached_property
    def corruption(self) -> Undersampling:
        """What it was trained with, for the maps of the scan."""
        csm, protocol = self.operator.csm, self.prior.protocol
        return Undersampling(
            protocol.mask, csm.reshape(-1, *csm.shape[-3:]), torch.zeros(1), protocol.undersampling.shown
        )

    def denoise(self, x: Tensor, t: Tensor, step: int) -> Tensor:
        """Denoise what a further-corrupted operator shows of the image."""
        keys = [(*k, "denoise", step) for k in self.keys]
        masks = self.corruption.draw_masks(keys)
        further = self.corruption.further(sense_operator(self.operator.csm, masks.to(x.device)), keys)
        return self.by_sets(self.corruption.view(further)(x), t, sampling_features(further.mask))

    def one_step(self, kspace: Tensor, sigma: float) -> Tensor:
        """Restore what the scan's own mask shows at the noise level of the data, as in training; then a data step."""
        sigma = max(sigma, SMALLEST_LEVEL)
        adjoint_kspace = self.operator.adjoint(kspace)
        shown = self.corruption.preconditioner(self.operator)(adjoint_kspace)
        estimate = self.by_sets(shown, _levels(sigma, adjoint_kspace), sampling_features(self.operator.mask))
        return self.data_step(adjoint_kspace, estimate, max(self.floor, sigma), sigma)


class OneLevel(ShownImages):
    """A one-step generator: the denoiser of one noise level, under one further-corrupted operator per item."""

    @property
    def level(self) -> float:  # type: ignore[override]
        """The level it was distilled at."""
        return self.prior.protocol.distillation.sigma_init


RESTORERS: dict[str, type[WholeImages] | type[ShownImages]] = {
    "denoiser": WholeImages,
    "teacher": ShownImages,
    "generator": OneLevel,
}
"""How a scan is seen by each kind of prior."""


def restorer_of(prior: Prior, operator: Sense, keys: Sequence[Key] = (), turns: Sequence[int] = ()) -> Restorer:
    """Bind a prior to the operator of a scan.

    Parameters
    ----------
    prior
        Of any kind.
    operator
        Of one slice, or one per item.
    keys
        One per item, for `denoise`.
    turns
        One per item, or none: see `WholeImages`.
    """
    made = FramedImages if prior.of_whole_images else RESTORERS[prior.kind]
    return made(prior, operator, keys, turns)


def _levels(level: float, like: Tensor) -> Tensor:
    return torch.full((len(like),), level, device=like.device)


def _of_one_shape(ways: Sequence[int]) -> list[list[int]]:
    """Items that are of one shape when turned: those of even and those of odd quarter turns."""
    groups = ([i for i, way in enumerate(ways) if way % 2 == odd] for odd in (0, 1))
    return [items for items in groups if items]


def turned(image: Tensor, way: int) -> Tensor:
    """One of the eight symmetries of the square: `way` quarter turns, and a flip for every second four."""
    turned = torch.rot90(image, way % 4, (-2, -1))
    return turned.flip(-1) if way // 4 % 2 else turned


def turned_back(image: Tensor, way: int) -> Tensor:
    """The other way round."""
    return torch.rot90(image.flip(-1) if way // 4 % 2 else image, -way % 4, (-2, -1))
