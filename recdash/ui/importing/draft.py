"""An uploaded file on its way to a data set: what was said about it, and how it reads with that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.data.readers.read_options import ROLES, numbers_of
from recdash.errors import DataError, Fixes, RecdashError
from recdash.ui.importing import uploads

if TYPE_CHECKING:
    from recdash.data.readers.dataset_builder import Reading
    from recdash.data.readers.interactions import Plan

FORM = ("delimiter", "encoding", "header", "quotes", "format", "time_format")
_SEEN = tuple(name for name in FORM if name != "time_format")  # what the first rows depend on, beside the roles
_SWAPPED = {"user": "item", "item": "user"}
_UNSEEN = 0.5  # seconds that reading may take before progress is shown
_READ_AS = "upload"  # the name it is read under; it gets its own when it is kept

Note = Callable[[int, int | None], None]


@dataclass
class Draft:
    """upload: id of the upload.  said: the options of `ReadOptions` that somebody chose; all others are detected.

    name: of the data set to be.  titles_name: of the file of titles, as it was uploaded.  titles_round: of its
    uploader, each of which forgets the file before.  opened: the boxes that are unfolded.
    outcome: what reading gave with the options `read_with`; only the latest is held, for it holds all rows.
    titles_error: what is wrong with the titles, where everything else could be read.
    """

    upload: str
    path: Path
    file_name: str
    name: str
    said: dict[str, Any] = field(default_factory=dict)
    titles_name: str = ""
    titles_round: int = 0
    opened: set[str] = field(default_factory=set)
    read_with: Mapping[str, Any] | None = None
    outcome: Reading | RecdashError | None = None
    titles_error: RecdashError | None = None

    def say(self, **options: Any) -> None:
        """Take down what somebody chose; None means detect it. A column that had another role loses it."""
        for name, value in options.items():
            for other in ROLES if name in ROLES and isinstance(value, int) else ():
                if self.said.get(other) == value:
                    del self.said[other]
            if name == "ignore_ratings" and value is not None:
                value = (*numbers_of(self.said.get(name, ())), *numbers_of(value))
            self.put(name, value)

    def assign(self, role: str, column: Any, held: Mapping[str, int | None]) -> None:
        """Give a column, from 1, a role; user and item swap when one takes the other's.

        held: the column of each role so far, from 0.
        """
        other, before = _SWAPPED.get(role), held.get(role)
        taken = held.get(other) if other is not None else None
        self.say(**{role: column})
        if other is not None and before is not None and taken is not None and column == taken + 1:
            self.say(**{other: before + 1})

    def put(self, name: str, value: Any) -> None:
        """Replace one option; None means detect it."""
        self.said.pop(name, None)
        if value is not None:
            self.said[name] = value

    def detect(self) -> None:
        """Forget what was said; the titles stay, for they are a file and no choice."""
        self.said = {name: value for name, value in self.said.items() if name == "titles"}

    def without_titles(self) -> None:
        """Take the titles out again."""
        titles = self.said.pop("titles", None)
        if titles is not None:
            uploads.forget(titles)
        self.titles_name, self.titles_round = "", self.titles_round + 1

    def forget(self) -> None:
        """Remove the uploaded files, when they are not needed any more."""
        self.without_titles()
        uploads.forget(self.path)

    def plan(self) -> Plan | None:
        """Return how the file begins; None while even that cannot be read."""
        from recdash.services import import_summary

        for read in ((*_SEEN, *ROLES), _SEEN):  # whatever else was said wrongly, the columns stay in sight
            try:
                return import_summary.preview(
                    self.path, **{name: self.said[name] for name in read if name in self.said}
                )
            except RecdashError:
                continue
        return None

    def read(self) -> Reading:
        """Read the whole file with what was said; nothing is kept. Raises DataError and UsageError.

        Where only the titles stop it, it is read without them, and `titles_error` says what is wrong with them.
        """
        if self.read_with != self.said:
            self.outcome, self.read_with, self.titles_error = None, None, None
            uploads.in_use(self.path)
            self._read_all()
            self.read_with = dict(self.said)
        if isinstance(self.outcome, RecdashError):
            raise self.outcome.with_traceback(None)
        assert self.outcome is not None  # noqa: S101  (read above)
        return self.outcome

    def _read_all(self) -> None:
        found = _read(self.path, self.said)
        if isinstance(found, RecdashError) and "titles" in self.said:
            bare = _read(self.path, {name: value for name, value in self.said.items() if name != "titles"})
            if not isinstance(bare, RecdashError):
                self.titles_error, found = found, bare
        self.outcome = self._with_bad_rows_counted(found) if isinstance(found, DataError) else found

    def _with_bad_rows_counted(self, error: DataError) -> DataError:
        """Have an error offer to leave all bad rows out at once: the first one says nothing of the others."""
        label = next((label for label, options in error.fixes.items() if options == {"skip_bad": True}), None)
        if label is None:
            return error
        again = _read(self.path, {**self.said, "skip_bad": True})
        fixes: Fixes = {}
        if isinstance(again, DataError):
            fixes = {said: options for said, options in again.fixes.items() if "skip_bad" in options}
        elif not isinstance(again, RecdashError):
            number = len(again.source.bad)
            fixes = {
                "Leave the bad row out" if number == 1 else f"Leave the {number:,} bad rows out": error.fixes[label]
            }
        others = {said: options for said, options in error.fixes.items() if said != label}
        error.fixes = {**others, **fixes} if fixes else error.fixes
        return error


def current() -> Draft | None:
    """Return the draft of this session; it lasts until it is kept or another file is chosen."""
    draft: Draft | None = st.session_state.get("_draft")
    return draft


def begin(given: Any) -> None:
    """Start the draft of an upload."""
    drop()
    name = uploads.plain_name(given.name)
    st.session_state["_draft"] = Draft(given.file_id, uploads.kept(given), given.name, name)


def drop() -> None:
    """Forget the draft, if there is one, with its rows and files, and ask for a new file."""
    draft: Draft | None = st.session_state.pop("_draft", None)
    if draft is not None:
        draft.forget()
        st.session_state["_round"] = round_number() + 1


def round_number() -> int:
    """Return how many drafts this session has had: a new uploader for each forgets the earlier file."""
    return int(st.session_state.get("_round", 0))


@contextmanager
def shown_progress(spinner: str) -> Iterator[Note]:
    """Show that files are being read: a spinner, then how far it is."""
    place, began = st.empty(), time.monotonic()

    def note(done: int, total: int | None) -> None:
        if total and time.monotonic() - began > _UNSEEN:
            said = f"Reading: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
            place.progress(min(1.0, done / total), text=said)

    try:
        with st.spinner(spinner):
            yield note
    finally:
        place.empty()


def _read(path: Path, options: Mapping[str, Any]) -> Reading | RecdashError:
    from recdash.services import datasets

    try:
        with shown_progress("Reading the file") as note:
            return datasets.read_file(_READ_AS, path, progress=note, **options)
    except RecdashError as error:
        return error
