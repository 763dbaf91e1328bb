"""Everything that can be said about a file before it is imported; what nobody says is detected and shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.data.readers import column_roles, text_layouts
from recdash.data.readers.cells import NUMBER
from recdash.data.readers.read_options import NONE, ROLES
from recdash.errors import Fixes
from recdash.reporting.formatting import escape
from recdash.services import import_summary
from recdash.ui.importing import uploads
from recdash.ui.importing.draft import FORM, Draft
from recdash.ui.importing.preview import column_names

if TYPE_CHECKING:
    from recdash.data.readers.interactions import Plan

_MEANINGS = {
    "user": "Who acted. Any text or number.",
    "item": "What they acted on. Any text or number.",
    "rating": "Stars, labels or counts. Without one, every row is a positive.",
    "time": "Dates, seconds since 1970, or any number that grows. Without one, histories have no order.",
}
_DELIMITERS = {
    ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "::": "::", " ": "space", "spaces": "several spaces",
}  # fmt: skip
_ENCODINGS = ("utf-8", "cp1252", "cp1251", "koi8_r", "gbk", "big5", "shift_jis", "euc_kr", "utf-16")
_AUTOMATIC = ""
_FIRST_ROWS = {True: "column names", False: "data"}
_QUOTES = {False: "letters like any other", True: "around fields, also of several lines"}
_FORMATS = {"table": "one interaction per row", "wide": "matrix: a row per user", "lists": "a user and its items"}
_MOST_FIXES, _MOST_OFFERED = 8, 2
_MOST_STARS = 100
_OFFERED = (("rating", "number", ":material/star:"), ("time", "date", ":material/schedule:"))
_TIES_SHORT = {"file": "order of the file", "random": "chance"}  # the rule that holds
_TIES_ABOUT = "What orders events of one user at the same time. A file that is in no order of time leaves it to chance."
_USUAL_LIKES = 5  # of a user, unless an import says otherwise
_DASHED_SCALE = re.compile(r"\s*(-?[\d.]+)\s*[-\u2013]\s*(-?[\d.]+)\s*")
_LONGEST = 60  # letters of a button
_TIES = {"file": "order of the file, where that is an order of time", "random": "chance"}


def columns(draft: Draft, plan: Plan | None) -> None:
    """Draw which column is what, and which ones are not used; nothing where the form of the file says so itself."""
    if plan is None or _has_fixed_columns(plan):
        return
    names = column_names(plan)
    with st.grid(4, min_column_width=150):
        for role in ROLES:
            place = plan.roles.get(role)
            none: list[str] = [] if role in ("user", "item") else [NONE]
            st.selectbox(
                role.capitalize(),
                [*none, *range(1, len(names) + 1)],
                format_func=lambda chosen: "none" if chosen == NONE else names[chosen - 1],
                placeholder="Choose a column",
                help=f"{_MEANINGS[role]} {_how(role, draft, plan)}",
                **_bound(
                    draft, role, place + 1 if place is not None else (NONE if none else None),
                    put=partial(_assign, draft, plan, role),
                ),
            )  # fmt: skip
    _not_used(draft, plan, names)


def show(
    draft: Draft, plan: Plan | None, understood: Mapping[str, Any] | None, keep: Callable[[], None] | None = None
) -> None:
    """Draw all other choices; the file's form is folded away unless it is what stops the reading.

    understood: None while the file cannot be read.  keep: imports without the titles, where only they are wrong.
    """
    if plan is not None:
        _values(draft, plan, understood or {})
        st.checkbox(
            "Leave bad rows out",
            help="Rows with missing ids or values that cannot be read, at most one in a hundred. Each is listed.",
            **_bound(draft, "skip_bad", bool(draft.said.get("skip_bad")), lambda chosen: chosen or None),
        )
    stopped = plan is None or (understood is None and any(name in draft.said for name in FORM))
    with _box(draft, "form", "How the file is made", ":material/description:", at_fault=stopped):
        _form(draft, plan, understood or {})
    with _box(draft, "titles", "Titles of the items", ":material/title:", at_fault=draft.titles_error is not None):
        _titles(draft, keep)
    if set(draft.said) - {"titles"}:
        st.button("Detect everything again", type="tertiary", icon=":material/restart_alt:", on_click=draft.detect)


def fixes(draft: Draft, offered: Fixes, plan: Plan | None) -> None:
    """Draw a button for each thing that can be said to have the file read."""
    sensible = [(label, options) for label, options in offered.items() if not _is_dated_id(plan, options)]
    with st.container(horizontal=True, gap="small"):
        for place, (label, options) in enumerate(sensible[:_MOST_FIXES]):
            st.button(escape(_short(label)), key=_key(draft, f"fix{place}"), on_click=draft.say, kwargs=dict(options))


def _is_dated_id(plan: Plan | None, options: Mapping[str, object]) -> bool:
    """Whether a fix takes a column of written dates for users or items."""
    places = [column - 1 for role in ("user", "item") if isinstance(column := options.get(role), int)]
    return plan is not None and any(_look(plan, place) == "date" for place in places)


def _look(plan: Plan, place: int) -> str:
    """Tell what a column that nobody has named may be: "date", "number", of a rating's size, or "" for neither."""
    cells = [cell for row in plan.rows if len(row) > place and (cell := row[place].strip())]
    look = column_roles.look_of(cells)
    numbers = [float(cell.replace(",", ".", 1)) for cell in cells if NUMBER.fullmatch(cell.replace(",", ".", 1))]
    if look == "time":
        return "" if numbers else "date"
    return "number" if look == "rating" and len(set(numbers)) > 1 and max(map(abs, numbers)) <= _MOST_STARS else ""


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[:_LONGEST]}..."


def _assign(draft: Draft, plan: Plan, role: str, column: Any) -> None:
    draft.assign(role, column, plan.roles)


def _not_used(draft: Draft, plan: Plan, names: Sequence[str]) -> None:
    """Say which columns have no role, and offer those that look like ratings and dates as such."""
    free = [place for place in range(len(names)) if place not in plan.roles.values()]
    if not free:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Not used: {escape(import_summary.some_of([names[place] for place in free]))}", width="content")
        for role, look, icon in _OFFERED:
            if plan.roles.get(role) is None and role not in draft.said:
                fitting = [place for place in free if _look(plan, place) == look]
                for place in fitting[:_MOST_OFFERED]:
                    label = f'"{escape(_short(names[place]))}" is the {role}'
                    key = _key(draft, f"{role}{place}")
                    st.button(label, key=key, icon=icon, on_click=draft.say, kwargs={role: place + 1})


def _how(role: str, draft: Draft, plan: Plan) -> str:
    """Say how a column got its role."""
    if role in draft.said:
        return "Chosen here."
    if plan.roles.get(role) is None:
        return "No column was recognised."
    return "Recognised by its name." if plan.header else "Recognised by its position and its values."


def _values(draft: Draft, plan: Plan, understood: Mapping[str, Any]) -> None:
    st.markdown("**What counts as liked**")
    with st.grid(5, min_column_width=150):
        if plan.roles.get("rating") is not None:
            _ratings(draft, understood)
        st.number_input(
            "Likes per user", min_value=1, value=None, placeholder="usual: 5",
            help="Fewest likes of a user who is used. An empty field means the usual 5.",
            **_bound(draft, "min_positives", draft.said.get("min_positives", _USUAL_LIKES)),
        )  # fmt: skip
        if understood.get("tied_share"):
            _choice(draft, "ties", "Events at the same time", _TIES, _TIES_SHORT[understood["ties"]], _TIES_ABOUT)


def _ratings(draft: Draft, understood: Mapping[str, Any]) -> None:
    scale, least = understood.get("scale"), understood.get("positive_from")
    detected = "every row" if understood else "automatic"
    st.text_input(
        "Scale",
        placeholder="1..5" if scale is None else f"{scale[0]:g}..{scale[1]:g}",
        help="Lowest and highest possible rating. To count every row as liked, choose none as the rating column.",
        **_bound(draft, "scale", _range(draft.said.get("scale")), _scale_or_none),
    )
    st.number_input(
        "Liked from", value=None, placeholder=detected, format="%g", step=0.5,
        help="Lowest rating that counts as liked. An empty field means to detect it.",
        **_bound(draft, "positive_from", draft.said.get("positive_from", least)),
    )  # fmt: skip
    st.text_input(
        "Ratings to ignore", placeholder="none", help='Ratings that mean "not rated", such as 0.',
        **_bound(draft, "ignore_ratings", _listed(draft.said.get("ignore_ratings")), _text_or_none),
    )  # fmt: skip


def _form(draft: Draft, plan: Plan | None, understood: Mapping[str, Any]) -> None:
    made = plan.dialect if plan is not None else None
    header = "" if made is None else _FIRST_ROWS[made.columns is not None]
    mark = "" if made is None else _DELIMITERS.get(made.delimiter, made.delimiter)
    with st.grid(3, min_column_width=200):
        _choice(draft, "delimiter", "Delimiter", _DELIMITERS, mark, "What separates the columns.", new=True)
        encoding = understood.get("encoding", "")
        _choice(draft, "encoding", "Encoding", {one: one for one in _ENCODINGS}, encoding, "Of the text.", new=True)
        _choice(draft, "header", "First row", _FIRST_ROWS, header, "Names of the columns, or an interaction.")
        _choice(draft, "quotes", "Double quotes", _QUOTES, "", "What double quotes mean.")
        _choice(draft, "format", "Rows", _FORMATS, "", "What a row holds.")
        st.text_input(
            "Date format", placeholder="automatic", help="Such as %d/%m/%Y for 31/12/2025.",
            **_bound(draft, "time_format", draft.said.get("time_format", ""), _text_or_none),
        )  # fmt: skip


def _titles(draft: Draft, keep: Callable[[], None] | None) -> None:
    """Take a file of titles; what was taken stays until somebody takes it out, whatever else is drawn in between."""
    if "titles" in draft.said:
        if draft.titles_error is not None:
            st.error(escape(str(draft.titles_error)), icon=":material/error:")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":material/draft: {escape(draft.titles_name)}", width="content")
            if draft.titles_error is not None and keep is not None:
                st.button("Import without titles", key=_key(draft, "bare"), icon=":material/input:", on_click=keep)
            st.button(
                "Take the titles out", key=_key(draft, "untitled"), type="tertiary", on_click=draft.without_titles
            )
        return
    given = st.file_uploader(
        "A file with an id and a title per row; year and genres if it has them",
        max_upload_size=uploads.MOST_MB,
        key=_key(draft, f"titles{draft.titles_round}"),
    )
    if given is not None:
        draft.titles_name = given.name
        draft.put("titles", uploads.kept(given))
        draft.opened.add("titles")
        st.rerun()


def _box(draft: Draft, name: str, label: str, icon: str, *, at_fault: bool) -> Any:
    """Draw a box that stays as it is, open or closed, while everything around it changes."""
    key = _key(draft, f"box.{name}")
    if at_fault:
        draft.opened.add(name)
    st.session_state[key] = name in draft.opened

    def changed() -> None:
        (draft.opened.add if st.session_state[key] else draft.opened.discard)(name)

    return st.expander(label, key=key, icon=icon, on_change=changed)


def _choice(
    draft: Draft, name: str, label: str, known: Mapping[Any, str], found: str, about: str, *, new: bool = False
) -> None:
    """Draw one choice of several, of which the first is to detect it; new: others may be typed."""
    said = draft.said.get(name)
    offered = [_AUTOMATIC, *known, *([said] if said is not None and said not in known else [])]
    automatic = f"automatic: {found}" if found else "automatic"
    st.selectbox(
        label,
        offered,
        format_func=lambda chosen: automatic if chosen == _AUTOMATIC else known.get(chosen, str(chosen)),
        accept_new_options=new,
        help=about,
        **_bound(draft, name, _AUTOMATIC if said is None else said, lambda chosen: None if chosen == "" else chosen),
    )


def _bound(
    draft: Draft,
    name: str,
    shown: Any,
    read: Callable[[Any], Any] = lambda chosen: chosen,
    put: Callable[[Any], None] | None = None,
) -> dict[str, Any]:
    """Prepare a widget that shows what is said or was found, and says what is chosen in it.

    put: takes what was read, where that is more than to replace the option.
    """
    key = _key(draft, name)
    st.session_state[key] = shown

    def changed() -> None:
        value = read(st.session_state[key])
        if put is not None:
            put(value)
        else:
            draft.put(name, value)

    return {"key": key, "on_change": changed}


def _key(draft: Draft, name: str) -> str:
    return f"import.{name}.{draft.upload}"


def _has_fixed_columns(plan: Plan) -> bool:
    """Whether the form of the file says what is what."""
    return plan.dialect is None and plan.columns in text_layouts.COLUMNS.values()


def _text_or_none(text: str) -> str | None:
    return text.strip() or None


def _scale_or_none(text: str) -> str | None:
    """Read a scale as people write it; "0-10" means 0..10."""
    dashed = _DASHED_SCALE.fullmatch(text)
    return f"{dashed[1]}..{dashed[2]}" if dashed else _text_or_none(text)


def _range(scale: Any) -> str:
    return scale or "" if scale is None or isinstance(scale, str) else f"{scale[0]:g}..{scale[1]:g}"


def _listed(numbers: Any) -> str:
    return numbers or "" if numbers is None or isinstance(numbers, str) else ", ".join(f"{one:g}" for one in numbers)
