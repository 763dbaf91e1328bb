"""`GraphRecorder`: records the work that a function gives a GPU, and repeats it with a single call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

Replay = Callable[[], Any]


class GraphRecorder:
    """Records CUDA graphs that share one pool of memory.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        with torch.cuda.device(device):
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, function: Callable[[], Any]) -> None:
        """Call a function as it will be recorded: it creates what must exist before."""
        with torch.cuda.device(self._device):
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                function()
            torch.cuda.current_stream().wait_stream(self._stream)

    def record(self, function: Callable[[], Any]) -> Replay:
        """Record a function, which computes nothing now, and return a function that repeats it.

        Raises:
            RuntimeError: The function cannot be recorded, for example because it waits for a value.
        """
        graph: Any = torch.cuda.CUDAGraph()
        # Other threads of the process, such as the one that samples the GPU's use, may go on.
        recording: Any = torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        )
        with torch.cuda.device(self._device), recording:
            function()
        replay: Replay = graph.replay
        return replay

    @staticmethod
    def addresses(tensors: Iterable[Tensor]) -> tuple[int, ...]:
        """Return where tensors are; a recorded function reads and writes these places."""
        return tuple(tensor.data_ptr() for tensor in tensors)


def reads_rate_on_device(optimiser: torch.optim.Optimizer) -> bool:
    """Return whether a recorded step of the optimiser reads its learning rate from the device."""
    return isinstance(optimiser, torch.optim.Adam) and all(group["fused"] for group in optimiser.param_groups)


def is_recordable(optimiser: torch.optim.Optimizer) -> bool:
    """Return whether steps can be recorded, with a state that starts with zeros."""
    if isinstance(optimiser, torch.optim.SGD):
        return all(group["dampening"] == 0 for group in optimiser.param_groups)
    return reads_rate_on_device(optimiser)


@contextmanager
def recordable(optimiser: torch.optim.Optimizer, rate: Tensor) -> Iterator[None]:
    """Let an optimiser take steps that can be recorded, with the learning rate in a tensor; its settings return."""
    if not reads_rate_on_device(optimiser):
        yield
        return
    before = [(group, group["lr"], group["capturable"]) for group in optimiser.param_groups]
    try:
        for group in optimiser.param_groups:
            group["lr"], group["capturable"] = rate, True
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*capturable=True")  # a step that is not recorded: the warm-up
            yield
    finally:
        for group, given, capturable in before:
            group["lr"], group["capturable"] = given, capturable
