"""From coil signals to coil maps: whitening, compression, ESPIRiT, `prepare_slice`."""

from rsd_mri.coils.prepare import VolumeCalibration as VolumeCalibration
from rsd_mri.coils.prepare import calibrate_volume as calibrate_volume
from rsd_mri.coils.prepare import prepare_slice as prepare_slice
from rsd_mri.coils.prepared import PreparedSlice as PreparedSlice
