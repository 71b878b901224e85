"""One battery for all operators, and the proof that it catches the faults it is there for."""

import pickle
import re

import pytest
import torch
from adjointness import adjoint_error, assert_adjoint, inner
from operator_cases import CASES, Case

from rsd_mri.machine.randomness import generator, normal
from rsd_mri.operators import CoilExpand, LinearOperator, sense, sense_operator
from rsd_mri.operators.linear_operator import Adjoint

DOUBLE, SINGLE = torch.complex128, torch.complex64


def each_case():
    return pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def draw(shape, *key, dtype=DOUBLE):
    return normal(shape, generator(*key), dtype)


def close(a, b, dtype=DOUBLE):
    return torch.allclose(a, b, rtol=0, atol=(1e-12 if dtype == DOUBLE else 1e-5) * float(b.abs().max()))


@each_case()
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["double", "single"])
def test_adjoint(case: Case, dtype):
    assert_adjoint(case.make(dtype), case.domain, case.codomain, dtype)


@each_case()
def test_linear_over_the_complex_numbers(case: Case):
    operator = case.make(DOUBLE)
    u, v = draw(case.domain, "u"), draw(case.domain, "v")
    a, b = 0.3 - 1.1j, -2.0 + 0.7j
    assert close(operator(a * u + b * v), a * operator(u) + b * operator(v))


@each_case()
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["double", "single"])
def test_gram_is_adjoint_times_operator(case: Case, dtype):
    operator = case.make(dtype)
    u = draw(case.domain, "u", dtype=dtype)
    assert close(operator.gram(u), operator.H(operator(u)), dtype)
    assert operator.gram(u).dtype == dtype


@pytest.mark.parametrize("case", [case for case in CASES if "sense" in case.name], ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["double", "single"])
def test_compiled_gram_is_that_of_coils_in_turn(case: Case, dtype):
    operator, u = case.make(dtype), draw(case.domain, "u", dtype=dtype)
    assert close(sense.compiled(operator.gram)(u), operator.gram(u), dtype)


@each_case()
def test_gram_is_positive(case: Case):
    operator = case.make(DOUBLE)
    u = draw(case.domain, "u")
    energy = inner(operator(u), operator(u))
    assert abs(inner(u, operator.gram(u)) - energy) <= 1e-12 * abs(energy)


@each_case()
def test_autograd_gives_the_adjoint(case: Case):
    """The gradient of Re <A u, v> with respect to u is A^H v; of half |A u|^2 it is A^H A u."""
    operator = case.make(DOUBLE)
    u, v = draw(case.domain, "u").requires_grad_(), draw(case.codomain, "v")
    (operator(u) * v.conj()).real.sum().backward()
    assert close(u.grad, operator.adjoint(v))
    u.grad = None
    (operator.gram(u) * draw(case.domain, "w").conj()).real.sum().backward()
    assert close(u.grad, operator.gram(draw(case.domain, "w")))


@each_case()
def test_keeps_and_changes_precision(case: Case):
    u = draw(case.domain, "u")
    single = case.make(DOUBLE).to(SINGLE)
    assert single(u.to(SINGLE)).dtype == SINGLE
    assert single.gram(u.to(SINGLE)).dtype == SINGLE
    assert close(single(u.to(SINGLE)), case.make(DOUBLE)(u).to(SINGLE), SINGLE)


@each_case()
def test_moves_to_a_device(case: Case):
    """The meta device stands in for a GPU: an operator that leaves a constant behind fails on it."""
    moved = case.make(SINGLE).to("meta")
    out = moved(torch.empty(case.domain, dtype=SINGLE, device="meta"))
    assert out.device.type == "meta" and out.shape == case.codomain
    back = moved.H(torch.empty(case.codomain, dtype=SINGLE, device="meta"))
    assert back.device.type == "meta" and back.shape == case.domain


@each_case()
@pytest.mark.cuda
def test_same_on_the_gpu(case: Case):
    u, v = draw(case.domain, "u"), draw(case.codomain, "v")
    operator = case.make(DOUBLE)
    moved = operator.to("cuda")
    assert close(moved(u.cuda()).cpu(), operator(u))
    assert close(moved.H(v.cuda()).cpu(), operator.H(v))
    assert close(moved.gram(u.cuda()).cpu(), operator.gram(u))


@each_case()
def test_survives_pickling(case: Case):
    """Workers get their operators by pickle."""
    operator = case.make(DOUBLE)
    again = pickle.loads(pickle.dumps(operator))
    u = draw(case.domain, "u")
    assert torch.equal(again(u), operator(u))


@each_case()
def test_adjoint_of_adjoint_is_itself(case: Case):
    operator = case.make(DOUBLE)
    again = operator.H.H
    assert torch.equal(again(draw(case.domain, "u")), operator(draw(case.domain, "u")))
    assert again is operator or isinstance(operator, Adjoint)


@each_case()
def test_says_what_it_is(case: Case):
    """The repr names the class, or the classes it is made of."""
    made_of = "Identity|CenteredFFT|SamplingMask|CoilExpand|Sense|SenseGram|NonUniformFFT"
    names = f"{made_of}|PixelMask|Convolution|Downsampling|RegularisedInverse|ConjugateSense|MovingSense"
    assert re.search(rf"<({names}) .*>", repr(case.make(DOUBLE)))


@pytest.mark.parametrize("case", [c for c in CASES if c.wrong_rank], ids=lambda case: case.name)
def test_refuses_a_wrong_rank(case: Case):
    operator = case.make(DOUBLE)
    with pytest.raises(ValueError, match="shape"):
        operator(draw(case.wrong_rank, "u"))
    with pytest.raises(ValueError, match="shape"):
        operator.adjoint(draw(case.codomain[1:], "v"))


@each_case()
def test_leaves_its_input_alone(case: Case):
    operator = case.make(DOUBLE)
    u, v = draw(case.domain, "u"), draw(case.codomain, "v")
    operator(u), operator.adjoint(v), operator.gram(u)
    assert torch.equal(u, draw(case.domain, "u")) and torch.equal(v, draw(case.codomain, "v"))


# The guard: operators with a planted fault must fail the battery.


class ForgottenConjugate(CoilExpand):
    def adjoint(self, y):
        return (self.csm * y).sum(1)


class SwappedShift(LinearOperator):
    """fftshift before the transform, in the adjoint only."""

    def forward(self, x):
        return torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(x, dim=(-2, -1)), norm="ortho"), dim=(-2, -1))

    def adjoint(self, y):
        return torch.fft.fftshift(torch.fft.ifft2(torch.fft.fftshift(y, dim=(-2, -1)), norm="ortho"), dim=(-2, -1))


class WrongNorm(LinearOperator):
    def forward(self, x):
        return torch.fft.fft2(x)

    def adjoint(self, y):
        return torch.fft.ifft2(y)


def fault_of(operator, domain, codomain, dtype):
    return adjoint_error(operator, draw(domain, "u", dtype=dtype), draw(codomain, "v", dtype=dtype))


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=["double", "single"])
def test_guard_catches_planted_faults(dtype):
    odd = (2, 7, 9)
    csm = draw((2, 3, 7, 9), "csm", dtype=dtype)
    assert fault_of(ForgottenConjugate(csm), odd, (2, 3, 7, 9), dtype) > 1e-3
    assert fault_of(SwappedShift(), odd, odd, dtype) > 1e-3
    assert fault_of(WrongNorm(), odd, odd, dtype) > 1e-3


def test_guard_needs_complex_maps_and_odd_sizes():
    """With real maps, or with even sizes, the same faults go unseen: the battery must keep both."""
    real = draw((2, 3, 7, 9), "csm").real.to(DOUBLE)
    assert fault_of(ForgottenConjugate(real), (2, 7, 9), (2, 3, 7, 9), DOUBLE) < 1e-12
    assert fault_of(SwappedShift(), (2, 8, 6), (2, 8, 6), DOUBLE) < 1e-12


def test_guard_fails_the_assertion_of_the_battery():
    with pytest.raises(AssertionError, match="adjointness"):
        assert_adjoint(SwappedShift(), (2, 7, 9), (2, 7, 9))


def test_limit_is_relative_at_the_size_of_a_scan():
    """At 16 coils of 320x321 a right operator in single precision passes and a wrong one does not."""
    size = (1, 16, 320, 321)
    csm = draw(size, "csm", dtype=SINGLE)
    operator = sense_operator(csm, torch.ones(321, dtype=torch.bool))
    assert fault_of(operator, (1, 320, 321), size, SINGLE) < 1e-6
    assert fault_of(ForgottenConjugate(csm), (1, 320, 321), size, SINGLE) > 1e-5
