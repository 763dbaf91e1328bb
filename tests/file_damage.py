"""Ways in which a crash or a failing disk can damage a file, by name."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Damage = Callable[[Path], None]


def _bytes(change: Callable[[bytes], bytes]) -> Damage:
    return lambda path: bool(path.write_bytes(change(path.read_bytes()))) or None


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _noise(content: bytes) -> bytes:
    return np.random.default_rng(len(content)).bytes(len(content))


def _arrays(**arrays: Any) -> Damage:
    """Another archive of arrays in place of the file."""

    def write(path: Path) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        path.write_bytes(buffer.getvalue())

    return write


def _reshaped(change: Callable[[np.ndarray], Any]) -> Damage:
    """The same archive with every array changed."""

    def write(path: Path) -> None:
        with np.load(path) as members:
            changed = {name: change(members[name]) for name in members.files}
        _arrays(**changed)(path)

    return write


OF_ANY_FILE: Mapping[str, Damage] = {
    "empty": _bytes(lambda content: b""),
    "one byte": _bytes(lambda content: content[:1]),
    "a third": _bytes(lambda content: content[: len(content) // 3]),
    "nine tenths": _bytes(lambda content: content[: len(content) * 9 // 10]),
    "all but two bytes": _bytes(lambda content: content[:-2]),
    "zeros": _bytes(lambda content: bytes(len(content))),
    "zeros from the middle on": _bytes(lambda content: content[: len(content) // 2].ljust(len(content), b"\0")),
    "a hole": _bytes(lambda content: content[: len(content) // 4] + bytes(64) + content[len(content) // 4 + 64 :]),
    "noise": _bytes(_noise),
    "no UTF-8": _bytes(lambda content: b"\xff\xfe\xfa" + content),
    "a folder": _folder,
}
OF_JSON: Mapping[str, Damage] = {
    text if len(text) < 40 else "nested deeply": _bytes(lambda content, text=text: text.encode())  # type: ignore[misc]
    for text in ("[]", "null", "3", '"words"', "{}", "[[]]", '{"format": []}', "[" * 200_000, '{"a":' * 200_000)
}
OF_ARRAYS: Mapping[str, Damage] = {
    "no arrays": _arrays(),
    "other names": _arrays(other=np.arange(3)),
    "objects": _reshaped(lambda array: np.array([object()] * 3, dtype=object)),
    "words": _reshaped(lambda array: np.full(array.shape, "word")),
    "single numbers": _reshaped(lambda array: array.sum()),
    "one dimension more": _reshaped(lambda array: array[..., None]),
    "one row less": _reshaped(lambda array: array[1:]),
    "no rows": _reshaped(lambda array: array[:0]),
}


def ways(path: str) -> Mapping[str, Damage]:
    """The ways in which a file of this name can be damaged."""
    if path.endswith((".json", ".jsonl", ".supervisor")):
        return {**OF_ANY_FILE, **OF_JSON}
    return {**OF_ANY_FILE, **OF_ARRAYS} if path.endswith(".npz") else OF_ANY_FILE
