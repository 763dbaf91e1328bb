"""Files that somebody uploads, and the import of a CSV with a look at it first."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import places
from recdash.ui import frame, jobs
from recdash.ui.text import escape

if TYPE_CHECKING:
    from recdash.data.readers.csv import Plan

MOST_MB = 300
ROLES = {
    "user": "Who acted. Any text or number.",
    "item": "What they acted on.",
    "rating": "Stars or scores. Without one, every row counts as liked.",
    "time": "Seconds since 1970, a date, or any number that grows. Without one there is no order.",
}
DELIMITERS = {"": "found by itself", ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "::": "::"}
HEADERS = {"found by itself": None, "names of columns": True, "data": False}
NONE = "none"


def kept(given: Any) -> Path:
    """Return an uploaded file as a file on disk, written once per upload. Its name is ours, its ending is checked."""
    known: dict[str, Path] = st.session_state.setdefault("_uploads", {})
    if given.file_id not in known or not known[given.file_id].exists():
        ending = "".join(Path(given.name).suffixes[-2:]).lower()
        ending = ending if re.fullmatch(r"(\.[a-z0-9]{1,6}){0,2}", ending) else ""
        folder = Path(tempfile.mkdtemp(prefix="recdash-upload-"))
        path = folder / f"{plain_name(given.name)}{ending}"
        path.write_bytes(given.getbuffer())
        known[given.file_id] = path
    return known[given.file_id]


def plain_name(file_name: str) -> str:
    """Return a name for a data set made from the name of a file."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file_name).name.split(".")[0]).strip("-._")
    return stem[:60] or "data"


def import_csv() -> None:
    """Import anybody's CSV: upload, look, say which column is what, go."""
    if places.read_only():
        st.caption("Importing is switched off here (RECDASH_READ_ONLY).")
        return
    given = st.file_uploader(
        "A file with one line per interaction: a user, an item, and maybe a rating and a time",
        type=["csv", "tsv", "txt", "dat", "gz", "inter"],
        max_upload_size=MOST_MB,
        key="csv",
    )
    if given is None:
        st.caption(f"Up to {MOST_MB} MB here; larger files with `recdash data import NAME --csv FILE`.")
        return
    with frame.errors():
        _describe(given)


def _describe(given: Any) -> None:
    from recdash.services import portraits

    path = kept(given)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the data set", plain_name(given.name), max_chars=60, key=f"name.{given.file_id}")
        mark = st.selectbox(
            "Delimiter", list(DELIMITERS), format_func=DELIMITERS.__getitem__, width=180, key="delimiter"
        )
        first = st.selectbox("First line", list(HEADERS), width=180, key="header")
    words: dict[str, Any] = {"delimiter": mark or None, "header": HEADERS[first]}
    plan = portraits.preview(path, **words)
    chosen = _columns(plan, given.file_id)
    _preview(plan, chosen)
    titles = st.file_uploader(
        "Titles of the items, if there are any",
        type=["csv", "tsv", "txt", "dat", "item"],
        key="titles",
        help="A file with an id and a title per line; year and genres if it has them.",
    )
    asked = words | chosen | ({"titles": kept(titles)} if titles is not None else {})
    if st.button("Import", type="primary", icon=":material/input:", key="import"):
        portraits.preview(path, **words, **chosen)  # refused here, with the reason, rather than later
        _start(name.strip(), path, asked)
        st.rerun()


def _columns(plan: Plan, upload: str) -> dict[str, str]:
    """Let somebody say which column is what; starts from what was found."""
    options, found = [*plan.columns], {}
    with st.grid(4, min_column_width=150):
        for role, meaning in ROLES.items():
            offered = options if role in ("user", "item") else [NONE, *options]
            place = plan.roles.get(role)
            usual = options[place] if place is not None else offered[0]
            found[role] = st.selectbox(
                role.capitalize(),
                offered,
                index=offered.index(usual),
                help=meaning,
                key=f"{role}.{upload}.{len(options)}",
            )
    return found


def _preview(plan: Plan, chosen: dict[str, str]) -> None:
    import pandas as pd

    width = len(plan.columns)
    rows = [[*row[:width], *[""] * (width - len(row))] for row in plan.rows[:6]]
    table = pd.DataFrame(rows, columns=list(plan.columns))
    used = {column: role for role, column in chosen.items() if column != NONE}
    config = {
        column: st.column_config.TextColumn(f"{column} → {used[column]}" if column in used else column)
        for column in plan.columns
    }
    st.dataframe(
        table, hide_index=True, width="stretch", column_config=config, key="preview", alt="The first lines of the file"
    )
    twice = [column for column in set(chosen.values()) if column != NONE and list(chosen.values()).count(column) > 1]
    if twice:
        st.warning(
            f"{escape(twice[0])} stands for two things. Choose another column for one of them.",
            icon=":material/warning:",
        )


def _start(name: str, path: Path, asked: dict[str, Any]) -> None:
    from recdash.services import datasets

    jobs.start(
        f"import-{name}", f"Importing {name}", lambda note: datasets.import_csv(name, path, progress=note, **asked)
    )
