"""Search for the settings of every model with the same number of trials, and ship the best ones as preset `tuned`.

    python -m benchmarks.tuned_presets --dataset demo --minutes 30
    python -m benchmarks.tuned_presets --write

Every trial is kept in benchmarks/results/tuning/DATASET/MODEL.jsonl; the script goes on where it stopped, in the middle
of a trial too. `--write` puts the winners of complete searches into recdash/models/presets. Only validation data are
read: the splits have no test part.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import recdash
from benchmarks.common import RESULTS, ROOT, SPLIT_SEED, conditions, movielens_path
from recdash import paths
from recdash.atomic_files import append_json_line, read_json_lines, replace_file, write_json
from recdash.data.dataset import Dataset
from recdash.errors import CheckpointError, RecdashError
from recdash.evaluation.selection_metric import SELECTION_METRICS, SelectionMetric
from recdash.models import registry
from recdash.splits import RatingSplit, Split
from recdash.training import EpochRecord, TrainingState, fit
from recdash.tuning.outcome import Outcome
from recdash.tuning.pruning import Pruning, should_prune
from recdash.tuning.samplers import next_params
from recdash.tuning.search_space import Space, declared_space, including, parse_space, space_texts

FOLDER = RESULTS / "tuning"
PRESETS = ROOT / "recdash" / "models" / "presets"
N_TRIALS = {"demo": 12, "ml-100k": 12, "ml-1m": 8}
PRUNING = {"ml-1m": Pruning("median", after=1 / 3, fewest=3)}
PROTOCOLS = {"svae": "strong-temporal", "bias": "ratings-90", "autorec": "ratings-90", "deeprec": "ratings-90"}
_TRAINING_SEED = 0


@dataclass
class Search:
    """The search of one model on one dataset.

    Attributes:
        dataset: Name of the dataset.
        model: Name of the model.
        split: The split, without its test part.
        shapes: Sizes of the whole dataset and of the training part.
        space: What is searched; it includes the settings of `auto`.
        rows: Finished trials, as they stand in the file.
    """

    dataset: str
    model: str
    split: Split | RatingSplit
    shapes: list[list[int]]
    space: Space
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """Its trials."""
        return FOLDER / self.dataset / f"{self.model}.jsonl"

    @property
    def state(self) -> Path:
        """Where a trial that was stopped continues from."""
        return paths.data_dir() / "tuning-states" / f"{self.dataset}-{self.model}"

    @property
    def metric(self) -> SelectionMetric:
        """What decides."""
        return SELECTION_METRICS["rating" if isinstance(self.split, RatingSplit) else "ranking"]

    @property
    def n_trials(self) -> int:
        """Trials of a complete search: one for a model without anything to search."""
        return N_TRIALS[self.dataset] if self.space else 1

    @property
    def auto(self) -> dict[str, Any]:
        """What `auto` gives the searched settings."""
        config = registry.configure(self.model, self.split.shape)
        return {dimension.name: getattr(config, dimension.name) for dimension in self.space}

    def outcomes(self) -> list[Outcome]:
        """Return the trials as the sampler reads them."""
        return [
            Outcome(
                row["trial"],
                {name: _plain(value) for name, value in row["params"].items()},
                row["state"],
                None if row["value"] is None else self.metric.sign * row["value"],
                self.curve_of(row),
            )
            for row in self.rows
        ]

    def curve_of(self, row: dict[str, Any]) -> dict[int, float]:
        """Return the validation values of a trial by epoch, larger is better."""
        return {int(epoch): self.metric.sign * value for epoch, value in row["curve"].items()}


def main() -> None:
    """Search until everything is complete or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=N_TRIALS, action="append", help="datasets; by default all")
    parser.add_argument("--models", help="names separated by commas; by default all")
    parser.add_argument("--minutes", type=float, help="time after which it stops, to be continued")
    parser.add_argument("--write", action="store_true", help="write the winners of complete searches into the presets")
    options = parser.parse_args()
    datasets = options.dataset or list(N_TRIALS)
    models = options.models.split(",") if options.models else list(registry.names())
    if options.write:
        write_presets(datasets, models)
        return
    deadline = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    for name in datasets:
        search_dataset(name, models, deadline)


def search_dataset(name: str, models: Sequence[str], deadline: float | None) -> None:
    """Give every model its next trial in turn, so that all have the same number at any time."""
    dataset = recdash.load_dataset(name if name == "demo" else movielens_path(name))
    splits = {p: _sealed_split(dataset, p) for p in dict.fromkeys(PROTOCOLS.get(model, "strong") for model in models)}
    searches = [start(name, model, dataset, splits[PROTOCOLS.get(model, "strong")]) for model in models]
    for number in range(N_TRIALS[name]):
        for search in searches:
            if number < search.n_trials and len(search.rows) <= number:
                if deadline is not None and time.monotonic() >= deadline:
                    return
                run_trial(search, deadline)


def start(name: str, model: str, dataset: Dataset, split: Split | RatingSplit) -> Search:
    """Return a search with its trials so far; those of another space or of other data are left out."""
    shape = split.shape
    shapes = [[dataset.n_users, dataset.n_items, len(dataset)], [shape.users, shape.items, shape.interactions]]
    config_class = registry.model_class(model).config_class
    declared = parse_space(config_class, declared_space(config_class))
    space = including(declared, vars(registry.configure(model, shape)))
    search = Search(name, model, split, shapes, space)
    search.rows = [row for row in read_json_lines(search.file) if _belongs(row, search)]
    return search


def run_trial(search: Search, deadline: float | None) -> None:
    """Train the next trial and store it; a trial that the deadline stops is stored to be continued."""
    number = len(search.rows)
    params = search.auto if number == 0 else next_params("tpe", search.space, search.outcomes(), seed=0)
    if params is None:
        print(f"{search.dataset} {search.model}: nothing more to try after {number} trials")
        return
    state, curve, before = _saved_state(search, number, params)
    pruning = PRUNING.get(search.dataset, Pruning())
    others = [search.curve_of(row) for row in search.rows]
    config = registry.configure(search.model, search.split.shape, "auto", params if number else {})
    epochs = getattr(config, "epochs", 1)
    is_pruned, stored = False, None

    def on_epoch(record: EpochRecord) -> None:
        nonlocal is_pruned
        if search.metric.name in record.values:
            curve[record.epoch] = record.values[search.metric.name]
            signed = {epoch: search.metric.sign * value for epoch, value in curve.items()}
            is_pruned = should_prune(pruning, signed, others, epochs)

    def on_checkpoint(found: TrainingState) -> None:
        nonlocal stored
        if deadline is not None and time.monotonic() >= deadline:
            stored = found.copied()

    started, error, record = time.perf_counter(), "", {}
    try:
        model = fit(
            search.model, search.split, seed=_TRAINING_SEED, on_epoch=on_epoch, on_checkpoint=on_checkpoint,
            should_stop=lambda: is_pruned or (deadline is not None and time.monotonic() >= deadline),
            resume=state, **(params if number else {}),
        )  # fmt: skip
        record = model.record
    except RecdashError as problem:
        error = str(problem)
    seconds = before + time.perf_counter() - started
    if record.get("stopped") and not is_pruned:
        if stored is not None:
            stored.save(search.state / "state")
            note = {"trial": number, "params": _lists(params), "curve": _texts(curve), "seconds": seconds}
            write_json(search.state / "trial.json", note)
        return
    best = max(curve, key=lambda epoch: search.metric.sign * curve[epoch], default=None)
    row = {
        "trial": number,
        "params": _lists(params),
        "state": "failed" if error else "pruned" if record.get("stopped") else "complete",
        "value": None if best is None or error else curve[best],
        "best_epoch": best,
        "epochs_run": record.get("epochs_run", max(curve, default=0)),
        "curve": _texts(curve),
        "seconds": round(seconds, 2),
        "error": error,
        "config": config.to_dict(),
        "space": space_texts(search.space),
        "metric": search.metric.name,
        "protocol": search.split.protocol,
        "split_seed": SPLIT_SEED,
        "training_seed": _TRAINING_SEED,
        "dataset_fingerprint": search.split.dataset_fingerprint,
        "split_fingerprint": search.split.fingerprint,
        "shapes": search.shapes,
        "threads": record.get("threads"),
        "precision": record.get("precision"),
        "conditions": conditions(),
    }
    search.file.parent.mkdir(parents=True, exist_ok=True)
    append_json_line(search.file, row)
    search.rows.append(row)
    shutil.rmtree(search.state, ignore_errors=True)
    value = "-" if row["value"] is None else f"{row['value']:.4f}"
    print(
        f"{search.dataset} {search.model} trial {number}: {row['state']} {value} {seconds:.1f} s {row['params']}",
        flush=True,
    )


def write_presets(datasets: Sequence[str], models: Sequence[str]) -> None:
    """Write the winners of complete searches; those of other datasets in the same file stay."""
    for model in models:
        path = PRESETS / f"{model}.json"
        presets = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        entries = {entry["data"]: entry for entry in presets.get("tuned", [])}
        for name in datasets:
            rows = _newest_search(read_json_lines(FOLDER / name / f"{model}.jsonl"))
            if rows and (len(rows) >= N_TRIALS[name] or not rows[0]["space"]):
                entries[name] = tuned_entry(name, rows)
            elif rows:
                print(f"{model} on {name}: {len(rows)} of {N_TRIALS[name]} trials, not written yet")
        if entries:
            presets["tuned"] = [entries[name] for name in N_TRIALS if name in entries]
            replace_file(path, (_formatted(presets) + "\n").encode())


def tuned_entry(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the entry of `tuned` for a dataset: the best complete trial and where it comes from."""
    sign = next(metric.sign for metric in SELECTION_METRICS.values() if metric.name == rows[0]["metric"])
    complete = [row for row in rows if row["state"] == "complete" and row["value"] is not None]
    best = max(complete, key=lambda row: sign * row["value"])
    same = ("dataset_fingerprint", "protocol", "split_seed", "training_seed", "metric")
    return {
        "data": name,
        "shapes": best["shapes"],
        "settings": best["params"] if best["trial"] else {},
        "provenance": {
            **{key: best[key] for key in same},
            "trials": len(rows),
            "trial": best["trial"],
            "validation": round(best["value"], 6),
            "auto_validation": None if rows[0]["value"] is None else round(rows[0]["value"], 6),
            "best_epoch": best["best_epoch"],
            "seconds": round(sum(row["seconds"] for row in rows), 1),
            "versions": best["conditions"]["versions"],
            "when": best["conditions"]["when"],
        },
    }


def _newest_search(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the trials of the newest search in a file: it may hold those of an earlier space or of other data."""
    return [row for row in rows if _search_of(row) == _search_of(rows[-1])]


def _belongs(row: dict[str, Any], search: Search) -> bool:
    return _search_of(row) == (space_texts(search.space), search.split.fingerprint)


def _search_of(row: dict[str, Any]) -> tuple[Any, Any]:
    return row["space"], row["split_fingerprint"]


def _sealed_split(dataset: Dataset, protocol: str) -> Split | RatingSplit:
    return recdash.make_split(dataset, protocol, seed=SPLIT_SEED).without_test()


def _saved_state(
    search: Search, number: int, params: dict[str, Any]
) -> tuple[TrainingState | None, dict[int, float], float]:
    """Return state, curve and seconds of a trial that a deadline stopped; nothing of another trial."""
    try:
        note = json.loads((search.state / "trial.json").read_text(encoding="utf-8"))
        if note["trial"] != number or note["params"] != _lists(params):
            return None, {}, 0.0
        state = TrainingState.load(search.state / "state")
    except (OSError, ValueError, KeyError, CheckpointError):
        return None, {}, 0.0
    curve = {int(epoch): value for epoch, value in note["curve"].items() if int(epoch) <= state.position.epoch}
    return state, curve, note["seconds"]


def _formatted(presets: dict[str, Any]) -> str:
    """Return a preset file with one preset, or one entry of `tuned`, per line."""
    lines = []
    for name, changes in presets.items():
        if isinstance(changes, list):
            entries = ",\n".join(f"    {json.dumps(entry)}" for entry in changes)
            lines.append(f"  {json.dumps(name)}: [\n{entries}\n  ]")
        else:
            lines.append(f"  {json.dumps(name)}: {json.dumps(changes)}")
    return "{\n" + ",\n".join(lines) + "\n}"


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _lists(params: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}


def _texts(curve: dict[int, float]) -> dict[str, float]:
    return {str(epoch): round(value, 6) for epoch, value in sorted(curve.items())}


if __name__ == "__main__":
    main()
