"""Folders of tensors and facts that are written whole or not at all, and never hold a pickled object."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from recdash.errors import CheckpointError

FORMAT = 1
_MANIFEST = "checkpoint.json"


def write(
    folder: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, extra: Mapping[str, str] | None = None
) -> None:
    """Write tensors and facts; a reader sees the old state or the new one, also after a crash at any moment.

    The weights lie under a name made of their hash; the manifest that names them is replaced last.
    """
    payload = dump_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = blake2b(payload, digest_size=16).hexdigest()
    weights = f"weights-{digest[:12]}.safetensors"
    manifest = {"format": FORMAT, "weights": weights, "blake2b": digest, **facts}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / weights, payload)
        for name, text in (extra or {}).items():
            _replace(folder / name, text.encode())
        _replace(folder / _MANIFEST, json.dumps(manifest, indent=1).encode())
        for old in folder.glob("weights-*.safetensors"):
            if old.name != weights:
                old.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{folder}: cannot write the checkpoint ({error.strerror}). Free some space or choose another folder."
        ) from error


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote; raises CheckpointError when it is absent, damaged or of a newer format."""
    facts = read_facts(folder)
    try:
        payload = (folder / str(facts["weights"])).read_bytes()
        if blake2b(payload, digest_size=16).hexdigest() != facts["blake2b"]:
            raise CheckpointError(
                f"{folder}: the weights do not match their checksum. The file is damaged; train again."
            )
        return load_tensors(payload), facts
    except (OSError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: the weights cannot be read ({type(error).__name__}). Train again.") from error


def read_facts(folder: Path) -> dict[str, Any]:
    """Read the manifest alone."""
    path = folder / _MANIFEST
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no checkpoint here ({_MANIFEST} is missing). Name the folder that `save` wrote."
        )
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        known = facts["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged manifest ({type(error).__name__}). Train again.") from error
    if known != FORMAT:
        raise CheckpointError(f"{path}: format {known}, this version of recdash reads format {FORMAT}. Update recdash.")
    return dict(facts)


def read_text(folder: Path, name: str) -> str:
    """Read one of the extra files."""
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder / name}: cannot be read ({type(error).__name__}). Train again.") from error


def _replace(path: Path, content: bytes) -> None:
    work = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with work.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        work.replace(path)
        _sync(path.parent)
    finally:
        work.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some systems cannot open a folder; the rename itself is still atomic
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
