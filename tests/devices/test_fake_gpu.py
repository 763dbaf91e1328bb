"""The fake GPU refuses what a real one refuses: each fault that was met on a real card, shown once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from tests.devices import fake_gpu
from tests.devices.fake_gpu import FakeGpu


@pytest.fixture(autouse=True)
def fake() -> Iterator[FakeGpu]:
    with fake_gpu.installed() as gpu:
        yield gpu


def test_it_looks_like_an_nvidia_gpu_and_computes_like_the_cpu() -> None:
    layer, rows = nn.Linear(3, 2), torch.randn(4, 3)
    expected = layer(rows).square().mean()
    (slope,) = torch.autograd.grad(expected, [layer.weight])
    layer.to("cuda")
    found = layer(rows.to("cuda")).square().mean()
    found.backward()
    assert found.device == layer.weight.device == torch.device("cuda", 0) and found.is_cuda
    assert float(found.detach()) == float(expected.detach())
    assert torch.equal(layer.weight.grad.cpu(), slope)


def test_weights_on_the_gpu_are_not_drawn_by_a_generator_of_the_cpu() -> None:
    weight = torch.empty(3, 2, device="cuda")
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        nn.init.xavier_uniform_(weight, generator=torch.Generator().manual_seed(1))
    nn.init.xavier_uniform_(weight, generator=torch.Generator("cuda").manual_seed(1))
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator but found 'cuda'"):
        torch.randn(2, generator=torch.Generator("cuda"))


def test_softmax_is_widened_by_autocast_so_that_adding_bfloat16_to_it_is_refused() -> None:
    logits = torch.randn(2, 5, device="cuda").to(torch.bfloat16)
    with torch.autocast("cuda", torch.bfloat16):
        chances = torch.softmax(logits, 1)
        assert chances.dtype == torch.float32
        marks = torch.ones(2, device="cuda", dtype=torch.bfloat16)
        with pytest.raises(RuntimeError, match="same scalar type"):
            chances.view(-1).index_add_(0, torch.tensor([1, 7], device="cuda"), marks)


def test_the_host_cannot_read_what_lies_on_the_gpu() -> None:
    tensor = torch.arange(3, device="cuda")
    for read in (lambda: tensor.numpy(), lambda: np.asarray(tensor), lambda: np.where(tensor, 1, 0)):
        with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
            read()
    assert tensor.cpu().numpy().tolist() == tensor.tolist() == [0, 1, 2]


def test_tensors_of_two_devices_do_not_meet_but_indices_and_single_numbers_may() -> None:
    there, here = torch.ones(3, device="cuda"), torch.ones(3)
    for meet in (
        lambda: there + here,
        lambda: torch.cat([there, here]),
        lambda: there.index_add(0, torch.tensor([0]), there),
    ):
        with pytest.raises(RuntimeError, match="on the same device"):
            meet()
    assert (there * torch.tensor(2.0)).sum().item() == 6
    assert there[torch.tensor([0, 2])].tolist() == [1, 1]
    there.copy_(torch.arange(3.0))
    assert there.tolist() == [0, 1, 2]


def test_autocast_narrows_products() -> None:
    rows, weight = torch.randn(2, 3, device="cuda"), torch.randn(4, 3, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        assert torch.is_autocast_enabled("cuda")
        assert nn.functional.linear(rows, weight).dtype == torch.bfloat16
        with torch.autocast("cuda", enabled=False):
            assert nn.functional.linear(rows, weight).dtype == torch.float32


def test_the_recurrent_cell_is_that_of_the_reference() -> None:
    torch.manual_seed(0)
    reference = nn.GRU(5, 6)
    rows = nn.utils.rnn.pack_sequence([torch.randn(4, 5), torch.randn(2, 5)])
    states, _ = reference(rows)
    expected = torch.autograd.grad(states.data.square().sum(), list(reference.parameters()))
    weights = [parameter.detach().to("cuda").requires_grad_() for parameter in reference.parameters()]
    start = torch.zeros(1, 2, 6, device="cuda")
    found, _ = torch.gru(rows.data.to("cuda"), rows.batch_sizes, start, weights, True, 1, 0.0, True, False)
    torch.testing.assert_close(found.cpu(), states.data)
    for one, other in zip(torch.autograd.grad(found.square().sum(), weights), expected, strict=True):
        torch.testing.assert_close(one.cpu(), other)


def test_it_can_run_out_of_memory(fake: FakeGpu) -> None:
    rows = torch.ones(3, device="cuda")
    fake.full = True
    with pytest.raises(torch.OutOfMemoryError, match=r"Tried to allocate 20\.00 MiB"):
        rows + 1
    with pytest.raises(torch.OutOfMemoryError):
        torch.ones(3).to("cuda")
    fake.full = False
    assert (rows + 1).tolist() == [2, 2, 2]
