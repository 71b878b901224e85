"""Random numbers keyed by what they are for, not by when they are drawn.

Every draw is made from a `torch.Generator` seeded by a hash of (seed, case, slice, draw, ...). The result
therefore depends on neither batch size, nor worker, nor rank, nor on what was drawn before.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def key(*parts: int | str) -> int:
    """Hash the parts to a seed of 63 bits; the same parts give the same seed on every machine."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """Return a CPU generator seeded by `key(*parts)`."""
    return torch.Generator().manual_seed(key(*parts))


def normal(shape: Sequence[int], rng: torch.Generator, dtype: torch.dtype = torch.complex64) -> Tensor:
    """Standard normal numbers; complex ones are CN(0, 1), that is E|n|^2 = 1."""
    return torch.randn(tuple(shape), generator=rng, dtype=dtype)


def normal_items(
    shape: Sequence[int], keys: Sequence[Sequence[int | str]], dtype: torch.dtype = torch.complex64
) -> Tensor:
    """One standard normal array per item, each from its own key; shape [item, *shape]."""
    return torch.stack([normal(shape, generator(*parts), dtype) for parts in keys])


def uniform_items(keys: Sequence[Sequence[int | str]]) -> Tensor:
    """One number in [0, 1) per item, each from its own key; shape [item]."""
    return torch.stack([torch.rand((), generator=generator(*parts)) for parts in keys])
