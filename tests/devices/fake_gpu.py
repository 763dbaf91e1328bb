"""A fake GPU: tensors that claim to lie on `cuda:0`, compute on the CPU, and refuse what a real card refuses.

On a machine without a card the code that would run on one can be executed nevertheless, and fails where it would fail
there: operations on tensors of two devices, a generator of the wrong device, `.numpy()` without `.cpu()`, formats that
CUDA's autocast widens. Figures are those of the CPU; speed, memory and the order of sums are not imitated.

PyTorch must know of it before its first backward pass: tests/conftest.py calls `register` when a session starts. Where
a real GPU is there, there is no fake one, for PyTorch serves one kind of accelerator at a time.

Underneath the tensors belong to PyTorch's backend for private use, whose kernels are here: each call is checked, then
computed by the CPU. Above, `torch.device("cuda")` is turned into that backend wherever a function of PyTorch is called.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tests.training.recorded_operations import REFUSED

CUDA = torch.device("cuda", 0)
_BACKEND = "fakegpu"
# As in PyTorch's list "CUDA Ops that can autocast to": what is narrowed, and what is always computed in float32.
_NARROWED = ("linear", "mm", "addmm", "matmul", "bmm", "baddbmm", "mv", "addmv")
_WIDENED = (
    *("softmax.int", "log_softmax.int", "exp", "log", "log1p", "expm1", "rsqrt", "reciprocal", "softplus", "sum"),
    *("sum.dim_IntList", "cumsum", "prod", "layer_norm", "pow.Tensor_Scalar", "norm.Scalar", "mse_loss", "cosh"),
)
_MOVES = ("aten::copy_", "aten::_to_copy")
_INDEXED = ("aten::index", "aten::index_put_", "aten::_index_put_impl_")  # CUDA takes their indices from the CPU too


class GpuTensor(torch.Tensor):
    """A tensor on the fake GPU; `inner` holds its numbers."""

    inner: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: torch.Tensor, requires_grad: bool = False) -> GpuTensor:
        facts = {"dtype": inner.dtype, "layout": inner.layout, "device": torch.device(_BACKEND, 0)}
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(cls, inner.size(), **layout, **facts, requires_grad=requires_grad)

    def __init__(self, inner: torch.Tensor, requires_grad: bool = False) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    device = property(lambda self: CUDA)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __repr__(self, **_: Any) -> str:
        return f"GpuTensor({self.inner!r})"


class FakeGpu:
    """What a test may do to the GPU: let it run out of memory, and see what was asked of it."""

    def __init__(self) -> None:
        self.full = False
        self.recording = False
        self.calls: dict[str, int] = {}
        self.generators: dict[int, torch.Generator] = {}  # of the GPU, kept alive so that no address is used twice

    def check_room(self) -> None:
        """Raise what PyTorch raises when a card is full."""
        if self.full:
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 10.00 GiB of which "
                "1.00 MiB is free."
            )


_current: FakeGpu | None = None


@contextmanager
def installed(*, records: bool = False) -> Iterator[FakeGpu]:
    """Pretend inside that this machine has one NVIDIA GPU, which can record CUDA graphs if `records`.

    Trainings that record their updates draw other random numbers than those on the CPU.
    """
    global _current
    if torch.cuda.is_available():
        pytest.skip("a real GPU is here; the tests marked gpu run on it")
    register()
    _current = FakeGpu()
    try:
        with ExitStack() as stack:
            for target, name, value in _pretences(_current) + (_recording() if records else []):
                stack.callback(setattr, target, name, getattr(target, name))
                setattr(target, name, value)
            stack.enter_context(_Functions())
            stack.enter_context(_Dispatch())
            yield _current
    finally:
        _current = None


class Recorder:
    """Stands for CUDA graphs: a recorded function is called again, and must not read what lies on the GPU."""

    def __init__(self, device: Any) -> None:
        pass

    def warm_up(self, function: Any) -> None:
        function()

    def record(self, function: Any) -> Any:
        def replay() -> None:
            assert _current is not None
            _current.recording = True
            try:
                function()
            finally:
                _current.recording = False

        return replay

    @staticmethod
    def addresses(tensors: Any) -> tuple[int, ...]:
        return tuple(id(tensor.inner) for tensor in tensors if isinstance(tensor, GpuTensor))


def _recording() -> list[tuple[Any, str, Any]]:
    from recdash.training import fixed_updates

    return [(fixed_updates, "GraphRecorder", Recorder)]


def _pretences(gpu: FakeGpu) -> list[tuple[Any, str, Any]]:
    enabled, autocast = torch.is_autocast_enabled, torch.autocast

    class Generator(torch.Generator):
        def __new__(cls, device: Any = "cpu") -> Any:
            made = torch._C.Generator("cpu")
            if torch.device(device).type == "cuda":
                gpu.generators[made._cdata] = made
            return made

    class Autocast(autocast):  # type: ignore[misc,valid-type]
        def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
            super().__init__(_BACKEND if device_type == "cuda" else device_type, *args, **kwargs)

    def is_enabled(device_type: str | None = None) -> bool:
        if device_type is None:
            return enabled()
        return enabled(_BACKEND if device_type == "cuda" else device_type)

    gib = 1 << 30
    return [
        (torch, "Generator", Generator),
        (torch, "autocast", Autocast),
        (torch, "is_autocast_enabled", is_enabled),
        (torch.cuda, "is_available", lambda: True),
        (torch.cuda, "device_count", lambda: 1),
        (torch.cuda, "get_device_capability", lambda device=None: (9, 0)),
        (torch.cuda, "get_device_name", lambda device=None: "Fake GPU"),
        (torch.cuda, "mem_get_info", lambda device=None: (1 << 20 if gpu.full else 8 * gib, 10 * gib)),
        (torch.cuda, "max_memory_allocated", lambda device=None: gib),
        (torch.cuda, "reset_peak_memory_stats", lambda device=None: None),
        (torch.cuda, "empty_cache", lambda: None),
        (torch.cuda, "synchronize", lambda device=None: None),
        (torch.cuda, "_lazy_init", lambda: None),
        (torch.backends.cudnn, "is_acceptable", lambda tensor: False),
    ]


class _Functions(TorchFunctionMode):
    """Turns "cuda" into the fake backend wherever a function of PyTorch is told a device."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        return func(*map(_translated, args), **{name: _translated(value) for name, value in (kwargs or {}).items()})


def _translated(value: Any) -> Any:
    if isinstance(value, torch.device) and value.type == "cuda":
        return torch.device(_BACKEND, 0)
    if isinstance(value, str) and (value == "cuda" or value.startswith("cuda:")):
        return torch.device(_BACKEND, 0)
    return value


class _Dispatch(TorchDispatchMode):
    """Catches the calls that make tensors on the GPU from nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """Check one call as CUDA would, and compute it on the CPU."""
    name = func._schema.name
    if _current is not None:
        _current.calls[name] = _current.calls.get(name, 0) + 1
    leaves = tree_leaves((args, kwargs))
    on_gpu = any(isinstance(leaf, GpuTensor) for leaf in leaves)
    if _current is not None and _current.recording:
        _check_recording(name, leaves, kwargs, on_gpu)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == _BACKEND
        kwargs = {**kwargs, "device": torch.device("cpu")}
    else:
        there = on_gpu
    if name not in _MOVES:
        _check_devices(name, args, kwargs, on_gpu)
    _check_generators(leaves, there)
    if there and _current is not None and any(one.alias_info is None for one in func._schema.returns):
        _current.check_room()  # views and operations in place need none
    if name in _OWN:
        return _OWN[name](*args, **kwargs)
    out = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if name == "aten::copy_":
        return args[0]
    written = {id(tensor.inner): tensor for tensor in _written(func, args, kwargs)}

    def wrapped(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or isinstance(value, GpuTensor):
            return value
        if id(value) in written:
            return written[id(value)]
        return GpuTensor(value) if there else value

    return tree_map(wrapped, out)


def _check_recording(name: str, leaves: list[Any], kwargs: Any, on_gpu: bool) -> None:
    """Refuse what waits for the GPU while work is recorded: values and sizes, and copies to or from the host."""
    from_host = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and not isinstance(leaf, GpuTensor)]
    moves = name in _MOVES and (
        (on_gpu and bool(from_host)) or torch.device(kwargs.get("device") or _BACKEND).type != _BACKEND
    )
    waits = on_gpu and name.removeprefix("aten::") in REFUSED
    if moves or waits:
        raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({name})")


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, GpuTensor) else value


def _check_devices(name: str, args: Any, kwargs: Any, on_gpu: bool) -> None:
    """Refuse tensors of two devices; a CPU tensor without dimensions counts as a number."""
    if not on_gpu:
        return
    looked_at = (args[0], *args[2:], kwargs) if name in _INDEXED else (args, kwargs)
    fused = name.startswith("aten::_fused")
    for leaf in tree_leaves(looked_at):
        if isinstance(leaf, torch.Tensor) and not isinstance(leaf, GpuTensor) and (leaf.ndim > 0 or fused):
            found = "but found at least two devices, cuda:0 and cpu!"
            raise RuntimeError(f"Expected all tensors to be on the same device, {found} ({name})")


def _check_generators(leaves: list[Any], there: bool) -> None:
    for leaf in leaves:
        if isinstance(leaf, torch._C.Generator):
            own = _current is not None and leaf._cdata in _current.generators
            if own != there:
                wanted, found = ("cuda", "cpu") if there else ("cpu", "cuda")
                raise RuntimeError(f"Expected a '{wanted}' device type for generator but found '{found}'")


def _written(func: Any, args: Any, kwargs: Any) -> Iterator[GpuTensor]:
    """Yield the arguments that a call writes to."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            if isinstance(value, GpuTensor):
                yield value


def _gru_cell(input_gates: Any, hidden_gates: Any, state: Any, input_bias: Any = None, hidden_bias: Any = None) -> Any:
    """One step of the GRU that exists on a GPU only; returns the new state and what its gradient needs."""
    given, own, before = input_gates.inner + input_bias.inner, hidden_gates.inner + hidden_bias.inner, state.inner
    (reset_in, update_in, new_in), (reset_own, update_own, new_own) = given.chunk(3, 1), own.chunk(3, 1)
    reset, update = torch.sigmoid(reset_in + reset_own), torch.sigmoid(update_in + update_own)
    new = torch.tanh(new_in + reset * new_own)
    workspace = torch.cat([reset, update, new, before, new_own], 1)
    return GpuTensor(new + update * (before - new)), GpuTensor(workspace)


def _gru_cell_backward(gradient: Any, workspace: Any, has_bias: bool) -> Any:
    reset, update, new, before, new_own = workspace.inner.chunk(5, 1)
    arriving = gradient.inner
    to_new = arriving * (1 - update) * (1 - new.square())
    to_update = arriving * (before - new) * update * (1 - update)
    to_reset = to_new * new_own * reset * (1 - reset)
    to_input = torch.cat([to_reset, to_update, to_new], 1)
    to_hidden = torch.cat([to_reset, to_update, to_new * reset], 1)
    found = to_input, to_hidden, arriving * update, to_input.sum(0), to_hidden.sum(0)
    return tuple(GpuTensor(part) for part in found)


_OWN = {"aten::_thnn_fused_gru_cell": _gru_cell, "aten::_thnn_fused_gru_cell_backward": _gru_cell_backward}


# What PyTorch calls without asking the modes above, when it makes a tensor of numbers that Python holds.
def _empty(size: Any, *, dtype: Any = None, **_: Any) -> GpuTensor:
    return GpuTensor(torch.empty(size, dtype=dtype, device="cpu"))


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_: Any) -> GpuTensor:
    return GpuTensor(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def _copy_from(source: Any, target: Any, non_blocking: bool = False) -> Any:
    _inner(target).copy_(_inner(source))
    return target


@functools.cache
def register() -> None:
    """Tell PyTorch of the backend and of its autocast; once per process."""
    from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

    class Module(_DummyBackendModule):  # type: ignore[misc]
        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.bfloat16]

    _setup_privateuseone_for_python_backend(_BACKEND, backend_module=Module())
    key = "AutocastPrivateUse1"
    everything, aten = torch.library.Library("_", "IMPL", key), torch.library.Library("aten", "IMPL", key)
    everything.fallback(torch.library.fallthrough_kernel)
    inside = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
    for names, dtype in ((_NARROWED, torch.bfloat16), (_WIDENED, torch.float32)):
        for name in names:
            aten.impl(name, functools.partial(_autocast, _overload(name), dtype, inside))
    below = torch.library.Library("aten", "IMPL", "PrivateUse1")
    for name, kernel in (
        ("empty.memory_format", _empty),
        ("empty_strided", _empty_strided),
        ("_copy_from", _copy_from),
    ):
        below.impl(name, kernel)
    register.libraries = everything, aten, below  # type: ignore[attr-defined]  # what is collected is unregistered


def _overload(name: str) -> Any:
    found = functools.reduce(getattr, name.split("."), torch.ops.aten)
    return found if "." in name else found.default


def _autocast(op: Any, dtype: torch.dtype, inside: Any, *args: Any, **kwargs: Any) -> Any:
    def cast(value: Any) -> Any:
        wanted = isinstance(value, torch.Tensor) and value.dtype in (torch.float32, torch.bfloat16)
        return value.to(dtype) if wanted else value

    with torch._C._ExcludeDispatchKeyGuard(inside):
        return op(*tree_map(cast, args), **tree_map(cast, kwargs))
