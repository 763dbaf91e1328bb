"""An uploaded file on its way to a data set: what was said about it, and how it reads with that."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.data.readers.options import ROLES, numbers_of
from recdash.errors import RecdashError
from recdash.ui import uploads

if TYPE_CHECKING:
    from recdash.data.readers.csv import Plan
    from recdash.data.readers.source import Reading

_FORM = ("delimiter", "encoding", "header", "quotes", "format")
_UNSEEN = 0.5  # seconds that reading may take before progress is shown
_READ_AS = "upload"  # the name it is read under; it gets its own when it is kept


@dataclass
class Draft:
    """upload: id of the upload.  said: the options of `ReadOptions` that somebody chose; all others are detected.

    outcome: what reading gave with the options `read_with`; only the latest is held, for it holds all rows.
    """

    upload: str
    path: Path
    file_name: str
    said: dict[str, Any] = field(default_factory=dict)
    read_with: Mapping[str, Any] | None = None
    outcome: Reading | RecdashError | None = None

    def say(self, **options: Any) -> None:
        """Take down what somebody chose; None means detect it. A column that had another role loses it."""
        for name, value in options.items():
            for other in ROLES if name in ROLES and isinstance(value, int) else ():
                if self.said.get(other) == value:
                    del self.said[other]
            if name == "ignore_ratings" and value is not None:
                value = (*numbers_of(self.said.get(name, ())), *numbers_of(value))
            self.put(name, value)

    def put(self, name: str, value: Any) -> None:
        """Replace one option; None means detect it."""
        self.said.pop(name, None)
        if value is not None:
            self.said[name] = value

    def forget(self) -> None:
        """Remove the uploaded files, when they are not needed any more."""
        for path in filter(None, (self.path, self.said.get("titles"))):
            uploads.forget(path)

    def plan(self) -> Plan | None:
        """Return how the file begins; None while even that cannot be read."""
        from recdash.services import portraits

        for read in ((*_FORM, *ROLES), _FORM):  # whatever else was said wrongly, the columns stay in sight
            try:
                return portraits.preview(self.path, **{name: self.said[name] for name in read if name in self.said})
            except RecdashError:
                continue
        return None

    def read(self) -> Reading:
        """Read the whole file with what was said; nothing is kept. Raises DataError and UsageError."""
        if self.read_with != self.said:
            self.outcome, self.read_with = None, None
            self.outcome, self.read_with = _read(self.path, self.said), dict(self.said)
        if isinstance(self.outcome, RecdashError):
            raise self.outcome.with_traceback(None)
        assert self.outcome is not None  # noqa: S101  (read above)
        return self.outcome


def current(given: Any) -> Draft:
    """Return the draft of an upload; that of an earlier one is forgotten."""
    draft: Draft | None = st.session_state.get("_draft")
    if draft is None or draft.upload != given.file_id:
        drop()
        draft = st.session_state["_draft"] = Draft(given.file_id, uploads.kept(given), given.name)
    return draft


def drop() -> None:
    """Forget the draft, if there is one, with its rows and files."""
    draft: Draft | None = st.session_state.pop("_draft", None)
    if draft is not None:
        draft.forget()


def _read(path: Path, options: Mapping[str, Any]) -> Reading | RecdashError:
    from recdash.services import datasets

    place, began = st.empty(), time.monotonic()

    def note(done: int, total: int | None) -> None:
        if total and time.monotonic() - began > _UNSEEN:
            said = f"Reading: {done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
            place.progress(min(1.0, done / total), text=said)

    try:
        with st.spinner("Reading the file"):
            return datasets.read_file(_READ_AS, path, progress=note, **options)
    except RecdashError as error:
        return error
    finally:
        place.empty()
