"""What `recdash reproduce` computes, on a GPU as on the CPU: lists, figures of predictions, whole cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recdash.data.dataset import Dataset
from recdash.models.autorec import AutoRec
from recdash.published import rating_rows, table_definitions, unmasked_topk
from recdash.published.context import CellContext
from recdash.splits import RatingSplit, make_split
from recdash.training import fit
from tests.toy_data import toy_dataset, toy_split

SMALL: dict[str, Any] = {"epochs": 2, "latent": 8, "precision": "float32"}


@pytest.fixture(scope="module")
def toy() -> Dataset:
    return toy_dataset()


def test_lists_as_published_are_those_of_the_cpu(gpu: str) -> None:
    split = toy_split()
    found, expected = (
        unmasked_topk.unmasked_and_masked_lists(fit("ease", split, device=device), split.test)
        for device in (gpu, "cpu")
    )
    for one, other in zip(found, expected, strict=True):
        assert (one == other).mean() > 0.99


def test_predictions_as_published_are_those_of_the_cpu(toy: Dataset, gpu: str) -> None:
    split = make_split(toy, "ratings-80", seed=1)
    assert isinstance(split, RatingSplit)
    models = [fit("autorec", split, device=device, variant="user", batch_size=60, **SMALL) for device in (gpu, "cpu")]
    errors = [rating_rows.unclipped_errors(model, split.test) for model in models]
    np.testing.assert_allclose(*errors, rtol=0.01, atol=0.01)
    assert all(isinstance(model, AutoRec) for model in models)
    figures = [rating_rows.errors_with_test_as_input(model, split)["rmse"] for model in models]
    assert figures[0] == pytest.approx(figures[1], abs=0.01)


@pytest.mark.parametrize("cell", [cell.name for cell in table_definitions.TABLES["metarec"].cells])
@pytest.mark.slow
def test_every_cell_of_the_public_table_is_computed_on_a_gpu(cell: str, toy: Dataset, gpu: str, tmp_path: Path) -> None:
    (chosen,) = [one for one in table_definitions.TABLES["metarec"].cells if one.name == cell]
    found = chosen.run(CellContext(toy, tmp_path, cell=cell, epochs=1, device=gpu))
    assert found.columns and all(np.isfinite(value) for column in found.columns.values() for value in column.values())
    assert replace(CellContext(toy, tmp_path), device=gpu).device == gpu
