"""Images that are real but for a known phase: every coil is joined by its virtual conjugate.

Where the phase of the image is part of the maps, what is left of the image is real, and conj(S x) = conj(S) x: the
conjugate of a coil's k-space, mirrored, is the k-space of the same image seen by the conjugate map (Blaimer et al.
2009, doi:10.1002/mrm.21652). What partial Fourier leaves out on one side is then in the data, mirrored from the other.
"""

import torch
from torch import Tensor

from rsd_mri.operators.coils import CoilExpand
from rsd_mri.operators.linear_operator import LinearOperator
from rsd_mri.operators.sampling import CoilMask, SamplingMask
from rsd_mri.operators.sense import Sense

TRUST = 0.5
"""Weight of the conjugates beside the coils: what the phase is not smooth enough for is an error of theirs alone. On
simulated heads 0.5 was 0.3 to 0.8 dB above 1 for total variation, and no worse for any method."""


def mirrored(array: Tensor) -> Tensor:
    """What lies at -k is brought to k, over the last two axes; those of size one stay."""
    even = [dim for dim in (-2, -1) if array.shape[dim] % 2 == 0]
    flipped = array.flip((-2, -1))
    # Of an even axis the first index is its own mirror image.
    return torch.roll(flipped, [1] * len(even), even) if even else flipped


def with_conjugates(kspace: Tensor) -> Tensor:
    """K-space [batch, coil, readout, phase_encode] and, weighted, that of the virtual conjugate coils: 2 coil."""
    return torch.cat([kspace, TRUST * mirrored(kspace).conj()], 1)


class ConjugateSense(Sense):
    """`Sense` and, where nothing was acquired but its mirror image was, the virtual conjugate coils.

    A complex linear operator like any other; the imaginary part of the image is held down by what it contradicts. Where
    both k and -k were acquired, each coil says what it saw and no more: there the image may be complex.

    Parameters
    ----------
    csm
        As `sense_operator` takes it, times the phase of the image.
    mask
        As `sense_operator` takes it.

    Its k-space is that of the coils and then that of their conjugates, as `with_conjugates` makes it.
    """

    def __init__(self, csm: Tensor, mask: Tensor) -> None:
        super().__init__(CoilExpand(csm), SamplingMask(mask))
        own = self.sampling.mask
        full = own.expand(*own.shape[:2], *csm.shape[-2:]) if own.shape[-2] > 1 else own
        self.plain = Sense(self.coils, SamplingMask(mask))
        self.twin = Sense(CoilExpand(TRUST * csm.conj().resolve_conj()), SamplingMask((mirrored(full) & ~full)[:, 0]))
        n = csm.shape[-3]
        each = [part.mask.expand(-1, n, -1, -1) for part in (self.plain.sampling, self.twin.sampling)]
        self.sampling = CoilMask(torch.cat(each, 1))

    @property
    def mask(self) -> Tensor:
        """What was acquired, [batch or 1, 1, readout or 1, phase_encode], boolean."""
        return self.plain.mask

    def with_maps(self, csm: Tensor, mask: Tensor) -> "ConjugateSense":
        """Return the same kind of operator with other maps and another mask."""
        return ConjugateSense(csm, mask)

    def acquired(self, kspace: Tensor) -> tuple[Sense, Tensor]:
        """The coils alone and their k-space."""
        return self.plain, kspace[:, : self.csm.shape[-3]]

    @property
    def norm_bound(self) -> float:
        """Upper bound of ||A^H A||: that of the coils and that of their conjugates."""
        return (1 + TRUST**2) * self.plain.norm_bound

    def forward(self, x: Tensor) -> Tensor:
        """Image to acquired k-space and that of the conjugates."""
        return torch.cat([self.plain.forward(x), self.twin.forward(x)], 1)

    def adjoint(self, y: Tensor) -> Tensor:
        """Both to coil-combined image."""
        n = self.csm.shape[-3]
        return self.plain.adjoint(y[:, :n]) + self.twin.adjoint(y[:, n:])

    def gridded(self, y: Tensor) -> Tensor:
        """The adjoint of what was acquired: nothing is made up."""
        plain, acquired = self.acquired(y)
        return plain.gridded(acquired)

    @property
    def gram(self) -> LinearOperator:
        """A^H A of both."""
        return SumOfGrams(self.plain.gram, self.twin.gram)

    def __repr__(self) -> str:
        return f"<ConjugateSense csm={list(self.csm.shape)} mask={list(self.mask.shape)}>"


class SumOfGrams(LinearOperator):
    """The sum of two self-adjoint operators."""

    def __init__(self, one: LinearOperator, other: LinearOperator) -> None:
        self.one, self.other = one, other

    def forward(self, x: Tensor) -> Tensor:
        """Apply both."""
        return self.one.forward(x) + self.other.forward(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply both: they are their own adjoints."""
        return self.forward(y)
