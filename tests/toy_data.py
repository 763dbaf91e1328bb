"""Small data with structure, made on the spot: three kinds of people who like three kinds of items."""

from __future__ import annotations

import numpy as np

from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.data.items import Item
from recdash.splits import Split, make_split


def toy_dataset(
    users: int = 240, items: int = 45, seed: int = 0, *, ratings: bool = True, times: bool = True
) -> Dataset:
    """Users of three groups who mostly rate items of their group, and rate those higher."""
    rng = np.random.default_rng(seed)
    rows, columns, stars, when = [], [], [], []
    for user in range(users):
        fond = np.arange(items) % 3 == user % 3
        weight = np.where(fond, 4.0, 1.0) / (1 + np.arange(items) / items)
        chosen = rng.choice(items, size=int(rng.integers(18, 27)), replace=False, p=weight / weight.sum())
        for place, item in enumerate(chosen):
            rows.append(user + 1)
            columns.append(item + 1)
            stars.append(int(np.clip(rng.normal(4.5 if fond[item] else 3.1, 0.7), 1, 5)))
            when.append(10**9 + user * 1000 + place)
    return Dataset.build(
        "toy",
        users=np.array(rows),
        items=np.array(columns),
        ratings=np.array(stars, np.float32) if ratings else None,
        times=np.array(when) if times else None,
        items_by_id={str(i): Item(str(i), f"Film {i}", 1950 + i) for i in range(1, items + 1)},
        scale=(1.0, 5.0) if ratings else None,
        source="toy",
    )


def toy_split(protocol: str = "strong", seed: int = 1) -> Split:
    """A split of the toy data with 20 users in each held-out part."""
    return make_split(toy_dataset(), protocol, seed=seed, held_out_users=20)


def random_histories(rows: int, items: int, rng: np.random.Generator, *, most: int = 12) -> Histories:
    """Histories with 0 to `most` random items each."""
    return Histories.from_rows(
        [rng.permutation(items)[: rng.integers(0, most + 1)].tolist() for _ in range(rows)], items
    )
