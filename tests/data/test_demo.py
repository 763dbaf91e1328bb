"""The embedded demo: a true film table, and invented ratings from which every kind of model can learn."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from recdash import paths
from recdash.data import demo

GENRES = (
    "Action|Adventure|Animation|Children|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|Musical|Mystery|"
    "Romance|Sci-Fi|Thriller|War|Western"
)
MOODS = (
    "adventurous|bleak|cerebral|coming-of-age|dark|epic|feel-good|funny|gritty|heartwarming|melancholic|mind-bending|"
    "nostalgic|political|quirky|romantic|satirical|scary|slow-burn|stylish|surreal|tense|violent|whimsical"
)
LAST_YEARS = {  # of each era
    "silent": 1929,
    "golden-age": 1945,
    "fifties": 1959,
    "sixties": 1966,
    "new-hollywood": 1979,
    "eighties": 1989,
    "nineties": 1999,
    "noughties": 2009,
    "tens": 2019,
    "twenties": 2029,
}
SEEDS = (98765, 1, 2)  # of the split


@pytest.fixture(scope="module")
def films() -> pd.DataFrame:
    return pd.read_csv(paths.demo_films(), keep_default_na=False)


@pytest.fixture(scope="module")
def data(films) -> demo.Interactions:
    return demo.generate(films)


# --- the film table ---------------------------------------------------------------------------------------------------


def test_the_table_has_its_columns_and_numbers_its_films_from_one(films):
    assert list(films) == ["id", "title", "year", "genres", "directors", "franchise", "moods", "era", "fame"]
    assert len(films) >= 650
    assert list(films["id"]) == list(range(1, len(films) + 1))


def test_no_film_stands_twice_in_the_table(films):
    spelling = films["title"].str.casefold().str.replace(r"[^\w]", "", regex=True)
    twice = films[pd.DataFrame({"title": spelling, "year": films["year"]}).duplicated(keep=False)]
    assert twice.empty, twice[["title", "year"]].to_string()


def test_every_tag_comes_from_its_vocabulary(films):
    assert {tag for row in films["genres"] for tag in row.split("|")} == set(GENRES.split("|"))
    assert {tag for row in films["moods"] for tag in row.split("|")} == set(MOODS.split("|"))
    assert films["directors"].str.strip("| ").str.len().min() > 0
    for column in ("genres", "directors", "moods"):
        assert all(len(set(row.split("|"))) == len(row.split("|")) for row in films[column]), column


def test_the_era_of_a_film_follows_from_its_year(films):
    for year, era in zip(films["year"], films["era"], strict=True):
        assert era == next(name for name, last in LAST_YEARS.items() if year <= last)


def test_the_table_spans_a_century_every_genre_and_many_series_and_directors(films):
    assert films["year"].min() <= 1922
    assert films["year"].max() == 2023
    for genre in GENRES.split("|"):
        assert films["genres"].str.split("|").map(lambda row, genre=genre: genre in row).sum() >= 20, genre
    series = films.loc[films["franchise"] != "", "franchise"].value_counts()
    assert series.min() >= 2
    assert (series >= 3).sum() >= 20
    assert (films["directors"].str.split("|").explode().value_counts() >= 3).sum() >= 100


def test_the_numbering_says_nothing_about_fame(films):
    assert films["fame"].between(1, 100).all()
    assert abs(np.corrcoef(films["id"], films["fame"])[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("title", "year", "director"),
    [
        ("M*A*S*H", 1970, "Robert Altman"),
        ("8½", 1963, "Federico Fellini"),
        ("Amélie", 2001, "Jean-Pierre Jeunet"),
        ("WALL·E", 2008, "Andrew Stanton"),
        ("Se7en", 1995, "David Fincher"),
        ("The Godfather Part II", 1974, "Francis Ford Coppola"),
        ("The Good, the Bad and the Ugly", 1966, "Sergio Leone"),
        ("2001: A Space Odyssey", 1968, "Stanley Kubrick"),
        ("Jeanne Dielman, 23, quai du Commerce, 1080 Bruxelles", 1975, "Chantal Akerman"),
        ("The Matrix", 1999, "Lana Wachowski|Lilly Wachowski"),
    ],
)
def test_awkward_and_famous_titles_are_written_as_people_write_them(films, title, year, director):
    row = films[(films["title"] == title) & (films["year"] == year)]
    assert list(row["directors"]) == [director]


# --- the ratings ------------------------------------------------------------------------------------------------------


def test_three_thousand_users_give_about_two_hundred_thousand_ratings(data, films):
    assert 190_000 < len(data.users) < 212_000
    assert np.array_equal(np.unique(data.users), np.arange(3000))
    assert np.array_equal(np.unique(data.items), np.arange(len(films)))  # every film is rated by somebody
    assert [getattr(data, field.name).dtype for field in fields(data)] == [np.int32, np.int32, np.float32, np.int64]


def test_this_version_of_the_generator_makes_these_ratings(data):
    """Whoever changes the ratings raises GENERATOR_VERSION, so that old results are not compared with new ones."""
    assert demo.GENERATOR_VERSION == 1
    assert len(data.users) == 201_509
    assert data.ratings.mean() == pytest.approx(3.537, abs=0.001)


def test_generating_takes_a_second_or_two(films):
    started = time.process_time()
    demo.generate(films)
    assert time.process_time() - started < 3


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(films):
    first, again, other = (demo.generate(films, users=200, seed=seed) for seed in (4, 4, 5))
    for field in fields(first):
        assert getattr(first, field.name).tobytes() == getattr(again, field.name).tobytes()
    assert first.items.tobytes() != other.items.tobytes()


def test_tastes_add_up_exactly_in_whatever_order_a_machine_adds_them(films):
    tags = demo._tags(films["moods"])  # (films, tags)
    loves = demo._on_grid(demo._tag_preferences(np.random.default_rng(0), 50, tags.shape[1]))  # (users, tags)
    backwards = np.zeros((50, len(films)))
    for tag in reversed(range(tags.shape[1])):
        backwards += loves[:, [tag]] * tags[:, tag]
    assert np.array_equal(loves @ tags.T, backwards)


def test_histories_are_sorted_by_user_and_time_and_name_a_film_once(data, films):
    assert np.all(np.diff(data.users) >= 0)
    assert np.all((np.diff(data.times) >= 0) | (np.diff(data.users) > 0))
    pairs = data.users.astype(np.int64) * len(films) + data.items
    assert len(np.unique(pairs)) == len(pairs)


def test_activity_is_log_normal_with_a_median_of_50_to_58(data):
    counts = np.bincount(data.users)
    assert 50 <= np.median(counts) <= 58
    assert 63 <= counts.mean() <= 71
    assert counts.min() >= 20
    assert 250 < counts.max() <= 400
    middle = np.log(counts[(counts > np.quantile(counts, 0.1)) & (counts < np.quantile(counts, 0.9))])
    assert abs(middle.mean() - np.median(middle)) < 0.05  # the logarithm is symmetric


def test_a_tenth_of_the_films_gets_35_to_55_percent_of_the_ratings(data):
    counts = np.sort(np.bincount(data.items))[::-1]
    assert 0.35 < counts[: len(counts) // 10].sum() / counts.sum() < 0.55
    assert np.median(counts) < counts.mean() * 0.75  # a long tail


def test_ratings_are_whole_stars_around_three_and_a_half(data):
    assert set(np.unique(data.ratings)) == {1, 2, 3, 4, 5}
    assert 3.4 < data.ratings.mean() < 3.7
    assert 0.45 < (data.ratings >= 4).mean() < 0.6
    assert np.all(np.bincount(data.ratings.astype(int))[1:] > 0.015 * len(data.ratings))


def test_nobody_rates_a_film_before_its_year_and_histories_last_weeks_to_years(data, films):
    years = data.times.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    assert np.all(years >= films["year"].to_numpy()[data.items])
    assert (years.min(), years.max()) == (2015, 2024)
    first, last = _bounds(data)
    days = (data.times[last] - data.times[first]) / demo.DAY
    assert 14 < days.min() < 60
    assert 200 < np.median(days) < 700
    assert days.max() > 5 * 365


def test_a_series_is_mostly_watched_together_and_in_order(data, films):
    """A film and the next one of its series: the later one comes later, and soon, in most histories with both."""
    steps = np.concatenate([_steps(data, films, name) for name in ("The Godfather", "Star Wars", "Harry Potter")])
    assert len(steps) > 1000
    assert 0.75 < (steps > 0).mean() < 0.99
    assert np.median(np.abs(steps)) <= 3


def _bounds(data: demo.Interactions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last row of every user."""
    ends = np.cumsum(np.bincount(data.users))
    return np.r_[0, ends[:-1]], ends - 1


def _steps(data: demo.Interactions, films: pd.DataFrame, series: str) -> NDArray[np.int64]:
    """How many ratings after each film of a series its successor comes, for all users who rated both."""
    rows = films.index[films["franchise"] == series]
    rows = rows[np.argsort(films["year"][rows], kind="stable")]
    place = np.full((len(films), 3000), -1)
    place[data.items, data.users] = np.arange(len(data.users)) - _bounds(data)[0][data.users]
    before, after = place[rows[:-1]], place[rows[1:]]
    both = (before >= 0) & (after >= 0)
    return after[both] - before[both]


# --- what models can learn from the ratings ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Fold:
    """Positives of the training users as a matrix, and lists of fold-in and held-out films of the test users."""

    train: sp.csr_matrix
    fold_in: list[NDArray[np.int32]]
    held_out: list[NDArray[np.int32]]


def strong_split(data: demo.Interactions, seed: int, *, temporal: bool = False) -> Fold:
    """Hold out 12.5% of the users and, of each, a fifth of the positives: chosen at random, or the last by time."""
    rng = np.random.default_rng(seed)
    positive = data.ratings >= 4
    users, items = data.users[positive], data.items[positive]
    matrix = sp.csr_matrix((np.ones(len(users)), (users, items)))
    histories = np.split(items, np.cumsum(np.bincount(users, minlength=3000))[:-1])
    eligible = rng.permutation([user for user, history in enumerate(histories) if len(history) >= 5])
    test, train = np.split(eligible, [len(eligible) // 8])
    orders = [np.arange(len(histories[user])) if temporal else rng.permutation(len(histories[user])) for user in test]
    cuts = [len(order) - max(1, round(len(order) / 5)) for order in orders]
    folds = [(histories[u][np.sort(o[:c])], histories[u][o[c:]]) for u, o, c in zip(test, orders, cuts, strict=True)]
    return Fold(matrix[np.sort(train)], *map(list, zip(*folds, strict=True)))


def ease(matrix: sp.csr_matrix, l2: float = 500.0) -> NDArray[np.float64]:
    """Item weights in closed form (Steck, WWW 2019, equation 8). (items, items)"""
    inverse = np.linalg.inv((matrix.T @ matrix).toarray() + l2 * np.eye(matrix.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def ndcg_100(scores: NDArray[np.float64], fold: Fold) -> float:
    """Mean NDCG@100 of the test users, films of the fold-in masked."""
    discount = 1 / np.log2(np.arange(2, 102))
    values = []
    for row, seen, wanted in zip(scores, fold.fold_in, fold.held_out, strict=True):
        best = np.argsort(-np.where(np.isin(np.arange(len(row)), seen), -np.inf, row), kind="stable")[:100]
        values.append(discount[np.isin(best, wanted)].sum() / discount[: len(wanted)].sum())
    return float(np.mean(values))


def fold_in_matrix(fold: Fold, recency: float = 0.0) -> NDArray[np.float64]:
    """Fold-ins as rows; `recency` is how many times e the last film outweighs the first. (users, items)"""
    matrix = np.zeros((len(fold.fold_in), fold.train.shape[1]))
    for row, items in zip(matrix, fold.fold_in, strict=True):
        row[items] = np.exp(recency * np.linspace(-1, 0, len(items)))
    return matrix


def popularity(fold: Fold) -> NDArray[np.float64]:
    return np.tile(np.asarray(fold.train.sum(axis=0)), (len(fold.fold_in), 1))


@pytest.fixture(scope="module", params=SEEDS)
def learnt(request, data) -> tuple[Fold, NDArray[np.float64]]:
    """A split and the weights EASE learns from its training users, for each seed of the split."""
    fold = strong_split(data, request.param)
    return fold, ease(fold.train)


@pytest.fixture(scope="module")
def weights(data) -> NDArray[np.float64]:
    return ease(strong_split(data, SEEDS[0]).train)


def recommend(films: pd.DataFrame, weights: NDArray[np.float64], *picks: str, k: int = 10) -> pd.DataFrame:
    """The k best films for a newcomer who names some films, with their scores."""
    rows = [int(films.index[films["title"] == pick][0]) for pick in picks]
    scores = weights[rows].sum(axis=0)
    scores[rows] = -np.inf
    best = np.argsort(-scores, kind="stable")[:k]
    return films.iloc[best].assign(score=scores[best])


def test_popularity_reaches_at_most_seven_tenths_of_ease(learnt):
    fold, weights = learnt
    best = ndcg_100(fold_in_matrix(fold) @ weights, fold)
    share = ndcg_100(popularity(fold), fold) / best
    assert 0.33 < best < 0.5
    assert 0.4 < share < 0.7


def test_the_end_of_a_history_is_told_by_taste_and_better_by_who_knows_the_order(data):
    fold = strong_split(data, SEEDS[0], temporal=True)
    weights = ease(fold.train)
    blind = ndcg_100(fold_in_matrix(fold) @ weights, fold)
    ordered = ndcg_100(fold_in_matrix(fold, recency=4) @ weights, fold)
    assert ndcg_100(popularity(fold), fold) < 0.8 * blind
    assert 1.2 * blind < ordered < 2 * blind


def test_order_tells_nothing_once_histories_are_shuffled(data):
    shuffled = np.random.default_rng(0).permutation(len(data.users))
    shuffled = shuffled[np.argsort(data.users[shuffled], kind="stable")]
    mixed = replace(data, items=data.items[shuffled], ratings=data.ratings[shuffled])
    fold = strong_split(mixed, SEEDS[0], temporal=True)
    weights = ease(fold.train)
    assert ndcg_100(fold_in_matrix(fold, recency=4) @ weights, fold) < ndcg_100(fold_in_matrix(fold) @ weights, fold)


@pytest.mark.parametrize(("pick", "first"), [("The Godfather", "The Godfather Part II"), ("Toy Story", "Toy Story 2")])
def test_one_pick_brings_its_sequel_first_by_a_clear_margin(learnt, films, pick, first):
    best = recommend(films, learnt[1], pick)
    assert best["title"].iloc[0] == first
    assert best["score"].iloc[0] > 1.3 * best["score"].iloc[1]


@pytest.mark.parametrize(
    ("picks", "column", "tag", "share"),
    [
        (("Alien", "Blade Runner", "The Matrix"), "genres", "Sci-Fi", 0.6),
        (("Amélie", "Before Sunrise"), "genres", "Romance", 0.6),
        (("Spirited Away",), "genres", "Fantasy", 0.5),
        (("Psycho", "Rear Window"), "directors", "Alfred Hitchcock", 0.3),
        (("The Shining", "Halloween"), "genres", "Horror", 0.5),
        (("Once Upon a Time in the West", "Unforgiven"), "genres", "Western", 0.6),
        (("Singin' in the Rain", "La La Land"), "genres", "Musical", 0.4),
        (("Saving Private Ryan", "Paths of Glory"), "genres", "War", 0.5),
        (("Grizzly Man", "Hoop Dreams"), "genres", "Documentary", 0.7),
        (("Airplane!", "Monty Python and the Holy Grail"), "genres", "Comedy", 0.6),
    ],
)
def test_what_a_newcomer_likes_shows_in_her_list(films, weights, picks, column, tag, share):
    best = recommend(films, weights, *picks)
    has = best[column].str.split("|").map(lambda row: tag in row)
    assert has.mean() >= share, best[["title", column]].to_string()


def test_lists_differ_and_go_beyond_the_most_famous_films(films, weights):
    picks = ("Alien", "Spirited Away", "Psycho", "Unforgiven", "Grizzly Man", "Persona", "Airplane!", "Laura", "Once")
    lists = [recommend(films, weights, pick) for pick in picks]
    assert len(pd.concat(lists)["title"].unique()) > 0.7 * 10 * len(picks)
    assert np.mean([found["fame"].mean() for found in lists]) < films["fame"].nlargest(len(films) // 10).mean()


def test_stars_follow_user_and_film_and_then_the_taste_of_the_one_for_the_other(data, films):
    """RMSE on a random tenth: biases beat the mean by a tenth, films seen together beat biases by a fortieth."""
    held_out = np.random.default_rng(0).random(len(data.users)) < 0.1
    users, items, stars = data.users, data.items, data.ratings.astype(np.float64)
    mean = stars[~held_out].mean()
    of_user, of_item = _biases(users[~held_out], items[~held_out], stars[~held_out] - mean, len(films))
    rest = stars - mean - of_user[users] - of_item[items]
    known = sp.csr_matrix((rest[~held_out], (users[~held_out], items[~held_out])), shape=(3000, len(films)))
    guess = np.asarray(known @ ease(known, l2=150))[users[held_out], items[held_out]]
    plain, biased, personal = (
        _rmse(error) for error in (stars[held_out] - mean, rest[held_out], rest[held_out] - guess)
    )
    assert 0.75 < biased / plain < 0.9
    assert 0.85 < personal / biased < 0.975


def _biases(
    users: NDArray[np.int32], items: NDArray[np.int32], stars: NDArray[np.float64], n_items: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Damped biases of users and items, by turns."""
    of_user, of_item = np.zeros(3000), np.zeros(n_items)
    for _ in range(5):
        of_item = np.bincount(items, stars - of_user[users], n_items) / (np.bincount(items, minlength=n_items) + 5)
        of_user = np.bincount(users, stars - of_item[items], 3000) / (np.bincount(users, minlength=3000) + 5)
    return of_user, of_item


def _rmse(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(errors**2)))
