"""Folders of tensors and facts that are written whole or not at all, and never hold a pickled object."""

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

from recdash.atomic_files import reading_back, replace_file
from recdash.errors import CheckpointError
from recdash.json_values import is_count, json_object

FORMAT = 1
_MANIFEST = "checkpoint.json"


def write(
    folder: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, extra: Mapping[str, str] | None = None
) -> None:
    """Write tensors and facts; a reader sees the old state or the new one, also after a crash at any moment.

    The weights lie under a name made of their hash; the manifest that names them is replaced last.
    extra: text by file name, read back by `read_text`.
    """
    payload = dump_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    texts = {name: text.encode() for name, text in (extra or {}).items()}
    digest = _digest(payload)
    weights = f"weights-{digest[:12]}.safetensors"
    beside = {name: _digest(content) for name, content in texts.items()}
    manifest = {"format": FORMAT, "weights": weights, "blake2b": digest, "extra": beside, **facts}
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
            with suppress(OSError):  # nobody reads it any more
                old.unlink()


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote; raises CheckpointError when it is absent, damaged or of a newer format."""
    facts = read_facts(folder)
    with reading_back(folder, CheckpointError, "Train again.", "the weights cannot be read"):
        payload = (folder / str(facts["weights"])).read_bytes()
        if _digest(payload) != facts["blake2b"]:
            raise CheckpointError(
                f"{folder}: the weights do not match their checksum. The file is damaged; train again."
            )
        return load_tensors(payload), facts


def read_facts(folder: Path) -> dict[str, Any]:
    """Read the manifest alone."""
    path = folder / _MANIFEST
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no checkpoint here ({_MANIFEST} is missing). Name the folder that `save` wrote."
        )
    with reading_back(path, CheckpointError, "Train again.", "damaged manifest"):
        facts = json_object(path.read_text(encoding="utf-8"))
        known = facts["format"]
        if not is_count(known):
            raise ValueError("no number of a format")
    if known != FORMAT:
        raise CheckpointError(f"{path}: format {known}, this version of recdash reads format {FORMAT}. Update recdash.")
    return facts


def read_text(folder: Path, facts: Mapping[str, Any], name: str) -> str:
    """Read one of the extra files; facts: the manifest, which knows its checksum unless an earlier version wrote it."""
    path = folder / name
    with reading_back(path, CheckpointError, "Train again."):
        content = path.read_bytes()
        if _digest(content) != facts.get("extra", {}).get(name, _digest(content)):
            raise CheckpointError(f"{path}: does not match its checksum. The file is damaged; train again.")
        return content.decode()


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
