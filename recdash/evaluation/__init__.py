"""Top-k lists, per-user metrics, means and confidence intervals. Comparing results needs no PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recdash.evaluation.evaluator import Report, evaluate

__all__ = ["Report", "evaluate"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'recdash.evaluation' has no attribute {name!r}")
    from recdash.evaluation import evaluator  # lazy: torch

    return getattr(evaluator, name)
