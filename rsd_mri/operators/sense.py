"""Multi-coil Cartesian MRI: A = M F S.

Pruessmann et al. 1999, doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S.
"""

import torch
from torch import Tensor

from rsd_mri.operators.coils import CoilExpand
from rsd_mri.operators.fourier import fft2c, ifft2c
from rsd_mri.operators.linear_operator import LinearOperator, require_rank
from rsd_mri.operators.sampling import Masking, SamplingMask
from rsd_mri.operators.self_adjoint import apply_self_adjoint


def sense_operator(csm: Tensor, mask: Tensor) -> "Sense":
    """Build A = mask @ FFT @ coil maps.

    Parameters
    ----------
    csm
        [batch, coil, readout, phase_encode] complex, or [batch, set, coil, readout, phase_encode] for
        several sets of maps.
    mask
        [phase_encode], [readout, phase_encode], or one per item [batch, readout or 1, phase_encode].

    Returns
    -------
    Sense
        Maps an image [batch, (set,) readout, phase_encode] to k-space
        [batch, coil, readout, phase_encode], zero where nothing was acquired.
    """
    return Sense(CoilExpand(csm), SamplingMask(mask))


class Sense(LinearOperator):
    """The product of coil maps, centred FFT and mask, with a fast A^H A. Built by `sense_operator`."""

    def __init__(self, coils: CoilExpand, sampling: SamplingMask) -> None:
        if sampling.mask.shape[-1] != coils.csm.shape[-1] or sampling.mask.shape[-2] not in (
            1,
            coils.csm.shape[-2],
        ):
            raise ValueError(f"mask of shape {list(sampling.mask.shape)} does not fit maps {list(coils.csm.shape)}")
        self.coils = coils
        self.sampling: Masking = sampling

    @property
    def csm(self) -> Tensor:
        """Coil sensitivity maps, as given."""
        return self.coils.csm

    @property
    def mask(self) -> Tensor:
        """Mask with axes [batch or 1, 1, readout or 1, phase_encode], boolean."""
        return self.sampling.mask

    def with_maps(self, csm: Tensor, mask: Tensor) -> "Sense":
        """Return the same kind of operator with other maps and another mask."""
        return Sense(CoilExpand(csm), SamplingMask(mask))

    def with_mask(self, mask: Tensor) -> "Sense":
        """Return the operator of the same maps under another mask."""
        return self.with_maps(self.csm, mask)

    def gridded(self, y: Tensor) -> Tensor:
        """A^H y of what was acquired."""
        return self.adjoint(y)

    def acquired(self, kspace: Tensor) -> "tuple[Sense, Tensor]":
        """What of the operator and its k-space was truly acquired: here all."""
        return self, kspace

    @property
    def norm_bound(self) -> float:
        """Upper bound of ||A^H A||: the mask and the transform do not amplify, so the coil maps alone count.

        One for normalised maps. Several sets: the largest row sum of the pixel's Gram matrix (Gershgorin).
        """
        csm = self.csm if self.csm.ndim == 5 else self.csm[:, None]
        gram = torch.einsum("bscxy,btcxy->bstxy", csm.conj(), csm).abs()
        return max(float(gram.sum(2).max()), torch.finfo(gram.dtype).tiny)

    def forward(self, x: Tensor) -> Tensor:
        """Image to acquired k-space."""
        return self.sampling.forward(fft2c(self.coils.forward(x)))

    def adjoint(self, y: Tensor) -> Tensor:
        """Acquired k-space to coil-combined image."""
        require_rank(y, 4, "batch, coil, readout, phase_encode", "Sense.H")
        return self.coils.adjoint(ifft2c(self.sampling.forward(y)))

    @property
    def gram(self) -> LinearOperator:
        """A^H A without the transforms and shifts that cancel."""
        # The fast one has no gradient with respect to the maps.
        return super().gram if self.csm.requires_grad else SenseGram(self)

    def __repr__(self) -> str:
        return f"<Sense csm={list(self.csm.shape)} mask={list(self.mask.shape)}>"


class SenseGram(LinearOperator):
    """A^H A of `Sense`.

    A mask of whole lines does not act along the readout, so that transform cancels. What is left is a
    circular convolution, which commutes with the centring shifts: shifting the mask once replaces them.
    Coils are taken one at a time on the CPU, where the working set then stays in the cache.
    """

    def __init__(self, sense: Sense) -> None:
        mask = sense.mask
        self.coils = sense.coils
        # Conjugated once, for an iteration applies the operator many times.
        self.conjugate = sense.csm.conj().resolve_conj()
        self.lines_only = mask.shape[-2] == 1
        axes = (-1,) if self.lines_only else (-2, -1)
        # [batch or 1, readout or 1, phase_encode]; complex, which multiplies faster than real does.
        self.shifted_mask = torch.fft.ifftshift(mask[:, 0], dim=axes).to(sense.csm.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Apply A^H A; differentiable, with A^H A as its own derivative."""
        self.coils.check_image(x)
        return apply_self_adjoint(x, self.apply)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H A, which is its own adjoint."""
        return self.forward(y)

    def apply_convolution(self, coil_image: Tensor) -> Tensor:
        """F^H M F of one coil's image [batch, readout, phase_encode], without centring."""
        if self.lines_only:
            lines: Tensor = torch.fft.ifft(torch.fft.fft(coil_image, dim=-1).mul_(self.shifted_mask), dim=-1)
            return lines
        plane: Tensor = torch.fft.ifft2(torch.fft.fft2(coil_image).mul_(self.shifted_mask))
        return plane

    def apply(self, x: Tensor) -> Tensor:
        """Apply A^H A outside autograd."""
        csm = self.coils.csm
        one_set = csm.ndim == 4
        maps = csm[:, None] if one_set else csm
        conjugate = self.conjugate[:, None] if one_set else self.conjugate
        images = x[:, None] if one_set else x
        if x.device.type != "cpu":
            coil_images = (maps * images[:, :, None]).sum(1)
            mask = self.shifted_mask[:, None]
            if self.lines_only:
                seen = torch.fft.ifft(torch.fft.fft(coil_images, dim=-1).mul_(mask), dim=-1)
            else:
                seen = torch.fft.ifft2(torch.fft.fft2(coil_images).mul_(mask))
            out: Tensor = (conjugate * seen[:, None]).sum(2)
            return out[:, 0] if one_set else out
        batch = max(x.shape[0], csm.shape[0], self.shifted_mask.shape[0])
        out = x.new_zeros(batch, *images.shape[1:])
        for c in range(maps.shape[2]):
            coil_image = maps[:, 0, c] * images[:, 0]
            for m in range(1, maps.shape[1]):
                coil_image = coil_image + maps[:, m, c] * images[:, m]
            seen = self.apply_convolution(coil_image)
            for m in range(maps.shape[1]):
                out[:, m].addcmul_(conjugate[:, m, c], seen)
        return out[:, 0] if one_set else out

    def __repr__(self) -> str:
        return f"<SenseGram csm={list(self.coils.csm.shape)} mask={list(self.shifted_mask.shape)}>"
