"""I-AutoRec and new users: 5% of the users left out of training, `ratings-90` on MovieLens-1M."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import recdash
from benchmarks.common import conditions, fail_without_data, ml_1m, write
from recdash.models.rating_model import RatingModel
from recdash.splits import RatingSplit

SPLIT_SEED, SHARE = 1, 0.05


def triples(part: Any, mask: NDArray[np.bool_]) -> tuple[Any, Any, Any]:
    """Users, items and ratings of the entries in the mask."""
    return part.users[mask], part.items[mask], part.values[mask]


def rmse(predicted: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    """Pooled root mean squared error."""
    return float(np.sqrt(np.mean((predicted.astype(np.float64) - true) ** 2)))


def main() -> None:
    """Train without the chosen users, then predict their held-out ratings from their other ratings."""
    fail_without_data()
    split = recdash.make_split(ml_1m(), "ratings-90", seed=SPLIT_SEED)
    assert isinstance(split, RatingSplit) and split.validation is not None
    users = len(split.train)
    new = np.random.default_rng(SPLIT_SEED).choice(users, round(SHARE * users), replace=False)
    is_new = np.isin(np.arange(users), new)
    rows = split.train
    learned = ~is_new[rows.row_of]
    without = recdash.Split.from_ratings(
        train=(rows.row_of[learned], rows.items[learned], rows.values[learned]),  # type: ignore[index]
        validation=triples(split.validation, ~is_new[split.validation.users]),
        test=triples(split.test, ~is_new[split.test.users]),
    )
    chosen = is_new[split.test.users]
    asked, items, true = triples(split.test, chosen)
    found: dict[str, float] = {}
    for name in ("autorec", "bias"):
        for who, part in (("known", split), ("new", without)):
            model = recdash.fit(name, part, seed=0)
            assert isinstance(model, RatingModel)
            if who == "known":
                predicted = model.predict(asked, items)
            else:
                place = np.full(users, -1)
                place[new] = np.arange(len(new))
                low, high = model.scale
                scores = np.concatenate(
                    [model.score(rows.take(new[start : start + 50])) for start in range(0, len(new), 50)]
                )
                predicted = scores[place[asked], np.minimum(items, scores.shape[1] - 1)]
                predicted = np.where(predicted < low - 1e3, model.default_rating(), predicted).clip(low, high)
            found[f"{name}, {who}"] = rmse(predicted, true)
            print(name, who, round(found[f"{name}, {who}"], 4), flush=True)
    facts = {"new_users": len(new), "their_test_ratings": len(true)}
    write("new_users_ml1m", {"summary": found, **facts, "conditions": conditions(split_seed=SPLIT_SEED, preset="auto")})


if __name__ == "__main__":
    main()
