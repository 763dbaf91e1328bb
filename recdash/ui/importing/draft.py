"""Draft of an import: an uploaded file, the options chosen for it, and the result of reading it with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.data.readers.read_options import ROLES, parse_numbers
from recdash.errors import DataError, Fixes, RecdashError
from recdash.services import datasets, import_summary
from recdash.ui.importing import uploads

if TYPE_CHECKING:
    from recdash.data.readers.dataset_builder import Reading
    from recdash.data.readers.interactions import DetectedFormat

FORMAT_OPTIONS = ("delimiter", "encoding", "header", "quotes", "format", "time_format")
_PREVIEW_OPTIONS = ("delimiter", "encoding", "header", "quotes", "format")  # that change the first rows, besides roles
_COUNTERPART = {"user": "item", "item": "user"}
_PROGRESS_DELAY = 0.5  # seconds of reading before a progress bar is shown
_TEMPORARY_NAME = "upload"  # name of the dataset until it is saved

ProgressCallback = Callable[[int, int | None], None]


@dataclass
class Draft:
    """An uploaded file and everything chosen for its import.

    Args:
        upload: Id of the upload.
        path: The uploaded file on disk.
        file_name: Its name as uploaded.
        name: Name of the future dataset.
        options: Options of `ReadOptions` chosen by the user; all others are detected.
        titles_name: Name of the uploaded titles file.
        titles_uploader: Number of its uploader widget; a new number gives an empty uploader.
        open_boxes: Names of the open expanders.
        read_with: Options of the last read.
        outcome: Result of the last read. Only one is stored, because it holds all rows.
        titles_error: Error of the titles file when everything else could be read.
    """

    upload: str
    path: Path
    file_name: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    titles_name: str = ""
    titles_uploader: int = 0
    open_boxes: set[str] = field(default_factory=set)
    read_with: Mapping[str, Any] | None = None
    outcome: Reading | RecdashError | None = None
    titles_error: RecdashError | None = None

    def choose(self, **chosen: Any) -> None:
        """Set options; None means detect. A column that had another role loses it."""
        for name, value in chosen.items():
            for other in ROLES if name in ROLES and isinstance(value, int) else ():
                if self.options.get(other) == value:
                    del self.options[other]
            if name == "ignore_ratings" and value is not None:
                value = (*parse_numbers(self.options.get(name, ())), *parse_numbers(value))
            self.set_option(name, value)

    def assign(self, role: str, column: Any, current: Mapping[str, int | None]) -> None:
        """Assign a column to a role; user and item swap when one takes the other's column.

        Args:
            role: "user", "item", "rating" or "time".
            column: Number of the column, from 1.
            current: Column of each role so far, from 0.
        """
        other, before = _COUNTERPART.get(role), current.get(role)
        taken = current.get(other) if other is not None else None
        self.choose(**{role: column})
        if other is not None and before is not None and taken is not None and column == taken + 1:
            self.choose(**{other: before + 1})

    def set_option(self, name: str, value: Any) -> None:
        """Set one option; None means detect."""
        self.options.pop(name, None)
        if value is not None:
            self.options[name] = value

    def reset(self) -> None:
        """Drop all options but the titles, which are a file."""
        self.options = {name: value for name, value in self.options.items() if name == "titles"}

    def remove_titles(self) -> None:
        """Remove the titles file."""
        titles = self.options.pop("titles", None)
        if titles is not None:
            uploads.delete(titles)
        self.titles_name, self.titles_uploader = "", self.titles_uploader + 1

    def delete_files(self) -> None:
        """Delete the uploaded files."""
        self.remove_titles()
        uploads.delete(self.path)

    def plan(self) -> DetectedFormat | None:
        """Return the detected format and the first rows; None if these cannot be read."""
        for names in ((*_PREVIEW_OPTIONS, *ROLES), _PREVIEW_OPTIONS):  # second try: without roles that do not fit
            try:
                chosen = {name: self.options[name] for name in names if name in self.options}
                return import_summary.preview(self.path, **chosen)
            except RecdashError:
                continue
        return None

    def read(self) -> Reading:
        """Read the whole file with the chosen options, without saving it.

        If only the titles cannot be read, the file is read without them and `titles_error` is set.

        Raises:
            DataError: The file cannot be read.
            UsageError: An option is invalid.
        """
        if self.read_with != self.options:
            self.outcome, self.read_with, self.titles_error = None, None, None
            uploads.touch(self.path)
            self._read_all()
            self.read_with = dict(self.options)
        if isinstance(self.outcome, RecdashError):
            raise self.outcome.with_traceback(None)
        assert self.outcome is not None  # noqa: S101  (read above)
        return self.outcome

    def _read_all(self) -> None:
        outcome = _read(self.path, self.options)
        if isinstance(outcome, RecdashError) and "titles" in self.options:
            untitled = _read(self.path, {name: value for name, value in self.options.items() if name != "titles"})
            if not isinstance(untitled, RecdashError):
                self.titles_error, outcome = outcome, untitled
        self.outcome = self._with_bad_rows_counted(outcome) if isinstance(outcome, DataError) else outcome

    def _with_bad_rows_counted(self, error: DataError) -> DataError:
        """Let the fix of an error skip all bad rows and state their number: the error itself names only the first."""
        label = next((label for label, options in error.fixes.items() if options == {"skip_bad": True}), None)
        if label is None:
            return error
        again = _read(self.path, {**self.options, "skip_bad": True})
        fixes: Fixes = {}
        if isinstance(again, DataError):
            fixes = {text: options for text, options in again.fixes.items() if "skip_bad" in options}
        elif not isinstance(again, RecdashError):
            number = len(again.source.bad)
            fixes = {"Skip the invalid row" if number == 1 else f"Skip the {number:,} invalid rows": error.fixes[label]}
        others = {text: options for text, options in error.fixes.items() if text != label}
        error.fixes = {**others, **fixes} if fixes else error.fixes
        return error


def current() -> Draft | None:
    """Return the draft of this session; it lasts until it is saved or another file is chosen."""
    draft: Draft | None = st.session_state.get("_draft")
    return draft


def start(given: Any) -> None:
    """Start a draft with an uploaded file."""
    discard()
    name = uploads.dataset_name(given.name)
    st.session_state["_draft"] = Draft(given.file_id, uploads.save(given), given.name, name)


def discard() -> None:
    """Discard the draft, if any, with its rows and files, and show an empty uploader."""
    draft: Draft | None = st.session_state.pop("_draft", None)
    if draft is not None:
        draft.delete_files()
        st.session_state["_uploader"] = uploader_number() + 1


def uploader_number() -> int:
    """Return the number of the file uploader widget; a new number gives an empty uploader."""
    return int(st.session_state.get("_uploader", 0))


@contextmanager
def reading_progress(spinner: str) -> Iterator[ProgressCallback]:
    """Show a spinner while files are read, and a progress bar if that takes longer."""
    slot, started = st.empty(), time.monotonic()

    def report(done: int, total: int | None) -> None:
        if total and time.monotonic() - started > _PROGRESS_DELAY:
            text = f"Reading: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
            slot.progress(min(1.0, done / total), text=text)

    try:
        with st.spinner(spinner):
            yield report
    finally:
        slot.empty()


def _read(path: Path, options: Mapping[str, Any]) -> Reading | RecdashError:
    try:
        with reading_progress("Reading the file") as report:
            return datasets.read_file(_TEMPORARY_NAME, path, progress=report, **options)
    except RecdashError as error:
        return error
