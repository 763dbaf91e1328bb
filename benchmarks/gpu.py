"""What recdash does on a card, against limits: the most important parts first, each short, all in under eight minutes.

    python -m benchmarks.gpu                           all parts
    python -m benchmarks.gpu ml20m_multvae ml1m        some
    python -m benchmarks.gpu --device cpu --tiny       the same on the processor with tiny sizes: tests this program

Writes `gpu.json` to the folder of `--out` after each part. The exit status is 1 if a part failed or a limit was missed.
MovieLens-1M is used if it is there (RECDASH_TEST_DATA or the dataset folder); otherwise data of its size are generated,
and the part `quality` is skipped. Limits are those of `goals.py`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import recdash
from benchmarks import formulas, goals
from benchmarks.common import RESULTS, PeakMemory, strong_split
from benchmarks.generated_data import Shape
from benchmarks.gpu_checks import Checks, Data, Skipped
from benchmarks.gpu_limit import HandWrittenUpdate
from tests.plain_loops import DenseLoop, PlainMultVAE

MULTVAE: dict[str, Any] = {"hidden": (600,), "latent": 200}
MEMORY_SLACK_MIB = 400  # workspaces of the libraries
RELOAD_MAX_S = 15.0  # a fit that took longer is not repeated


def synchronise(device: str) -> None:
    """Wait for the card."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def train(
    checks: Checks, name: str, split: Any, *, epochs: int, limit_s: float, **settings: Any
) -> tuple[Any, float | None]:
    """Train for some epochs, or until the time is over; return model and median seconds of an epoch but the first."""
    epochs = min(epochs, 2) if checks.tiny else epochs
    marks: list[float] = []
    end = time.perf_counter() + limit_s

    def mark(record: Any) -> None:
        synchronise(checks.device)
        marks.append(time.perf_counter())

    model = recdash.fit(
        name,
        split,
        seed=0,
        device=checks.device,
        epochs=epochs,
        on_epoch=mark,
        should_stop=lambda: time.perf_counter() > end,
        **settings,
    )
    times = [after - before for before, after in pairwise(marks)]
    return model, statistics.median(times) if times else None


def timed(device: str, action: Callable[[], Any]) -> float:
    """Seconds of an action, the card's work included."""
    synchronise(device)
    started = time.perf_counter()
    action()
    synchronise(device)
    return time.perf_counter() - started


def ml20m_multvae(checks: Checks, data: Data) -> None:
    """Mult-VAE, B = 500 and 1,000: seconds an epoch and memory."""
    split = data.large_training
    shape = Shape(len(split.train), split.n_items, split.train.n_entries)
    for batch in (500, 1000):
        memory = PeakMemory(checks.device)
        memory.reset()
        epoch = train(checks, "multvae", split, epochs=8, limit_s=20, batch_size=batch, **MULTVAE)[1]
        checks.seconds(f"ml20m/multvae/{batch}/epoch", epoch)
        limit = formulas.multvae_bytes(shape, batch) / 2**20 + MEMORY_SLACK_MIB
        checks.value(f"ml20m/multvae/{batch}/peak MiB", memory.peak_mib(), at_most=round(limit))


def ml20m_evaluation(checks: Checks, data: Data) -> None:
    """Evaluation of 10,000 users, and 200 epochs with validation after each, from ten of them."""
    model, epoch = train(checks, "multvae", data.large, epochs=10, limit_s=40, batch_size=1000, **MULTVAE)
    timed(checks.device, lambda: recdash.evaluate(model, data.large))
    seconds = timed(checks.device, lambda: recdash.evaluate(model, data.large))
    checks.seconds("ml20m/evaluation of 10,000 users", seconds)
    whole = None if epoch is None else 200 * epoch + seconds
    checks.seconds("ml20m/multvae/1000/200 epochs with evaluation", whole)


def ml1m(checks: Checks, data: Data) -> None:
    """Small models: seconds an epoch of preset auto."""
    for name, epochs, limit_s in (("multvae", 30, 15), ("svae", 4, 30), ("autorec", 40, 10)):
        _, epoch = train(checks, name, data.small(name), epochs=epochs, limit_s=limit_s)
        checks.seconds(f"ml1m/{name}/epoch", epoch)
        if name == "autorec":
            checks.seconds("ml1m/autorec/500 epochs", epoch and 500 * epoch)
    for name in ("multdae", "cdae", "recvae", "deeprec"):
        _, epoch = train(checks, name, data.small(name), epochs=6, limit_s=8)
        checks.seconds(f"ml1m/{name}/epoch", epoch)


def ml20m_closed(checks: Checks, data: Data) -> None:
    """Closed forms: the second fit, if the first was short."""
    for name in ("ease", "itemknn"):
        seconds = []
        while len(seconds) < 2 and sum(seconds) < RELOAD_MAX_S:
            fit = lambda: recdash.fit(name, data.large_training, device=checks.device)  # noqa: B023, E731
            seconds.append(timed(checks.device, fit))
        checks.seconds(f"ml20m/{name}/fit", min(seconds), first=round(seconds[0], 3))


def ml20m_rest(checks: Checks, data: Data) -> None:
    """Mult-DAE, CDAE with its new users, RecVAE."""
    split = data.large_training
    _, epoch = train(checks, "multdae", split, epochs=8, limit_s=10, batch_size=1000)
    checks.seconds("ml20m/multdae/1000/epoch", epoch)
    model, epoch = train(checks, "cdae", split, epochs=6, limit_s=10)
    checks.seconds("ml20m/cdae/epoch", epoch, batch_size=model.config.batch_size)
    part = {"metric_names": ("ndcg@100", "recall@20", "recall@50")}
    recdash.evaluate(model, data.large, "validation", **part)
    seconds = timed(checks.device, lambda: recdash.evaluate(model, data.large, "validation", **part))
    checks.seconds("ml20m/cdae/10,000 new users", seconds)
    paper = {"batch_size": 500, "encoder_passes": 3, "decoder_passes": 1}
    _, epoch = train(checks, "recvae", split, epochs=4, limit_s=30, **paper)
    checks.seconds("ml20m/recvae/500/epoch", epoch)


def plain(checks: Checks, data: Data) -> None:
    """The plain dense loop on the same card, and how many times faster recdash is."""
    matrix = data.large_training.train.matrix()
    tf32 = torch.backends.cuda.matmul.allow_tf32
    try:
        for tag, allow, dtype in (("float32", False, None), ("tf32", True, None), ("bfloat16", True, torch.bfloat16)):
            torch.backends.cuda.matmul.allow_tf32 = allow
            net = PlainMultVAE(matrix.shape[1])
            loop = DenseLoop(net, matrix, batch_size=500, device=checks.device, autocast=dtype)
            checks.value(f"ml20m/plain multvae/500/{tag}/epoch", min(loop.epoch() for _ in range(3)))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = tf32
    fastest = min(item["value"] for name, item in checks.values.items() if name.startswith("ml20m/plain multvae"))
    ours = checks.values.get("ml20m/multvae/500/epoch", {}).get("value")
    checks.value("ml20m/multvae/500/times faster than plain", ours and fastest / ours)


def limit(checks: Checks, data: Data) -> None:
    """Mult-VAE by hand as one captured graph: how near recdash is to it."""
    matrix = data.large_training.train.matrix()
    for batch in (50,) if data.tiny else (500, 1000):
        seconds = HandWrittenUpdate(matrix, batch, checks.device).epochs(4)
        checks.value(f"ml20m/multvae by hand/{batch}/epoch", statistics.median(seconds[1:]))
        torch.cuda.empty_cache()


def to_quality(checks: Checks, data: Data) -> None:
    """Seconds until validation NDCG@100 reaches what a library ends at; the limit is a twentieth of the processor's."""
    paths = [path for kind in ("float32", "bfloat16") if (path := RESULTS / f"quality_{kind}.json").exists()]
    if data.tiny or not data.has_movielens or not paths:
        raise Skipped("needs MovieLens-1M and results of benchmarks.quality")
    known = json.loads(paths[0].read_text(encoding="utf-8"))
    for name in known:
        goal, ours = known[name][known[name]["rival"]]["ndcg@100"], known[name]["recdash"]["seconds"]
        reached: list[float] = []

        def watch(record: Any, goal: float = goal, reached: list[float] = reached) -> None:
            if record.values["ndcg@100"] >= goal and not reached:
                reached.append(record.seconds)

        recdash.fit(
            name,
            strong_split(data.movielens),
            device=checks.device,
            on_epoch=watch,
            should_stop=lambda reached=reached: bool(reached),
        )
        at_most = ours and ours / 20
        checks.value(f"ml1m/{name}/seconds to {goal}", reached[0] if reached else None, at_most=at_most)


def quality(checks: Checks, data: Data) -> None:
    """Preset auto, trained to its end on MovieLens-1M: as good as on the processor, within one standard error."""
    if data.tiny or not data.has_movielens:
        raise Skipped("needs MovieLens-1M")
    strong = recdash.make_split(data.movielens, "strong", seed=98765)
    ratings = recdash.make_split(data.movielens, "ratings-90", seed=1)
    for name, (metric, expected, error) in goals.GPU_QUALITY.items():
        split = ratings if metric == "rmse" else strong
        end = time.perf_counter() + 45
        started = time.perf_counter()
        model = recdash.fit(name, split, device=checks.device, should_stop=lambda end=end: time.perf_counter() > end)
        facts = {"seconds": round(time.perf_counter() - started, 2), "stopped": bool(model.record.get("stopped"))}
        found = recdash.evaluate(model, split).mean[metric]
        loss, at_most = (found, expected + error) if metric == "rmse" else (1 - found, 1 - (expected - error))
        at_most = None if facts["stopped"] else round(at_most, 4)
        checks.value(f"ml1m/{name}/{'rmse' if metric == 'rmse' else '1 - ' + metric}", loss, at_most=at_most, **facts)


def profile(checks: Checks, data: Data) -> None:
    """Kernels of two epochs of Mult-VAE, as text next to the results."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if checks.device != "cpu" else [])
    with profiler(activities=activities) as found:
        recdash.fit("multvae", data.large_training, device=checks.device, epochs=2, batch_size=1000, **MULTVAE)
    order = "self_cuda_time_total" if checks.device != "cpu" else "self_cpu_time_total"
    table = found.key_averages().table(sort_by=order, row_limit=30, max_name_column_width=70)
    (checks.path.parent / "gpu_profile.txt").write_text(table, encoding="utf-8")


PARTS: dict[str, Callable[[Checks, Data], None]] = {
    part.__name__: part
    for part in (
        ml20m_multvae,
        ml1m,
        ml20m_closed,
        ml20m_rest,
        ml20m_evaluation,
        plain,
        limit,
        to_quality,
        quality,
        profile,
    )
}


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes and no limits")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of gpu.json")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    checks = Checks(options.out / "gpu.json", options.device, options.tiny)
    data = Data(options.tiny)
    for name in options.parts or PARTS:
        if time.perf_counter() > checks.end:
            checks.parts[name] = {"ok": True, "skipped": "no time left"}
            continue
        with checks.part(name):
            PARTS[name](checks, data)
    checks.write()
    print("failed:", ", ".join(checks.failed) or "nothing", flush=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
