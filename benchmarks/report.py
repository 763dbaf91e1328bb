"""Write the tables of docs/performance.md from the results: `python -m benchmarks.report`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. What was not measured on a kind of machine says so.
"""

from __future__ import annotations

import json
import re
from typing import Any

from benchmarks import goals
from benchmarks.common import RESULTS, ROOT
from benchmarks.works import QUALITY, WORKS

PAGE = ROOT / "docs" / "performance.md"
KINDS = {"bfloat16": "Native bfloat16", "float32": "float32 only"}
NOT_MEASURED = "not measured"
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def read(name: str) -> dict[str, Any]:
    """Return a result file, or nothing."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def number(value: float) -> str:
    """Return a figure with two or three significant digits."""
    return f"{value:.3f}".lstrip("0") if value < 1 else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def works() -> str:
    """Ratio by work and kind of machine, with the spread over the rounds, and the goal."""
    rows = []
    for name, work in WORKS.items():
        row = [work.title]
        for kind in KINDS:
            found = read(f"speed_{kind}").get(name)
            row.append(NOT_MEASURED if found is None else _ratio(found))
            goal, seconds = goals.RATIOS[kind].get(name), goals.SECONDS[kind].get(name)
            row.append(f"{goal:g}x" if goal else f"{number(seconds)} s" if seconds else "")
        rows.append(row)
    header = ["Work, MovieLens-1M"]
    for title in KINDS.values():
        header += [title, "goal"]
    return table(header, rows)


def _ratio(found: dict[str, Any]) -> str:
    seconds = number(found["seconds"]["recdash"]["median"])
    ratios = found["ratios"].get("recdash")
    if not ratios:
        return f"{seconds} s"
    spread = ratios["fastest"]
    return f"{spread['median']:.2f}x ({spread['min']:.2f} to {spread['max']:.2f}) {spread['name']}; {seconds} s"


def seconds() -> str:
    """Median seconds of every contender, by kind of machine and work."""
    contenders = [
        "recdash",
        "recdash float32",
        "plain",
        "cornac",
        "recpack",
        "recbole",
        "lenskit",
        "rectools",
        "irspack",
    ]
    parts = []
    for kind, title in KINDS.items():
        found = read(f"speed_{kind}")
        if not found:
            parts.append(f"{title}: {NOT_MEASURED}.\n")
            continue
        condition = next(iter(found.values()))["conditions"]
        machine = condition["machine"]
        head = (
            f"{title}: {machine.get('processor', machine)}, {machine.get('cores', '')} cores, {condition['when'][:10]}"
        )
        cells = [
            [WORKS[name].title]
            + [number(item["seconds"][who]["median"]) if who in item["seconds"] else "" for who in contenders]
            for name, item in found.items()
        ]
        parts.append(f"{head}, commit {condition['commit']}.\n\n" + table(["Work", *contenders], cells))
    return "\n".join(parts)


def quality() -> str:
    """Seconds until recdash is as good as a library at its end."""
    rows = []
    for name in QUALITY:
        for kind, title in KINDS.items():
            found = read(f"quality_{kind}").get(name)
            if found is None:
                rows.append([name, title, NOT_MEASURED, "", "", ""])
                continue
            rival = found[found["rival"]]
            for ours in ("recdash", "recdash float32"):
                if ours in found:
                    mine = found[ours]
                    reached = f"{mine['seconds']:.1f} s" if mine["seconds"] else "not reached"
                    theirs = (
                        f"{found['rival']}, {rival['epochs']} epochs: {rival['ndcg@100']:.4f}, {rival['seconds']:.0f} s"
                    )
                    ratio = f"{mine['ratio']:.1f}x" if mine["ratio"] else ""
                    rows.append([name, f"{title}, {ours}", theirs, reached, ratio, f"{goals.QUALITY[kind][name]:g}x"])
    return table(["Model", "Machine, contender", "Library", "recdash is as good after", "ratio", "goal"], rows)


def scaling() -> str:
    """Exponents of growth, and large shapes."""
    rows, shapes = [], []
    for kind, title in (*KINDS.items(), ("gpu", "GPU")):
        for work, axes in read(f"scaling_{kind}").items():
            for axis, found in axes.items():
                if "time_exponent" in found:
                    time = f"{found['time_exponent']:.2f} ({found['time_exponent_by_formula']:.2f})"
                    memory = f"{found['memory_exponent']:.2f} ({found['memory_exponent_by_formula']:.2f})"
                    rows.append([work, title, axis, time, memory])
                elif "fraction" in found:
                    part = f"{found['fraction']:.1%}" if found["fraction"] < 1 else "all"
                    peak = f"{found['peak_mib']:,} ({found['formula_mib']:,})"
                    whole = f"{number(found['whole_epoch_s'])} s"
                    shapes.append([axis, title, part, f"{number(found['seconds'])} s", whole, peak])
    if not rows and not shapes:
        return f"{NOT_MEASURED}\n"
    growth = table(
        ["Work", "Machine", "grows with", "exponent of time (formula)", "exponent of memory (formula)"], rows
    )
    header = ["Shape", "Machine", "users measured", "epoch", "whole epoch, extrapolated", "peak MiB (formula)"]
    return growth + "\n" + table(header, shapes)


def card() -> str:
    """Values of the GPU against their limits."""
    found = read("gpu")
    if not found or found.get("tiny"):
        return table(
            ["Work on a GPU", "measured", "limit"],
            [[name, NOT_MEASURED, number(goal)] for name, goal in goals.GPU.items()],
        )
    rows = [
        [name, "" if item["value"] is None else number(item["value"]), number(item["limit"]) if "limit" in item else ""]
        for name, item in found["values"].items()
    ]
    return f"{found['conditions']['device']}, {found['conditions']['when'][:10]}.\n\n" + table(
        ["Work on a GPU", "measured", "limit"], rows
    )


TABLES = {"works": works, "seconds": seconds, "quality": quality, "scaling": scaling, "card": card}


def main() -> None:
    """Replace the tables of the page."""
    text = PAGE.read_text(encoding="utf-8")
    text = _TABLE.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}\n{match[3]}", text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
