"""The import of a split that was made elsewhere: a file for each part, and what is to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from recdash import paths
from recdash.errors import DataError, RecdashError, UsageError
from recdash.reporting.formatting import escape
from recdash.ui.importing import draft, naming, preview
from recdash.ui.importing.uploads import MOST_MB, forget, kept

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
_ROWS, _MOST_FIXES = 2, 8  # shown of a part
TASKS = {"": "detect automatically", "ranking": "ranking", "rating": "rating prediction"}


def import_split() -> None:
    """Import a split: upload the files of its parts, name it, go."""
    if paths.read_only():
        st.caption("Importing is switched off here (RECDASH_READ_ONLY).")
        return
    st.caption(
        "For a split that is made already. With a fold-in file, users are read from it; without one, they must be "
        "users of the training file. On the command line: `recdash data import NAME --train F --validation F G "
        "--test F G`."
    )
    files = _files()
    place = st.container(horizontal=True, vertical_alignment="bottom")
    with place:
        name = st.text_input("Name of the data set", "my-split", max_chars=60, key="own.name").strip()
        task = st.selectbox("Task", list(TASKS), format_func=TASKS.__getitem__, width=200, key="own.task")
    usable = naming.check(name)
    missing = [PARTS[part][0] for part in ("train", "test_held_out") if part not in files]
    if missing:
        st.caption(f"Still needed: {', '.join(missing)}.")
    pressed = st.button(
        "Import the split", type="primary", icon=":material/input:", key="own.import",
        disabled=bool(missing) or not usable,
    )  # fmt: skip
    _said()
    if pressed:
        try:
            _import(name, files, task or None)
        except RecdashError as error:
            _refuse(error)
        else:
            st.rerun()


def _files() -> dict[str, Path]:
    """Draw an uploader for each part, with how its file is understood; returns the files that are there."""
    found: dict[str, Path] = {}
    with st.grid(2, min_column_width=300):
        for part, (label, about) in PARTS.items():
            with st.container(gap="xsmall"):
                given = st.file_uploader(
                    label, type=[*TYPES, "item"] if part == "titles" else TYPES, max_upload_size=MOST_MB, help=about,
                    key=f"own.{part}",
                )  # fmt: skip
                if given is not None:
                    found[part] = kept(given)
                    if part != "titles":
                        _preview(part, found[part])
    return found


def _preview(part: str, path: Path) -> None:
    """Show how the file of a part begins and which column is taken for what; or what would help to tell."""
    from recdash.services import import_summary

    try:
        plan = import_summary.preview(path, **_options())
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
        _fixes(error, part)
        return
    names = preview.column_names(plan)
    columns = [f"{role} = {names[place]}" for role, place in plan.roles.items() if place is not None]
    st.caption(escape(", ".join(columns)) or "Its columns were not recognised.")
    preview.raw(plan, rows=_ROWS)


def _refuse(error: RecdashError) -> None:
    """Say beside the button what stops the import, to this session and until the next try."""
    st.error(escape(str(error)), icon=":material/error:")
    _fixes(error, "all")


def _fixes(error: RecdashError, where: str) -> None:
    if not isinstance(error, DataError):
        return
    with st.container(horizontal=True, gap="small"):
        for place, (label, options) in enumerate(list(error.fixes.items())[:_MOST_FIXES]):
            st.button(escape(label), key=f"own.fix.{where}.{place}", on_click=_options().update, args=(dict(options),))


def _said() -> None:
    """Say what holds for all files because somebody chose it, and let them take it back."""
    options = _options()
    if options:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            said = ", ".join(f"{name.replace('_', ' ')} = {value}" for name, value in options.items())
            st.caption(f"For all files: {escape(said)}", width="content")
            st.button("Detect everything again", key="own.detect", type="tertiary", on_click=options.clear)


def _options() -> dict[str, Any]:
    """The options of `ReadOptions` that somebody chose, the same for all files."""
    found: dict[str, Any] = st.session_state.setdefault("_own_options", {})
    return found


def _import(name: str, files: Mapping[str, Path], task: str | None) -> None:
    """Read the files of a split, keep it, and have it opened. Raises DataError, SplitError and UsageError."""
    from recdash.services import datasets

    validation, test = _part(files, "validation"), _part(files, "test")
    more = {**_options(), **({"titles": files["titles"]} if "titles" in files else {})}
    with draft.shown_progress("Reading the files") as note:
        entry = datasets.keep_split(
            datasets.read_split(name, files["train"], validation, test, task=task, progress=note, **more)
        )
    for file in files.values():
        forget(file)
    _options().clear()
    naming.open_next(entry)


def _part(files: Mapping[str, Path], name: str) -> list[Path]:
    """Return fold-in and held-out of a part, as far as they were given; a fold-in alone is refused."""
    found = [files[part] for part in (f"{name}_fold_in", f"{name}_held_out") if part in files]
    if found and f"{name}_held_out" not in files:
        raise UsageError(f"The {name} fold-in has no held-out file. Give one, or take the fold-in out.")
    return found
