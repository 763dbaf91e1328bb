"""The published table's numbers on MovieLens-1M itself: those that take seconds, and Mult-VAE cut short."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recdash.data.dataset_registry import load_dataset
from recdash.published import implicit_rows, rating_rows
from recdash.published.context import CellContext
from recdash.published.figures import published_values

pytestmark = pytest.mark.slow
PRINTED = ("precision@100", "recall@100", "ndcg@100")


@pytest.fixture
def context(test_data: Path, tmp_path: Path) -> CellContext:
    return CellContext(load_dataset(test_data / "ml-1m"), tmp_path)


def printed(model: str) -> dict[str, float]:
    found = published_values(model=model, dataset="ml-1m", protocol="published-implicit", as_published=True)
    return {entry.metric: entry.value for entry in found if not entry.variant}


def test_ease_as_published_and_corrected(context: CellContext) -> None:
    found = implicit_rows.closed_form(context, "ease", preset="published")
    for metric, value in printed("ease").items():
        assert found.columns["as_published"][metric] == pytest.approx(value, abs=0.006), metric
    known = {"precision@100": 0.1635, "recall@100": 0.5866, "recall_all@100": 0.5762, "ndcg@100": 0.4787}
    for metric, value in known.items():
        assert found.columns["corrected"][metric] == pytest.approx(value, abs=0.006), metric
    assert found.facts["seen_places"] == pytest.approx(47.8, abs=0.5)


def test_popularity_as_published_and_corrected(context: CellContext) -> None:
    found = implicit_rows.closed_form(context, "popularity")
    for column, values in {"as_published": (0.0611, 0.2494, 0.1652), "corrected": (0.0889, 0.3014, 0.2284)}.items():
        for metric, value in zip(PRINTED, values, strict=True):
            assert found.columns[column][metric] == pytest.approx(value, abs=0.006), (column, metric)


def test_the_bias_model_on_both_splits(context: CellContext) -> None:
    found = rating_rows.bias_baseline(context)
    assert found.columns["autorec"]["rmse"] == pytest.approx(0.907, abs=0.004)
    assert found.columns["deeprec"]["rmse"] == pytest.approx(0.906, abs=0.004)
    assert found.columns["deeprec_as_published"]["rmse"] == pytest.approx(0.876, abs=0.006)


def test_mult_vae_as_published_peaks_early_at_the_printed_numbers(context: CellContext) -> None:
    """Eight of the 55 epochs: the printed one is the fifth, and from then on seen movies push the others out."""
    found = implicit_rows.as_published(replace(context, epochs=8), "multvae")
    for metric, value in printed("multvae").items():
        assert found.columns["as_published"][metric] == pytest.approx(value, abs=0.006), metric
    assert 4 <= float(found.facts["best_epoch"] or 0) <= 7
    assert float(found.facts["last_ndcg@100"] or 1) < found.columns["as_published"]["ndcg@100"]
    assert float(found.facts["masked_ndcg@100"] or 0) > 0.38


def test_mult_vae_corrected(context: CellContext) -> None:
    found = implicit_rows.corrected(replace(context, epochs=12), "multvae", noise_sd=1.0)
    assert 0.43 < found.columns["corrected"]["ndcg@100"] < 0.47
