"""Signals of coils: noise, whitening, compression, ACS, ESPIRiT."""
