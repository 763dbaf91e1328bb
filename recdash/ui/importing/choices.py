"""Options of a file import. Options that are not chosen are detected, and the detected values are shown."""

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
from recdash.ui.importing.draft import FORMAT_OPTIONS, Draft
from recdash.ui.importing.preview import column_names

if TYPE_CHECKING:
    from recdash.data.readers.interactions import DetectedFormat

_ROLE_HELP = {
    "user": "User id, any text or number.",
    "item": "Item id, any text or number.",
    "rating": "Stars, labels or counts. Without ratings, every row is a positive.",
    "time": "Dates, seconds since 1970, or any increasing number. Without times, histories have no order.",
}
_DELIMITERS = {
    ",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", "::": "::",
    " ": "space", "spaces": "several spaces",
}  # fmt: skip
_ENCODINGS = ("utf-8", "cp1252", "cp1251", "koi8_r", "gbk", "big5", "shift_jis", "euc_kr", "utf-16")
_AUTOMATIC = ""
_FIRST_ROWS = {True: "header", False: "data"}
_QUOTES = {False: "ordinary characters", True: "enclose fields, which may span several lines"}
_FORMATS = {"table": "one interaction", "wide": "one user, an item per column", "lists": "one user and a list of items"}
_MAX_FIXES, _MAX_OFFERED = 8, 2
_MAX_STARS = 100
_OFFERED_ROLES = (("rating", "number", ":material/star:"), ("time", "date", ":material/schedule:"))
_TIE_RULE_NAMES = {"file": "file order", "random": "random order"}  # of the rule in force
_TIES_HELP = "Order of a user's events with equal times; random if the file is not sorted by time."
_DEFAULT_MIN_POSITIVES = 5  # per user
_DASHED_SCALE = re.compile(r"\s*(-?[\d.]+)\s*[-\u2013]\s*(-?[\d.]+)\s*")
_MAX_LABEL = 60  # characters of a button
_TIES = {"file": "file order, if sorted by time", "random": "random order"}


def column_choices(draft: Draft, plan: DetectedFormat | None) -> None:
    """Draw the column of each role and the unused columns, unless the file format fixes the columns."""
    if plan is None or _has_fixed_columns(plan):
        return
    names = column_names(plan)
    with st.grid(4, min_column_width=150):
        for role in ROLES:
            index = plan.roles.get(role)
            none: list[str] = [] if role in ("user", "item") else [NONE]
            st.selectbox(
                role.capitalize(),
                [*none, *range(1, len(names) + 1)],
                format_func=lambda chosen: "none" if chosen == NONE else names[chosen - 1],
                placeholder="Choose a column",
                help=f"{_ROLE_HELP[role]} {_role_source(role, draft, plan)}",
                **_bind(
                    draft, role, index + 1 if index is not None else (NONE if none else None),
                    store=partial(_assign, draft, plan, role),
                ),
            )  # fmt: skip
    _unused_columns(draft, plan, names)


def other_choices(
    draft: Draft,
    plan: DetectedFormat | None,
    summary: Mapping[str, Any] | None,
    import_untitled: Callable[[], None] | None = None,
) -> None:
    """Draw all other options. The format expander opens when the format stops the reading.

    Args:
        draft: The import.
        plan: Detected format; None if even the first rows cannot be read.
        summary: Summary of the file as read; None while it cannot be read.
        import_untitled: Imports the file without titles; offered when only the titles are wrong.
    """
    if plan is not None:
        _positive_choices(draft, plan, summary or {})
        st.checkbox(
            "Skip invalid rows",
            help="Rows with missing ids or invalid values, at most 1% of the file; the first ten are listed",
            **_bind(draft, "skip_bad", bool(draft.options.get("skip_bad")), lambda chosen: chosen or None),
        )
    stopped = plan is None or (summary is None and any(name in draft.options for name in FORMAT_OPTIONS))
    with _expander(draft, "form", "File format", ":material/description:", at_fault=stopped):
        _format_choices(draft, plan, summary or {})
    with _expander(draft, "titles", "Item titles", ":material/title:", at_fault=draft.titles_error is not None):
        _titles(draft, import_untitled)
    if set(draft.options) - {"titles"}:
        st.button("Reset to detected", type="tertiary", icon=":material/restart_alt:", on_click=draft.reset)


def fix_buttons(draft: Draft, offered: Fixes, plan: DetectedFormat | None) -> None:
    """Draw a button for each option that would make the file readable."""
    sensible = [(label, options) for label, options in offered.items() if not _is_dated_id(plan, options)]
    with st.container(horizontal=True, gap="small"):
        for index, (label, options) in enumerate(sensible[:_MAX_FIXES]):
            st.button(
                escape(_truncated(label)), key=_key(draft, f"fix{index}"), on_click=draft.choose, kwargs=dict(options)
            )


def _is_dated_id(plan: DetectedFormat | None, options: Mapping[str, object]) -> bool:
    """Whether a fix uses a column of dates as users or items."""
    indices = [column - 1 for role in ("user", "item") if isinstance(column := options.get(role), int)]
    return plan is not None and any(_column_kind(plan, index) == "date" for index in indices)


def _column_kind(plan: DetectedFormat, index: int) -> str:
    """Return the kind of an unassigned column: "date", "number" (in the range of ratings), or "" for neither."""
    cells = [cell for row in plan.rows if len(row) > index and (cell := row[index].strip())]
    kind = column_roles.infer_role(cells)
    numbers = [float(cell.replace(",", ".", 1)) for cell in cells if NUMBER.fullmatch(cell.replace(",", ".", 1))]
    if kind == "time":
        return "" if numbers else "date"
    return "number" if kind == "rating" and len(set(numbers)) > 1 and max(map(abs, numbers)) <= _MAX_STARS else ""


def _truncated(label: str) -> str:
    return label if len(label) <= _MAX_LABEL else f"{label[:_MAX_LABEL]}..."


def _assign(draft: Draft, plan: DetectedFormat, role: str, column: Any) -> None:
    draft.assign(role, column, plan.roles)


def _unused_columns(draft: Draft, plan: DetectedFormat, names: Sequence[str]) -> None:
    """List the columns without a role, and offer those that look like ratings or dates."""
    unused = [index for index in range(len(names)) if index not in plan.roles.values()]
    if not unused:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"Not used: {escape(import_summary.first_names([names[index] for index in unused]))}", width="content"
        )
        for role, kind, icon in _OFFERED_ROLES:
            if plan.roles.get(role) is None and role not in draft.options:
                matching = [index for index in unused if _column_kind(plan, index) == kind]
                for index in matching[:_MAX_OFFERED]:
                    label = f'"{escape(_truncated(names[index]))}" is the {role}'
                    key = _key(draft, f"{role}{index}")
                    st.button(label, key=key, icon=icon, on_click=draft.choose, kwargs={role: index + 1})


def _role_source(role: str, draft: Draft, plan: DetectedFormat) -> str:
    """Return how a column got its role, as text."""
    if role in draft.options:
        return "Chosen here."
    if plan.roles.get(role) is None:
        return "No column was recognised."
    return "Recognised by its name." if plan.header else "Recognised by its position and values."


def _positive_choices(draft: Draft, plan: DetectedFormat, summary: Mapping[str, Any]) -> None:
    st.markdown("**Positives**")
    with st.grid(5, min_column_width=150):
        if plan.roles.get("rating") is not None:
            _rating_choices(draft, summary)
        st.number_input(
            "Minimum positives", min_value=1, value=None, placeholder="default: 5",
            help="Minimum number of positives per user; users with fewer are excluded. Default if empty: 5",
            **_bind(draft, "min_positives", draft.options.get("min_positives", _DEFAULT_MIN_POSITIVES)),
        )  # fmt: skip
        if summary.get("tied_share"):
            _choice(draft, "ties", "Order of tied events", _TIES, _TIE_RULE_NAMES[summary["ties"]], _TIES_HELP)


def _rating_choices(draft: Draft, summary: Mapping[str, Any]) -> None:
    scale, least = summary.get("scale"), summary.get("positive_from")
    detected = "every row" if summary else "automatic"
    st.text_input(
        "Scale",
        placeholder="1..5" if scale is None else f"{scale[0]:g}..{scale[1]:g}",
        help="Lowest and highest possible rating. To count every row as positive, set the rating column to none.",
        **_bind(draft, "scale", _range(draft.options.get("scale")), _scale_or_none),
    )
    st.number_input(
        "Positive from", value=None, placeholder=detected, format="%g", step=0.5,
        help="Lowest rating that counts as positive. Default if empty: detected",
        **_bind(draft, "positive_from", draft.options.get("positive_from", least)),
    )  # fmt: skip
    st.text_input(
        "Ratings to ignore", placeholder="none", help='Ratings that mean "not rated", such as 0',
        **_bind(draft, "ignore_ratings", _listed(draft.options.get("ignore_ratings")), _text_or_none),
    )  # fmt: skip


def _format_choices(draft: Draft, plan: DetectedFormat | None, summary: Mapping[str, Any]) -> None:
    made = plan.dialect if plan is not None else None
    header = "" if made is None else _FIRST_ROWS[made.columns is not None]
    mark = "" if made is None else _DELIMITERS.get(made.delimiter, made.delimiter)
    with st.grid(3, min_column_width=200):
        _choice(draft, "delimiter", "Delimiter", _DELIMITERS, mark, "Column separator; detected by default", new=True)
        encoding = summary.get("encoding", "")
        _choice(
            draft, "encoding", "Encoding", {one: one for one in _ENCODINGS}, encoding, "Character encoding", new=True
        )
        _choice(draft, "header", "First row", _FIRST_ROWS, header, "Header or first interaction")
        _choice(draft, "quotes", "Double quotes", _QUOTES, "", "Meaning of double quotes")
        _choice(draft, "format", "Row layout", _FORMATS, "", "Content of a row")
        st.text_input(
            "Date format", placeholder="automatic", help="strptime format, such as %d/%m/%Y for 31/12/2025",
            **_bind(draft, "time_format", draft.options.get("time_format", ""), _text_or_none),
        )  # fmt: skip


def _titles(draft: Draft, import_untitled: Callable[[], None] | None) -> None:
    """Draw the uploader of the titles file. The file stays in the draft until it is removed, also across reruns."""
    if "titles" in draft.options:
        if draft.titles_error is not None:
            st.error(escape(str(draft.titles_error)), icon=":material/error:")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":material/draft: {escape(draft.titles_name)}", width="content")
            if draft.titles_error is not None and import_untitled is not None:
                st.button(
                    "Import without titles", key=_key(draft, "bare"), icon=":material/input:", on_click=import_untitled
                )
            st.button("Remove titles", key=_key(draft, "untitled"), type="tertiary", on_click=draft.remove_titles)
        return
    given = st.file_uploader(
        "File with an item id and a title per row, and optionally year and genres",
        max_upload_size=uploads.MAX_MB,
        key=_key(draft, f"titles{draft.titles_uploader}"),
    )
    if given is not None:
        draft.titles_name = given.name
        draft.set_option("titles", uploads.save(given))
        draft.open_boxes.add("titles")
        st.rerun()


def _expander(draft: Draft, name: str, label: str, icon: str, *, at_fault: bool) -> Any:
    """Draw an expander whose state survives reruns that change the widgets around it."""
    key = _key(draft, f"box.{name}")
    if at_fault:
        draft.open_boxes.add(name)
    st.session_state[key] = name in draft.open_boxes

    def changed() -> None:
        (draft.open_boxes.add if st.session_state[key] else draft.open_boxes.discard)(name)

    return st.expander(label, key=key, icon=icon, on_change=changed)


def _choice(
    draft: Draft, name: str, label: str, known: Mapping[Any, str], found: str, about: str, *, new: bool = False
) -> None:
    """Draw a select box whose first option is automatic detection; `new` allows other values to be typed."""
    chosen = draft.options.get(name)
    offered = [_AUTOMATIC, *known, *([chosen] if chosen is not None and chosen not in known else [])]
    automatic = f"automatic: {found}" if found else "automatic"
    st.selectbox(
        label,
        offered,
        format_func=lambda chosen: automatic if chosen == _AUTOMATIC else known.get(chosen, str(chosen)),
        accept_new_options=new,
        help=about,
        **_bind(
            draft,
            name,
            _AUTOMATIC if chosen is None else chosen,
            lambda chosen: None if chosen == "" else chosen,
        ),
    )


def _bind(
    draft: Draft,
    name: str,
    shown: Any,
    read: Callable[[Any], Any] = lambda chosen: chosen,
    store: Callable[[Any], None] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments that bind a widget to an option of the draft.

    Args:
        draft: The import.
        name: Name of the option.
        shown: Value to show, chosen or detected.
        read: Converts the widget's value to the option's value.
        store: Stores the value, if that is more than setting the option.
    """
    key = _key(draft, name)
    st.session_state[key] = shown

    def changed() -> None:
        value = read(st.session_state[key])
        if store is not None:
            store(value)
        else:
            draft.set_option(name, value)

    return {"key": key, "on_change": changed}


def _key(draft: Draft, name: str) -> str:
    return f"import.{name}.{draft.upload}"


def _has_fixed_columns(plan: DetectedFormat) -> bool:
    """Whether the file format fixes the columns."""
    return plan.dialect is None and plan.columns in text_layouts.COLUMNS.values()


def _text_or_none(text: str) -> str | None:
    return text.strip() or None


def _scale_or_none(text: str) -> str | None:
    """Parse a scale; "0-10" is accepted for 0..10."""
    dashed = _DASHED_SCALE.fullmatch(text)
    return f"{dashed[1]}..{dashed[2]}" if dashed else _text_or_none(text)


def _range(scale: Any) -> str:
    return scale or "" if scale is None or isinstance(scale, str) else f"{scale[0]:g}..{scale[1]:g}"


def _listed(numbers: Any) -> str:
    return numbers or "" if numbers is None or isinstance(numbers, str) else ", ".join(f"{one:g}" for one in numbers)
