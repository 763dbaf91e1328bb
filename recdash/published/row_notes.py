"""One note for each row of a published table: what was wrong, and how much it changes the number.

All numbers in a note are computed values; a note is empty while one of them is missing. `explanations` has the texts
that do not depend on computed values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

Cells = Mapping[str, Mapping[str, Any]]  # saved cells by name, with "columns" and "facts"
METRIC_TITLES = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "recall_all": "Recall (of all)",
    "precision": "Precision",
    "rmse": "RMSE",
}


@dataclass(frozen=True)
class RowValues:
    """The columns of a row; None where nothing was published or computed."""

    metric: str
    published: float | None
    as_published: float | None
    corrected: float | None
    common: float | None

    @property
    def title(self) -> str:
        """Title of the metric, such as "NDCG@100"."""
        kind, at, k = self.metric.partition("@")
        return f"{METRIC_TITLES.get(kind, kind)}{at}{k}"


Note = Callable[[RowValues, Cells], str]


def _empty_if_missing(note: Note) -> Note:
    """Return a note that is empty while a value in it is missing."""

    @wraps(note)
    def wrapped(row: RowValues, cells: Cells) -> str:
        try:
            return note(row, cells)
        except (KeyError, TypeError):
            return ""

    return wrapped


@_empty_if_missing
def ease(row: RowValues, cells: Cells) -> str:
    """EASE: seen items stay in the lists."""
    seen = cells["ease"]["facts"]["seen_places"]
    factor = _known(row.corrected) / _known(row.as_published)
    return (
        f"Movies that a user had already rated were not removed from the lists, where they fill {seen:.0f} of 100 "
        f"positions. Without them, the same solution reaches {row.title} {_four(row.corrected)} instead of "
        f"{_four(row.as_published)} ({factor:.2f} times as much)."
    )


@_empty_if_missing
def popularity(row: RowValues, cells: Cells) -> str:
    """Popularity on the same lists."""
    seen = cells["popularity"]["facts"]["seen_places"]
    return (
        f"Not in the published table; for comparison. With seen movies left in the lists ({seen:.0f} per list), "
        f"{row.title} is {_four(row.as_published)}; without them it is {_four(row.corrected)}."
    )


@_empty_if_missing
def multvae(row: RowValues, cells: Cells) -> str:
    """Mult-VAE: seen items, epoch chosen on the test part, noise of 0.01."""
    facts = cells["multvae-as-published"]["facts"]
    return (
        f"Already rated movies fill {facts['seen_places']:.0f} of 100 positions, and the epoch was chosen on the test "
        f"ratings (epoch {facts['best_epoch']}). Without those movies, the same weights reach {row.title} "
        f"{_four(facts[f'masked_{row.metric}'])}. Trained with noise of standard deviation 1, and with the epoch "
        f"chosen on validation ratings (epoch {cells['multvae-corrected']['facts']['best_epoch']}), the model reaches "
        f"{_four(row.corrected)} instead of {_four(row.as_published)}."
    )


@_empty_if_missing
def cdae(row: RowValues, cells: Cells) -> str:
    """CDAE: seen items, epoch chosen on the test part, scores that depend on the batch."""
    facts = cells["cdae-as-published"]["facts"]
    return (
        f"Already rated movies fill {facts['seen_places']:.0f} of 100 positions, the epoch was chosen on the test "
        f"ratings, and a user's scores depend on the other users in the batch. Without those movies, the same weights "
        f"reach {row.title} {_four(facts[f'masked_{row.metric}'])}. With the input of the paper, and with the epoch "
        f"chosen on validation ratings, the model reaches {_four(row.corrected)} instead of {_four(row.as_published)}."
    )


@_empty_if_missing
def svae_printed(row: RowValues, cells: Cells) -> str:
    """SVAE: the printed row belongs to training users."""
    facts, columns = cells["svae"]["facts"], cells["svae"]["columns"]
    return (
        f"The printed row was measured on 200 training users, whose held-out movies were part of the training. At "
        f"epoch {facts['shown_epoch']} these users get {row.title} {_four(row.as_published)}, and test users get "
        f"{_four(columns['test_then'][row.metric])}. Evaluated correctly, the same training reaches "
        f"{_four(row.corrected)} on test users."
    )


@_empty_if_missing
def svae_tested(row: RowValues, cells: Cells) -> str:
    """SVAE: the test line of the log."""
    facts = cells["svae"]["facts"]
    return (
        f"Printed only in the log. The last known movie was neither read nor removed from the list, and the latent "
        f"code was sampled. Evaluated correctly, the same training reaches {row.title} {_four(row.corrected)} (epoch "
        f"{facts['best_epoch']}) instead of {_four(row.as_published)} (epoch {facts['chosen_epoch']})."
    )


@_empty_if_missing
def autorec(row: RowValues, cells: Cells) -> str:
    """AutoRec: the test ratings are its input."""
    facts, bias = cells["autorec-as-published"]["facts"], cells["bias"]["columns"]["autorec"]["rmse"]
    return (
        f"The test ratings themselves were the input: the same weights give RMSE {_three(row.as_published)} with them "
        f"and {_three(facts['leak_free_last'])} without them. Trained with early stopping (epoch "
        f"{cells['autorec-corrected']['facts']['best_epoch']}), the model reaches {_three(row.corrected)}; a bias "
        f"model (one number per user and one per movie) reaches {_three(bias)}."
    )


@_empty_if_missing
def autorec_item(row: RowValues, cells: Cells) -> str:
    """I-AutoRec: the variant that the public code is named after."""
    return (
        f"Not in the published table. The public code is called I-AutoRec, but its input is one row per user. With one "
        f"row per item and the same settings, RMSE is {_three(row.corrected)} instead of "
        f"{_three(cells['autorec-corrected']['columns']['corrected']['rmse'])}."
    )


@_empty_if_missing
def deeprec(row: RowValues, cells: Cells) -> str:
    """DeepRec: another statistic under the name of RMSE."""
    facts, bias = cells["deeprec"]["facts"], cells["bias"]["columns"]
    return (
        f"The number printed as RMSE is the mean of the users' own RMSEs, a smaller number: for the same weights it is "
        f"{_three(row.as_published)}, and RMSE over all ratings is {_three(facts['pooled_last'])} "
        f"({_three(row.corrected)} at the best epoch). For a bias model, the two are "
        f"{_three(bias['deeprec_as_published']['rmse'])} and {_three(bias['deeprec']['rmse'])}."
    )


@_empty_if_missing
def deeprec_refed(row: RowValues, cells: Cells) -> str:
    """DeepRec with the step that the public code lacks."""
    return (
        f"Not in the published table. The public code lacks the paper's dense re-feeding. With it, RMSE over all "
        f"ratings is {_three(row.corrected)} instead of "
        f"{_three(cells['deeprec']['columns']['corrected']['rmse'])}."
    )


@_empty_if_missing
def bias_autorec(row: RowValues, cells: Cells) -> str:
    """The baseline that the table lacks."""
    return (
        f"Not in the published table. A bias model (one number per user and one per movie) reaches RMSE "
        f"{_three(row.corrected)} on this split."
    )


@_empty_if_missing
def bias_deeprec(row: RowValues, cells: Cells) -> str:
    """The two statistics for the simplest model."""
    return (
        f"Not in the published table. For the same predictions of a bias model, the mean of the users' own RMSEs is "
        f"{_three(row.as_published)}, and RMSE over all ratings is {_three(row.corrected)}."
    )


@_empty_if_missing
def vae20m(row: RowValues, cells: Cells) -> str:
    """MovieLens-20M: metrics of validation users."""
    return (
        f"The printed number was measured on the validation users, on whom the epoch was chosen. With the same "
        f"weights, {row.title} is {_four(row.as_published)} for them and {_four(row.corrected)} for test users."
    )


@_empty_if_missing
def baseline(row: RowValues, cells: Cells) -> str:
    """A model that the table lacks."""
    return f"Not in the published table; for comparison. On the same test users {row.title} is {_four(row.corrected)}."


def _four(value: float | None) -> str:
    return f"{_known(value):.4f}"


def _three(value: float | None) -> str:
    return f"{_known(value):.3f}"


def _known(value: float | None) -> float:
    if value is None:
        raise TypeError("not computed yet")
    return value
