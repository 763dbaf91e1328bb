"""Seconds of an epoch or a fit: recdash, the libraries and a plain loop, in turn, on the same split and sizes.

    python -m benchmarks.speed                    all works
    python -m benchmarks.speed multvae ease       some

A ratio is the time of another contender over that of recdash, of the same round: 2 means that recdash takes half the
time. `fastest` is the library with the smallest median, or the plain loop if no library is installed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import SPLIT_SEED, conditions, fail_without_data, machine_kind, update
from benchmarks.contenders import RECDASH, Contender, WorkerError, names, running, write_split
from benchmarks.works import WORKS, Work


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, minimum and maximum."""
    return {name: round(f(values), 4) for name, f in (("median", statistics.median), ("min", min), ("max", max))}


def ratios(seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the spread of the ratios by contender of recdash and by rival, round by round.

    "fastest" repeats the library with the smallest median, and names it.
    """
    rivals = {name: values for name, values in seconds.items() if name not in RECDASH}
    libraries = {name: values for name, values in rivals.items() if name != "plain"} or rivals
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for ours in RECDASH:
        if ours not in seconds or not rivals:
            continue
        found[ours] = {
            rival: spread([theirs / mine for theirs, mine in zip(values, seconds[ours], strict=True)])
            for rival, values in rivals.items()
        }
        fastest = min(libraries, key=lambda name: statistics.median(libraries[name]))
        found[ours]["fastest"] = found[ours][fastest] | {"name": fastest}
    return found


def one_round(contender: Contender, work: Work) -> tuple[float, dict[str, Any]]:
    """Return the median time of an epoch, the first of several left out, and the worker's reply."""
    reply = contender.train(work, work.epochs)
    times = reply["epochs_s"]
    return statistics.median(times[1:] or times), reply


def measure(work: Work, split: Path, folder: Path) -> dict[str, Any]:
    """Measure all contenders of one work in turn; of several rounds, one before the first warms up."""
    chosen, absent = names(work.libraries, plain=work.plain, has_precision=work.has_precision)
    skipped = dict.fromkeys(absent, "not installed")
    with running(chosen, split, folder) as (contenders, failed):
        skipped |= failed
        seconds: dict[str, list[float]] = {}
        facts: dict[str, dict[str, Any]] = {}
        for turn in range(0 if work.rounds > 1 else 1, work.rounds + 1):
            order = contenders[turn % len(contenders) :] + contenders[: turn % len(contenders)]
            for contender in order:
                if contender.name in skipped:
                    continue
                try:
                    if turn == 0:
                        contender.train(work, 1)
                        continue
                    taken, reply = one_round(contender, work)
                except WorkerError as error:
                    skipped[contender.name] = str(error)
                    seconds.pop(contender.name, None)
                    continue
                seconds.setdefault(contender.name, []).append(taken)
                facts[contender.name] = {name: reply[name] for name in ("precision", "peak_mib") if name in reply}
        versions = {contender.name: contender.versions for contender in contenders}
    return {
        "title": work.title,
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "ratios": ratios(seconds),
        "rounds": {name: [round(value, 4) for value in values] for name, values in seconds.items()},
        "facts": facts,
        "versions": versions,
        "skipped": skipped,
    }


def main(chosen: Sequence[str] = ()) -> None:
    """Measure the chosen works and write them after each; results of other works stay in the file."""
    unknown = set(chosen) - set(WORKS)
    if unknown:
        raise SystemExit(f"Unknown work: {', '.join(sorted(unknown))}. Known: {', '.join(WORKS)}.")
    fail_without_data()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        split = write_split(folder)
        for name in chosen or WORKS:
            found = measure(WORKS[name], split, folder)
            found["conditions"] = conditions(split_seed=SPLIT_SEED, training_seed=0)
            print(name, found["seconds"], found["ratios"], found["skipped"], flush=True)
            update(f"speed_{machine_kind()}", name, found)


if __name__ == "__main__":
    main(sys.argv[1:])
