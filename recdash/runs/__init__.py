"""Runs: what was asked for, what is training, what came of it. Knows no page and no command line."""
