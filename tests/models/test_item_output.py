"""The fused output layer gives the likelihood and the gradients of the plain one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from recdash.data.histories import Histories
from recdash.models import item_output
from recdash.models.batch import Batch
from recdash.models.item_output import ItemOutput

ROWS, ITEMS, WIDTH = 7, 37, 5


def batch_of(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randperm(ITEMS, generator=generator)[: 3 * row].sort().values.tolist() for row in range(ROWS)]
    return Batch.of(Histories.from_rows(rows, ITEMS), torch.device("cpu"))


def layer_and_hidden(scale: float = 1.0) -> tuple[ItemOutput, torch.Tensor]:
    torch.manual_seed(1)
    layer = ItemOutput(WIDTH, ITEMS)
    return layer, (scale * torch.randn(ROWS, WIDTH)).requires_grad_()


def plain_nll(layer: ItemOutput, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    """From a dense target, as in the paper's equation 2."""
    target = torch.zeros(ROWS, ITEMS)
    target[batch.row_of, batch.items] = 1
    return -(functional.log_softmax(functional.linear(hidden, layer.weight, layer.bias), 1) * target).sum(1)


@pytest.mark.parametrize("scale", [1.0, 300.0])  # 300: probabilities of positives that float32 cannot represent
@pytest.mark.parametrize("cells", [1 << 18, ITEMS])  # all rows, one row at a time
def test_likelihood_and_gradients_are_those_of_the_plain_computation(cells, scale, monkeypatch) -> None:
    monkeypatch.setattr(item_output, "_CELLS_PER_CHUNK", cells)
    batch, weights_of_rows = batch_of(), torch.linspace(0.5, 2, ROWS)
    layer, hidden = layer_and_hidden(scale)
    wanted = plain_nll(layer, hidden, batch)
    expected = torch.autograd.grad((wanted * weights_of_rows).sum(), [hidden, layer.weight, layer.bias])
    found = layer.multinomial_nll(hidden, batch)
    gradients = torch.autograd.grad((found * weights_of_rows).sum(), [hidden, layer.weight, layer.bias])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-4)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_frozen_parts_get_no_gradient() -> None:
    layer, hidden = layer_and_hidden()
    layer.requires_grad_(False)
    layer.multinomial_nll(hidden, batch_of()).sum().backward()
    assert layer.weight.grad is None and hidden.grad is not None
    layer.requires_grad_(True)
    layer.multinomial_nll(hidden.detach(), batch_of()).sum().backward()
    assert layer.weight.grad is not None and layer.bias.grad is not None


def test_bfloat16_products_stay_near_float32() -> None:
    layer, hidden = layer_and_hidden()
    batch = batch_of()
    exact = layer.multinomial_nll(hidden, batch)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer.multinomial_nll(hidden, batch)
    assert rounded.dtype == torch.float32 and torch.allclose(rounded, exact, rtol=0.02, atol=0.05)
    rounded.sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.dtype == torch.float32


def test_scores_and_their_gradients_are_those_of_a_linear_layer() -> None:
    layer, hidden = layer_and_hidden()
    leaves, weights = [hidden, layer.weight, layer.bias], torch.randn(ROWS, ITEMS)
    scores, wanted = layer(hidden), functional.linear(hidden, layer.weight, layer.bias)
    assert scores.is_contiguous()
    torch.testing.assert_close(scores, wanted)
    found, expected = (torch.autograd.grad((each * weights).sum(), leaves) for each in (scores, wanted))
    torch.testing.assert_close(found, expected)
