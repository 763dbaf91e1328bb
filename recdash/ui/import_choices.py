"""Everything that can be said about a file before it is imported; what nobody says is detected and shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.data.readers import roles, shapes
from recdash.data.readers.options import NONE, ROLES
from recdash.ui import uploads
from recdash.ui.import_draft import Draft
from recdash.ui.import_preview import column_names
from recdash.ui.text import escape

if TYPE_CHECKING:
    from recdash.data.readers.csv import Plan

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
_MOST_FIXES, _MOST_TIMES = 8, 2  # offered at most
_LONGEST = 60  # letters of a button
_TIES = {"file": "order of the file", "random": "chance"}


def show(draft: Draft, plan: Plan | None, understood: Mapping[str, Any] | None) -> None:
    """Draw all choices; the file's form is folded away unless it is what stops the reading."""
    if plan is not None:
        if not _has_fixed_columns(plan):
            _columns(draft, plan)
        _values(draft, plan, understood or {})
        st.checkbox(
            "Leave bad rows out",
            help="Rows with missing ids or values that cannot be read, at most one in a hundred. Each is listed.",
            **_bound(draft, "skip_bad", bool(draft.said.get("skip_bad")), lambda chosen: chosen or None),
        )
    with st.expander("How the file is made", expanded=plan is None, icon=":material/description:"):
        _form(draft, plan, understood or {})
    _titles(draft)
    if draft.said:
        st.button("Detect everything again", type="tertiary", icon=":material/restart_alt:", on_click=draft.said.clear)


def fixes(draft: Draft, offered: Mapping[str, Mapping[str, object]]) -> None:
    """Draw a button for each thing that can be said to have the file read."""
    with st.container(horizontal=True, gap="small"):
        for place, (label, options) in enumerate(list(offered.items())[:_MOST_FIXES]):
            st.button(escape(_short(label)), key=_key(draft, f"fix{place}"), on_click=draft.say, kwargs=dict(options))


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[:_LONGEST]}..."


def _columns(draft: Draft, plan: Plan) -> None:
    names = column_names(plan)
    st.markdown("**Columns**")
    with st.grid(4, min_column_width=150):
        for role in ROLES:
            place = plan.roles.get(role)
            none = [] if role in ("user", "item") else [NONE]
            st.selectbox(
                role.capitalize(),
                [*none, *range(1, len(names) + 1)],
                format_func=lambda chosen: "none" if chosen == NONE else names[chosen - 1],
                placeholder="Choose a column",
                help=f"{_MEANINGS[role]} {_how(role, draft, plan)}",
                **_bound(draft, role, place + 1 if place is not None else (NONE if none else None), say=True),
            )
    free = [place for place in range(len(names)) if place not in plan.roles.values()]
    if free:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f"Not used: {escape(', '.join(names[place] for place in free))}", width="content")
            if plan.roles.get("time") is None and "time" not in draft.said:
                _offer_times(draft, plan, free, names)


def _offer_times(draft: Draft, plan: Plan, free: Sequence[int], names: Sequence[str]) -> None:
    """Offer unused columns of dates as the time."""
    dated = [place for place in free if roles.look_of([row[place] for row in plan.rows if len(row) > place]) == "time"]
    for place in dated[:_MOST_TIMES]:
        label = f'"{escape(_short(names[place]))}" is the time'
        key = _key(draft, f"time{place}")
        st.button(label, key=key, icon=":material/schedule:", on_click=draft.say, kwargs={"time": place + 1})


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
            "Likes per user", min_value=1, placeholder="usual: 5", help="Fewest likes of a user who is used.",
            **_bound(draft, "min_positives", draft.said.get("min_positives")),
        )  # fmt: skip
        if understood.get("tied_share"):
            _choice(
                draft, "ties", "Events at the same time", _TIES, _TIES[understood["ties"]], "What orders such events."
            )


def _ratings(draft: Draft, understood: Mapping[str, Any]) -> None:
    scale, least = understood.get("scale"), understood.get("positive_from")
    st.text_input(
        "Scale",
        placeholder="1..5" if scale is None else f"{scale[0]:g}..{scale[1]:g}",
        help="Lowest and highest possible rating. To count every row as liked, choose none as the rating column.",
        **_bound(draft, "scale", _range(draft.said.get("scale")), _text_or_none),
    )
    st.number_input(
        "Liked from", placeholder="every row" if least is None else f"{least:g}", format="%g",
        step=0.5,
        help="Lowest rating that counts as liked.", **_bound(draft, "positive_from", draft.said.get("positive_from")),
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


def _titles(draft: Draft) -> None:
    with st.expander("Titles of the items", icon=":material/title:"):
        given = st.file_uploader(
            "A file with an id and a title per row; year and genres if it has them",
            max_upload_size=uploads.MOST_MB,
            key=_key(draft, "titles"),
        )
    titles = None if given is None else uploads.kept(given)
    if draft.said.get("titles") != titles:
        draft.put("titles", titles)
        st.rerun()


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
    draft: Draft, name: str, shown: Any, read: Callable[[Any], Any] = lambda chosen: chosen, *, say: bool = False
) -> dict[str, Any]:
    """Prepare a widget that shows what is said or was found, and says what is chosen in it.

    say: through `Draft.say`, which looks after other options; else the option is replaced.
    """
    key = _key(draft, name)
    st.session_state[key] = shown

    def changed() -> None:
        value = read(st.session_state[key])
        if say:
            draft.say(**{name: value})
        else:
            draft.put(name, value)

    return {"key": key, "on_change": changed}


def _key(draft: Draft, name: str) -> str:
    return f"import.{name}.{draft.upload}"


def _has_fixed_columns(plan: Plan) -> bool:
    """Whether the form of the file says what is what."""
    return plan.dialect is None and plan.columns in shapes.COLUMNS.values()


def _text_or_none(text: str) -> str | None:
    return text.strip() or None


def _range(scale: Any) -> str:
    return scale or "" if scale is None or isinstance(scale, str) else f"{scale[0]:g}..{scale[1]:g}"


def _listed(numbers: Any) -> str:
    return numbers or "" if numbers is None or isinstance(numbers, str) else ", ".join(f"{one:g}" for one in numbers)
