"""Measurements; `make bench` runs them, `results/` keeps what they found."""
