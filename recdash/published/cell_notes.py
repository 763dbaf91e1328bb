"""One sentence for each number of a public table: what was wrong, and by how much it moves the number.

Every figure in a sentence is taken from what was computed; a sentence whose figures are missing is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

Cells = Mapping[str, Mapping[str, Any]]
TITLES = {"ndcg": "NDCG", "recall": "Recall", "recall_all": "Recall (of all)", "precision": "Precision", "rmse": "RMSE"}


@dataclass(frozen=True)
class Numbers:
    """The columns of a row, None where nothing was published or computed."""

    metric: str
    published: float | None
    as_published: float | None
    corrected: float | None
    common: float | None

    @property
    def title(self) -> str:
        """The metric for people."""
        kind, at, k = self.metric.partition("@")
        return f"{TITLES.get(kind, kind)}{at}{k}"


Sentence = Callable[[Numbers, Cells], str]


def _if_known(sentence: Sentence) -> Sentence:
    """Leave a sentence empty while a figure of it is missing."""

    @wraps(sentence)
    def written(numbers: Numbers, cells: Cells) -> str:
        try:
            return sentence(numbers, cells)
        except (KeyError, TypeError):
            return ""

    return written


@_if_known
def ease(n: Numbers, cells: Cells) -> str:
    """EASE: seen items stay in the lists."""
    seen = cells["ease"]["facts"]["seen_places"]
    return (
        f"Movies that a user had already rated were never taken out of the lists, where they fill {seen:.0f} of 100 "
        f"places: without them {n.title} of the very same solution goes from {_f(n.as_published)} to {_f(n.corrected)} "
        f"({_times(n)})."
    )


@_if_known
def popularity(n: Numbers, cells: Cells) -> str:
    """Popularity, on the same lists."""
    seen = cells["popularity"]["facts"]["seen_places"]
    return (
        f"Not in the table, for comparison: with the {seen:.0f} already rated movies left in each list {n.title} is "
        f"{_f(n.as_published)}, without them {_f(n.corrected)}."
    )


@_if_known
def multvae(n: Numbers, cells: Cells) -> str:
    """Mult-VAE: seen items, choice on the test part, noise of .01."""
    facts = cells["multvae-as-published"]["facts"]
    return (
        f"Already rated movies fill {facts['seen_places']:.0f} of 100 places and the epoch was chosen on the test "
        f"ratings (epoch {facts['best_epoch']}): the same weights without those movies reach {n.title} "
        f"{_f(facts[f'masked_{n.metric}'])}, and trained with real noise and chosen on validation ratings (epoch "
        f"{cells['multvae-corrected']['facts']['best_epoch']}) {_f(n.corrected)} instead of {_f(n.as_published)}."
    )


@_if_known
def cdae(n: Numbers, cells: Cells) -> str:
    """CDAE: seen items, choice on the test part, scores that depend on the batch."""
    facts = cells["cdae-as-published"]["facts"]
    return (
        f"Already rated movies fill {facts['seen_places']:.0f} of 100 places, the epoch was chosen on the test ratings "
        f"and a user's scores depend on who else is in the batch: the same weights without those movies reach "
        f"{n.title} {_f(facts[f'masked_{n.metric}'])}, and with the paper's input {_f(n.corrected)} instead of "
        f"{_f(n.as_published)}."
    )


@_if_known
def svae_printed(n: Numbers, cells: Cells) -> str:
    """SVAE: the printed row belongs to training users."""
    facts, columns = cells["svae"]["facts"], cells["svae"]["columns"]
    return (
        f"The printed row is that of 200 training users, whose held-out movies had been trained on: at epoch "
        f"{facts['shown_epoch']} they get {n.title} {_f(n.as_published)} where test users get "
        f"{_f(columns['test_then'][n.metric])}; read properly the same training gives test users {_f(n.corrected)}."
    )


@_if_known
def svae_tested(n: Numbers, cells: Cells) -> str:
    """SVAE: the log's test line."""
    facts = cells["svae"]["facts"]
    return (
        f"Only in the log: the last known movie was neither read nor taken out and the code was drawn at random; done "
        f"properly the same training gives {n.title} {_f(n.corrected)} (epoch {facts['best_epoch']}) instead of "
        f"{_f(n.as_published)} (epoch {facts['chosen_epoch']})."
    )


@_if_known
def autorec(n: Numbers, cells: Cells) -> str:
    """AutoRec: the test ratings are its input."""
    facts, bias = cells["autorec-as-published"]["facts"], cells["bias"]["columns"]["autorec"]["rmse"]
    in_time = cells["autorec-corrected"]["facts"]["best_epoch"]
    return (
        f"The test ratings themselves were the input: the same weights give RMSE {_r(n.as_published)} with them and "
        f"{_r(facts['honest_last'])} without; stopped in time (epoch {in_time}) the model "
        f"reaches {_r(n.corrected)}, and two bias vectors {_r(bias)}."
    )


@_if_known
def autorec_item(n: Numbers, cells: Cells) -> str:
    """I-AutoRec: the variant that the public code says it is."""
    return (
        f"Not in the table: the public code calls itself I-AutoRec but reads users' rows; reading items' rows with the "
        f"same settings gives RMSE {_r(n.corrected)} instead of "
        f"{_r(cells['autorec-corrected']['columns']['corrected']['rmse'])}."
    )


@_if_known
def deeprec(n: Numbers, cells: Cells) -> str:
    """DeepRec: another statistic under the name of RMSE."""
    facts, bias = cells["deeprec"]["facts"], cells["bias"]["columns"]
    return (
        f"What is printed as RMSE is the mean of the users' own RMSEs, a smaller number: the same weights give "
        f"{_r(n.as_published)} so and {_r(facts['pooled_last'])} over all ratings ({_r(n.corrected)} at the best "
        f"epoch); two bias vectors give {_r(bias['deeprec_as_published']['rmse'])} and {_r(bias['deeprec']['rmse'])}."
    )


@_if_known
def deeprec_refed(n: Numbers, cells: Cells) -> str:
    """DeepRec with the step that the public code leaves out."""
    return (
        f"Not in the table: the paper's dense re-feeding is missing from the public code; with it the RMSE over all "
        f"ratings is {_r(n.corrected)} instead of {_r(cells['deeprec']['columns']['corrected']['rmse'])}."
    )


@_if_known
def bias_autorec(n: Numbers, cells: Cells) -> str:
    """The yardstick that the table lacks."""
    return (
        f"Not in the table: one number per user and one per movie already reach RMSE {_r(n.corrected)} on this split."
    )


@_if_known
def bias_deeprec(n: Numbers, cells: Cells) -> str:
    """The two statistics, shown on the simplest model."""
    return (
        f"Not in the table: the mean of the users' own RMSEs is {_r(n.as_published)} where the RMSE over all ratings "
        f"is {_r(n.corrected)}, for the very same predictions."
    )


@_if_known
def large(n: Numbers, cells: Cells) -> str:
    """MovieLens-20M: figures of validation users."""
    return (
        f"The printed figure is that of the validation users on whom the epoch was chosen: {n.title} is "
        f"{_f(n.as_published)} for them and {_f(n.corrected)} for test users, with the same weights."
    )


@_if_known
def yardstick(n: Numbers, cells: Cells) -> str:
    """A model that the table lacks."""
    return f"Not in the table, for comparison: {n.title} {_f(n.corrected)} for the same test users."


def _f(value: float | None) -> str:
    return f"{_known(value):.4f}"


def _r(value: float | None) -> str:
    return f"{_known(value):.3f}"


def _times(n: Numbers) -> str:
    return f"{_known(n.corrected) / _known(n.as_published):.2f} times as much"


def _known(value: float | None) -> float:
    if value is None:
        raise TypeError("not computed yet")
    return value
