"""`python -m rsd_mri` is `rsd-mri`."""

from rsd_mri.commands.app import main

main()
