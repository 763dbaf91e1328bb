"""A data set is indexed by ascending id, keeps the last of each pair, survives saving, and notices damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.errors import DataError


def built(users: list[object], items: list[object], **columns: object) -> Dataset:
    ratings = None if "ratings" not in columns else np.array(columns["ratings"], float)
    times = None if "times" not in columns else np.array(columns["times"], np.int64)
    return Dataset.build(
        "toy", users=np.array(users), items=np.array(items), ratings=ratings, times=times, source="a test"
    )


def test_ids_are_indexed_as_numbers_when_all_are_and_as_words_otherwise() -> None:
    assert built([10, 9, 100], [1, 1, 1]).user_ids == ("9", "10", "100")
    assert built(["10", "9", "x"], ["1", "1", "1"]).user_ids == ("10", "9", "x")


def test_the_last_of_each_pair_stays_and_the_others_are_counted() -> None:
    data = built([1, 1, 2, 1], [5, 6, 5, 5], ratings=[1, 2, 3, 4])
    assert data.ratings is not None and data.ratings.tolist() == [2, 3, 4]
    assert data.notes == ("1 duplicate (user, item) rows; the last line of each pair counts",)


def test_of_a_pair_that_comes_twice_the_latest_in_time_counts_wherever_it_stands() -> None:
    data = built([1, 1, 2, 1], [5, 6, 5, 5], ratings=[1, 2, 3, 4], times=[1, 2, 3, 0])
    assert data.ratings is not None and data.ratings.tolist() == [1, 2, 3]
    assert data.notes == ("1 duplicate (user, item) rows; the latest in time of each pair counts",)
    equally_late = built([1, 1, 1], [5, 5, 5], ratings=[1, 2, 3], times=[7, 7, 6])
    assert equally_late.ratings is not None and equally_late.ratings.tolist() == [2]


def test_histories_are_in_time_order() -> None:
    data = built([1, 1, 1, 2], [7, 6, 5, 5], ratings=[1, 2, 3, 4], times=[10, 11, 3, 1])
    assert data.histories.row(0).tolist() == [0, 2, 1]
    assert data.histories.values is not None and data.histories.values.tolist() == [3, 1, 2, 4]


@pytest.mark.parametrize(
    ("times", "kind"),
    [([1, 2], "order"), ([10**8 - 1, 1], "order"), ([10**8, 1], "dates"), ([10**12, 2 * 10**12], "dates")],
)
def test_times_below_ten_to_the_eighth_are_an_order(times: list[int], kind: str) -> None:
    assert built([1, 2], [1, 1], times=times).time_kind == kind
    assert built([1, 2], [1, 1]).time_kind is None


def test_the_scale_is_the_observed_range_unless_it_is_known() -> None:
    assert built([1, 2], [1, 1], ratings=[2, 4]).scale == (2, 4)
    assert built([1, 2], [1, 1]).scale is None


def test_nothing_to_index_is_refused() -> None:
    with pytest.raises(DataError, match="no interactions found"):
        built([], [])


def test_the_fingerprint_depends_on_every_column() -> None:
    columns = {"ratings": [1, 2], "times": [1, 2]}
    prints = {
        built([1, 2], [1, 1], **columns).fingerprint,
        built([1, 3], [1, 1], **columns).fingerprint,
        built([1, 2], [1, 2], **columns).fingerprint,
        built([1, 2], [1, 1], ratings=[1, 3], times=[1, 2]).fingerprint,
        built([1, 2], [1, 1], ratings=[1, 2], times=[1, 3]).fingerprint,
        built([1, 2], [1, 1], times=[1, 2]).fingerprint,
    }
    assert len(prints) == 6


ROWS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99)), min_size=1, max_size=30
)


@given(rows=ROWS)
def test_indexing_loses_and_invents_nothing(rows: list[tuple[int, int, int, int]]) -> None:
    users, items, ratings, times = (list(column) for column in zip(*rows, strict=True))
    data = built(users, items, ratings=ratings, times=times)
    last = {(str(user), str(item)): (rating, time) for user, item, rating, time in sorted(rows, key=lambda row: row[3])}
    assert data.ratings is not None and data.times is not None
    found = {
        (data.user_ids[user], data.catalogue[item].id): (rating, time)
        for user, item, rating, time in zip(data.users, data.items, data.ratings, data.times, strict=True)
    }
    assert found == last
    assert sorted(data.user_ids, key=int) == list(data.user_ids)
    assert data.histories.n_entries == len(data)


@pytest.mark.parametrize(
    "columns", [{}, {"ratings": [1, 2.5]}, {"times": [3, 4]}, {"ratings": [1, 2], "times": [3, 4]}]
)
def test_saving_and_loading_gives_the_same_data_set(columns: dict[str, list[float]], tmp_path: Path) -> None:
    known = {"a": Item("a", "Amélie", 2001, ("Romance",), ("Le Fabuleux Destin",))}
    data = Dataset.build(
        "toy",
        users=np.array(["ü", "v"]),
        items=np.array(["a", "b"]),
        ratings=np.array(columns["ratings"]) if "ratings" in columns else None,
        times=np.array(columns["times"]) if "times" in columns else None,
        items_by_id=known,
        source="a test",
        generated=True,
        notes=("said",),
    )
    data.save(tmp_path / "kept")
    again = Dataset.load(tmp_path / "kept")
    for name in ("users", "items", "ratings", "times"):
        np.testing.assert_array_equal(getattr(again, name), getattr(data, name))
    for name in ("name", "user_ids", "catalogue", "scale", "source", "generated", "notes", "fingerprint", "time_kind"):
        assert getattr(again, name) == getattr(data, name), name
    facts = Dataset.read_facts(tmp_path / "kept")
    assert (facts["users"], facts["items"], facts["interactions"]) == (2, 2, 2)


def test_saving_leaves_one_file_and_replaces_the_one_before(tmp_path: Path) -> None:
    built([1], [1]).save(tmp_path / "kept")
    built([1, 2], [1, 1]).save(tmp_path / "kept")
    assert len(Dataset.load(tmp_path / "kept")) == 2
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["dataset.npz"]


def test_a_disk_that_fills_up_while_saving_leaves_the_old_data_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built([1], [1]).save(tmp_path / "kept")

    def full(file, **_: object) -> None:
        file.write(b"PK half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        built([1, 2], [1, 1]).save(tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["dataset.npz"]
    assert len(Dataset.load(tmp_path / "kept")) == 1


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.9])
def test_damage_anywhere_is_a_data_error(place: float, tmp_path: Path) -> None:
    built(list(range(500)), list(range(500)), ratings=[3] * 500).save(tmp_path / "kept")
    path = tmp_path / "kept" / "dataset.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(place * len(whole))])
    with pytest.raises(DataError, match="damaged dataset"):
        Dataset.load(tmp_path / "kept")
    flipped = bytearray(whole)
    flipped[int(place * len(whole))] ^= 0xFF
    path.write_bytes(flipped)
    with pytest.raises(DataError, match="damaged dataset"):
        Dataset.load(tmp_path / "kept")


def test_a_data_set_of_another_format_asks_to_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recdash.data.dataset_file._FORMAT", 0)
    built([1], [1]).save(tmp_path / "kept")
    monkeypatch.undo()
    with pytest.raises(DataError, match="written by another version of recdash"):
        Dataset.load(tmp_path / "kept")


def test_pickles_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with (tmp_path / "kept" / "dataset.npz").open("wb") as file:
        np.savez(file, facts=np.array([{"format": 1}], object), users=np.array([object()]))
    with pytest.raises(DataError, match="damaged dataset"):
        Dataset.load(tmp_path / "kept")
