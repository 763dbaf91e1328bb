"""The files of a run, with their sizes and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

from recdash.runs.disk_usage import folder_bytes
from recdash.runs.run_folder import RunFolder

_CONTENTS = {
    "run.json": "The record, from which a lost store is rebuilt",
    "epochs.jsonl": "Values of every epoch, one line each",
    "best": "Weights of the best validation epoch (safetensors and JSON)",
    "snapshots": "Weights of a few earlier epochs",
    "last": "Newest state of the training, from which it is resumed",
    "previous": "The state before that",
    "arrays": "Short arrays of each epoch, such as the KL divergence per latent dimension",
    "maps": "Positions of the items on a map",
    "per_user.npz": "Test metrics and top-100 lists of every test user",
    "facts.npz": "History lengths, held-out items and popularity, for results by slice",
    "log.txt": "Output of the training process",
    "resources.jsonl": "Use of processor, memory and GPU over time",
}


@dataclass(frozen=True)
class RunFile:
    """A file or a folder of a run: its name, its size with everything in it, and what it holds."""

    name: str
    bytes: int
    content: str


def files(run_id: str) -> list[RunFile]:
    """Return the files and folders in a run's folder, the largest first; empty if there is none."""
    folder = RunFolder(run_id).path
    try:
        entries = [entry for entry in folder.iterdir() if not entry.is_symlink()]
        found = [
            RunFile(
                entry.name + ("/" if entry.is_dir() else ""),
                folder_bytes(entry) if entry.is_dir() else entry.stat().st_size,
                _CONTENTS.get(entry.name, ""),
            )
            for entry in entries
        ]
    except OSError:
        return []
    return sorted(found, key=lambda file: (-file.bytes, file.name))


def folder(run_id: str) -> str:
    """Return the path of a run's folder."""
    return str(RunFolder(run_id).path)
