"""Multi-coil MRI undersampling: a law of masks and a bank of coil sensitivities."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsd_mri.corruption.corruption import Corruption, Key, Magnitudes, Measurements
from rsd_mri.diffusion.denoiser import Condition
from rsd_mri.diffusion.noise_levels import LOWEST
from rsd_mri.machine.randomness import generator, uniform_items
from rsd_mri.operators import Identity, LinearOperator, RegularisedInverse, Sense, sense_operator
from rsd_mri.protocol import MaskSettings
from rsd_mri.scan.middle import centre_window
from rsd_mri.scan.patterns import draw_mask, further_mask, settings_for_size

POINT_SPREAD_LAGS = 16
SAMPLING_FEATURES = 4 * POINT_SPREAD_LAGS


def sampling_features(mask: Tensor) -> Tensor:
    """Describe a mask by its point spread function near the origin.

    The artefact of undersampling is a convolution with this function, so its first lags are what a
    convolutional network can use, whatever the matrix size.

    Parameters
    ----------
    mask
        [batch, 1, readout or 1, phase_encode], as in `Sense.mask`.

    Returns
    -------
    Tensor
        [batch, SAMPLING_FEATURES] float32: real and imaginary parts of the first lags along the
        phase-encode and the readout axis.
    """
    weights = torch.fft.ifftshift(mask[:, 0].float(), dim=(-2, -1))
    lines = torch.fft.ifft(weights.mean(dim=-2), dim=-1)
    rows = torch.fft.ifft(weights.mean(dim=-1), dim=-1)
    parts = []
    for spread in (lines, rows):
        lags = spread[:, :POINT_SPREAD_LAGS]
        missing = POINT_SPREAD_LAGS - lags.shape[1]
        lags = torch.nn.functional.pad(torch.view_as_real(lags.resolve_conj()), (0, 0, 0, missing))
        parts.append(lags.flatten(1))
    return torch.cat(parts, dim=1)


class Undersampling(Corruption):
    """A = M F S with masks from a law and maps from a bank.

    Parameters
    ----------
    mask
        The law of the masks.
    bank
        Coil sensitivity maps of the training scans, [case, coil, readout, phase_encode] complex64.
    sigma
        Noise level of each case, [case].
    shown
        What the networks see of data: `pseudo-inverse` or `adjoint`. The pseudo-inverse unfolds with the coil maps,
        which no network knows, and neither amplifies nor colours the diffusion's noise where it was measured.
    """

    dtype = torch.complex64
    sampling_features = SAMPLING_FEATURES

    def __init__(
        self,
        mask: MaskSettings,
        bank: Tensor,
        sigma: Tensor,
        shown: Literal["pseudo-inverse", "adjoint"] = "pseudo-inverse",
    ) -> None:
        self.inverts = shown == "pseudo-inverse"
        self.bank = bank
        self.sigma = sigma
        self.image_shape: tuple[int, int] = (bank.shape[-2], bank.shape[-1])
        self.mask = settings_for_size(mask, bank.shape[-1])

    def draw_masks(self, keys: Sequence[Key]) -> Tensor:
        """One mask per item, [batch, readout or 1, phase_encode]."""
        masks = [draw_mask(self.mask, self.image_shape, generator(*k, "mask")).mask for k in keys]
        return _stack(masks)

    def draw(self, keys: Sequence[Key]) -> tuple[LinearOperator, Tensor]:
        """Maps and noise level of a random case of the bank, under a fresh mask."""
        chosen = (uniform_items([(*k, "maps") for k in keys]) * len(self.bank)).long()
        return sense_operator(self.bank[chosen], self.draw_masks(keys)), self.sigma[chosen]

    def further(self, operator: LinearOperator, keys: Sequence[Key]) -> Sense:
        """Drop some of each item's outer lines."""
        if not isinstance(operator, Sense):
            raise TypeError(f"expected a Sense operator, got {operator!r}")
        acs = self.mask.acs_lines or 0
        masks = operator.mask[:, 0]
        if masks.shape[0] == 1:
            masks = masks.expand(len(keys), -1, -1)
        dropped = []
        for m, k in zip(masks.cpu(), keys, strict=True):
            mask = m[0] if m.shape[0] == 1 else m
            outer = mask.clone()
            outer[centre_window(mask.shape, (acs,) * mask.ndim)] = False
            # Laws with a random number of lines can leave fewer outer lines than are to be dropped.
            lines = int(outer.sum()) // (1 if mask.ndim == 1 else mask.shape[0])
            dropped.append(further_mask(mask, acs, min(self._extra_lines(k), lines), generator(*k, "further")))
        return operator.with_mask(_stack(dropped).to(operator.mask.device))

    def _extra_lines(self, key: Key) -> int:
        """How many lines are dropped from an item's mask."""
        least, most = self.mask.extra_lines or 0, self.mask.most_extra_lines
        if most is None or most <= least:
            return least
        return int(torch.randint(least, most + 1, (), generator=generator(*key, "extra lines")))

    def preconditioner(self, operator: LinearOperator) -> LinearOperator:
        """The regularised inverse of A^H A, whose largest eigenvalue the power of the maps bounds."""
        if not isinstance(operator, Sense):
            raise TypeError(f"expected a Sense operator, got {operator!r}")
        if not self.inverts:
            return Identity()
        power = operator.csm.abs().square().sum(dim=-3).flatten(1).amax(dim=1)
        return RegularisedInverse(operator.gram, power)

    def project(self, images: Tensor, operator: LinearOperator) -> Tensor:
        """Keep the support of the maps: no training signal ever comes from outside it."""
        if not isinstance(operator, Sense):
            raise TypeError(f"expected a Sense operator, got {operator!r}")
        return images * (operator.csm != 0).any(dim=-3)

    def magnitudes(self, data: Measurements, further: LinearOperator) -> Magnitudes:
        """From the mean energy at each place of k-space over the scans that acquired it.

        The centre holds most of the energy and is always acquired: what A^H y holds over the share of the mask would
        be far too much. Where no scan acquired, the energy is interpolated along the phase encodes.
        """
        if not isinstance(data.operator, Sense) or not isinstance(further, Sense):
            raise TypeError(f"expected Sense operators, got {data.operator!r} and {further!r}")
        acquired = data.operator.mask[:, 0].expand(len(data.y), *self.image_shape).double()
        coils = (data.operator.csm != 0).flatten(2).any(2).sum(1)
        noise = (coils * data.sigma**2).double()[:, None, None]
        energy = (data.y.abs().double().square().sum(1) - noise) * acquired
        count = acquired.sum(0)
        profile = _interpolated((energy.sum(0) / count.clamp_min(1)).numpy(), (count > 0).numpy())
        kept = further.mask[:, 0].expand(len(data.y), *self.image_shape).double().mean(0).numpy()
        image, hidden = max(float(profile.mean()), 0.0), max(float((profile * (1 - kept)).mean()), 0.0)
        return Magnitudes(image**0.5, hidden**0.5, max(float(data.sigma.median()), LOWEST))

    def condition(self, operator: LinearOperator) -> Condition:
        """The sampling features of the mask."""
        if not isinstance(operator, Sense):
            raise TypeError(f"expected a Sense operator, got {operator!r}")
        return Condition(sampling=sampling_features(operator.mask))


def _stack(masks: Sequence[Tensor]) -> Tensor:
    return torch.stack([m[None] if m.ndim == 1 else m for m in masks])


def _interpolated(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fill each row [readout, phase_encode] from what is known of it; one of which nothing is known stays as it is."""
    places = np.arange(values.shape[1])
    rows = [np.interp(places, places[k], v[k]) if k.any() else v for v, k in zip(values, known, strict=True)]
    return np.stack(rows)
