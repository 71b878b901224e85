"""The Python interface: what `import rsd_mri as rsd` offers.

`import rsd_mri` brings these names without loading them; torch is imported by the first one that is used.
"""

from rsd_mri.api.judging import Quality as Quality
from rsd_mri.api.judging import evaluate as evaluate
from rsd_mri.api.judging import evaluate_set as evaluate_set
from rsd_mri.api.judging import show as show
from rsd_mri.api.priors import Samples as Samples
from rsd_mri.api.priors import generate as generate
from rsd_mri.api.priors import load_images as load_images
from rsd_mri.api.priors import load_prior as load_prior
from rsd_mri.api.priors import train as train
from rsd_mri.api.reconstructing import calibrate as calibrate
from rsd_mri.api.reconstructing import load_movie as load_movie
from rsd_mri.api.reconstructing import load_reconstruction as load_reconstruction
from rsd_mri.api.reconstructing import reconstruct as reconstruct
from rsd_mri.api.scans import prepare as prepare
from rsd_mri.api.scans import read as read
from rsd_mri.api.scans import read_frames as read_frames
from rsd_mri.api.scans import simulate as simulate
from rsd_mri.api.scans import simulate_beating as simulate_beating
from rsd_mri.api.scans import to_image as to_image
from rsd_mri.api.scans import to_kspace as to_kspace
from rsd_mri.api.theory import LinearResult as LinearResult
from rsd_mri.api.theory import distil_linear as distil_linear
from rsd_mri.api.views import TrainingView as TrainingView
from rsd_mri.api.views import training_views as training_views
from rsd_mri.preparation.prepared_scan import PreparedScan as PreparedScan
from rsd_mri.priors.prior import Prior as Prior
from rsd_mri.reconstruction.calibration import Calibration as Calibration
from rsd_mri.results.movie import Movie as Movie
from rsd_mri.results.reconstruction import Reconstruction as Reconstruction
from rsd_mri.scan.scan import Scan as Scan
