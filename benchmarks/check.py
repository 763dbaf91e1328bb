"""Compare measured ratios with `baseline.json`: `make bench-check`. The exit status is 1 if one is worse.

    python -m benchmarks.check                 against the baseline of this kind of machine
    python -m benchmarks.check --goals         and against the goals of `goals.py`
    python -m benchmarks.check --accept        make the measured ratios the new baseline

A ratio may be lower than the baseline by the tolerance, a share that the file states; a time or memory figure may be
higher. What was not measured is named and does not fail; ratios against other libraries than the baseline's are not
comparable.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import goals
from benchmarks.common import RESULTS, ROOT, machine_kind

BASELINE = ROOT / "benchmarks" / "baseline.json"
KINDS = ("bfloat16", "float32", "gpu")


@dataclass(frozen=True)
class Figure:
    """One measured figure. `better` is "higher" for ratios, "lower" for seconds and memory."""

    name: str
    value: float
    better: str
    rivals: tuple[str, ...] = ()


def figures(kind: str, results: Path = RESULTS) -> dict[str, Figure]:
    """Return what the result files of a kind of machine say, by name."""
    return {figure.name: figure for figure in (*_speed(kind, results), *_quality(kind, results), *_gpu(kind, results))}


def _speed(kind: str, results: Path) -> Iterator[Figure]:
    for work, found in _read(results / f"speed_{kind}.json").items():
        for ours, ratios in found["ratios"].items():
            if "fastest" in ratios:
                rivals = tuple(sorted(set(ratios) - {"fastest"}))
                yield Figure(f"{work}/{ours}/ratio", ratios["fastest"]["median"], "higher", rivals)
        for ours in ("recdash", "recdash float32"):
            if ours in found["seconds"]:
                if not found["ratios"] or work in goals.SECONDS[kind]:
                    yield Figure(f"{work}/{ours}/seconds", found["seconds"][ours]["median"], "lower")
                yield Figure(f"{work}/{ours}/peak MiB", found["facts"][ours]["peak_mib"], "lower")


def _quality(kind: str, results: Path) -> Iterator[Figure]:
    for work, found in _read(results / f"quality_{kind}.json").items():
        for ours in ("recdash", "recdash float32"):
            if ours in found:
                yield Figure(f"quality/{work}/{ours}/ratio", found[ours]["ratio"] or 0.0, "higher", (found["rival"],))


def _gpu(kind: str, results: Path) -> Iterator[Figure]:
    found = _read(results / "gpu.json") if kind == "gpu" else {}
    for name, item in found.get("values", {}).items():
        if item["value"] is not None and "limit" in item:
            yield Figure(name, item["value"], "lower")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def worse(
    measured: dict[str, Figure], baseline: dict[str, Any], tolerances: dict[str, float]
) -> tuple[list[str], list[str]]:
    """Return lines about figures that are worse than the baseline, and about those that cannot be compared."""
    failed, skipped = [], []
    for name, before in baseline.items():
        figure = measured.get(name)
        if figure is None:
            skipped.append(f"{name}: not measured")
            continue
        if list(figure.rivals) != before.get("rivals", []):
            skipped.append(f"{name}: measured against {', '.join(figure.rivals)}, not {', '.join(before['rivals'])}")
            continue
        tolerance = (
            tolerances[name.rsplit("/", 1)[1]] if name.rsplit("/", 1)[1] in tolerances else tolerances["seconds"]
        )
        bound = before["value"] * (1 - tolerance if figure.better == "higher" else 1 + tolerance)
        is_worse = figure.value < bound if figure.better == "higher" else figure.value > bound
        if is_worse:
            failed.append(f"{name}: {figure.value:.3g}, baseline {before['value']:.3g}, bound {bound:.3g}")
    return failed, skipped


def missed(kind: str, measured: dict[str, Figure]) -> list[str]:
    """Return lines about goals that are not reached."""
    wanted: dict[str, tuple[float, str]] = {}
    for work, ratio in goals.RATIOS.get(kind, {}).items():
        wanted[f"{work}/recdash/ratio"] = ratio, "higher"
    for work, ratio in goals.QUALITY.get(kind, {}).items():
        wanted[f"quality/{work}/recdash/ratio"] = ratio, "higher"
    for work, seconds in goals.SECONDS.get(kind, {}).items():
        wanted[f"{work}/recdash/seconds"] = seconds, "lower"
    if kind != "gpu":
        wanted |= {f"{work}/recdash/peak MiB": (mib, "lower") for work, mib in goals.PEAK_MIB.items()}
    else:
        wanted |= {name: (seconds, "lower") for name, seconds in goals.GPU.items()}
    lines = []
    for name, (goal, better) in wanted.items():
        figure = measured.get(name)
        if figure is not None and (figure.value < goal if better == "higher" else figure.value > goal):
            lines.append(f"{name}: {figure.value:.3g}, goal {goal:g}")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Compare and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, default=machine_kind())
    parser.add_argument("--goals", action="store_true", help="goals that are not reached fail too")
    parser.add_argument("--accept", action="store_true", help="write the measured figures to the baseline")
    options = parser.parse_args(arguments)
    measured, stored = figures(options.kind), _read(BASELINE)
    if options.accept:
        stored["kinds"][options.kind] = {
            name: {"value": figure.value} | ({"rivals": list(figure.rivals)} if figure.rivals else {})
            for name, figure in sorted(measured.items())
        }
        BASELINE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        print(f"{len(measured)} figures are the new baseline of {options.kind}.")
        return 0
    failed, skipped = worse(measured, stored["kinds"][options.kind], stored["tolerances"])
    short = missed(options.kind, measured)
    for title, lines in (("worse than the baseline", failed), ("goal not reached", short), ("not compared", skipped)):
        for line in lines:
            print(f"{title}: {line}")
    print(
        f"{options.kind}: {len(measured)} figures, {len(failed)} worse than the baseline, {len(short)} short of a goal"
    )
    return 1 if failed or (options.goals and short) else 0


if __name__ == "__main__":
    raise SystemExit(main())
