"""Import of an existing split: one file per part, and the task to evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from recdash import environment
from recdash.errors import DataError, RecdashError, UsageError
from recdash.reporting.formatting import escape
from recdash.services import datasets, import_summary
from recdash.ui.importing import draft, naming, preview
from recdash.ui.importing.uploads import (
    MAX_MB,
    delete,
    save,
)

TYPES = ["csv", "tsv", "txt", "dat", "gz"]
FILES = {
    "train": (
        "Training",
        "Training data: one interaction per row, with user, item, and optionally rating and time",
    ),
    "validation_fold_in": (
        "Validation fold-in",
        "Items that models read for each validation user; leave empty if they are training users",
    ),
    "validation_held_out": (
        "Validation held-out",
        "Items to rank or ratings to predict for early stopping and model selection",
    ),
    "test_fold_in": (
        "Test fold-in",
        "Items that models read for each test user; leave empty if they are training users",
    ),
    "test_held_out": ("Test held-out", "Items to rank or ratings to predict in the final evaluation"),
    "titles": ("Titles", "File with an item id and a title per line, and optionally year and genres"),
}
_ROWS, _MAX_FIXES = 2, 8  # of the preview and of the fix buttons
TASKS = {"": "detect automatically", "ranking": "ranking", "rating": "rating prediction"}


def import_split() -> None:
    """Draw the import of an existing split."""
    if environment.read_only():
        st.caption("Importing is disabled (RECDASH_READ_ONLY is set).")
        return
    st.caption(
        "For data that is already split. With a fold-in file, models read the held-out users' items from it; without "
        "one, the held-out users must be in the training file. On the command line, run `recdash data import NAME "
        "--train F --validation F G --test F G`."
    )
    files = _upload_files()
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        name = st.text_input("Dataset name", "my-split", max_chars=60, key="own.name").strip()
        task = st.selectbox("Task", list(TASKS), format_func=TASKS.__getitem__, width=200, key="own.task")
    usable = naming.check_name(name)
    missing = [FILES[part][0] for part in ("train", "test_held_out") if part not in files]
    if missing:
        st.caption(f"Missing files: {', '.join(missing)}.")
    pressed = st.button(
        "Import split", type="primary", icon=":material/input:", key="own.import",
        disabled=bool(missing) or not usable,
    )  # fmt: skip
    _shared_options()
    if pressed:
        try:
            _import(name, files, task or None)
        except RecdashError as error:
            _show_error(error)
        else:
            st.rerun()


def _upload_files() -> dict[str, Path]:
    """Draw an uploader and a preview for each part; returns the uploaded files."""
    uploaded: dict[str, Path] = {}
    with st.grid(2, min_column_width=300):
        for part, (label, about) in FILES.items():
            with st.container(gap="xsmall"):
                given = st.file_uploader(
                    label, type=[*TYPES, "item"] if part == "titles" else TYPES, max_upload_size=MAX_MB, help=about,
                    key=f"own.{part}",
                )  # fmt: skip
                if given is not None:
                    uploaded[part] = save(given)
                    if part != "titles":
                        _preview(part, uploaded[part])
    return uploaded


def _preview(part: str, path: Path) -> None:
    """Show the first rows and detected columns of a part's file, or the error with its fixes."""
    try:
        plan = import_summary.preview(path, **_options())
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
        _fixes(error, part)
        return
    names = preview.column_names(plan)
    columns = [f"{role} = {names[index]}" for role, index in plan.roles.items() if index is not None]
    st.caption(escape(", ".join(columns)) or "No columns recognised.")
    preview.raw_rows(plan, rows=_ROWS)


def _show_error(error: RecdashError) -> None:
    """Show why the import failed, until the next attempt."""
    st.error(escape(str(error)), icon=":material/error:")
    _fixes(error, "all")


def _fixes(error: RecdashError, where: str) -> None:
    if not isinstance(error, DataError):
        return
    with st.container(horizontal=True, gap="small"):
        for index, (label, options) in enumerate(list(error.fixes.items())[:_MAX_FIXES]):
            st.button(escape(label), key=f"own.fix.{where}.{index}", on_click=_options().update, args=(dict(options),))


def _shared_options() -> None:
    """Show the options chosen for all files, with a button that resets them."""
    options = _options()
    if options:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            chosen = ", ".join(f"{name.replace('_', ' ')} = {value}" for name, value in options.items())
            st.caption(f"For all files: {escape(chosen)}", width="content")
            st.button("Reset to detected", key="own.detect", type="tertiary", on_click=options.clear)


def _options() -> dict[str, Any]:
    """Return the options of `ReadOptions` that the user chose for all files."""
    options: dict[str, Any] = st.session_state.setdefault("_split_import_options", {})
    return options


def _import(name: str, files: Mapping[str, Path], task: str | None) -> None:
    """Import the files of a split and open the dataset. Raises DataError, SplitError and UsageError."""
    validation, test = _part(files, "validation"), _part(files, "test")
    more = {**_options(), **({"titles": files["titles"]} if "titles" in files else {})}
    with draft.reading_progress("Reading the files") as report:
        entry = datasets.save_split(
            datasets.read_split(name, files["train"], validation, test, task=task, progress=report, **more)
        )
    for file in files.values():
        delete(file)
    _options().clear()
    naming.open_on_rerun(entry)


def _part(files: Mapping[str, Path], name: str) -> list[Path]:
    """Return the uploaded fold-in and held-out files of a part; raises UsageError for a fold-in file alone."""
    given = [files[part] for part in (f"{name}_fold_in", f"{name}_held_out") if part in files]
    if given and f"{name}_held_out" not in files:
        raise UsageError(f"The {name} fold-in file has no held-out file. Upload one or remove the fold-in file.")
    return given
