"""What came off the scanner."""

from rsd_mri.scan.scan import Geometry as Geometry
from rsd_mri.scan.scan import Scan as Scan
