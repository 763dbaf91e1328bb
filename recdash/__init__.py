"""Train, compare and question autoencoder recommenders under one honest protocol.

Everything is imported when it is first used, so that `import recdash` costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from recdash.paths import REPEATABLE, WAITING

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

__version__ = "0.2.0"

for _name, _value in (WAITING | REPEATABLE).items():
    os.environ.setdefault(_name, _value)

_WHERE = {
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
    if name not in _WHERE:
        raise AttributeError(f"module 'recdash' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
