"""A CUDA graph on the CPU: the operations of a function are recorded with their tensors, and repeated without Python.

What a GPU could not record is refused: reading a value, results whose size depends on values, numbers from Python's
lists. As on a GPU, recording computes nothing that lasts, and a repetition reads and writes the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

REFUSED = (
    *("_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2", "unique_dim"),
    *("unique_consecutive", "bincount", "repeat_interleave", "lift_fresh", "histc", "_linalg_check_errors"),
)


class RecordedOperations:
    """Has the methods of `recdash.training.cuda_graph.GraphRecorder`."""

    def __init__(self) -> None:
        self.recorded = 0
        self.repeated = 0

    def warm_up(self, function: Callable[[], Any]) -> None:
        """Call the function."""
        function()

    def record(self, function: Callable[[], Any]) -> Callable[[], None]:
        """Return a function that repeats the operations of `function`; what that changed is restored."""
        log = _Log()
        with log:
            function()
        log.undo()
        self.recorded += 1

        def replay() -> None:
            self.repeated += 1
            log.repeat()

        return replay

    @staticmethod
    def addresses(tensors: Iterable[Tensor]) -> tuple[int, ...]:
        """Return where tensors are."""
        return tuple(tensor.data_ptr() for tensor in tensors)


class _Log(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[Any, Any, Any, Any]] = []
        self._made: set[int] = set()  # memory that the function itself allocated; it stays allocated
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        if name in REFUSED and not (name == "repeat_interleave" and kwargs.get("output_size") is not None):
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        for place, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                written = args[place] if place < len(args) else kwargs.get(argument.name)
                for tensor in tree_leaves(written):
                    if isinstance(tensor, Tensor):
                        self._save(tensor)
        out = func(*args, **kwargs)
        given = {_memory(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        fresh = [isinstance(one, Tensor) and _memory(one) not in given for one in tree_leaves(out)]
        self._made |= {_memory(one) for one, is_new in zip(tree_leaves(out), fresh, strict=True) if is_new}
        self._calls.append((func, (args, kwargs), out, fresh))
        return out

    def _save(self, tensor: Tensor) -> None:
        if _memory(tensor) not in self._made and _memory(tensor) not in self._before:
            whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
            self._before[_memory(tensor)] = whole, whole.clone()

    def undo(self) -> None:
        for tensor, copy in self._before.values():
            tensor.copy_(copy)

    def repeat(self) -> None:
        with torch.no_grad():
            for func, (args, kwargs), recorded, fresh in self._calls:
                found = func(*args, **kwargs)
                for one, other, is_new in zip(tree_leaves(recorded), tree_leaves(found), fresh, strict=True):
                    if is_new:
                        one.detach().copy_(other)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
