"""The machine that a command runs on: devices, processors, what interrupts it, how far the work has come."""
