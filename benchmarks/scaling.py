"""Growth of time and memory with users, items and interactions, on generated data, against the cost formulas.

    python -m benchmarks.scaling               exponents of growth, then the shapes of large datasets
    python -m benchmarks.scaling multvae       one work
    python -m benchmarks.scaling --device cuda

Every measurement runs in a process of its own, whose peak memory above that of the imports is reported. Where the whole
of a shape takes too long on this machine, a fraction of its users is measured, and `fraction` says which.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import recdash
from benchmarks import formulas
from benchmarks.common import ROOT, PeakMemory, conditions, machine_kind, update
from benchmarks.generated_data import MILLION, ML_20M, ML_32M, Shape, interactions, split_of
from recdash.splits import Split

BASE = ML_20M.scaled(users=1 / 32, items=1 / 4)
AXES: dict[str, tuple[Shape, ...]] = {
    "users": tuple(BASE.scaled(users=factor) for factor in (1, 2, 4)),
    "items": tuple(BASE.scaled(items=factor) for factor in (0.5, 1, 2)),
    "interactions": tuple(BASE.scaled(per_user=factor) for factor in (0.5, 1, 2)),
}
SHAPES = {"ML-20M": ML_20M, "ML-32M": ML_32M, "a million users x 100,000 items": MILLION}
SECONDS_PER_SHAPE = 10.0  # of one epoch
TIMEOUT_S = 600


@dataclass(frozen=True)
class Scaled:
    """A work that is measured at several sizes."""

    axes: tuple[str, ...]
    flops: Callable[[Shape], float]
    n_bytes: Callable[[Shape], float]


WORKS = {
    "multvae": Scaled(("users", "items", "interactions"), formulas.multvae_flops, formulas.multvae_bytes),
    "ease": Scaled(("items", "interactions"), formulas.ease_flops, formulas.ease_bytes),
    "evaluation": Scaled(("users", "items"), formulas.evaluation_flops, formulas.evaluation_bytes),
}


@cache
def measure(work: str, shape: Shape, device: str) -> dict[str, float]:
    """Measure one work at one size in a fresh process: seconds, peak MiB, and its true number of positives."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--one", work, json.dumps(asdict(shape)), "--device", device]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=TIMEOUT_S)
    if done.returncode:
        raise SystemExit(f"{work} at {shape}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def growth(work: str, axis: str, device: str) -> dict[str, Any]:
    """Measure one work along one axis; return the points, and the exponents measured and by formula."""
    scaled = WORKS[work]
    points = [measure(work, shape, device) for shape in AXES[axis]]
    asked = zip(AXES[axis], points, strict=True)
    shapes = [replace(shape, positives=int(point["positives"])) for shape, point in asked]  # repeated draws have merged
    sizes = [{"users": s.users, "items": s.items, "interactions": s.positives}[axis] for s in shapes]
    return {
        "sizes": sizes,
        "points": points,
        "time_exponent": round(formulas.exponent(sizes, [point["seconds"] for point in points]), 2),
        "time_exponent_by_formula": round(formulas.exponent(sizes, [scaled.flops(shape) for shape in shapes]), 2),
        "memory_exponent": round(formulas.exponent(sizes, [point["peak_mib"] for point in points]), 2),
        "memory_exponent_by_formula": round(formulas.exponent(sizes, [scaled.n_bytes(s) for s in shapes]), 2),
    }


def large(shape: Shape, flops_per_s: float, device: str) -> dict[str, Any]:
    """Measure a Mult-VAE epoch at a large shape, or at the fraction of its users that takes about 10 s."""
    fraction = min(1.0, SECONDS_PER_SHAPE * flops_per_s / formulas.multvae_flops(shape))
    part = shape.scaled(users=max(fraction, 2_000 / shape.users))
    found = measure("multvae", part, device)
    return {
        "shape": asdict(shape),
        "fraction": round(part.users / shape.users, 4),
        **found,
        "formula_mib": round(formulas.multvae_bytes(part) / 2**20),
        "whole_epoch_s": round(found["seconds"] * shape.users / part.users, 2),
        "whole_formula_mib": round(formulas.multvae_bytes(shape) / 2**20),
    }


def one(work: str, shape: Shape, device: str) -> dict[str, float]:
    """Do one work in this process."""
    memory = PeakMemory(device)
    split = split_of(interactions(shape), min(10_000, shape.users // 4), validation=False)
    memory.reset()
    seconds = DOES[work](split, device)
    return {"seconds": round(seconds, 4), "peak_mib": round(memory.peak_mib()), "positives": split.train.n_entries}


def multvae_epoch(split: Split, device: str) -> float:
    """Seconds of an epoch, the fastest but the first, I-600-200-600-I."""
    marks: list[float] = []
    recdash.fit(
        "multvae", split, epochs=3, device=device, on_epoch=lambda _: marks.append(time.perf_counter()), **MULTVAE
    )
    return min(after - before for before, after in pairwise(marks))


def ease_fit(split: Split, device: str) -> float:
    """Seconds of a fit."""
    started = time.perf_counter()
    recdash.fit("ease", split, device=device)
    return time.perf_counter() - started


def evaluation(split: Split, device: str) -> float:
    """Seconds of the evaluation of all held-out users by all metrics; the model is hardly trained."""
    pair = split.test.fold_in.matrix(), split.test.held_out.matrix()
    few = recdash.Split.from_matrices(split.train.matrix()[: formulas.BATCH], test=pair)
    model = recdash.fit("multvae", few, epochs=1, device=device, **MULTVAE)
    started = time.perf_counter()
    recdash.evaluate(model, split)
    return time.perf_counter() - started


MULTVAE: dict[str, Any] = {"hidden": (formulas.HIDDEN,), "latent": formulas.LATENT, "batch_size": formulas.BATCH}
DOES: dict[str, Callable[[Split, str], float]] = {"multvae": multvae_epoch, "ease": ease_fit, "evaluation": evaluation}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", choices=[[], *WORKS, "shapes"], help="works; default: all, and shapes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", nargs=2, metavar=("WORK", "SHAPE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], Shape(**json.loads(options.one[1])), options.device)))
        return
    name = f"scaling_{'gpu' if options.device != 'cpu' else machine_kind()}"
    chosen = options.works or [*WORKS, "shapes"]
    for work in chosen:
        if work == "shapes":
            point = measure("multvae", BASE, options.device)
            speed = formulas.multvae_flops(BASE) / point["seconds"]
            found: dict[str, Any] = {title: large(shape, speed, options.device) for title, shape in SHAPES.items()}
        else:
            found = {axis: growth(work, axis, options.device) for axis in WORKS[work].axes}
        print(work, json.dumps(found), flush=True)
        update(name, work, found | {"conditions": conditions(seed=0)})


if __name__ == "__main__":
    main()
