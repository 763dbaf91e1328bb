"""Time of a Mult-VAE epoch (I-600-200-600-I, batch 500) against a plain dense float32 loop, and its peak memory.

Both run in one process, alternately, on MovieLens-1M with protocol `strong`; their ratio is the result. Memory is
measured in a separate process that loads the data, trains 3 epochs and evaluates.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import recdash
from benchmarks.common import conditions, ml_1m, write
from recdash.splits import Split
from recdash.training import EpochRecord

ROUNDS = 5


class PlainVAE(nn.Module):
    """The same network in its usual form: dense input rows, dense targets."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self.q1, self.q2 = nn.Linear(items, 600), nn.Linear(600, 400)
        self.p1, self.p2 = nn.Linear(200, 600), nn.Linear(600, items)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logits, mean and log-variance."""
        hidden = torch.tanh(self.q1(functional.dropout(functional.normalize(x), 0.5)))
        mu, logvar = self.q2(hidden).chunk(2, dim=1)
        z = mu + torch.randn_like(mu) * (logvar / 2).exp()
        return self.p2(torch.tanh(self.p1(z))), mu, logvar


def plain_epoch(net: PlainVAE, optimiser: torch.optim.Optimizer, split: Split) -> float:
    """One pass over the training users; returns its seconds."""
    matrix = split.train.matrix()
    started = time.perf_counter()
    order = np.random.default_rng().permutation(len(split.train))
    for start in range(0, len(order), 500):
        x = torch.from_numpy(matrix[order[start : start + 500]].toarray())
        logits, mu, logvar = net(x)
        nll = -(torch.log_softmax(logits, 1) * x).sum(1).mean()
        kl = -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1).mean()
        optimiser.zero_grad()
        (nll + 0.2 * kl).backward()
        optimiser.step()
    return time.perf_counter() - started


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
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    split = recdash.make_split(ml_1m())
    net = PlainVAE(split.n_items)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    plain_epoch(net, optimiser, split)
    plain, ours = [], []
    for _ in range(ROUNDS):
        plain.append(plain_epoch(net, optimiser, split))
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
