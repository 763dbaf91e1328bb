"""Measurements: `make bench` runs them and writes to `results/`."""
