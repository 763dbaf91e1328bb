"""Seconds to quality: until recdash's validation NDCG@100 reaches what a library ends at.

The library trains its epochs through its own `fit`; one evaluator, recdash's, scores its validation users. recdash
trains with preset `auto` and validates after every epoch, which counts. The ratio is the library's time without
validation over that of recdash with it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.common import SPLIT_SEED, conditions, fail_without_data, machine_kind, ml_1m, strong_split, update
from benchmarks.contenders import Contender, WorkerError, names, running, write_split
from benchmarks.works import QUALITY, WORKS
from recdash.evaluation.metrics import ndcg_at_k
from recdash.splits import Split

K = 100


def ndcg_of_scores(scores: np.ndarray[Any, Any], split: Split) -> float:
    """Return the mean NDCG@100 of the validation users for scores (users, items); fold-in items are left out."""
    part = split.part("validation")
    scores = np.where(part.fold_in.matrix().toarray() > 0, -np.inf, scores)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    held_out = part.held_out.matrix().toarray() > 0
    hits = np.take_along_axis(held_out, top, axis=1)
    return float(np.nanmean(ndcg_at_k(hits, held_out.sum(1), K)))


def target(contender: Contender, name: str, epochs: int, split: Split, folder: Path) -> dict[str, Any]:
    """Train a library's model; return its seconds and the NDCG@100 that it ends at."""
    reply = contender.train(WORKS[name], epochs)
    path = folder / "scores.npy"
    contender.ask({"do": "scores", "to": str(path)})
    seconds = float(np.sum(reply["epochs_s"]))
    return {"epochs": epochs, "seconds": round(seconds, 2), "ndcg@100": round(ndcg_of_scores(np.load(path), split), 4)}


def measure(name: str, folder: Path, *, epochs: int | None = None) -> dict[str, Any]:
    """Train the library of one work to its end, then recdash until it is as good."""
    settings, library, usual_epochs = QUALITY[name]
    rival = library if peers.python_of(library) is not None else "plain"
    split = strong_split(ml_1m())
    ours, _ = names((), plain=False, has_precision=True)
    with running([rival, *ours], write_split(folder), folder) as (contenders, failed):
        if failed:
            raise WorkerError("; ".join(failed.values()))
        goal = target(contenders[0], name, epochs or usual_epochs, split, folder)
        found: dict[str, Any] = {"rival": rival, rival: goal}
        for contender in contenders[1:]:
            asked = {"model": name, "target": goal["ndcg@100"], **settings}
            reply = contender.ask({"do": "train", "work": "to_quality", "epochs": usual_epochs, "settings": asked})
            reached = reply["reached_s"]
            found[contender.name] = {
                "seconds": reached and round(reached, 2),
                "epochs": reply["epochs"],
                "best_ndcg@100": round(reply["best_ndcg@100"], 4),
                "ratio": reached and round(goal["seconds"] / reached, 2),
            }
    return found


def main(chosen: Sequence[str] = ()) -> None:
    """Measure and write."""
    unknown = set(chosen) - set(QUALITY)
    if unknown:
        raise SystemExit(f"Unknown work: {', '.join(sorted(unknown))}. Known: {', '.join(QUALITY)}.")
    fail_without_data()
    for name in chosen or QUALITY:
        with tempfile.TemporaryDirectory() as temporary:
            found = measure(name, Path(temporary))
        found["conditions"] = conditions(split_seed=SPLIT_SEED, training_seed=0)
        print(name, found, flush=True)
        update(f"quality_{machine_kind()}", name, found)


if __name__ == "__main__":
    main(sys.argv[1:])
