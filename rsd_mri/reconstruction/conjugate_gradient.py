"""Conjugate gradients, where the reconstructions look for them."""

from rsd_mri.operators.conjugate_gradient import conjugate_gradient as conjugate_gradient
from rsd_mri.operators.conjugate_gradient import energy as energy
from rsd_mri.operators.conjugate_gradient import inner as inner
