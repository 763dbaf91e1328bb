"""Splits that people bring as files, held against the same splits given as matrices and as ratings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import recdash
from recdash import paths
from recdash.data import dataset_registry
from recdash.data.dataset import Dataset
from recdash.data.readers import split_files as own_reader
from recdash.data.split_parts import SplitFiles
from recdash.errors import RecdashError, SplitError, UsageError
from recdash.splits import PROTOCOLS, RatingSplit, Split, make_split, user_defined
from recdash.splits.split_options import SplitOptions
from tests.toy_data import toy_dataset

USERS, ITEMS = 120, 30

Matrix = NDArray[np.int64]
Row = tuple[Any, ...]


def write(path: Path, rows: Iterable[Row], header: str = "user,item") -> Path:
    """Write a CSV, a row per line."""
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def pairs(matrix: Matrix, first_user: int = 0) -> list[Row]:
    """Ids of the non-zero entries: user u has the id 100 + u, item i the id 1 + i."""
    return [(100 + first_user + user, 1 + item) for user, item in np.argwhere(matrix)]


def taste(users: int = USERS, seed: int = 0) -> Matrix:
    """Likes of people who each like one of three kinds of items most; every item and user has some."""
    rng = np.random.default_rng(seed)
    chance = np.where(np.arange(users)[:, None] % 3 == np.arange(ITEMS) % 3, 0.6, 0.15)
    return np.asarray(rng.random((users, ITEMS)) < chance, np.int64)


def halves(matrix: Matrix, place: int = 0) -> tuple[Matrix, Matrix]:
    """Every fourth item of each user held out, the rest to read."""
    held_out = matrix * ((np.arange(ITEMS) + np.arange(len(matrix))[:, None]) % 4 == place)
    return matrix - held_out, held_out


class Strong:
    """80 users to learn from, 20 for validation, 20 for testing: as matrices and as files."""

    def __init__(self, folder: Path) -> None:
        everybody = taste()
        self.train = everybody[:80]
        self.validation, self.test = halves(everybody[80:100]), halves(everybody[100:])
        named = {"validation": (self.validation, 80), "test": (self.test, 100)}
        files = {
            name: tuple(
                write(folder / f"{name}-{what}.csv", pairs(part, first))
                for what, part in zip(("fold-in", "held-out"), parts, strict=True)
            )
            for name, (parts, first) in named.items()
        }
        self.files = SplitFiles(write(folder / "train.csv", pairs(self.train)), files["validation"], files["test"])

    def as_matrices(self) -> Split:
        return Split.from_matrices(self.train, self.validation, self.test, items=[str(1 + i) for i in range(ITEMS)])


@pytest.fixture
def strong(tmp_path: Path) -> Strong:
    return Strong(tmp_path)


def read(train: Path, test: Iterable[Path], validation: Iterable[Path] = (), **options: Any) -> Dataset:
    return own_reader.read("mine", SplitFiles(train, tuple(validation), tuple(test)), **options)


def refusal(train: Path, test: Iterable[Path], validation: Iterable[Path] = (), **options: Any) -> str:
    """The one line with which files are refused."""
    with pytest.raises(RecdashError) as caught:
        read(train, test, validation, **options)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


class TestRanking:
    def test_files_give_the_split_that_the_same_matrices_give(self, strong: Strong) -> None:
        split, expected = make_split(own_reader.read("mine", strong.files), "own"), strong.as_matrices()
        assert isinstance(split, Split) and split.validation is not None and split.test.train_rows is None
        model, other = recdash.fit("ease", split), recdash.fit("ease", expected)
        np.testing.assert_allclose(
            model.score(split.test.fold_in), other.score(expected.test.fold_in), rtol=1e-6, atol=1e-6
        )
        for part in ("validation", "test"):
            mine, theirs = (recdash.evaluate(*one, on=part).mean for one in ((model, split), (other, expected)))
            assert mine == pytest.approx(theirs, rel=1e-6)

    def test_order_of_rows_and_files_kept_by_the_library_change_nothing(self, strong: Strong) -> None:
        dataset_registry.save(dataset_registry.read_split("mine", strong.files))
        again = make_split(dataset_registry.load_dataset("mine"), "own")
        assert again.fingerprint == make_split(own_reader.read("mine", strong.files), "own").fingerprint
        assert again.dataset == "mine"
        facts = Dataset.read_facts(paths.data_dir() / "sets" / "mine")
        assert facts["own_split"] == "ranking" and "task: ranking, because there is a fold-in file" in facts["notes"]

    def test_facts_count_the_parts_as_other_protocols_do(self, strong: Strong) -> None:
        facts = make_split(own_reader.read("mine", strong.files), "own").facts
        assert (facts["train_users"], facts["validation_users"], facts["test_users"]) == (80, 20, 20)
        assert facts["train_positives"] == strong.train.sum() and facts["test_targets"] == strong.test[1].sum()
        assert (facts["items"], facts["removed_held_out_entries"], facts["positive_from"]) == (ITEMS, 0, "every row")

    def test_without_validation_the_last_epoch_counts(self, strong: Strong) -> None:
        split = make_split(read(strong.files.train, strong.files.test), "own")
        assert split.validation is None
        settings: dict[str, Any] = {"hidden": (), "latent": 4, "batch_size": 40}
        assert recdash.fit("multvae", split, epochs=2, **settings).record["best_epoch"] == 2

    def test_with_one_file_known_users_are_read_from_what_is_known_of_them(self, tmp_path: Path) -> None:
        rest, test = halves(taste())
        train, validation = halves(rest, 1)
        files = [
            write(tmp_path / f"{name}.csv", pairs(part))
            for name, part in (("train", train), ("validation", validation), ("test", test))
        ]
        split = make_split(read(files[0], [files[2]], [files[1]]), "own")
        assert split.validation is not None
        for part, fold_in, held_out in ((split.validation, train, validation), (split.test, train + validation, test)):
            users = np.flatnonzero(held_out.any(axis=1) & train.any(axis=1))
            assert part.user_ids == tuple(str(100 + user) for user in users)
            np.testing.assert_array_equal(part.fold_in.matrix().toarray(), fold_in[users])
            np.testing.assert_array_equal(part.held_out.matrix().toarray(), held_out[users])
            assert part.train_rows is not None
            np.testing.assert_array_equal(split.train.take(part.train_rows).matrix().toarray(), train[users])
        assert "train_users" not in split.facts, "parts that share users are not parts of all users"

    def test_users_of_a_fold_in_who_are_all_in_train_are_known(self, tmp_path: Path) -> None:
        fold_in, held_out = halves(taste())
        files = [write(tmp_path / f"{name}.csv", pairs(part)) for name, part in (("f", fold_in), ("h", held_out))]
        split = make_split(read(write(tmp_path / "t.csv", pairs(fold_in)), files), "own")
        np.testing.assert_array_equal(split.test.train_rows, np.arange(USERS))

    def test_ratings_below_the_threshold_are_no_positives(self, tmp_path: Path) -> None:
        train = write(tmp_path / "t.csv", [(1, 1, 5), (1, 2, 4), (1, 3, 1), (2, 2, 4), (2, 1, 3)], "user,item,rating")
        fold_in = write(tmp_path / "f.csv", [(9, 1, 5), (9, 3, 5)], "user,item,rating")
        held_out = write(tmp_path / "h.csv", [(9, 2, 4), (9, 4, 5), (9, 5, 1)], "user,item,rating")
        data = read(train, [fold_in, held_out])
        split = make_split(data, "own")
        assert isinstance(split, Split) and split.ratings is not None
        assert [item.id for item in split.catalogue.items] == ["1", "2"], "item 3 is in train, but nobody likes it"
        assert split.train.n_entries == 3 and split.ratings.n_entries == 4
        assert split.test.fold_in.n_entries == 1 and split.test.held_out.n_entries == 1
        assert (split.facts["positive_from"], split.facts["removed_held_out_entries"]) == (4, 2)
        assert make_split(data, "own", positive_from=3).train.n_entries == 4
        assert any("h.csv: 2 rows are left out; t.csv lacks their items" in note for note in data.notes)

    def test_users_that_train_does_not_know_are_left_out_and_said_without_a_fold_in(self, tmp_path: Path) -> None:
        train = write(tmp_path / "t.csv", [(1, 1), (1, 2), (2, 2)])
        data = read(train, [write(tmp_path / "h.csv", [(2, 1), (7, 1), (8, 2)])])
        assert "h.csv: 2 users are left out, without a row in t.csv" in data.notes
        assert make_split(data, "own").test.user_ids == ("2",)

    def test_times_in_all_files_order_the_histories_and_else_svae_is_refused(self, tmp_path: Path) -> None:
        header = "user,item,timestamp"
        train = write(tmp_path / "t.csv", [(1, 1, 30), (1, 2, 10), (1, 3, 20), (2, 3, 5)], header)
        fold_in = write(tmp_path / "f.csv", [(9, 1, 9.5), (9, 2, 8.25)], header)
        held_out = write(tmp_path / "h.csv", [(9, 3, 10)], header)
        split = make_split(read(train, [fold_in, held_out]), "own")
        assert split.train.row(0).tolist() == [1, 2, 0] and split.test.fold_in.row(0).tolist() == [1, 0]
        assert "ties" not in split.facts, "no two events of a user have one time"
        recdash.fit("svae", split, epochs=1, hidden_width=4, embedding=4, recurrent=4, latent=2)
        data = read(train, [fold_in, write(tmp_path / "timeless.csv", [(9, 3)])])
        assert "timeless.csv: no times, so histories have no order" in data.notes
        with pytest.raises(UsageError, match="svae reads the order of histories, which this split does not have"):
            recdash.fit("svae", make_split(data, "own"), epochs=1)

    def test_events_at_one_time_are_ordered_by_the_file_of_their_part_and_that_is_said(self, tmp_path: Path) -> None:
        header = "user,item,timestamp"
        train = write(tmp_path / "t.csv", [(1, 3, 5), (1, 1, 5), (1, 2, 6), (2, 1, 7)], header)
        fold_in = write(tmp_path / "f.csv", [(9, 2, 1), (9, 1, 1), (8, 2, 2)], header)
        data = read(train, [fold_in, write(tmp_path / "h.csv", [(9, 3, 1)], header)])
        split = make_split(data, "own")
        assert split.train.row(0).tolist() == [2, 0, 1] and split.test.fold_in.row(1).tolist() == [1, 0]
        assert split.facts["ties"] == "file" and make_split(data, "own", ties="random").facts["ties"] == "random"


class TestRatings:
    @pytest.mark.parametrize("model", ["bias", "autorec"])
    def test_files_give_the_split_that_the_same_arrays_give(self, tmp_path: Path, model: str) -> None:
        toy = toy_dataset(times=False)
        assert toy.ratings is not None
        order = np.random.default_rng(1).permutation(len(toy))
        parts = dict(zip(("train", "validation", "test"), np.split(order, [4000, 4500]), strict=True))
        arrays = {name: (toy.users[rows], toy.items[rows], toy.ratings[rows]) for name, rows in parts.items()}
        files = {
            name: write(tmp_path / f"{name}.csv", zip(*columns, strict=True), "user,item,rating")
            for name, columns in arrays.items()
        }
        split = make_split(read(files["train"], [files["test"]], [files["validation"]]), "own")
        expected = Split.from_ratings(**arrays)
        assert isinstance(split, RatingSplit) and split.protocol == "own-ratings"
        assert split.scale == expected.scale == (1, 5)
        settings: dict[str, Any] = {} if model == "bias" else {"epochs": 2, "batch_size": 60, "latent": 8}
        fitted = [recdash.fit(model, one, **settings) for one in (split, expected)]
        for part in ("validation", "test"):
            mine, theirs = (
                recdash.evaluate(one, of, on=part).mean for one, of in zip(fitted, (split, expected), strict=True)
            )
            assert mine == pytest.approx(theirs, rel=1e-6)

    def test_the_task_is_found_from_the_files_and_said(self, tmp_path: Path) -> None:
        header = "user,item,rating"
        train = write(tmp_path / "train.csv", [(1, 1, 4), (2, 2, 2), (2, 3, 5)], header)
        several = write(tmp_path / "several.csv", [(1, 2, 5), (1, 3, 1)], header)
        single = write(tmp_path / "single.csv", [(1, 2, 5), (1, 3, 5)], header)
        bare = [write(tmp_path / f"{name}.csv", [(1, item)]) for name, item in (("b", 1), ("c", 2))]
        found = read(train, [several])
        assert found.own_split == "rating" and any("for a ranking add --task ranking" in note for note in found.notes)
        assert read(train, [several], task="ranking").own_split == "ranking"
        for data in (read(train, [single]), read(bare[0], [write(tmp_path / "d.csv", [(1, 2), (2, 1)])])):
            assert data.own_split == "ranking"
            assert "task: ranking, because not every file contains at least two distinct ratings" in data.notes
        assert read(train, [single], task="rating").own_split == "rating"


class TestRefusals:
    def test_a_pair_of_train_that_is_held_out_for_testing(self, strong: Strong, tmp_path: Path) -> None:
        train = write(tmp_path / "leak.csv", [*pairs(strong.train), *pairs(strong.test[1], 100)[:3]])
        user, item = pairs(strong.test[1], 100)[0]
        told = refusal(train, strong.files.test)
        assert f"test-held-out.csv: 3 pairs are also in leak.csv, the first is user {user}, item {item}" in told
        assert "must not be trained on" in told

    def test_a_pair_in_fold_in_and_held_out_of_one_part(self, strong: Strong, tmp_path: Path) -> None:
        fold_in, held_out = strong.validation
        leaking = write(tmp_path / "f.csv", [*pairs(fold_in, 80), pairs(held_out, 80)[-1]])
        told = refusal(strong.files.train, strong.files.test, [leaking, strong.files.validation[1]])
        assert "validation-held-out.csv: 1 pair is also in f.csv" in told and "must not be in the fold-in" in told

    def test_a_pair_that_validation_and_testing_hold_out(self, tmp_path: Path) -> None:
        train = write(tmp_path / "t.csv", [(1, 1), (2, 2)])
        both = [write(tmp_path / f"{name}.csv", [(1, 2), (2, 1)]) for name in ("v", "h")]
        told = refusal(train, [both[1]], [both[0]])
        assert "h.csv: 2 pairs are also in v.csv" in told and "must not be in any other file" in told

    def test_a_pair_that_validation_holds_out_may_be_read_when_testing(self, tmp_path: Path) -> None:
        train = write(tmp_path / "t.csv", [(1, 1), (2, 2), (2, 3)])
        validation = [write(tmp_path / "vf.csv", [(1, 1)]), write(tmp_path / "vh.csv", [(1, 2)])]
        test = [write(tmp_path / "tf.csv", [(1, 1), (1, 2)]), write(tmp_path / "th.csv", [(1, 3)])]
        split = make_split(read(train, test, validation), "own")
        assert split.test.fold_in.n_entries == 2 and split.test.train_rows.tolist() == [0]

    def test_a_held_out_user_without_a_fold_in(self, strong: Strong, tmp_path: Path) -> None:
        fold_in = write(tmp_path / "f.csv", [row for row in pairs(strong.test[0], 100) if row[0] not in (205, 211)])
        told = refusal(strong.files.train, [fold_in, strong.files.test[1]])
        assert "test-held-out.csv: 2 users are without a row in f.csv, the first is 205" in told

    def test_files_with_other_ids(self, strong: Strong, tmp_path: Path) -> None:
        rows = pairs(strong.test[1], 100)
        items = write(tmp_path / "items.csv", [(user, f"tt{item:04}") for user, item in rows])
        told = refusal(strong.files.train, [strong.files.test[0], items])
        assert "items.csv has none of the items of train.csv: its item ids look like tt0001, tt0002, tt0003" in told
        assert "those of train.csv like 1, 10, 11. Use the same ids" in told
        users = write(tmp_path / "users.csv", [(f"u{user}", item) for user, item in rows])
        told = refusal(strong.files.train, [strong.files.test[0], users])
        assert "users.csv has none of the users of test-fold-in.csv: its user ids look like u200, u201" in told
        assert "none of the users of train.csv" in refusal(strong.files.train, [users])

    @pytest.mark.parametrize("content", ["", "user,item\n"])
    def test_a_part_without_rows(self, strong: Strong, tmp_path: Path, content: str) -> None:
        (tmp_path / "empty.csv").write_text(content)
        assert "empty.csv" in refusal(strong.files.train, [strong.files.test[0], tmp_path / "empty.csv"])

    def test_files_that_do_not_go_together(self, strong: Strong) -> None:
        train, test = strong.files.train, strong.files.test
        assert "given twice, as train and as test held-out" in refusal(train, [test[0], train])
        assert "given twice" in refusal(train, [test[0], test[0].parent / "." / test[0].name])
        assert "--test: 3 files" in refusal(train, [*test, test[0]])
        assert "--test is missing" in refusal(train, [])
        assert "--task rating: two files are given for one part" in refusal(train, test, task="rating")
        assert "Unknown task: 'rank'" in refusal(train, test, task="rank")
        assert "no such file" in refusal(train, [test[0].parent / "nowhere.csv"])

    def test_ratings_in_some_files_only(self, strong: Strong, tmp_path: Path) -> None:
        rated = write(tmp_path / "r.csv", [(*row, 5) for row in pairs(strong.test[1], 100)], "user,item,rating")
        assert "train.csv: no rating column found, but r.csv has one" in refusal(
            strong.files.train, [strong.files.test[0], rated]
        )
        assert read(strong.files.train, [strong.files.test[0], rated], rating="none").ratings is None
        assert "no rating column found. Give it (--rating COL), or use --task ranking" in refusal(
            strong.files.train, [strong.files.test[1]], task="rating"
        )

    def test_what_numbers_mean_is_read_off_all_files_together(self, tmp_path: Path) -> None:
        header = "user,item,rating"
        stars = write(tmp_path / "stars.csv", [(1, 1, 5), (1, 2, 3), (2, 2, 2)], header)
        ones = write(tmp_path / "ones.csv", [(2, 1, 1)], header)
        found = read(stars, [ones], task="ranking")
        assert (found.feedback, found.scale) == ("ratings", (1, 5)), "all held-out stars are 1"
        plays = write(tmp_path / "plays.csv", [(1, 1, 500), (1, 2, 3), (2, 2, 2)], header)
        few = write(tmp_path / "few.csv", [(2, 1, 5)], header)
        assert (read(plays, [few]).feedback, read(plays, [few]).scale) == ("counts", None)
        assert make_split(read(plays, [few]), "own").train.n_entries == 3, "every row counts"
        assert "counts, not ratings on a scale" in refusal(plays, [few], task="rating")

    def test_the_users_of_the_files_stay(self, strong: Strong) -> None:
        assert "--min-positives" in refusal(strong.files.train, strong.files.test, min_positives=3)
        with pytest.raises(UsageError, match="min_positives: protocol own uses the imported parts unchanged"):
            SplitOptions(min_positives=3).check("own")

    def test_nothing_liked_is_refused_by_the_split(self, tmp_path: Path) -> None:
        header = "user,item,rating"
        train = write(tmp_path / "t.csv", [(1, 1, 1), (1, 2, 5), (2, 2, 2)], header)
        data = read(train, [write(tmp_path / "h.csv", [(2, 1, 1)], header)])
        with pytest.raises(SplitError, match="test: no held-out items of"):
            make_split(data, "own")
        with pytest.raises(SplitError, match="no training row is rated 6 or more"):
            make_split(data, "own", positive_from=6)


class TestProtocols:
    @pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "own"])
    def test_a_data_set_with_a_split_of_its_own_refuses_other_protocols(self, strong: Strong, protocol: str) -> None:
        with pytest.raises(SplitError, match=r"mine has a user-defined split\. Use protocol 'own'"):
            make_split(own_reader.read("mine", strong.files), protocol)

    @pytest.mark.parametrize("protocol", list(user_defined.PROTOCOL_OF_TASK.values()))
    def test_other_data_sets_refuse_it(self, protocol: str) -> None:
        with pytest.raises(SplitError, match="toy has no user-defined split"):
            make_split(toy_dataset(), protocol)

    def test_each_data_set_is_offered_what_it_can_have(self) -> None:
        assert [name for name in PROTOCOLS if user_defined.is_available(name, "ranking")] == ["own"]
        assert [name for name in PROTOCOLS if user_defined.is_available(name, "rating")] == ["own-ratings"]
        assert [name for name in PROTOCOLS if user_defined.is_available(name, None)] == list(PROTOCOLS)[
            : -len(user_defined.PROTOCOL_OF_TASK)
        ]


class TestComparable:
    """Ratings on one scale and times on one clock, in all files."""

    def files(self, folder: Path, train: list[Any], test: list[Any], column: str = "rating") -> SplitFiles:
        """Eight users with these values in turn: items 0 to 29 to learn from, 30 to 39 to test on.

        A ninth user of training has all items.  column: "rating", or "time" beside ratings of 1 to 5.
        """
        header = "user,item,rating" if column == "rating" else "user,item,rating,time"

        def row(user: int, item: int, values: list[Any]) -> Row:
            stars = () if column == "rating" else (1 + item % 5,)
            return (user, item, *stars, values[(user + item) % len(values)])

        to_learn = [row(user, item, train) for user in range(8) for item in range(30)]
        to_learn += [row(8, item, train) for item in range(40)]
        to_test = [row(user, item, test) for user in range(8) for item in range(30, 40)]
        return SplitFiles(write(folder / "tr.csv", to_learn, header), (), (write(folder / "te.csv", to_test, header),))

    @pytest.mark.parametrize(
        ("train", "test", "spans"),
        [
            ([1, 2, 3, 4, 5], [20, 40, 60, 80, 100], "tr.csv from 1 to 5, te.csv from 20 to 100"),
            ([1, 2, 3, 4, 5], [2, 4, 6, 8, 10], "tr.csv from 1 to 5, te.csv from 2 to 10"),
            ([2, 4, 6, 8, 10], [1, 2, 3, 4, 5], "te.csv from 1 to 5, tr.csv from 2 to 10"),
            ([1, 2, 3, 4, 5], [0, 1], "from 0 to 1"),
        ],
    )
    def test_files_on_different_scales_are_refused_unless_one_is_said(
        self, train: list[int], test: list[int], spans: str, tmp_path: Path
    ) -> None:
        files = self.files(tmp_path, train, test)
        message = refusal(files.train, files.test)
        assert "The ratings are on different scales: " in message and spans in message
        assert "(--scale " in message
        assert read(files.train, files.test, scale="0..100").scale == (0.0, 100.0)

    def test_a_part_of_a_scale_is_no_other_scale(self, tmp_path: Path) -> None:
        files = self.files(tmp_path, [1, 2, 3, 4, 5], [3, 4])
        assert read(files.train, files.test).scale == (1.0, 5.0)
        halves = self.files(tmp_path, [0.5, 1, 1, 2, 2.5, 3, 3, 3, 4, 4, 4, 4.5, 5], [4, 4, 4.5])
        assert read(halves.train, halves.test).scale == (0.5, 5.0)

    def test_dates_and_an_order_are_no_one_clock(self, tmp_path: Path) -> None:
        files = self.files(tmp_path, [1300000000, 1300000500], [1, 2, 3], "time")
        assert "tr.csv has dates, but the times of te.csv are an order" in refusal(files.train, files.test)
        assert read(files.train, files.test, time="none").times is None

    def test_seconds_milliseconds_and_dates_are_one_clock(self, tmp_path: Path) -> None:
        for test in ([1300000000123], ["2011-03-13T07:06:40Z"]):
            files = self.files(tmp_path, [1300000000, 1300000500], test, "time")
            assert read(files.train, files.test).time_kind == "dates"

    @pytest.mark.parametrize(
        ("train", "test", "said"),
        [
            (
                ["06/25/2012", "05/06/2012"],
                ["25/06/2012", "05/06/2012"],
                "te.csv has dates with the day first, tr.csv",
            ),
            (
                ["25-06-2012", "05-06-2012"],
                ["06-25-2012", "05-06-2012"],
                "tr.csv has dates with the day first, te.csv",
            ),
            (["06/25/2012 10:30"], ["25/06/2012"], "te.csv has dates with the day first"),
            (["25062012"], ["06252012"], "tr.csv has dates with the day first"),
        ],
    )
    def test_day_and_month_in_another_order_are_refused(
        self, train: list[str], test: list[str], said: str, tmp_path: Path
    ) -> None:
        files = self.files(tmp_path, train, test, "time")
        assert said in refusal(files.train, files.test)

    @pytest.mark.parametrize(("last", "fits"), [("25/05/2012", False), ("05/25/2012", True)])
    def test_an_order_of_day_and_month_that_late_rows_decide_counts_as_well(
        self, last: str, fits: bool, tmp_path: Path
    ) -> None:
        train = self.files(tmp_path, ["06/25/2012", "05/06/2012"], ["-"], "time").train
        rows = [(user, item, 3, "05/05/2012") for user in range(8) for item in range(30, 40)] * 3
        late = write(tmp_path / "late.csv", [*rows, (0, 30, 3, last)], "user,item,rating,time")
        if fits:
            assert read(train, [late]).time_kind == "dates"
        else:
            assert "late.csv has dates with the day first, tr.csv with the month first" in refusal(train, [late])

    def test_users_and_items_that_training_does_not_have_are_counted_for_ratings_too(self, tmp_path: Path) -> None:
        files = self.files(tmp_path, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
        path = files.test[0]
        path.write_text(path.read_text() + "".join(f"{user},{user % 5},4\n" for user in range(20, 25)) + "3,999,2\n")
        notes = read(files.train, files.test, task="rating").notes
        assert "te.csv: 5 users are not in tr.csv; their ratings are predicted without any rating of that user" in notes
        assert "te.csv: 1 item is not in tr.csv; their ratings are predicted without any rating of that item" in notes
