"""Every operator of the project as a small factory; one battery tests them all.

A new operator joins by one line in `CASES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import (
    CenteredFFT,
    CoilExpand,
    ConjugateSense,
    Convolution,
    Downsampling,
    Identity,
    LinearOperator,
    MovingSense,
    NonUniformFFT,
    PixelMask,
    RegularisedInverse,
    SamplingMask,
    sense_operator,
)


@dataclass(frozen=True)
class Case:
    """An operator with its domain and codomain."""

    name: str
    make: Callable[[torch.dtype], LinearOperator]
    domain: tuple[int, ...]
    codomain: tuple[int, ...]
    wrong_rank: tuple[int, ...] | None = None
    """A shape that must be refused; None where any rank is right."""


def maps(*shape: int) -> Callable[[torch.dtype], torch.Tensor]:
    return lambda dtype: normal(shape, generator("maps", *shape), dtype)


def mask(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=generator("mask", *shape)) < 0.4


def kernel(h: int, w: int, dtype: torch.dtype) -> torch.Tensor:
    return normal((h, w), generator("kernel", h, w), dtype.to_real())


def _sense(csm_shape: tuple[int, ...], mask_shape: tuple[int, ...]) -> Callable[[torch.dtype], LinearOperator]:
    return lambda dtype: sense_operator(maps(*csm_shape)(dtype), mask(*mask_shape))


def moving(csm: torch.Tensor, lines: torch.Tensor) -> MovingSense:
    """Three segments, one of them as it was."""
    poses = torch.tensor([[0.0, 0.0, 0.0], [0.7, -1.3, 0.2], [-2.1, 0.4, -0.3]], dtype=csm.real.dtype)
    return MovingSense(csm, lines, torch.arange(csm.shape[-1]) % 3, poses, aspect=1.2)


# (readout, phase_encode): even, odd, and mixed sizes.
SIZES = [(8, 6), (7, 9), (9, 8)]

CASES = [Case("identity", lambda dtype: Identity(), (2, 5, 6), (2, 5, 6))]
for h, w in SIZES:
    at = f"{h}x{w}"
    CASES += [
        Case(f"fft-{at}", lambda dtype: CenteredFFT(), (2, 3, h, w), (2, 3, h, w)),
        Case(f"mask-lines-{at}", lambda dtype, w=w: SamplingMask(mask(w)), (2, 3, h, w), (2, 3, h, w), (2, h, w)),
        Case(
            f"mask-2d-{at}",
            lambda dtype, h=h, w=w: SamplingMask(mask(h, w)),
            (2, 3, h, w),
            (2, 3, h, w),
            (2, h, w),
        ),
        Case(
            f"coils-{at}",
            lambda dtype, h=h, w=w: CoilExpand(maps(2, 3, h, w)(dtype)),
            (2, h, w),
            (2, 3, h, w),
            (h, w),
        ),
        Case(
            f"coils-two-sets-{at}",
            lambda dtype, h=h, w=w: CoilExpand(maps(2, 2, 3, h, w)(dtype)),
            (2, 2, h, w),
            (2, 3, h, w),
            (2, h, w),
        ),
        Case(f"sense-lines-{at}", _sense((2, 3, h, w), (w,)), (2, h, w), (2, 3, h, w), (h, w)),
        Case(f"sense-2d-{at}", _sense((2, 3, h, w), (h, w)), (2, h, w), (2, 3, h, w), (h, w)),
        Case(f"sense-mask-each-{at}", _sense((2, 3, h, w), (2, 1, w)), (2, h, w), (2, 3, h, w), (h, w)),
        Case(f"sense-2d-mask-each-{at}", _sense((2, 3, h, w), (2, h, w)), (2, h, w), (2, 3, h, w), (h, w)),
        Case(f"sense-one-map-{at}", _sense((1, 3, h, w), (2, 1, w)), (2, h, w), (2, 3, h, w), (h, w)),
        Case(f"sense-one-coil-{at}", _sense((2, 1, h, w), (w,)), (2, h, w), (2, 1, h, w), (h, w)),
        Case(f"sense-eight-coils-{at}", _sense((1, 8, h, w), (h, w)), (2, h, w), (2, 8, h, w), (h, w)),
        Case(f"sense-two-sets-{at}", _sense((2, 2, 3, h, w), (w,)), (2, 2, h, w), (2, 3, h, w), (2, h, w)),
        Case(f"sense-two-sets-2d-{at}", _sense((1, 2, 3, h, w), (h, w)), (2, 2, h, w), (2, 3, h, w), (2, h, w)),
        *(
            Case(
                f"conjugate-{kind}-{at}",
                lambda dtype, h=h, w=w, some=some, sets=sets: ConjugateSense(
                    maps(2, *sets, 3, h, w)(dtype), mask(*some)
                ),
                (2, *sets, h, w),
                (2, 6, h, w),
                (2, h, w) if sets else (h, w),
            )
            for kind, some, sets in (("lines", (w,), ()), ("2d", (h, w), ()), ("each-two-sets", (2, 1, w), (2,)))
        ),
        *(
            Case(
                f"moving{'-two-sets' if sets else ''}-{at}",
                lambda dtype, h=h, w=w, sets=sets: moving(maps(2, *sets, 3, h, w)(dtype), mask(w)),
                (2, *sets, h, w),
                (2, 3, h, w),
                (2, h, w) if sets else (h, w),
            )
            for sets in ((), (2,))
        ),
        Case(
            f"sense-gram-{at}",
            lambda dtype, h=h, w=w: _sense((2, 3, h, w), (w,))(dtype).gram,
            (2, h, w),
            (2, h, w),
            (h, w),
        ),
        Case(
            f"regularised-inverse-{at}",
            lambda dtype, h=h, w=w: RegularisedInverse(
                _sense((2, 3, h, w), (w,))(dtype).gram, torch.tensor([30.0, 40.0], dtype=dtype.to_real())
            ),
            (2, h, w),
            (2, h, w),
        ),
        Case(
            f"sense-adjoint-{at}",
            lambda dtype, h=h, w=w: _sense((2, 3, h, w), (w,))(dtype).H,
            (2, 3, h, w),
            (2, h, w),
            (2, h, w),
        ),
        Case(
            f"product-{at}",
            lambda dtype, h=h, w=w: SamplingMask(mask(h, w)) @ CenteredFFT() @ CoilExpand(maps(2, 3, h, w)(dtype)),
            (2, h, w),
            (2, 3, h, w),
            (h, w),
        ),
    ]

    images = (2, 3, h, w)
    CASES += [
        Case(f"pixels-{at}", lambda dtype, h=h, w=w: PixelMask(mask(2, 1, h, w)), images, images, (3, h, w)),
        Case(f"pixels-one-mask-{at}", lambda dtype, h=h, w=w: PixelMask(mask(1, 3, h, w)), images, images, (3, h, w)),
        # Neither symmetric nor square, so that a kernel the wrong way round is caught.
        Case(f"blur-{at}", lambda dtype: Convolution(kernel(3, 5, dtype)), images, images, (3, h, w)),
        Case(f"blur-long-{at}", lambda dtype: Convolution(kernel(9, 1, dtype)), images, images, (3, h, w)),
    ]
for factor, h, w in [(2, 8, 6), (3, 9, 21), (1, 5, 4)]:
    CASES.append(
        Case(
            f"shrink-{factor}-{h}x{w}",
            lambda dtype, factor=factor, h=h, w=w: Downsampling((h, w), factor, dtype.to_real()),
            (2, 3, h, w),
            (2, 3, h // factor, w // factor),
            (3, h, w),
        )
    )


def points(samples: int, shots: int, h: int, w: int) -> torch.Tensor:
    """Anywhere in k-space, also where it repeats; one sample on each edge, one in the centre."""
    found = (torch.rand(samples, shots, 2, generator=generator("points", samples, shots)) - 0.5) * 1.1
    found[0, 0], found[1, 0], found[2, 0] = -0.5, 0.5, 0.0
    return (found * torch.tensor([h, w])).double()


if find_spec("mrinufft") and find_spec("finufft"):
    SHOTS = torch.tensor([1, 0, 1, 1, 0])
    for h, w in SIZES:
        at = f"{h}x{w}"

        def along(csm: tuple[int, ...], seen: torch.Tensor, h: int = h, w: int = w) -> Callable:
            return lambda dtype: sense_operator(
                maps(*csm)(dtype), seen, NonUniformFFT(points(11, 5, h, w).to(dtype.to_real()), (h, w))
            )

        CASES += [
            Case(
                f"nufft-{at}",
                lambda dtype, h=h, w=w: NonUniformFFT(points(11, 5, h, w).to(dtype.to_real()), (h, w)),
                (2, 3, h, w),
                (2, 3, 11, 5),
                (2, h, w),
            ),
            Case(f"trajectory-{at}", along((2, 3, h, w), SHOTS), (2, h, w), (2, 3, 11, 5), (h, w)),
            Case(f"trajectory-samples-{at}", along((1, 3, h, w), mask(11, 5)), (2, h, w), (2, 3, 11, 5), (h, w)),
            Case(f"trajectory-mask-each-{at}", along((1, 3, h, w), mask(2, 1, 5)), (2, h, w), (2, 3, 11, 5), (h, w)),
            Case(f"trajectory-two-sets-{at}", along((2, 2, 3, h, w), SHOTS), (2, 2, h, w), (2, 3, 11, 5), (2, h, w)),
            Case(
                f"trajectory-gram-{at}",
                lambda dtype, along=along, h=h, w=w: along((2, 3, h, w), SHOTS)(dtype).gram,
                (2, h, w),
                (2, h, w),
                (h, w),
            ),
        ]
