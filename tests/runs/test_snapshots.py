"""Which epochs are kept as snapshots, within which bounds, and that no crash leaves one that cannot be read."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recdash.errors import CheckpointError
from recdash.models import checkpoint_io, registry
from recdash.models.base import GradientModel
from recdash.models.data_shape import DataShape
from recdash.runs import snapshots
from recdash.runs.snapshots import SnapshotWriter, next_epoch, saved_epochs, thinned


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def model() -> GradientModel:
    """A small untrained model."""
    shape = DataShape(30, 12, 90)
    built = registry.build("multdae", registry.configure("multdae", shape, settings={"latent": 4}), shape)
    assert isinstance(built, GradientModel)
    built.initialise(torch.Generator().manual_seed(0))
    return built


class Written(NamedTuple):
    """A writer, its folder and the problems that it reported."""

    writer: SnapshotWriter
    folder: Path
    problems: list[str]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Written]:
    """Start a writer whose time is not limited."""
    monkeypatch.setattr(snapshots, "FREE_SECONDS", 600.0)

    def make() -> Written:
        problems: list[str] = []
        return Written(SnapshotWriter(tmp_path / "snapshots", problems.append), tmp_path / "snapshots", problems)

    return make


def offer(writer: SnapshotWriter, model: GradientModel, epochs: range) -> None:
    """Offer epochs in turn; the model's weights are all equal to the number of the epoch."""
    for epoch in epochs:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(epoch)
        writer.offer(epoch, model)


def assert_readable(folder: Path, model: GradientModel) -> None:
    """Every saved snapshot holds the weights of its epoch."""
    for epoch in saved_epochs(folder):
        tensors = snapshots.read(folder, epoch)
        assert tensors.keys() == model.tensors().keys()
        assert all(bool((tensor == epoch).all()) for tensor in tensors.values())


def test_early_epochs_are_kept_more_densely_than_late_ones() -> None:
    epochs = [0]
    while epochs[-1] < 60:
        epochs.append(next_epoch(epochs[-1]))
    assert epochs == [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 33, 47, 66]
    assert [next_epoch(epoch) for epoch in range(5, 9)] == [6, 8, 8, 11], "the series does not depend on the start"


@given(st.sets(st.integers(0, 100_000), max_size=60), st.integers(2, 20))
def test_thinning_keeps_the_first_the_last_and_no_more_than_the_limit(epochs: set[int], limit: int) -> None:
    kept = thinned(epochs, limit)
    assert len(kept) == min(limit, len(epochs)) and set(kept) <= epochs
    assert kept == sorted(kept)
    if epochs:
        assert kept[0] == min(epochs) and kept[-1] == max(epochs)


@given(st.integers(1, 3000), st.integers(2, 14))
def test_thinning_epoch_by_epoch_leaves_an_even_series(epochs: int, limit: int) -> None:
    kept: list[int] = []
    for epoch in range(epochs + 1):
        if not kept or epoch >= next_epoch(kept[-1]):
            kept = thinned([*kept, epoch], limit)
    assert kept[0] == 0 and len(kept) <= limit and epochs < next_epoch(kept[-1])
    ratios = [(later + 1) / (earlier + 1) for earlier, later in pairwise(kept)]
    even = (kept[-1] + 1) ** (1 / len(ratios))
    assert max(ratios) <= max(even, 2) ** 2, "no gap is wider than two even steps"


def test_snapshots_are_bounded_in_number(start, model: GradientModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_SNAPSHOTS", 5)
    writer, folder, problems = start()
    for epoch in range(40):
        offer(writer, model, range(epoch, epoch + 1))
        assert len(list(folder.iterdir())) <= 5
    kept = saved_epochs(folder)
    assert kept[0] == 0 and kept[-1] == 33 and len(kept) == 5 and problems == []
    assert_readable(folder, model)


def test_snapshots_are_bounded_in_bytes(start, model: GradientModel, monkeypatch: pytest.MonkeyPatch) -> None:
    n_bytes = sum(tensor.numel() for tensor in model.tensors().values()) * 2 + snapshots._OVERHEAD_BYTES
    monkeypatch.setattr(snapshots, "MAX_BYTES", 4 * n_bytes - 1)
    writer, folder, problems = start()
    offer(writer, model, range(30))
    assert len(saved_epochs(folder)) == 3 and problems == []
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 4 * n_bytes


def test_weights_too_large_for_two_snapshots_get_none_and_the_reason(
    start, model: GradientModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAX_BYTES", 20_000)
    writer, folder, problems = start()
    offer(writer, model, range(5))
    assert saved_epochs(folder) == []
    assert len(problems) == 1 and "a run may have 0 MiB of them" in problems[0] and "\n" not in problems[0]


def test_after_the_training_nothing_from_the_best_epoch_on_is_left(start, model: GradientModel) -> None:
    writer, folder, _ = start()
    offer(writer, model, range(20))
    writer.finish(8)
    assert saved_epochs(folder) == [0, 1, 2, 3, 4, 6]
    writer.finish(0)
    assert not folder.exists()


def test_a_model_without_epochs_leaves_no_folder(start) -> None:
    writer, folder, problems = start()
    writer.finish(None)
    writer.finish(1)
    assert not folder.exists() and problems == []


def test_snapshots_take_at_most_a_share_of_the_time_but_the_first_two_are_written(
    tmp_path: Path, model: GradientModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, write = [100.0], checkpoint_io.write

    def slow_write(*arguments: Any) -> None:
        write(*arguments)
        now[0] += 2.0

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint_io, "write", slow_write)
    writer = SnapshotWriter(tmp_path / "snapshots", pytest.fail)
    for epoch in range(400):
        writer.offer(epoch, model)
        now[0] += 1.0
    kept = saved_epochs(writer.folder)
    assert kept[:2] == [0, 1]
    late = [epoch for epoch in kept if epoch > 1]
    assert late and late[0] * 1.0 * snapshots.MAX_TIME_SHARE > 3, "4 s were spent, half a second is free"


def test_values_beyond_float16_are_stored_as_float32(start, model: GradientModel) -> None:
    writer, folder, _ = start()
    offer(writer, model, range(70_001, 70_002))
    assert_readable(folder, model)
    offer(writer, model, range(100_000, 100_001))
    assert_readable(folder, model)
    assert saved_epochs(folder) == [70_001, 100_000]


def test_a_missing_snapshot_is_an_error_that_lists_the_others(start, model: GradientModel) -> None:
    writer, folder, _ = start()
    offer(writer, model, range(3))
    with pytest.raises(CheckpointError, match=r"no snapshot of epoch 7 \(there are: 0, 1, 2\)"):
        snapshots.read(folder, 7)


def test_a_damaged_snapshot_is_an_error_of_one_line(start, model: GradientModel) -> None:
    writer, folder, _ = start()
    offer(writer, model, range(2))
    (weights,) = (folder / "000001").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="do not match their checksum") as error:
        snapshots.read(folder, 1)
    assert "\n" not in str(error.value)


def test_a_later_attempt_replaces_the_snapshots_from_its_first_epoch_on(start, model: GradientModel) -> None:
    first, folder, _ = start()
    offer(first, model, range(12))
    (folder / "000005").mkdir()
    (folder / "000005" / ".weights.tmp").write_text("half written")
    second, _, problems = start()
    offer(second, model, range(7, 9))
    assert sorted(path.name for path in folder.iterdir()) == [f"{epoch:06d}" for epoch in (0, 1, 2, 3, 4, 6, 8)]
    assert problems == []


def test_a_training_that_starts_again_deletes_all_snapshots_of_the_attempt_before(start, model: GradientModel) -> None:
    first, folder, _ = start()
    offer(first, model, range(12))
    second, _, _ = start()
    offer(second, model, range(1))
    assert saved_epochs(folder) == [0]


def test_a_full_disk_ends_the_series_with_one_report(
    start, model: GradientModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, folder, problems = start()
    offer(writer, model, range(3))

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_io, "replace_file", full)
        offer(writer, model, range(3, 12))
    offer(writer, model, range(12, 30))
    assert [path.name for path in sorted(folder.iterdir())] == ["000000", "000001", "000002"]
    assert len(problems) == 1 and "No space left on device" in problems[0] and "\n" not in problems[0]


def test_full_memory_ends_the_series_with_one_report(
    start, model: GradientModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, folder, problems = start()
    offer(writer, model, range(3))

    def full(tensors: object) -> None:
        torch.empty(1 << 60)  # PyTorch's own error, a RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "compact", full)
        offer(writer, model, range(3, 12))
    assert saved_epochs(folder) == [0, 1, 2]
    assert len(problems) == 1 and "memory" in problems[0] and "\n" not in problems[0]


def test_the_last_space_on_a_disk_is_left_to_the_run(
    start, model: GradientModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, folder, problems = start()
    usage = shutil.disk_usage(folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=snapshots.MIN_FREE_BYTES))
    offer(writer, model, range(3))
    assert saved_epochs(folder) == [] and len(problems) == 1 and "1,024 MiB are free" in problems[0]


def test_a_file_in_place_of_the_folder_is_reported_and_not_deleted(start, model: GradientModel) -> None:
    writer, folder, problems = start()
    folder.write_text("mine")
    offer(writer, model, range(3))
    writer.finish(2)
    assert folder.read_text() == "mine" and len(problems) == 1 and str(folder) in problems[0]


@pytest.mark.parametrize("moment", range(26))
def test_a_crash_at_any_file_operation_leaves_only_complete_snapshots(
    moment: int, start, model: GradientModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAX_SNAPSHOTS", 4)
    operations = iter(range(1000))
    replace_file, rmtree = checkpoint_io.replace_file, shutil.rmtree

    def replace(path: Path, content: bytes) -> None:
        if next(operations) == moment:
            path.with_name(f".{path.name}.0.tmp").write_bytes(content[:10])
            raise Killed
        replace_file(path, content)

    def delete(path: Path, ignore_errors: bool) -> None:
        if next(operations) == moment:
            for part in sorted(path.iterdir(), reverse=True)[:1]:
                part.unlink()
            raise Killed
        rmtree(path, ignore_errors=ignore_errors)

    writer, folder, _ = start()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_io, "replace_file", replace)
        patch.setattr(shutil, "rmtree", delete)
        with pytest.raises(Killed):
            offer(writer, model, range(60))
    assert_readable(folder, model)
    resumed, _, problems = start()
    offer(resumed, model, range(5, 60))
    kept = saved_epochs(folder)
    assert kept[-1] == 47 and len(kept) <= 4 and problems == []
    assert sorted(path.name for path in folder.iterdir()) == [f"{epoch:06d}" for epoch in kept], "nothing is left over"
    assert_readable(folder, model)
