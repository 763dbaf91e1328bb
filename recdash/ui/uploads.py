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


def _columns(plan: Plan, upload: str) -> dict[str, int | str]:
    """Let somebody say which column is what, by its number from 1; starts from what was found."""
    names, found = _names(plan), dict[str, int | str]()
    guessed = [place for place in plan.roles.values() if place is not None]
    free = [place for place in range(len(names)) if place not in guessed] or [0]
    with st.grid(4, min_column_width=150):
        for role, meaning in ROLES.items():
            must = role in ("user", "item")
            offered: list[int | str] = [*([] if must else [NONE]), *range(1, len(names) + 1)]
            place = plan.roles.get(role)
            usual = place + 1 if place is not None else free[0] + 1 if must else NONE
            found[role] = st.selectbox(
                role.capitalize(),
                offered,
                index=offered.index(usual),
                format_func=lambda number: number if isinstance(number, str) else names[number - 1],
                help=meaning,
                key=f"{role}.{upload}.{len(names)}",
            )
    return found


def _preview(plan: Plan, chosen: dict[str, int | str]) -> None:
    import pandas as pd

    names = _names(plan)
    rows = [[*row[: len(names)], *[""] * (len(names) - len(row))] for row in plan.rows[:6]]
    used = {number: role for role, number in chosen.items() if number != NONE}
    shown = [f"{name} → {used[place]}" if place in used else name for place, name in enumerate(names, 1)]
    st.dataframe(pd.DataFrame(rows, columns=shown), hide_index=True, width="stretch", alt="The first lines of the file")
    numbers = [number for number in chosen.values() if number != NONE]
    twice = next((number for number in numbers if isinstance(number, int) and numbers.count(number) > 1), None)
    if twice is not None:
        said = f"{escape(names[twice - 1])} stands for two things. Choose another column for one of them."
        st.warning(said, icon=":material/warning:")


def _names(plan: Plan) -> list[str]:
    """Return the names of the columns, each one once."""
    found: list[str] = []
    for name in plan.columns:
        plain = name or "(no name)"
        found.append(plain if plain not in found else f"{plain} ({len(found) + 1})")
    return found


def _start(name: str, path: Path, asked: dict[str, Any]) -> None:
    from recdash.services import datasets

    jobs.start(
        f"import-{name}", f"Importing {name}", lambda note: datasets.import_csv(name, path, progress=note, **asked)
    )
