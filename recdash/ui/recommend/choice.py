"""What the visitor chose on the Recommend page, besides the taste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recdash.recommend.ranked_list import ListOptions

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord


@dataclass(frozen=True)
class Choice:
    """What the visitor chose.

    Attributes:
        dataset: Name of the dataset.
        trained: All runs of the dataset that can recommend.
        runs: The runs whose lists are shown.
        view: Key of `options.VIEWS`.
        lists: Options of the lists.
        device: Device that computes them.
        ease_l2: Ridge penalty of EASE, if not the trained one.
    """

    dataset: str
    trained: tuple[RunRecord, ...]
    runs: tuple[RunRecord, ...]
    view: str
    lists: ListOptions
    device: str
    ease_l2: float | None = None
