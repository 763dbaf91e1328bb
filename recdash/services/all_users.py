"""Recommendations for every user of a dataset, written to a Parquet or CSV file in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recdash import devices
from recdash.atomic_files import atomic_writer
from recdash.data.histories import Histories
from recdash.errors import DataError, UsageError
from recdash.models import registry
from recdash.recommend.ranked_list import check_length
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.services import datasets
from recdash.services.trained_runs import best_runs, runs_by_id
from recdash.splits.protocols import PROTOCOLS
from recdash.splits.split_options import SplitOptions
from recdash.splits.strong import positive_threshold, select_positives

if TYPE_CHECKING:
    from recdash.data.dataset import Dataset
    from recdash.models.base import Model
    from recdash.models.ranking import TopItems

COLUMNS = ("user", "rank", "item", "score", "run")
_USERS_PER_STEP = 1024  # between two reports of progress
_ROWS_PER_GROUP = 1 << 17  # rows of the table in memory, and in a row group of the Parquet file

UserProgress = Callable[[int, int], None]  # (lists done, lists in total)


@dataclass(frozen=True)
class UserLists:
    """The lists of one run.

    Attributes:
        run: The run.
        users: Number of users with a list.
        users_without: Number of users without one: they have nothing that the model reads.
        rows: Number of rows written.
        note: Note for the reader, for example that the GPU has no memory left; often empty.
    """

    run: RunRecord
    users: int
    users_without: int
    rows: int
    note: str = ""


def runs_to_use(
    dataset: str, models: str | Sequence[str] | None = None, run_ids: str | Sequence[str] | None = None
) -> list[RunRecord]:
    """Return the named runs, or the best run of each model of a dataset.

    Args:
        dataset: Name of a dataset, or path of a file.
        models: Models, a list or names separated by commas; by default every trained model.
        run_ids: Exactly these runs, a list or ids separated by commas.

    Raises:
        UsageError: Nothing is trained, a model or run is unknown or not trained, or a run is of another dataset.
    """
    chosen = best_runs(dataset, models) if run_ids is None else runs_by_id(dataset, run_ids)
    if not chosen:
        raise UsageError(f"No model is trained on {dataset} yet. Train one: recdash train ease --dataset {dataset}")
    return list({run.id: run for run in chosen}.values())


def write_all_users(
    runs: Sequence[RunRecord],
    output: Path,
    *,
    k: int = 10,
    device: str = "cpu",
    progress: UserProgress = lambda done, total: None,
) -> list[UserLists]:
    """Write the recommendations of each run for every user of its dataset; see `COLUMNS`.

    A ranking model reads all positives of a user, as the options of the run define them, in the order of its protocol;
    a rating model reads all ratings. Nothing that a user has interacted with is listed. Users may be unknown to the
    training. The file appears, or replaces an earlier one, when all lists are written.

    Args:
        runs: Runs of one dataset; one follows the other in the file, users in the order of the dataset.
        output: File ending in .parquet or .csv, in an existing folder.
        k: Length of each list, from 1 to 1000; lists are shorter where too few items are left.
        device: Device of the models.
        progress: Called with (lists done, lists in total).

    Returns:
        Numbers of users and rows of each run.

    Raises:
        UsageError: `k` is out of bounds, or the file has another ending.
        CheckpointError: The weights of a run are missing or damaged.
        DataError: The file cannot be written.
    """
    check_length(k)
    chosen_device = devices.choose(device)
    done, lists = 0, []
    with _list_file(output) as file:
        for number, run in enumerate(runs):
            dataset = _dataset_of(run)
            model = registry.load(RunFolder(run.id).best)
            note = registry.move(model, chosen_device)
            total = done + dataset.n_users * (len(runs) - number)
            users, rows_before = 0, file.rows
            file.start_run(run.id, dataset.user_ids, [item.id for item in model.catalogue.items])
            for start, top in _lists_of(model, run, dataset, k):
                users += file.add(start, top)
                progress(done + start + len(top.items), total)
            done += dataset.n_users
            lists.append(UserLists(run, users, dataset.n_users - users, file.rows - rows_before, note))
    return lists


def _dataset_of(run: RunRecord) -> Dataset:
    """Return the dataset with the scale and the ignored ratings of the run."""
    options = SplitOptions.from_dict(run.options)
    is_path = Path(run.dataset).is_absolute()  # a file is read with the options of the run
    return options.apply_to(options.load(run.dataset) if is_path else datasets.load(run.dataset))


def _lists_of(model: Model, run: RunRecord, dataset: Dataset, k: int) -> Iterator[tuple[int, TopItems]]:
    """Yield the number of the first user of each step, and the lists of the users of this step."""
    options = SplitOptions.from_dict(run.options)
    reads_order = run.protocol in PROTOCOLS and PROTOCOLS[run.protocol].reads_order and dataset.times is not None
    seen = (
        dataset.in_time_order(options.ties, run.split_seed) if reads_order else dataset.in_time_order_ties_by_item
    )  # all interactions, (users, items of the dataset)
    index_of = model.catalogue.index_of
    in_model = np.array([index_of.get(item.id, -1) for item in dataset.catalogue.items], np.int32)  # (items,)
    threshold = _positive_from(run, dataset)
    for start in range(0, dataset.n_users, _USERS_PER_STEP):
        part = _as_items_of(model, seen.slice(start, start + _USERS_PER_STEP), in_model)
        read = part if model.task == "rating" else select_positives(part, threshold)
        yield start, model.recommend_users(read, k, seen=part)


def _as_items_of(model: Model, rows: Histories, in_model: NDArray[np.int32]) -> Histories:
    """Return the same rows over the model's items, without items that it does not know."""
    known = rows.select(in_model[rows.items] >= 0)
    return Histories(known.indptr, in_model[known.items], known.values, model.shape.items, known.ordered)


def _positive_from(run: RunRecord, dataset: Dataset) -> float | None:
    """Return the lowest rating that was a positive in the training; None if every row was one."""
    recorded = run.details.get("split", {}).get("positive_from")
    if isinstance(recorded, str):  # "every row"
        return None
    return positive_threshold(dataset, run.options.get("positive_from") if recorded is None else float(recorded))


class _ListFile:
    """Collects lists as columns and writes them in groups of rows."""

    def __init__(self, write: Callable[[Any], None]) -> None:
        self.rows = 0
        self._write, self._waiting = write, 0
        self._tables: list[Any] = []
        self._run = ""
        self._user_ids: Any = None
        self._item_ids: Any = None

    def start_run(self, run_id: str, user_ids: Sequence[str], item_ids: Sequence[str]) -> None:
        """Set the run and the ids of the users and items of the lists that follow."""
        import pyarrow as pa  # optional: pyarrow

        self._run = run_id
        self._user_ids, self._item_ids = (pa.array(list(ids), pa.string()) for ids in (user_ids, item_ids))

    def add(self, first: int, top: TopItems) -> int:
        """Add the lists of the users from `first` on. Returns the number of users with a list."""
        import pyarrow as pa  # optional: pyarrow

        listed = top.items >= 0  # (users, k)
        users, ranks = np.nonzero(listed)  # (rows,) each
        columns = [
            self._user_ids.take(pa.array(users + first)),
            pa.array((ranks + 1).astype(np.int32)),
            self._item_ids.take(pa.array(top.items[listed])),
            pa.array(top.scores[listed]),
            pa.repeat(self._run, len(users)),
        ]
        self._tables.append(pa.table(columns, names=list(COLUMNS)))
        self.rows += len(users)
        self._waiting += len(users)
        if self._waiting >= _ROWS_PER_GROUP:
            self.flush()
        return int(listed.any(axis=1).sum())

    def flush(self) -> None:
        """Write what is waiting."""
        import pyarrow as pa  # optional: pyarrow

        if self._waiting:
            self._write(pa.concat_tables(self._tables))
        self._tables, self._waiting = [], 0


@contextmanager
def _list_file(path: Path) -> Iterator[_ListFile]:
    """Open a file for lists, which appears at `path` when the block ends without an error."""
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise UsageError(f"{path}: the ending must be .parquet or .csv. For example: lists.parquet")
    if path.is_dir():
        raise UsageError(f"{path} is a folder. Give a file, for example {path / 'lists.parquet'}.")
    try:
        import pyarrow as pa  # optional: pyarrow
        from pyarrow import csv, parquet  # optional: pyarrow
    except ImportError:
        raise DataError(f"{path.name}: writing lists needs pyarrow. Run: pip install pyarrow") from None
    types = (pa.string(), pa.int32(), pa.string(), pa.float32(), pa.string())
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    try:
        with atomic_writer(path) as raw:
            writer = (
                parquet.ParquetWriter(raw, schema)
                if kind == ".parquet"
                else csv.CSVWriter(raw, schema, write_options=csv.WriteOptions(quoting_style="needed"))
            )
            with writer:
                file = _ListFile(writer.write_table)
                yield file
                file.flush()
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}). Choose another file.") from error
