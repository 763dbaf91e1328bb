"""Limits that are asserted, and the data of the benchmark on a card (`gpu.py`)."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

import recdash
from benchmarks import generated_data, goals
from benchmarks.common import conditions, ml_1m, strong_split
from benchmarks.generated_data import ML_1M, ML_20M, Shape, split_of
from recdash.data.dataset import Dataset
from recdash.errors import RecdashError
from recdash.models import registry
from recdash.splits import Split

TOTAL_S = 470.0  # parts that would start later are skipped
HELD_OUT = 10_000


@dataclass
class Checks:
    """Results so far, and the file they go to."""

    path: Path
    device: str
    tiny: bool
    end: float = field(default_factory=lambda: time.perf_counter() + TOTAL_S)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def value(self, name: str, value: float | None, *, at_most: float | None = None, **facts: Any) -> None:
        """Record a value; with a limit it must not be above it. Tiny sizes have no limits."""
        found: dict[str, Any] = {"value": None if value is None else round(value, 5), **facts}
        if at_most is not None:
            found |= {"limit": at_most, "ok": self.tiny or (value is not None and value <= at_most)}
        self.values[name] = found
        print(f"  {name}: {found}", flush=True)

    def seconds(self, name: str, value: float | None, **facts: Any) -> None:
        """Record seconds against the goal of that name, if there is one."""
        self.value(name, value, at_most=goals.GPU.get(name), **facts)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Run a part; an exception is recorded. The file is written afterwards."""
        started = time.perf_counter()
        print(f"{name}: {self.end - started:.0f} s left", flush=True)
        outcome: dict[str, Any] = {"ok": True}
        try:
            yield
        except Skipped as reason:
            outcome = {"ok": True, "skipped": str(reason)}
        except Exception as error:
            outcome = {
                "ok": False,
                "error": f"{type(error).__name__}: {error}",
                "trace": traceback.format_exc()[-3000:],
            }
            print(outcome["trace"], flush=True)
        self.parts[name] = outcome | {"seconds": round(time.perf_counter() - started, 1)}
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.write()

    def write(self) -> None:
        """Write everything so far."""
        result = {"parts": self.parts, "values": self.values, "tiny": self.tiny, "conditions": conditions(seed=0)}
        self.path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    @property
    def failed(self) -> list[str]:
        """Names of parts that raised and of values above their limits."""
        return [name for found in (self.parts, self.values) for name, item in found.items() if not item.get("ok", True)]


class Skipped(Exception):
    """A part has no data here."""


class Data:
    """What the parts share, made when first needed."""

    def __init__(self, tiny: bool) -> None:
        self.tiny = tiny
        self.large_shape = Shape(900, 300, 20_000) if tiny else ML_20M
        self.held_out = 100 if tiny else HELD_OUT

    @cached_property
    def large(self) -> Split:
        """ML-20M-shaped, with validation users."""
        return split_of(generated_data.interactions(self.large_shape), self.held_out)

    @cached_property
    def large_training(self) -> Split:
        """The same without validation."""
        return replace(self.large, validation=None)

    @cached_property
    def movielens(self) -> Dataset:
        """MovieLens-1M, or data of its size."""
        if not self.tiny and self.has_movielens:
            return ml_1m()
        return generated_data.dataset(Shape(300, 150, 9_000) if self.tiny else ML_1M)

    @cached_property
    def has_movielens(self) -> bool:
        """Whether the real data are here."""
        try:
            ml_1m()
        except RecdashError:
            return False
        return True

    def small(self, name: str) -> Any:
        """The split of MovieLens-1M's size for a model, without validation."""
        if registry.model_class(name).task == "rating":
            return replace(recdash.make_split(self.movielens, "ratings-90", seed=1), validation=None)
        if self.tiny:
            return replace(recdash.make_split(self.movielens, "strong", seed=1, held_out_users=30), validation=None)
        return replace(strong_split(self.movielens), validation=None)
