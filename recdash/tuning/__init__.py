"""Search for settings: search spaces, samplers, the pruning rule, and what a search tells about settings.

Everything here is a pure function of values: trials are trained by `recdash.runs` and driven by
`recdash.services.tuning`. Optuna is optional and imported by `recdash.tuning.tpe` alone.
"""
