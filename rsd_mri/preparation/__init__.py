"""From a scan to prepared slices: whitened, cropped, compressed k-space and coil maps."""

from rsd_mri.preparation.prepare import VolumeCalibration as VolumeCalibration
from rsd_mri.preparation.prepare import calibrate_volume as calibrate_volume
from rsd_mri.preparation.prepare import prepare_slice as prepare_slice
from rsd_mri.preparation.prepared import PreparedSlice as PreparedSlice
