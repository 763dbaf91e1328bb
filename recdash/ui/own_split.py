"""The import of a split that was made elsewhere: a file for each part, and what is to be measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from recdash import places
from recdash.errors import UsageError
from recdash.ui import frame, jobs
from recdash.ui.uploads import MOST_MB, kept

TYPES = ["csv", "tsv", "txt", "dat", "gz"]
PARTS = {
    "train": (
        "Training",
        "What models learn from: a row per interaction, with a user, an item, maybe rating and time.",
    ),
    "validation_fold_in": ("Validation fold-in", "What models read of each validation user; none for known users."),
    "validation_held_out": ("Validation held-out", "What must be found, or predicted. Epochs are chosen on it."),
    "test_fold_in": ("Test fold-in", "What models read of each test user; none for known users."),
    "test_held_out": ("Test held-out", "What must be found, or predicted, at the very end."),
    "titles": ("Titles", "A file with an id and a title per line; year and genres if it has them."),
}
TASKS = {"": "detect automatically", "ranking": "ranking", "rating": "rating prediction"}


def import_split() -> None:
    """Import a split: upload the files of its parts, name it, go."""
    if places.read_only():
        st.caption("Importing is switched off here (RECDASH_READ_ONLY).")
        return
    st.caption(
        "For a split that is made already. With a fold-in file, users are read from it; without one, they must be "
        "users of the training file. On the command line: `recdash data import NAME --train F --validation F G "
        "--test F G`."
    )
    with st.grid(2, min_column_width=300):
        given = {
            part: st.file_uploader(
                label, type=[*TYPES, "item"] if part == "titles" else TYPES, max_upload_size=MOST_MB, help=about,
                key=f"own.{part}",
            )
            for part, (label, about) in PARTS.items()
        }  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the data set", "my-split", max_chars=60, key="own.name")
        task = st.selectbox("Task", list(TASKS), format_func=TASKS.__getitem__, width=200, key="own.task")
    missing = [PARTS[part][0] for part in ("train", "test_held_out") if given[part] is None]
    if missing:
        st.caption(f"Still needed: {', '.join(missing)}.")
    if st.button("Import the split", type="primary", icon=":material/input:", key="own.import", disabled=bool(missing)):
        with frame.errors():
            _start(name.strip(), {part: kept(file) for part, file in given.items() if file is not None}, task or None)
            st.rerun()


def _start(name: str, files: dict[str, Path], task: str | None) -> None:
    from recdash.services import datasets

    validation, test = _part(files, "validation"), _part(files, "test")
    more: dict[str, Any] = {"titles": files["titles"]} if "titles" in files else {}
    jobs.start(
        f"import-{name}",
        f"Importing {name}",
        lambda note: datasets.keep_split(
            datasets.read_split(name, files["train"], validation, test, task=task, progress=note, **more)
        ),
    )


def _part(files: dict[str, Path], name: str) -> list[Path]:
    """Return fold-in and held-out of a part, as far as they were given; a fold-in alone is refused."""
    found = [files[part] for part in (f"{name}_fold_in", f"{name}_held_out") if part in files]
    if found and f"{name}_held_out" not in files:
        raise UsageError(f"The {name} fold-in has no held-out file. Give one, or take the fold-in out.")
    return found
