"""Answers a benchmark's requests in the environment of one library: a JSON object a line, in both directions.

Requests:
    {"do": "train", "work": "multvae", "epochs": 3, "settings": {...}}  ->  {"epochs_s": [...], "fit_s": ..., ...}
    {"do": "scores", "to": "scores.npy"}   writes the scores of the validation users, (users, items) float32

A closed form has one "epoch", its whole fit. Every reply has the peak memory of the process so far, in MiB.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import split_file
from scipy import sparse

Scorer = Callable[[sparse.csr_matrix], Any]


@dataclass
class Trained:
    """What a training gave: seconds of each epoch without validation, and how the model scores rows (users, items)."""

    epochs_s: list[float]
    score: Scorer
    facts: dict[str, Any] = field(default_factory=dict)


Trainer = Callable[[dict[str, sparse.csr_matrix], dict[str, Any], int], Trained]


def serve(library: str, trainers: dict[str, Trainer]) -> None:
    """Answer requests until the input ends. The split's file is the first argument."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints goes to the error stream
    split = split_file.load(sys.argv[1])
    trained: Trained | None = None
    versions = {name: version(name) for name in (library, "torch", "numpy")}
    print(json.dumps({"ready": library, "versions": versions, "works": sorted(trainers)}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "train":
                started = time.perf_counter()
                trained = trainers[request["work"]](split, request["settings"], request["epochs"])
                fit_s = time.perf_counter() - started
                reply = {"epochs_s": trained.epochs_s, "fit_s": fit_s, **trained.facts}
            elif trained is None:
                reply = {"error": "No model: send a request to train first."}
            else:
                scores = trained.score(split["validation_fold_in"])
                np.save(request["to"], np.asarray(scores, np.float32))
                reply = {}
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        print(json.dumps(reply | {"peak_mib": round(peak_mib())}), file=replies, flush=True)


def peak_mib() -> float:
    """Return the peak memory of this process in MiB.

    On Linux `ru_maxrss` starts with the peak of the process that started this one, so the kernel's own figure is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """Return the function, which then appends the time of each call to `seconds`."""

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments, **named)
        seconds.append(time.perf_counter() - started)
        return result

    return call


class Laps:
    """A stand-in for a progress bar that appends the time of each step of a loop to `seconds`."""

    def __init__(self, steps: Iterable[Any], seconds: list[float]) -> None:
        self.steps, self.seconds = steps, seconds

    def __iter__(self) -> Iterator[Any]:
        for step in self.steps:
            started = time.perf_counter()
            yield step
            self.seconds.append(time.perf_counter() - started)

    def set_postfix(self, *arguments: Any, **named: Any) -> None:
        """Ignore what the library would show."""

    def close(self) -> None:
        """Nothing is open."""


def once(function: Callable[[], Any]) -> tuple[Any, list[float]]:
    """Call a closed form's fit; return its result and its time as the only epoch."""
    seconds: list[float] = []
    return timed(function, seconds)(), seconds
