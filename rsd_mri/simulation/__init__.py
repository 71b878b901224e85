"""Simulated multi-coil brain scans, from the anatomical atlas."""

from rsd_mri.simulation.folder import simulate_folder as simulate_folder
from rsd_mri.simulation.simulate import Head as Head
from rsd_mri.simulation.simulate import draw_head as draw_head
from rsd_mri.simulation.simulate import simulate_scan as simulate_scan
from rsd_mri.simulation.simulate import simulate_slice as simulate_slice
