"""A folder of raw scans to prepared files."""
