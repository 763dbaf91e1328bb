"""The embedded demo dataset: real movies and generated users, built in about a second and never downloaded.

Each user has a taste for genres, moods and eras that drifts over the history, and a constant taste for directors and
movie series. Taste and fame decide which movies are watched, the drift decides when, and taste decides the rating, so
that ranking, sequence and rating models all have something to learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GENERATOR_VERSION: int = 1

DRIFTING = {"genres": 1.2, "moods": 0.8, "era": 0.6}  # weight of each column in the drifting taste
CONSTANT = {"directors": 1.2, "franchise": 1.6}  # weight of each column in the constant taste
TEMPERAMENT = 0.5  # weight of the axes in the constant taste
AXES = (  # broad differences between users: the tags at either end
    ("dark|bleak|violent|gritty|scary|tense", "feel-good|funny|heartwarming|whimsical|romantic|nostalgic"),
    ("cerebral|slow-burn|surreal|melancholic|political|mind-bending", "adventurous|epic|funny|feel-good|Action"),
    ("Sci-Fi|Fantasy|Adventure|Animation|Children|Action", "Drama|Romance|Crime|Film-Noir|Documentary"),
    ("Romance|Musical|romantic|melancholic|heartwarming", "War|Western|Crime|Action|satirical|violent"),
    ("silent|golden-age|fifties|sixties|new-hollywood", "noughties|tens|twenties"),
)
PREFERENCE_SHAPE = 0.3  # shape of the gamma distribution of tag preferences: the smaller, the fewer tags a user loves
DRIFT_CORRELATION = 0.25  # between a user's taste at the end and at the start
FAME, FAME_POWER = 8.0, 1.5  # log-odds between a movie of fame 0 and one of 100, and the exponent of fame
FAME_SPREAD = 0.1  # standard deviation between users of the influence of fame, as a share of FAME
FAMOUS_FIRST = 2.5  # how much earlier famous movies are watched, log-odds over the range of fame
ORDER_NOISE = 0.5  # scale of the noise in the order of a history, relative to the log-odds of watching a movie late
SERIES_TOGETHER = 0.85  # chance that a movie joins the rest of its series in time
ACTIVITY_MEDIAN, ACTIVITY_SPREAD, ACTIVITY_RANGE = 54.0, 0.65, (20, 400)  # ratings per user: log-normal
FIRST_DAY, LAST_DAY = np.datetime64("2015-01-01"), np.datetime64("2024-12-31")
STARS_MEAN, STARS_NOISE = 3.45, 0.65  # before rounding to whole stars
STARS_OF_USER, STARS_OF_FILM, STARS_OF_TASTE, STARS_OF_TEMPER = 0.4, 0.35, 0.45, 0.6  # standard deviations
DAY = 86_400  # seconds
GRID = 4096  # tastes are multiples of 1 / GRID, so that sums of products are exact in any order of addition


@dataclass(frozen=True)
class Interactions:
    """Ratings of the demo, sorted by user and time; no user rates a movie twice.

    Attributes:
        users: (n,) user indices.
        items: (n,) row indices in the movie table.
        ratings: (n,) whole stars, 1 to 5.
        times: (n,) seconds since 1970, UTC.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    times: NDArray[np.int64]


def generate(movies: pd.DataFrame, *, users: int = 3000, seed: int = 20260) -> Interactions:
    """Generate ratings, about 67 per user. The same arguments give bit-identical results.

    Args:
        movies: Movie table of `paths.demo_films()`, one row per movie.
        users: Number of users.
        seed: Seed of the generator.
    """
    rng = np.random.default_rng(seed)
    fame, released = movies["fame"].to_numpy(np.float64) / 100, _released(movies)  # (movies,); seconds
    temper = _temperament(rng, movies, users)  # (users, movies)
    constant = TEMPERAMENT * temper + _constant_taste(rng, movies, users)  # (users, movies)
    start, end = _drifting_taste(rng, movies, users)  # (users, movies) each
    opened, closed = _active_periods(rng, users)  # (users,) seconds each
    slope = FAME * (1 + FAME_SPREAD * rng.standard_normal((users, 1)))
    appeal = slope * fame**FAME_POWER + constant + np.maximum(start, end) + rng.gumbel(size=constant.shape)
    appeal[released > closed[:, None]] = -np.inf
    user, item = _choose(appeal, _activity(rng, users))  # (n,) each, sorted by user
    lateness = (end - start)[user, item] - FAMOUS_FIRST * fame[item]
    position = _relative_position(user, lateness + ORDER_NOISE * rng.logistic(size=len(user)))
    position = _group_series(rng, movies, user, item, position)
    time = opened[user] + (position * (closed - opened)[user]).astype(np.int64)
    time = np.maximum(time, released[item] + rng.integers(0, 90 * DAY, len(item)))
    taste = constant[user, item] + (1 - position) * start[user, item] + position * end[user, item]
    liking = STARS_OF_TASTE * _standardize(taste) + STARS_OF_TEMPER * _standardize(temper[user, item])
    stars = _stars(rng, movies, user, item, liking)
    order = np.lexsort((time, user))
    return Interactions(
        users=user[order].astype(np.int32),
        items=item[order].astype(np.int32),
        ratings=stars[order].astype(np.float32),
        times=time[order],
    )


def _on_grid(values: Floats) -> Floats:
    rounded: Floats = np.round(values * GRID) / GRID
    return rounded


def _standardize(values: Floats) -> Floats:
    """Scale values to mean 0 and standard deviation 1."""
    standardized: Floats = (values - values.mean()) / values.std()
    return standardized


def _tags(column: pd.Series[str]) -> Floats:
    """Movies by tags of at least two movies, weighted by rarity, rows of norm 1. (movies, tags)."""
    table: Floats = column.fillna("").astype(str).str.get_dummies(sep="|").to_numpy(np.float64)
    table = table[:, table.sum(axis=0) >= 2]
    table *= np.log(len(table) / table.sum(axis=0))
    return _on_grid(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9))


def _tag_preferences(rng: np.random.Generator, users: int, tags: int) -> Floats:
    """Preference of each user for each tag: mean 0, variance 1, skewed so that few are high. (users, tags)."""
    preferences: Floats = (rng.gamma(PREFERENCE_SHAPE, size=(users, tags)) - PREFERENCE_SHAPE) / np.sqrt(
        PREFERENCE_SHAPE
    )
    return preferences


def _temperament(rng: np.random.Generator, movies: pd.DataFrame, users: int) -> Floats:
    """Liking of every user for every movie by the broad axes only, variance about 1. (users, movies)."""
    tags = movies[["genres", "moods", "era"]].fillna("").agg("|".join, axis=1)
    sets = [frozenset(row.split("|")) for row in tags]
    liking: Floats = np.zeros((users, len(movies)))
    for ends in AXES:
        plus, minus = (frozenset(end.split("|")) for end in ends)
        axis = _standardize(np.array([len(row & plus) - len(row & minus) for row in sets], np.float64))
        liking += _on_grid(rng.standard_normal((users, 1))) * _on_grid(axis / np.sqrt(len(AXES)))
    return liking


def _constant_taste(rng: np.random.Generator, movies: pd.DataFrame, users: int) -> Floats:
    """Liking of every user for every movie by the constant taste. (users, movies)."""
    liking: Floats = np.zeros((users, len(movies)))
    for column, weight in CONSTANT.items():
        tags = _tags(movies[column])
        liking += _on_grid(weight * _tag_preferences(rng, users, tags.shape[1])) @ tags.T
    return liking


def _drifting_taste(rng: np.random.Generator, movies: pd.DataFrame, users: int) -> tuple[Floats, Floats]:
    """Liking of every user for every movie at the start and at the end of the history. (users, movies) each."""
    start: Floats = np.zeros((users, len(movies)))
    end: Floats = np.zeros((users, len(movies)))
    for column, weight in DRIFTING.items():
        tags = _tags(movies[column])
        first, fresh = (_tag_preferences(rng, users, tags.shape[1]) for _ in range(2))
        start += _on_grid(weight * first) @ tags.T
        end += _on_grid(weight * (DRIFT_CORRELATION * first + np.sqrt(1 - DRIFT_CORRELATION**2) * fresh)) @ tags.T
    return start, end


def _released(movies: pd.DataFrame) -> Ints:
    """Earliest time a movie can be rated: the middle of its year, in seconds. (movies,)."""
    days = (movies["year"].to_numpy(np.int64) - 1970) * 365.2425 + 182
    return days.astype(np.int64) * DAY


def _active_periods(rng: np.random.Generator, users: int) -> tuple[Ints, Ints]:
    """Start and end of every user's history, some weeks to some years apart, in seconds. (users,) each."""
    first, last = (int(day.astype(np.int64)) * DAY for day in (FIRST_DAY, LAST_DAY))
    opened = rng.integers(first, last - 120 * DAY, users)
    days = np.clip(rng.lognormal(np.log(400), 0.9, users), 21, 2500)
    return opened, np.minimum(opened + (days * DAY).astype(np.int64), last)


def _activity(rng: np.random.Generator, users: int) -> Ints:
    """Number of ratings of every user. (users,)."""
    draws = rng.lognormal(np.log(ACTIVITY_MEDIAN), ACTIVITY_SPREAD, users)
    return np.clip(np.rint(draws), *ACTIVITY_RANGE).astype(np.int64)


def _choose(appeal: Floats, counts: Ints) -> tuple[Ints, Ints]:
    """Choose each user's most appealing movies, at most half of all. Returns users and movies, (n,) each, by user."""
    counts = np.minimum(counts, appeal.shape[1] // 2)
    best = np.argsort(-appeal, axis=1)[:, : counts.max()]
    return np.repeat(np.arange(len(counts)), counts), best[np.arange(best.shape[1]) < counts[:, None]]


def _relative_position(user: Ints, key: Floats) -> Floats:
    """Position of each choice in its user's history sorted by `key`, from 0 to 1. (n,); `user` must be sorted."""
    counts = np.bincount(user)
    rank = np.arange(len(user)) - (np.cumsum(counts) - counts)[user]
    position = np.empty(len(user))
    position[np.lexsort((key, user))] = rank / np.maximum(counts - 1, 1)[user]
    return position


def _group_series(rng: np.random.Generator, movies: pd.DataFrame, user: Ints, item: Ints, position: Floats) -> Floats:
    """Move movies of a series next to each other in a history, in order of release. (n,)."""
    names, series = np.unique(movies["franchise"].fillna("").to_numpy(str), return_inverse=True)
    episode = np.argsort(np.lexsort((np.arange(len(movies)), movies["year"])))  # (movies,)
    moves = (names[series[item]] != "") & (rng.random(len(item)) < SERIES_TOGETHER)
    group = (user * len(names) + series[item])[moves]
    middle = np.bincount(group, position[moves]) / np.maximum(np.bincount(group), 1)
    key = position.copy()
    key[moves] = middle[group] + 1e-9 * episode[item[moves]]  # the second term only breaks ties
    return _relative_position(user, key)


def _stars(rng: np.random.Generator, movies: pd.DataFrame, user: Ints, item: Ints, liking: Floats) -> Floats:
    """Whole stars from the generosity of the user, the quality of the movie, the user's liking and noise. (n,)."""
    fame, year = (_standardize(movies[column].to_numpy(np.float64)) for column in ("fame", "year"))
    quality = 0.4 * fame - 0.5 * year + 0.75 * rng.standard_normal(len(movies))  # old movies still watched are good
    generosity = rng.standard_normal(user[-1] + 1)
    stars: Floats = STARS_MEAN + STARS_OF_USER * generosity[user] + STARS_OF_FILM * quality[item] + liking
    stars += STARS_NOISE * rng.standard_normal(len(user))
    return stars.round().clip(1, 5)
