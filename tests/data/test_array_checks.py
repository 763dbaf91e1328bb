"""Arrays and matrices from outside: every number is checked before a compiled routine reads it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from recdash.data.array_checks import finite_numbers, whole_numbers
from recdash.data.catalogue import Catalogue
from recdash.data.histories import Histories
from recdash.data.items import Item
from recdash.errors import DataError, short_repr

ROOT = Path(__file__).resolve().parents[2]
DENSE = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]])
FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
KINDS = [f"{form}_{kind}" for form in FORMATS for kind in ("array", "matrix")]


def positives_of(matrix: Any) -> list[list[int]]:
    histories = Histories.from_csr(matrix, name="train")
    return [histories.row(number).tolist() for number in range(len(histories))]


def refusal_of(matrix: Any) -> str:
    with pytest.raises(DataError) as caught:
        Histories.from_csr(matrix, name="train")
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


class TestSoundMatrices:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_format_of_scipy_gives_the_same_rows(self, kind: str) -> None:
        assert positives_of(getattr(sparse, kind)(DENSE)) == [[0, 1, 3], [], [1, 2]]

    @pytest.mark.parametrize(
        "given",
        [
            DENSE.astype(bool),
            DENSE.astype(np.uint8),
            DENSE * 0.1,
            DENSE.astype(object),
            DENSE.tolist(),
            [tuple(row) for row in DENSE.tolist()],
            DENSE.view(np.matrix),
            np.ma.masked_array(DENSE),
            pd.DataFrame(DENSE, columns=list("abcd"), index=[7, 8, 9]),
            torch.tensor(DENSE.tolist(), dtype=torch.float32, requires_grad=True),
        ],
        ids=lambda given: type(given).__name__,
    )
    def test_what_numpy_reads_as_a_matrix_gives_the_same_rows(self, given: Any) -> None:
        assert positives_of(given) == [[0, 1, 3], [], [1, 2]]

    @pytest.mark.parametrize(("value", "times"), [(128, 2), (1, 256), (64, 4)])
    def test_duplicates_that_add_up_to_nothing_in_eight_bits_are_positive(self, value: int, times: int) -> None:
        entries = np.full(times, value, np.uint8), (np.zeros(times, int), np.zeros(times, int))
        coo = sparse.coo_array(entries, shape=(1, 2))
        csr = sparse.csr_matrix((entries[0], np.zeros(times, int), [0, times]), shape=(1, 2))
        assert positives_of(coo) == positives_of(csr) == [[0]]

    def test_explicit_zeros_are_no_positives_also_beside_a_positive_one(self) -> None:
        matrix = sparse.csr_array(([0.0, 1.0, 0.0], [2, 1, 1], [0, 1, 3]), shape=(2, 3))
        assert positives_of(matrix) == [[], [1]]

    def test_the_callers_matrix_is_left_as_it_is(self) -> None:
        matrix = sparse.csr_array(([1.0, 0.0, 1.0, 1.0], [3, 2, 0, 0], [0, 4]), shape=(1, 4))
        before = [part.copy() for part in (matrix.data, matrix.indices, matrix.indptr)]
        assert positives_of(matrix) == [[0, 3]]
        for part, old in zip((matrix.data, matrix.indices, matrix.indptr), before, strict=True):
            np.testing.assert_array_equal(part, old)

    def test_room_behind_the_last_row_is_not_read(self) -> None:
        matrix = sparse.csr_array(DENSE)
        matrix.indices, matrix.data = np.append(matrix.indices, 99), np.append(matrix.data, -1)
        assert positives_of(matrix) == [[0, 1, 3], [], [1, 2]]


BROKEN = """
    import sys
    import numpy as np
    from scipy import sparse
    from recdash.data.histories import Histories
    from recdash.errors import DataError

    dense = (np.arange(40 * 40).reshape(40, 40) % 3 == 0) * 1.0
    for kind in sys.argv[1:]:
        for number in (40, -1, 2**31 - 1):
            matrix = getattr(sparse, kind)(dense)
            if matrix.format == "coo":
                matrix.coords[1][-1] = number
            elif matrix.format == "lil":
                matrix.rows[0][-1] = number
            elif matrix.format == "dok":
                matrix._dict[(0, number)] = 1.0
            elif matrix.format == "dia":
                matrix.offsets = np.append(matrix.offsets, number)
            else:
                matrix.indices[-1] = number
            try:
                Histories.from_csr(matrix)
            except DataError:
                print("refused", kind, number)
"""


def test_an_index_outside_the_shape_does_not_end_the_process() -> None:
    command = [sys.executable, "-c", textwrap.dedent(BROKEN), *KINDS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3 * len(KINDS)


class TestBrokenMatrices:
    @pytest.mark.parametrize("column", [4, -1, 2**31 - 1])
    @pytest.mark.parametrize("form", ["csr", "coo", "lil", "dok"])
    def test_a_column_outside_the_shape_is_told_with_its_row(self, form: str, column: int) -> None:
        matrix = getattr(sparse, f"{form}_array")(DENSE)
        if form == "csr":
            matrix.indices[3] = column
        elif form == "coo":
            matrix.coords[1][3] = column
        elif form == "lil":
            matrix.rows[2][0] = column
        else:
            matrix._dict[(2, column)] = 1
        told = f"train: row 2 has an entry in column {column}, outside the columns 0 to 3"
        assert told in refusal_of(matrix)

    @pytest.mark.parametrize("row", [3, -1])
    def test_a_row_outside_the_shape_is_told(self, row: int) -> None:
        by_column = sparse.csc_array(DENSE)
        by_column.indices[0] = row
        assert f"row {row} has an entry in column 0, outside the rows 0 to 2" in refusal_of(by_column)
        by_entry = sparse.coo_matrix(DENSE)
        by_entry.row[0] = row
        assert f"row {row} has an entry" in refusal_of(by_entry)

    def test_numbers_from_one_are_refused_with_the_way_to_fix_it(self) -> None:
        ones = sparse.csr_array(DENSE)
        ones.indices += 1
        assert "numbers that start at 1 are one too high" in refusal_of(ones)

    def test_a_block_outside_the_shape_is_refused(self) -> None:
        blocks = sparse.bsr_array(np.ones((4, 4)), blocksize=(2, 2))
        blocks.indices[-1] = 2
        assert "row 2 has an entry in column 4, outside the columns 0 to 3" in refusal_of(blocks)

    @pytest.mark.parametrize("form", ["csr", "csc", "bsr"])
    @pytest.mark.parametrize(
        ("place", "number", "told"),
        [(1, 99, "ends before it starts"), (-1, 99, "entries"), (0, 1, "indptr goes from 1")],
    )
    def test_a_broken_indptr_is_refused(self, form: str, place: int, number: int, told: str) -> None:
        matrix = getattr(sparse, f"{form}_array")(DENSE)
        matrix.indptr[place] = number
        assert told in refusal_of(matrix)

    @pytest.mark.parametrize(
        ("form", "part"), [("csr", "indptr"), ("csr", "data"), ("csc", "indices"), ("coo", "data")]
    )
    def test_arrays_that_do_not_fit_each_other_are_refused(self, form: str, part: str) -> None:
        matrix = getattr(sparse, f"{form}_array")(DENSE)
        setattr(matrix, part, getattr(matrix, part)[:-1])
        refusal_of(matrix)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
    @pytest.mark.parametrize("kind", [*KINDS, "array"])
    def test_values_that_are_no_positives_are_told_with_their_place(self, kind: str, value: float) -> None:
        dense = DENSE.astype(float)
        dense[2, 1] = value
        told = refusal_of(dense if kind == "array" else getattr(sparse, kind)(dense))
        assert f"found {value} in row 2, column 1" in told
        assert "finite and not negative" in told

    def test_plus_and_minus_one_do_not_cancel(self) -> None:
        assert "found -1.0" in refusal_of(sparse.coo_array(([1.0, -1.0], ([0, 0], [0, 0])), shape=(1, 2)))

    @pytest.mark.parametrize(
        "given",
        [
            None,
            5,
            "matrix",
            {0: [1]},
            [[1, 0], [1]],
            DENSE[0],
            DENSE[None],
            np.array(1),
            DENSE * 1j,
            sparse.csr_array(DENSE * 1j),
            DENSE.astype(str),
            DENSE.astype("datetime64[s]"),
            np.ma.masked_array(DENSE, DENSE == 0),
            pd.DataFrame(DENSE).replace(0, np.nan),
            pd.Series(DENSE[0]),
            [[None, 1]],
            torch.tensor(DENSE).to_sparse(),
            (3, 4),
            sparse.coo_array(DENSE[0]),
        ],
        ids=short_repr,
    )
    def test_what_is_no_matrix_is_refused(self, given: Any) -> None:
        refusal_of(given)


@pytest.mark.parametrize(
    "make",
    [
        lambda: sparse.coo_array(([1.0], ([1], [1])), shape=(2 * 10**9, 4)),
        lambda: sparse.dok_array((2 * 10**9, 4)),
        lambda: sparse.csc_array(([1.0], [10**7], [0, 0, 1]), shape=(2 * 10**9, 2)),
    ],
)
def test_far_more_users_than_entries_are_refused_before_they_cost_memory(make: Callable[[], Any]) -> None:
    matrix = make()
    tracemalloc.start()
    told = refusal_of(matrix)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
    assert "2,000,000,000 users" in told and "1,000,000, or 10 per entry" in told
    assert "Number the users from 0 without gaps" in told


def test_a_million_users_with_few_entries_are_read() -> None:
    assert len(Histories.from_csr(sparse.coo_array(([1], ([999_999], [0])), shape=(10**6, 2)))) == 10**6


class TestHistoriesByHand:
    @pytest.mark.parametrize(
        ("parts", "told"),
        [
            (([0, 1, 3], [0, 1, 5], None, 5), "row 1 has item 5, outside the items 0 to 4"),
            (([0, 1, 3], [-1, 1, 2], None, 5), "row 0 has item -1"),
            (([0, 4, 3], [0, 1, 2], None, 5), "row 1 ends before it starts"),
            (([0, 1, 2], [0, 1, 2], None, 5), "indptr goes from 0 to 2, but there are 3 entries"),
            (([0, 9], [0, 1, 2], None, 5), "indptr goes from 0 to 9"),
            (([1, 3], [0, 1, 2], None, 5), "indptr goes from 1"),
            (([], [0, 1, 2], None, 5), "indptr has 0 numbers"),
            (([0, 3], [0, 1, 2], [1.0, 2.0], 5), "2 values for 3 items"),
            (([0, 3], [0, 1, 2], [1.0, np.nan, 2.0], 5), "found nan at position 1"),
            (([0, 3], ["a", "b", "c"], None, 5), "found text"),
            (([0, 3], None, None, 5), "found other values"),
        ],
    )
    def test_what_no_row_can_be_is_refused(self, parts: Any, told: str) -> None:
        arrays = [np.array(part) if isinstance(part, list) else part for part in parts[:3]]
        with pytest.raises(DataError, match=told):
            Histories.from_any(Histories(*arrays, parts[3]), parts[3])  # type: ignore[arg-type]

    def test_other_types_of_numbers_become_the_documented_ones(self) -> None:
        by_hand = Histories([0, 2], np.array([3, 1]), np.array([4, 5]), np.int64(5))  # type: ignore[arg-type]
        found = Histories.from_any(by_hand, 5)
        assert found.values is not None
        assert (found.indptr.dtype, found.items.dtype, found.values.dtype) == (np.int64, np.int32, np.float32)
        assert (found.row(0).tolist(), found.values.tolist(), found.n_items) == ([3, 1], [4.0, 5.0], 5)

    @pytest.mark.parametrize("rows", [[[5]], [[-1]], [[2**40]], [["a"]], [[0.5]], [0, 1], 5, None])
    def test_rows_that_hold_no_items_are_refused(self, rows: Any) -> None:
        with pytest.raises(DataError):
            Histories.from_rows(rows, 5)

    def test_checking_one_history_takes_no_noticeable_time(self) -> None:
        history = Histories.from_rows([[1, 5, 7]], 3000)
        matrix = history.matrix()
        best = {}
        for given in (history, matrix):
            times = []
            for _ in range(100):
                started = time.perf_counter()
                Histories.from_any(given, 3000)
                times.append(time.perf_counter() - started)
            best[type(given).__name__] = min(times)
        assert max(best.values()) < 0.5e-3, best


class TestColumns:
    @pytest.mark.parametrize(
        "given",
        [
            [3, 0, 2],
            (3.0, 0.0, 2.0),
            np.array([3, 0, 2], np.uint8),
            np.array([[3], [0], [2]]),
            np.array([3, 0, 2], object),
            pd.Series([3, 0, 2], index=[9, 8, 7]),
            pd.DataFrame({"a": [3, 0, 2]}),
            pd.Index([3, 0, 2]),
            pd.array([3, 0, 2], "Int64"),
            torch.tensor([3, 0, 2]),
            np.array([[3], [0], [2]]).view(np.matrix),
        ],
        ids=lambda given: type(given).__name__,
    )
    def test_one_column_of_whole_numbers_is_read_from_any_type(self, given: Any) -> None:
        found = whole_numbers(given, "users")
        assert (found.dtype, found.tolist()) == (np.int64, [3, 0, 2])

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ([0.5], "found 0.5 at position 0"),
            ([1.0, np.nan], "found nan at position 1"),
            ([np.inf], "found inf"),
            ([True], "True and False"),
            ([1j], "complex"),
            (["1"], "text"),
            (np.array(["2020-01-01"], "datetime64[D]"), "dates"),
            ([[1, 2]], r"shape \(1, 2\)"),
            ([None], "other values"),
            (np.ma.masked_array([1], [True]), "masked"),
            ([[1], [2, 3]], "found list"),
        ],
    )
    def test_what_is_none_is_refused(self, given: Any, told: str) -> None:
        with pytest.raises(DataError, match=f"users: expected whole numbers from 0.*{told}"):
            whole_numbers(given, "users")

    @pytest.mark.parametrize("huge", [np.array([2**63 + 5], np.uint64), np.array([1e300]), np.array([2.0**63])])
    def test_numbers_beyond_int64_do_not_wrap(self, huge: Any) -> None:
        assert whole_numbers(huge, "users").tolist() == [2**62]

    def test_ratings_that_float32_cannot_hold_are_refused(self) -> None:
        assert finite_numbers([1, 2.5], "ratings").tolist() == [1.0, 2.5]
        with pytest.raises(DataError, match=r"found 1e\+300 at position 1"):
            finite_numbers([1.0, 1e300], "ratings")


class TestNames:
    @pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Index, pd.Series, iter])
    def test_plain_names_are_ids_and_titles(self, kind: Callable[[Any], Any]) -> None:
        found = Catalogue.of_names(kind(["Heat (1995)", "Toy  Story"]))
        assert [(item.id, item.title) for item in found.items] == [("Heat (1995)",) * 2, ("Toy  Story",) * 2]

    def test_numbers_and_other_hashable_values_are_written_out(self) -> None:
        assert [item.id for item in Catalogue.of_names(np.arange(3)).items] == ["0", "1", "2"]
        assert [item.id for item in Catalogue.of_names([("a", 1), 2.5]).items] == ["('a', 1)", "2.5"]

    def test_items_and_a_catalogue_stay_as_they_are(self) -> None:
        items = (Item("1", "Heat", 1995), Item("2", "Heat", 1986))
        assert Catalogue.of_names(list(items)).items == items
        assert Catalogue.of_names(Catalogue(items)).items == items

    @pytest.mark.parametrize(
        ("names", "told"),
        [
            ("films", "expected a list of names"),
            (5, "expected a list of names"),
            ({"a", "b"}, "expected a list of names"),
            ({"a": 1}, "expected a list of names"),
            (np.array([["a"]]), "expected a list of names"),
            (pd.DataFrame({"a": ["b"]}), "expected a list of names"),
            (["a", "b", "a"], "'a' is the name of item 0 and of item 2"),
            ([1, "1"], "'1' is the name"),
            (Catalogue((Item("1", "a"), Item("1", "b"))), "'1' is the name"),
            (["a", None], "item 1 has no name"),
            ([float("nan")], "item 0 has no name"),
            ([pd.NA], "item 0 has no name"),
            ([["a"]], "item 0 has no name"),
            (["a\nb"], "not one line"),
            (["  "], "not one line"),
        ],
    )
    def test_what_names_no_item_or_two_is_refused(self, names: Any, told: str) -> None:
        with pytest.raises(DataError, match=told):
            Catalogue.of_names(names)


def test_a_value_is_shown_on_one_short_line() -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError

    assert short_repr("a\nb") == "'a\\nb'"
    assert short_repr(Silent()) == "a Silent"
    assert short_repr(10**5000) == "a int"
    assert len(short_repr(pd.DataFrame(np.eye(50)))) < 90
    assert len(short_repr(np.eye(50)).splitlines()) == 1
