"""What came off the scanner."""

from rsd_mri.scan.geometry import Geometry as Geometry
from rsd_mri.scan.inspection import Inspection as Inspection
from rsd_mri.scan.reading import find_scans as find_scans
from rsd_mri.scan.reading import inspect as inspect
from rsd_mri.scan.reading import read_scan as read_scan
from rsd_mri.scan.reading import read_scans as read_scans
from rsd_mri.scan.scan import Scan as Scan
from rsd_mri.scan.writing import write_fastmri as write_fastmri
