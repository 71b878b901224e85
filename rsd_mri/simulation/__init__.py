"""Multi-coil brain scans from the anatomical atlas."""
