"""Recommendations as values: the list of each model, and their JSON document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recdash.data.items import Item
from recdash.json_values import json_safe
from recdash.recommend.ranked_list import RankedItem
from recdash.recommend.score_scale import ScoreScale
from recdash.recommend.taste import Taste, format_mark
from recdash.runs.run_records import RunRecord


@dataclass(frozen=True, kw_only=True)
class RecommendationList:
    """Recommendations of one model.

    Attributes:
        model: Name of the model.
        title: Title of the model.
        run: The run; None for the EASE that is fitted when nothing is trained.
        items: The recommended items, best first.
        unknown: Items of the taste that the model would read, but does not know.
        reason_kind: Meaning of the reasons: "contribution" (exact parts of the score, as those of EASE) or "score
            drop" (decrease of the score without the entry).
        note: Notes for the reader, for example that the model knows none of the picks; often empty.
        scale: Scale of the displayed scores; None for an empty list.
        reads: What the model reads of the taste, for display.
        epoch: Epoch of the snapshot that answered; None for the run's saved model.
        n_permitted: Number of items that the list could have, after filters.
    """

    model: str
    title: str
    run: RunRecord | None
    items: tuple[RankedItem, ...]
    unknown: tuple[Item, ...] = ()
    reason_kind: str = ""
    note: str = ""
    scale: ScoreScale | None = None
    reads: str = ""
    epoch: int | None = None
    n_permitted: int = 0

    @property
    def key(self) -> str:
        """Unique key of the list: the run's id, or "instant" without a run."""
        return self.run.id if self.run is not None else "instant"


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """Recommendations of all models for the same taste; `generated` marks data with synthetic preferences.

    Attributes:
        dataset: Name of the dataset.
        picks: The liked items of the taste.
        lists: One list per model.
        generated: Whether the preferences of the dataset are synthetic.
        taste: The taste.
    """

    dataset: str
    picks: tuple[Item, ...]
    lists: tuple[RecommendationList, ...]
    generated: bool = False
    taste: Taste = field(default_factory=Taste)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of `recdash recommend`.

        Of several runs of one model the first has the model's name as its key, the others have their run id.
        """
        by_key: dict[str, RecommendationList] = {}
        for one in self.lists:
            by_key[one.key if one.model in by_key else one.model] = one
        plain = {
            "dataset": self.dataset,
            "generated": self.generated,
            "picks": [_item_dict(pick) for pick in self.picks],
            "taste": [{**_item_dict(entry.item), "mark": format_mark(entry.mark)} for entry in self.taste],
            "recommendations": {name: [_ranked_dict(ranked) for ranked in one.items] for name, one in by_key.items()},
            "models": {name: _list_dict(one) for name, one in by_key.items()},
        }
        return dict(json_safe(plain))


def _item_dict(item: Item) -> dict[str, Any]:
    return {"id": item.id, "title": item.title, "year": item.year}


def _ranked_dict(ranked: RankedItem) -> dict[str, Any]:
    because = [{"id": reason.pick.id, "title": reason.pick.title, "share": reason.share} for reason in ranked.reasons]
    shown = {"bar": ranked.bar, "score_text": ranked.score_text}
    return {"rank": ranked.rank, **_item_dict(ranked.item), "score": ranked.score, **shown, "because": because}


def _list_dict(recommendation_list: RecommendationList) -> dict[str, Any]:
    run, scale = recommendation_list.run, recommendation_list.scale
    return {
        "model": recommendation_list.model,
        "run": run.id if run else None,
        "protocol": run.protocol if run else None,
        "split_seed": run.split_seed if run else None,
        "validation": run.best_value if run else None,
        "unstable_epoch": run.unstable_epoch if run else None,
        "still_improving": run.still_improving if run else None,
        "unknown_picks": [_item_dict(item) for item in recommendation_list.unknown],
        "because_is": recommendation_list.reason_kind,
        "scale": scale.name if scale else None,
        "reads": recommendation_list.reads,
        "epoch": recommendation_list.epoch,
        "note": recommendation_list.note,
    }
