"""Parts of a run's own page."""
