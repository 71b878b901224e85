"""Linear operators: everything that knows the physics of the acquisition."""

from rsd_mri.operators.coils import CoilExpand as CoilExpand
from rsd_mri.operators.conjugate import ConjugateSense as ConjugateSense
from rsd_mri.operators.conjugate import with_conjugates as with_conjugates
from rsd_mri.operators.fourier import CenteredFFT as CenteredFFT
from rsd_mri.operators.fourier import fft1c as fft1c
from rsd_mri.operators.fourier import fft2c as fft2c
from rsd_mri.operators.fourier import ifft1c as ifft1c
from rsd_mri.operators.fourier import ifft2c as ifft2c
from rsd_mri.operators.image import Convolution as Convolution
from rsd_mri.operators.image import Downsampling as Downsampling
from rsd_mri.operators.image import PixelMask as PixelMask
from rsd_mri.operators.inverse import RegularisedInverse as RegularisedInverse
from rsd_mri.operators.linear_operator import Identity as Identity
from rsd_mri.operators.linear_operator import LinearOperator as LinearOperator
from rsd_mri.operators.motion import MovingSense as MovingSense
from rsd_mri.operators.motion import Rigid as Rigid
from rsd_mri.operators.nonuniform import NonUniformFFT as NonUniformFFT
from rsd_mri.operators.sampling import SamplingMask as SamplingMask
from rsd_mri.operators.sense import Sense as Sense
from rsd_mri.operators.sense import sense_operator as sense_operator
from rsd_mri.operators.toeplitz import Toeplitz as Toeplitz
from rsd_mri.operators.transform import Transform as Transform
