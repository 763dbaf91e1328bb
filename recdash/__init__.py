"""Train, compare and query autoencoder recommenders with one evaluation protocol.

Public names are imported on first use, so `import recdash` loads only the standard library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recdash import compute_env

if TYPE_CHECKING:
    from recdash.data.dataset import Dataset
    from recdash.data.dataset_registry import load_dataset
    from recdash.data.histories import Histories
    from recdash.errors import RecdashError
    from recdash.evaluation.evaluator import Report, evaluate
    from recdash.models.registry import load as load_model
    from recdash.splits.protocols import make_split
    from recdash.splits.split import Split
    from recdash.training.fit import fit

__version__ = "0.3.0"

compute_env.set_defaults()  # before anything imports torch

_SOURCES = {  # public name: module and the name there
    "Dataset": ("recdash.data.dataset", "Dataset"),
    "Histories": ("recdash.data.histories", "Histories"),
    "RecdashError": ("recdash.errors", "RecdashError"),
    "Report": ("recdash.evaluation.evaluator", "Report"),
    "Split": ("recdash.splits.split", "Split"),
    "evaluate": ("recdash.evaluation.evaluator", "evaluate"),
    "fit": ("recdash.training.fit", "fit"),
    "load_dataset": ("recdash.data.dataset_registry", "load_dataset"),
    "load_model": ("recdash.models.registry", "load"),
    "make_split": ("recdash.splits.protocols", "make_split"),
}

__all__ = [
    "Dataset",
    "Histories",
    "RecdashError",
    "Report",
    "Split",
    "evaluate",
    "fit",
    "load_dataset",
    "load_model",
    "make_split",
]


def __getattr__(name: str) -> Any:
    if name not in _SOURCES:
        raise AttributeError(f"module 'recdash' has no attribute {name!r}")
    module, attribute = _SOURCES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_SOURCES])
