"""Checkpoint folders: tensors and JSON metadata, written atomically, without any pickled object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from recdash.atomic_files import replace_file, wrap_read_errors
from recdash.errors import CheckpointError
from recdash.json_values import is_count, json_object

FORMAT = 1
_MANIFEST = "checkpoint.json"


def write(
    folder: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], *, extra: Mapping[str, str] | None = None
) -> None:
    """Write tensors and metadata; a reader sees the old state or the new one, also after a crash at any moment.

    The weights are stored under a name made from their hash; the manifest that names them is replaced last.

    Args:
        folder: Folder to create or update.
        tensors: Tensors by name.
        metadata: JSON values by name.
        extra: Contents of further text files by name, read back by `read_text`.

    Raises:
        CheckpointError: The folder cannot be written.
    """
    payload = dump_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    texts = {name: text.encode() for name, text in (extra or {}).items()}
    digest = _digest(payload)
    weights = f"weights-{digest[:12]}.safetensors"
    checksums = {name: _digest(content) for name, content in texts.items()}
    manifest = {"format": FORMAT, "weights": weights, "blake2b": digest, "extra": checksums, **metadata}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / weights, payload)
        for name, content in texts.items():
            replace_file(folder / name, content)
        replace_file(folder / _MANIFEST, json.dumps(manifest, indent=1).encode())
    except OSError as error:
        raise CheckpointError(
            f"{folder}: cannot write the checkpoint ({error.strerror}). Free some space or choose another folder."
        ) from error
    for old in folder.glob("weights-*.safetensors"):
        if old.name != weights:
            with suppress(OSError):  # the old weights are no longer referenced
                old.unlink()


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the manifest that `write` wrote.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or of a newer format.
    """
    manifest = read_manifest(folder)
    with wrap_read_errors(folder, CheckpointError, "Train again.", "the weights cannot be read"):
        payload = (folder / str(manifest["weights"])).read_bytes()
        if _digest(payload) != manifest["blake2b"]:
            raise CheckpointError(
                f"{folder}: the weights do not match their checksum. The file is damaged; train again."
            )
        return load_tensors(payload), manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest; raises CheckpointError as `read` does."""
    path = folder / _MANIFEST
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no checkpoint in this folder ({_MANIFEST} is missing). Name the folder that `save` wrote."
        )
    with wrap_read_errors(path, CheckpointError, "Train again.", "damaged manifest"):
        manifest = json_object(path.read_text(encoding="utf-8"))
        found = manifest["format"]
        if not is_count(found):
            raise ValueError("not a format number")
    if found != FORMAT:
        raise CheckpointError(f"{path}: format {found}, this version of recdash reads format {FORMAT}. Update recdash.")
    return manifest


def read_text(folder: Path, manifest: Mapping[str, Any], name: str) -> str:
    """Return an extra file's text; `manifest` has its checksum unless an early version wrote it."""
    path = folder / name
    with wrap_read_errors(path, CheckpointError, "Train again."):
        content = path.read_bytes()
        if _digest(content) != manifest.get("extra", {}).get(name, _digest(content)):
            raise CheckpointError(f"{path}: does not match its checksum. The file is damaged; train again.")
        return content.decode()


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
