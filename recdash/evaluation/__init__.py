"""From scores to per-user metrics to means with intervals."""

from recdash.evaluation.report import Report, evaluate

__all__ = ["Report", "evaluate"]
