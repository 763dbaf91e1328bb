"""The moving average of the weights: its formula, and that a model gets its own weights back."""

from __future__ import annotations

import pytest
import torch

from recdash.models import registry
from recdash.models.base import GradientModel
from recdash.models.data_shape import DataShape
from recdash.training.averaging import WeightAverage


@pytest.fixture
def model() -> GradientModel:
    shape = DataShape(10, 6, 30)
    found = registry.build("multdae", registry.configure("multdae", shape, settings={"latent": 3}), shape)
    assert isinstance(found, GradientModel)
    found.initialise(torch.Generator().manual_seed(0))
    return found


def shift(model: GradientModel, by: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by)


def test_the_average_moves_by_one_minus_decay_towards_the_weights(model: GradientModel) -> None:
    average = WeightAverage(model, 0.75)
    average.update()
    first = {name: tensor.clone() for name, tensor in average.weights.items()}
    shift(model, 4.0)
    average.update()
    for name, tensor in average.weights.items():
        torch.testing.assert_close(tensor, first[name] + 1.0)


def test_the_model_has_the_average_inside_the_block_and_its_own_weights_after_an_error(model: GradientModel) -> None:
    average = WeightAverage(model, 0.75)
    average.update()
    shift(model, 4.0)
    own = {name: tensor.clone() for name, tensor in model.tensors().items()}

    def fail_inside() -> None:
        with average.applied():
            for name, tensor in model.tensors().items():
                torch.testing.assert_close(tensor, own[name] - 4.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_inside()
    for name, tensor in model.tensors().items():
        assert torch.equal(tensor, own[name])


def test_without_decay_there_is_no_average(model: GradientModel) -> None:
    average = WeightAverage(model, 0.0)
    average.update()
    assert average.weights == {}
