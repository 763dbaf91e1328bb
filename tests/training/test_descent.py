"""A batch whose outputs do not fit into memory is processed in slices of rows, with the same result."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recdash.models import registry
from recdash.models.base import GradientModel
from recdash.models.batch import Batch
from recdash.training import EpochRecord, descent, fit
from tests.toy_data import toy_split

GRADIENT = [name for name in registry.names() if issubclass(registry.model_class(name), GradientModel)]
SMALL: dict[str, Any] = {"latent": 8, "batch_size": 40, "learning_rate": 0.01, "hidden": (), "averaging": 0.0}
SMALL_OF: dict[str, dict[str, Any]] = {
    "recvae": {"hidden_width": 16, "encoder_passes": 1},
    "svae": {"hidden_width": 16, "recurrent": 16},
}


@pytest.mark.parametrize("name", GRADIENT)
def test_slices_give_the_weights_and_the_curves_of_the_whole_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry.model_class(name).config_class.__dataclass_fields__
    settings = {key: value for key, value in (SMALL | SMALL_OF.get(name, {})).items() if key in known}

    def train() -> tuple[GradientModel, list[EpochRecord]]:
        seen: list[EpochRecord] = []
        found = fit(name, toy_split(), epochs=1, precision="float32", device="cpu", on_epoch=seen.append, **settings)
        assert isinstance(found, GradientModel)
        return found, seen

    whole, of_whole = train()
    sizes: list[int] = []
    monkeypatch.setattr(descent, "MAX_OUTPUTS", {"cpu": 500})
    forward = type(whole).losses
    monkeypatch.setattr(
        type(whole), "losses", lambda self, batch, progress: sizes.append(len(batch)) or forward(self, batch, progress)
    )
    parts, of_parts = train()
    assert max(sizes) <= 500 // 30
    for key, tensor in whole.tensors().items():
        assert torch.allclose(parts.tensors()[key], tensor, rtol=2e-3, atol=2e-4), key
    for one, other in zip(of_whole, of_parts, strict=True):
        assert other.values.keys() == one.values.keys()
        assert other.values["loss"] == pytest.approx(one.values["loss"], rel=1e-4)


def test_slices_cover_a_batch_without_its_outputs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(torch.tensor([0, 1, 2, 1, 3]), torch.tensor([0, 3, 3, 4, 5]), None, None, 10)
    assert list(descent.slices(batch)) == [(slice(0, 4), slice(0, 5))]
    monkeypatch.setattr(descent, "MAX_OUTPUTS", {"cpu": 25})
    assert list(descent.slices(batch)) == [(slice(0, 2), slice(0, 3)), (slice(2, 4), slice(3, 5))]
    monkeypatch.setattr(descent, "MAX_OUTPUTS", {"cpu": 3})
    assert [rows for rows, _ in descent.slices(batch)] == [slice(row, row + 1) for row in range(4)]
