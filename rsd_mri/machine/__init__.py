"""The machine that a command runs on: its devices, its processors, and what interrupts it."""
