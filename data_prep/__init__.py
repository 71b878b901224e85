"""Folders of raw scans -> prepared files for training."""

from data_prep.manifest import Manifest as Manifest
from data_prep.manifest import SliceStatus as SliceStatus
from data_prep.manifest import VolumeEntry as VolumeEntry
from data_prep.manifest import read_manifest as read_manifest
from data_prep.prepare import prepare_folder as prepare_folder
from data_prep.prepared import PreparedDataset as PreparedDataset
