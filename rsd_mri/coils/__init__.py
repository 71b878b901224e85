"""From coil signals to coil maps: whitening, compression, ESPIRiT, `prepare_slice`."""
