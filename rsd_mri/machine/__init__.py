"""The machine of a command: devices, processors, interrupts, progress, and random draws that none of them changes."""
