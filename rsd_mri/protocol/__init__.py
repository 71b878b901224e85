"""Settings of a run, read from a YAML file, and the library of protocols."""

from rsd_mri.protocol.settings import CorruptionSettings as CorruptionSettings
from rsd_mri.protocol.settings import DataSettings as DataSettings
from rsd_mri.protocol.settings import DenoiserSettings as DenoiserSettings
from rsd_mri.protocol.settings import DistillationSettings as DistillationSettings
from rsd_mri.protocol.settings import MaskSettings as MaskSettings
from rsd_mri.protocol.settings import MonitorSettings as MonitorSettings
from rsd_mri.protocol.settings import NetworkSettings as NetworkSettings
from rsd_mri.protocol.settings import PrepSettings as PrepSettings
from rsd_mri.protocol.settings import Protocol as Protocol
from rsd_mri.protocol.settings import SamplerSettings as SamplerSettings
from rsd_mri.protocol.settings import TeacherSettings as TeacherSettings
from rsd_mri.protocol.settings import build as build
from rsd_mri.protocol.settings import load_protocol as load_protocol
from rsd_mri.protocol.settings import protocol_folder as protocol_folder
from rsd_mri.protocol.settings import protocol_for_acceleration as protocol_for_acceleration
from rsd_mri.protocol.settings import protocol_names as protocol_names
