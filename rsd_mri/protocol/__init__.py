"""Settings of a run, read from a YAML file, and the library of protocols."""

from rsd_mri.protocol.checked import checked as checked
from rsd_mri.protocol.corruptions import BoxInpaintingSettings as BoxInpaintingSettings
from rsd_mri.protocol.corruptions import CorruptionSettings as CorruptionSettings
from rsd_mri.protocol.corruptions import GaussianBlurSettings as GaussianBlurSettings
from rsd_mri.protocol.corruptions import ImageCorruptionSettings as ImageCorruptionSettings
from rsd_mri.protocol.corruptions import MotionBlurSettings as MotionBlurSettings
from rsd_mri.protocol.corruptions import NoiseSettings as NoiseSettings
from rsd_mri.protocol.corruptions import RandomInpaintingSettings as RandomInpaintingSettings
from rsd_mri.protocol.corruptions import SuperResolutionSettings as SuperResolutionSettings
from rsd_mri.protocol.corruptions import UndersamplingSettings as UndersamplingSettings
from rsd_mri.protocol.library import load_protocol as load_protocol
from rsd_mri.protocol.library import protocol_folder as protocol_folder
from rsd_mri.protocol.library import protocol_for_acceleration as protocol_for_acceleration
from rsd_mri.protocol.library import protocol_names as protocol_names
from rsd_mri.protocol.protocol import Protocol as Protocol
from rsd_mri.protocol.reading import build as build
from rsd_mri.protocol.schema import schema as schema
from rsd_mri.protocol.settings import DataSettings as DataSettings
from rsd_mri.protocol.settings import DenoiserSettings as DenoiserSettings
from rsd_mri.protocol.settings import DistillationSettings as DistillationSettings
from rsd_mri.protocol.settings import MaskSettings as MaskSettings
from rsd_mri.protocol.settings import MonitorSettings as MonitorSettings
from rsd_mri.protocol.settings import NetworkSettings as NetworkSettings
from rsd_mri.protocol.settings import PrepSettings as PrepSettings
from rsd_mri.protocol.settings import SamplerSettings as SamplerSettings
from rsd_mri.protocol.settings import TeacherSettings as TeacherSettings
