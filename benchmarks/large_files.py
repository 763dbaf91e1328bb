"""Time and memory of files as large as MovieLens-32M: read, read again from the cache, ordered and split."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import conditions, write

ROWS, ITEMS = 32_000_204, 87_585
BLOCK_USERS, MEAN_HISTORY = 12_560, 159  # users that are drawn; their histories are repeated for more users
CHILD = """
import json, sys, time
from pathlib import Path
import recdash

figures = {}
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
def measured(name, work):
    started, busy = time.perf_counter(), time.process_time()
    result = work()
    seconds = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
    figures[name] = {key: round(value, 2) for key, value in seconds.items()} | {"peak_mib": peak()}
    return result

dataset = measured(sys.argv[1], lambda: recdash.load_dataset(Path(sys.argv[2])))
for protocol in sys.argv[3:]:
    measured(protocol, lambda: recdash.make_split(dataset, protocol))
print(json.dumps({"rows": len(dataset), "users": dataset.n_users, "items": dataset.n_items, **figures}))
"""


def write_release(folder: Path, rows: int = ROWS) -> int:
    """Write ratings.csv and movies.csv like those of MovieLens-32M, by user and item; returns the bytes of the ratings.

    Items follow a power law, histories are log-normal, and sessions give some ratings the same second.
    """
    rng = np.random.default_rng(0)
    movie_ids = np.sort(rng.choice(np.arange(1, 292_758), ITEMS, replace=False))
    sizes = rng.lognormal(0, 1.2, BLOCK_USERS)
    sizes = np.maximum(20, sizes * MEAN_HISTORY / sizes.mean())
    drawn_users = np.repeat(np.arange(BLOCK_USERS), (1.25 * sizes).astype(np.int64))
    popularity = np.cumsum(1 / (np.arange(ITEMS) + 30.0) ** 1.05)
    drawn_items = np.searchsorted(popularity, rng.random(len(drawn_users)) * popularity[-1])
    pairs = np.unique(drawn_users * ITEMS + drawn_items.clip(0, ITEMS - 1))
    users, items = np.divmod(pairs, ITEMS)
    times = rng.integers(789_652_009, 1_697_000_000, BLOCK_USERS)[users] + rng.integers(0, 3000, len(users))
    halves = rng.choice(10, len(users), p=np.array([2, 3, 2, 7, 5, 19, 13, 26, 9, 14]) / 100) + 1
    comma, end = (np.full((len(users), 1), ord(sign), np.uint8) for sign in ",\n")
    stars = np.concatenate([_digits(halves // 2, 1), comma * 0 + ord("."), _digits(halves % 2 * 5, 1)], axis=1)
    tail = np.concatenate([comma, _digits(movie_ids[items], 6), comma, stars, comma, _digits(times, 10), end], axis=1)
    with (folder / "ratings.csv").open("wb") as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for first in range(0, rows, len(users)):
            count = min(rows - first, len(users))
            copy = _digits(users[:count] + first // len(users) * BLOCK_USERS + 1, 6)
            text = np.concatenate([copy, tail[:count]], axis=1).ravel()
            file.write(text[text != 0].tobytes())
    movies = "".join(f'{movie},"Movie, No {movie} ({1950 + movie % 70})",Comedy|Drama\n' for movie in movie_ids)
    (folder / "movies.csv").write_text(f"movieId,title,genres\n{movies}", encoding="utf-8")
    return (folder / "ratings.csv").stat().st_size


def _digits(numbers: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """Return the decimal digits of numbers as text, (n, width), with zero bytes in place of leading zeros."""
    digits = numbers[:, None] // 10 ** np.arange(width)[::-1] % 10 + ord("0")
    leading = np.cumsum(digits != ord("0"), axis=1) == 0
    leading[:, -1] = False
    return np.where(leading, 0, digits).astype(np.uint8)


def run(name: str, path: Path, folder: str, *protocols: str) -> dict[str, Any]:
    """Load a dataset in a new process, and make splits of it."""
    environment = os.environ | {"RECDASH_DATA_DIR": f"{folder}/data", "RECDASH_CHECKPOINT_DIR": f"{folder}/checkpoints"}
    command = [sys.executable, "-c", CHILD, name, str(path), *protocols]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        release = Path(folder) / "release"
        release.mkdir()
        size = write_release(release)
        result = {
            "folder": run("read", release, folder),
            "csv": run("read", release / "ratings.csv", folder),
            "cached": run("reload", release, folder, "strong", "strong-temporal", "weak", "ratings-90"),
        }
    summary = {
        name: {step: found for step, found in figures.items() if isinstance(found, dict)}
        for name, figures in result.items()
    }
    write("large_files", conditions(megabytes=round(size / 1e6), **result, summary=summary))
