"""`python -m rsd_mri` is `rsd-mri`."""

from rsd_mri.cli import main

main()
