"""Contenders: recdash, a library or a plain loop, each in a process of its own that trains on request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks import peers
from benchmarks.common import ROOT, ml_1m, strong_split
from benchmarks.workers import split_file
from benchmarks.works import Work
from recdash import devices
from recdash.splits import Split

WORKERS = ROOT / "benchmarks" / "workers"
RECDASH = {"recdash": "auto", "recdash float32": "float32"}  # contender -> precision


class WorkerError(Exception):
    """A worker refused a request or ended."""


class Contender:
    """A running worker.

    Args:
        name: "recdash", "recdash float32", "plain" or a library.
        split: The split's file.
        log: Where the worker's messages go.
    """

    def __init__(self, name: str, split: Path, log: IO[str]) -> None:
        self.name = name
        is_ours = name in RECDASH or name == "plain"
        python = Path(sys.executable) if is_ours else peers.python_of(name)
        script = WORKERS / f"{'recdash' if name in RECDASH else name}_worker.py"
        options = [f"precision={RECDASH[name]}"] if name in RECDASH else []
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "RECDASH_DEVICE": "cpu"}
        environment["PYTHONPATH"] = str(ROOT) if is_ours else ""
        environment["JAX_PLATFORMS"] = "cpu"
        self._process = subprocess.Popen(
            [str(python), str(script), str(split), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=log_folder(log),
            env=environment,
        )
        self.versions: dict[str, str] = self._reply()["versions"]

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the reply; raises WorkerError."""
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise WorkerError(f"{self.name}: the worker has ended") from error
        reply = self._reply()
        if "error" in reply:
            raise WorkerError(f"{self.name}: {reply['error']}")
        return reply

    def train(self, work: Work, epochs: int) -> dict[str, Any]:
        """Train for some epochs; return the reply."""
        settings = work.recdash if self.name in RECDASH else work.settings
        return self.ask({"do": "train", "work": work.trainer, "epochs": epochs, "settings": dict(settings)})

    def close(self) -> None:
        """End the worker."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _reply(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise WorkerError(f"{self.name}: the worker has ended; see its log")
        reply: dict[str, Any] = json.loads(line)
        return reply


def log_folder(log: IO[str]) -> Path:
    """Return the folder in which workers run, because libraries write files where they are."""
    return Path(log.name).parent


def names(libraries: Sequence[str], *, plain: bool, has_precision: bool) -> tuple[list[str], list[str]]:
    """Return who can be measured here, recdash first, and the libraries that are absent."""
    native = devices.has_native_bfloat16(devices.choose("cpu"))
    ours = list(RECDASH) if native and has_precision else ["recdash"]
    absent = [library for library in libraries if peers.python_of(library) is None]
    return [*ours, *([] if not plain else ["plain"]), *(name for name in libraries if name not in absent)], absent


@contextmanager
def running(chosen: Sequence[str], split: Path, folder: Path) -> Iterator[tuple[list[Contender], dict[str, str]]]:
    """Start workers, and end them afterwards; gives those that run, and why others do not."""
    started: list[Contender] = []
    failed: dict[str, str] = {}
    try:
        for name in chosen:
            with (folder / f"{name.replace(' ', '_')}.log").open("a") as log:
                try:
                    started.append(Contender(name, split, log))
                except WorkerError as error:
                    failed[name] = str(error)
        yield started, failed
    finally:
        for contender in started:
            contender.close()


def write_split(folder: Path) -> Path:
    """Write the benchmark's split of MovieLens-1M for the workers; return its file."""
    path = folder / "split.npz"
    split_file.save(path, matrices_of(strong_split(ml_1m())))
    return path


def matrices_of(split: Split) -> dict[str, Any]:
    """Return the matrices of a split, as `split_file` names them."""
    matrices = {"train": split.train.matrix()}
    for part in ("validation", "test"):
        matrices[f"{part}_fold_in"] = split.part(part).fold_in.matrix()
        matrices[f"{part}_held_out"] = split.part(part).held_out.matrix()
    return matrices
