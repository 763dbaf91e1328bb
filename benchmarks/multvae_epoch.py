"""Time of a Mult-VAE epoch (I-600-200-600-I, batch 500) against a plain dense float32 loop, and its peak memory.

Both run in one process, alternately, on MovieLens-1M with protocol `strong`; their ratio is the result. Memory is
measured in a separate process that loads the data, trains 3 epochs and evaluates.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

import torch

import recdash
from benchmarks.common import conditions, ml_1m, status_mib, write
from recdash.splits import Split
from recdash.training import EpochRecord
from tests.plain_loops import DenseLoop, PlainMultVAE

ROUNDS = 5


def our_epochs(split: Split, epochs: int) -> list[float]:
    """Seconds of each epoch of `fit`, validation not counted."""
    marks: list[tuple[float, float]] = []

    def watch(record: EpochRecord) -> None:
        marks.append((record.values["examples/s"], len(split.train)))

    settings = {"hidden": (600,), "latent": 200, "batch_size": 500}
    recdash.fit("multvae", split, preset="paper", epochs=epochs, on_epoch=watch, **settings)
    return [users / rate for rate, users in marks]


def main() -> None:
    """Measure and write."""
    if "--memory" in sys.argv:
        split = recdash.make_split(ml_1m())
        model = recdash.fit("multvae", split, preset="paper", epochs=3)
        recdash.evaluate(model, split)
        print(status_mib("VmHWM"))
        return
    split = recdash.make_split(ml_1m())
    loop = DenseLoop(PlainMultVAE(split.n_items), split.train.matrix(), batch_size=500)
    loop.epoch()
    plain, ours = [], []
    for _ in range(ROUNDS):
        plain.append(loop.epoch())
        ours.append(statistics.median(our_epochs(split, 3)))
    ratios = [mine / theirs for mine, theirs in zip(ours, plain, strict=True)]
    again = [sys.executable, "-m", "benchmarks.multvae_epoch", "--memory"]
    memory = subprocess.run(again, capture_output=True, text=True, check=True)
    summary = {
        "plain_s": round(statistics.median(plain), 3),
        "recdash_s": round(statistics.median(ours), 3),
        "ratio": round(statistics.median(ratios), 3),
        "peak_mib": round(float(memory.stdout)),
    }
    rounds = {"plain_s": plain, "recdash_s": ours, "ratio": ratios}
    now = conditions(threads=torch.get_num_threads())
    write("multvae_epoch", {"summary": summary, "rounds": rounds, "conditions": now})


if __name__ == "__main__":
    main()
