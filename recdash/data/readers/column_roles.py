"""Column roles: user, item, rating and time, found by name in a header, otherwise by content."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import median

from recdash.data.readers.cells import (
    MISSING,
    NUMBER,
    detect_time_format,
)
from recdash.data.readers.column_names import (
    ID_NAMES,
    ITEM_NAMES,
    normalise_name,
)
from recdash.data.readers.read_options import NONE, ROLES, ReadOptions
from recdash.data.timestamps import DATES_FROM
from recdash.errors import (
    DataError,
    Fixes,
    UsageError,
    quote,
    unknown_name,
)

RATING_NAMES = (
    "rating", "ratings", "score", "stars", "star", "overall", "userrating", "bookrating", "preference", "rate",
    "starrating", "reviewrating", "value", "bewertung", "note", "puntuacion", "calificacion", "nota", "vote", "votes",
    "grade", "points",
)  # fmt: skip
LABEL_NAMES = (
    "label", "like", "liked", "likes", "islike", "isliked", "clicked", "click", "isclick", "isclicked", "isread",
    "read", "watched", "purchased", "ispurchased", "bought", "favorite", "favourite", "isfavorite", "interaction",
    "feedback", "target", "thumbs", "recommended", "isrecommended",
)  # fmt: skip
COUNT_NAMES = (
    "plays", "playcount", "count", "counts", "listens", "listencount", "nplays", "numplays", "timesplayed",
    "quantity", "qty", "purchases", "views", "viewcount", "clicks", "frequency", "freq", "hours", "hoursplayed",
    "playtime", "weight", "visits",
)  # fmt: skip
_ROLE_NAMES: Mapping[str, tuple[str, ...]] = {
    "user": ("userid", "user", "uid", "username", "customerid", "customer", "memberid", "accountid", "visitorid",
        "reviewerid", "sessionid", "reviewer", "client", "clientid", "nutzer", "benutzer", "kunde", "utilisateur",
        "usuario", "cliente"),
    "item": (*ID_NAMES, *ITEM_NAMES, "artikel", "produkt", "buch", "articulo", "pelicula", "libro", "produit", "livre"),
    "rating": (*RATING_NAMES, *LABEL_NAMES, *COUNT_NAMES),
    "time": ("timestamp", "time", "date", "datetime", "unixtime", "unixreviewtime", "ratingtime", "ratedat",
        "createdat", "ts", "reviewtime", "eventtime", "timems", "datum", "zeit", "zeitstempel", "fecha"),
}  # fmt: skip
_ALL_NAMES = frozenset(name for names in _ROLE_NAMES.values() for name in names)
_RATING_KEYWORDS = frozenset(("rating", "score", "stars", "vote", "points"))
_COUNT_KEYWORDS = frozenset(("plays", "views", "listens", "clicks", "purchases", "playcount"))
_AGGREGATE_KEYWORDS = frozenset(
    ("average", "avg", "mean", "num", "number", "total", "count", "sum", "id")
)  # of an item
_TIME_KEYWORDS = frozenset(("date", "time", "datetime", "timestamp", "created", "at", "utc"))
_NUMERIC_SHARE = 0.8
_MIN_INDEX_ROWS = 5  # a column that numbers at least this many rows holds no ids
_MAX_RATING = 100
_DATE_NAME = re.compile(r"date|day", re.IGNORECASE)

Roles = dict[str, int | None]


def names_user_and_item(cells: Sequence[str]) -> bool:
    """Whether these cells name both a user and an item column."""
    names = {normalise_name(cell) for cell in cells}
    return bool(names & set(_ROLE_NAMES["user"])) and bool(names & set(_ROLE_NAMES["item"]))


def is_date_name(name: str) -> bool:
    """Whether a column's name mentions a date or day."""
    return _DATE_NAME.search(name) is not None


def has_header(rows: Sequence[Sequence[str]], options: ReadOptions, name: str) -> bool:
    """Return whether the first row is a header; a row that resembles the others is data.

    Raises:
        DataError: The first row may be either, such as one that numbers the columns.
    """
    if options.header is not None:
        return options.header
    first = rows[0]
    cells = {normalise_name(cell) for cell in first} - {""}
    given = {
        normalise_name(value)
        for role in ROLES
        if isinstance(value := getattr(options, role), str) and not value.isdecimal()
    }
    if given - {NONE} and given & cells:
        return True
    others = [row for row in rows[1:] if len(row) == len(first)]
    numbers = [[str(index) for index in range(start, start + len(first))] for start in (0, 1)]
    counted = [*numbers, ["", *numbers[0][1:]], ["", *numbers[0][:-1]]]
    stripped = [cell.strip() for cell in first]
    if len(first) > 2 and others and stripped in counted:
        raise DataError(
            f'{name}, line 1: "{",".join(stripped)}" may be data or column numbers. '
            "Add --no-header for data, --header for column numbers.",
            fixes={"It is a row of data": {"header": False}, "It numbers the columns": {"header": True}},
        )
    unlike = any(
        not NUMBER.fullmatch(cell) and cell.strip() and all(_is_value(row[index]) for row in others)
        for index, cell in enumerate(first)
        if not _is_value(cell)
    )
    if others and unlike:
        return True
    if any(_is_value(cell) for cell in first):
        return False
    if not cells & _ALL_NAMES and _has_unique_first_row(first, others):
        raise DataError(
            f'{name}, line 1: "{",".join(stripped)}" may be a header or data. Add --header or --no-header.',
            fixes={"It names the columns": {"header": True}, "It is a row of data": {"header": False}},
        )
    return bool(cells & _ALL_NAMES)


def _has_unique_first_row(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether the first row's cells are unique in their columns while other cells repeat."""
    if len(others) < 2 * _MIN_INDEX_ROWS or len(first) < 2:
        return False
    columns = [[row[index] for row in others] for index in range(2)]
    again = [len(set(column)) <= len(column) / 2 for column in columns]
    return any(again) and all(cell not in column for cell, column in zip(first[:2], columns, strict=True))


def assign_roles(
    columns: Sequence[str], rows: Sequence[Sequence[str]], options: ReadOptions, *, named: bool, name: str
) -> Roles:
    """Return the column index of each role, from 0; None where there is no such column.

    Args:
        columns: Names of the columns, or "1", "2", ... without a header.
        rows: The first rows of data.
        options: Columns given by name or number take precedence.
        named: Whether the columns have names.
        name: The file's name in messages.

    Raises:
        UsageError: A given column does not exist or has two roles.
        DataError: Several columns fit one role.
    """
    given = {role: value for role in ROLES if (value := getattr(options, role)) is not None}
    roles: Roles = {role: _column_index(column, columns, named=named) for role, column in given.items()}
    wanted = [role for role in ROLES if role not in roles]
    if named:
        found = _assign_by_name(wanted, columns, roles, name)
        _assign_by_keyword([role for role in wanted if role not in found], columns, rows, roles, found)
    else:
        found = _assign_by_content(wanted, rows, roles, len(columns), name)
    roles = {role: roles.get(role, found.get(role)) for role in ROLES}
    indices = [index for index in roles.values() if index is not None]
    if len(set(indices)) < len(indices):
        assigned = ", ".join(f"{role} = {columns[index]}" for role, index in roles.items() if index is not None)
        raise UsageError(f"{name}: one column has two roles ({assigned}). Give a different column for one of them.")
    return roles


def require_user_and_item(
    roles: Roles, columns: Sequence[str], *, named: bool, name: str, header_given: bool | None = None
) -> None:
    """Raise DataError unless user and item are known.

    Args:
        roles: Column index of each role.
        columns: Names of the columns.
        named: Whether the columns have names.
        name: The file's name in messages.
        header_given: Whether an option declares a header; None without such an option.
    """
    for role in ("user", "item"):
        if roles[role] is None:
            hint = f"Give its name (--{role} COLUMN)."
            free = [index for index in range(len(columns)) if index not in roles.values()]
            labels = [
                f'"{column}"' if named and column else f"Column {index}" for index, column in enumerate(columns, 1)
            ]
            fixes: Fixes = {f"{labels[index]} is the {role}": {role: index + 1} for index in free}
            if named and any(NUMBER.fullmatch(column) for column in columns):
                hint = "The line looks like data; if so, add --no-header."
                if header_given:
                    hint = f"Give its number from 1 (--{role} N). {hint}"
                fixes = {"The first row is data": {"header": False}, **fixes}
            listed = ", ".join(quote(column) for column in columns[:12])
            raise DataError(f"{name}, line 1: no {role} column recognised among {listed}. {hint}", fixes=fixes)


def _column_index(column: str | int, columns: Sequence[str], *, named: bool) -> int | None:
    """Find a column by name, otherwise by number from 1; None for "none"."""
    text = str(column).strip()
    if isinstance(column, str) and named:
        for normalised in (str, str.casefold, normalise_name):
            matches = [index for index, other in enumerate(columns) if normalised(other) == normalised(text)]
            if matches:
                return matches[0]
    if text == "0":
        raise UsageError("Columns are numbered from 1; there is no column 0. Give 1 for the first column, or its name.")
    if text.isdecimal() and int(text) <= len(columns):
        return int(text) - 1
    if text.lower() in ("", NONE):
        return None
    raise unknown_name("column", text, columns)


def _assign_by_name(wanted: Sequence[str], columns: Sequence[str], taken: Roles, name: str) -> dict[str, int]:
    names = [normalise_name(column) for column in columns]
    found: dict[str, int] = {}
    for role in wanted:
        free = [
            normalised if index not in (*taken.values(), *found.values()) else ""
            for index, normalised in enumerate(names)
        ]
        match = next((known for known in _ROLE_NAMES[role] if known in free), None)
        if match is None:
            continue
        if free.count(match) > 1:
            raise DataError(
                f"{name}, line 1: {free.count(match)} columns are named {quote(columns[free.index(match)])}. "
                f"Give the {role} column by number, from 1 (--{role} {free.index(match) + 1}).",
                fixes={
                    f"Column {index} is the {role}": {role: index}
                    for index, normalised in enumerate(free, 1)
                    if normalised == match
                },
            )
        found[role] = free.index(match)
    return found


def _assign_by_keyword(
    wanted: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]], taken: Roles, assigned: dict[str, int]
) -> None:
    """Assign rating and time by keyword in a name, such as my_rating or listened_at, if the cells fit."""
    for role, keywords in (("rating", _RATING_KEYWORDS), ("rating", _COUNT_KEYWORDS), ("time", _TIME_KEYWORDS)):
        for index, column in enumerate(columns):
            parts = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower()))
            if role not in wanted or role in assigned or index in (*taken.values(), *assigned.values()):
                continue
            if not parts & keywords or (keywords is _RATING_KEYWORDS and parts & _AGGREGATE_KEYWORDS):
                continue
            if infer_role(_non_empty_cells(rows, index)) == role:
                assigned[role] = index


def _assign_by_content(
    wanted: Sequence[str], rows: Sequence[Sequence[str]], taken: Roles, width: int, name: str
) -> dict[str, int]:
    """Assign roles without a header: user, item, then small numbers as rating and dates as time.

    Raises DataError if the columns in place of user and item can be neither.
    """
    free = [index for index in range(width) if index not in taken.values()]
    found: dict[str, int] = {}
    cells = {index: _non_empty_cells(rows, index) for index in free}
    if "user" in wanted and free and _is_row_index(cells[free[0]]):
        raise _column_error(name, free[0], "numbers the rows. Give the user and item columns (--user 2 --item 3)")
    dated = next((index for index in free[1:] if _are_dates(cells[index])), None)
    if "time" in wanted and dated is not None:
        found["time"] = dated
        free.remove(dated)
    for role in ("user", "item"):
        if role in wanted and free:
            found[role] = free.pop(0)
            if _are_fractions(cells[found[role]]):
                raise _column_error(
                    name, found[role], f"has fractions, so it is not the {role}. Give the {role} column (--{role} N)"
                )
    for index in free:
        role = infer_role(cells[index])
        if role == "rating" and median(_numeric_values(cells[index])) > _MAX_RATING:
            role = ""  # a code or count, whose meaning only an option can tell
        roles = ("rating", "time") if role == "rating" and _varies(cells[index]) else (role,)
        assigned = next((candidate for candidate in roles if candidate in wanted and candidate not in found), None)
        if assigned is not None:
            found[assigned] = index
        elif "rating" in wanted and "rating" not in found and not role and _is_malformed(cells[index]):
            raise _column_error(
                name,
                index,
                f"has values such as {quote(cells[index][0])}. Give its role (--rating N or --time N, or none)",
            )
    return found


def _varies(cells: Sequence[str]) -> bool:
    return len(cells) == 1 or len(set(cells)) > 1


def _column_error(name: str, index: int, problem: str) -> DataError:
    return DataError(f"{name}: column {index + 1} {problem}.")


def _non_empty_cells(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    """Return the cells of a column without empty and missing ones."""
    return [cell for row in rows if len(row) > index and (cell := row[index].strip()).lower() not in MISSING]


def _numeric_values(cells: Sequence[str]) -> list[float]:
    plain_numbers = [cell.replace(",", ".", 1) for cell in cells]
    return [float(cell) for cell in plain_numbers if NUMBER.fullmatch(cell)]


def _is_row_index(cells: Sequence[str]) -> bool:
    """Whether a column numbers the rows."""
    counted = [[str(index) for index in range(start, start + len(cells))] for start in (0, 1)]
    return len(cells) >= _MIN_INDEX_ROWS and list(cells) in counted


def _are_dates(cells: Sequence[str]) -> bool:
    return bool(cells) and not _numeric_values(cells) and infer_role(cells) == "time"


def _are_fractions(cells: Sequence[str]) -> bool:
    """Whether the cells are numbers, some of them with a fraction."""
    return bool(cells) and len(found := _numeric_values(cells)) == len(cells) and any(value % 1 for value in found)


def _is_malformed(cells: Sequence[str]) -> bool:
    """Whether cells start like numbers but are none, such as "4 stars" and "01.08.11"."""
    return bool(cells) and all(re.match(r"[+-]?\d", cell) and re.search("[ .]", cell) for cell in cells[:50])


def infer_role(cells: Sequence[str]) -> str:
    """Return "rating" or "time" if a column's first cells fit that role, otherwise "".

    A few cells that are not numbers do not matter: they become errors of their lines.
    """
    values = _numeric_values(cells)
    if cells and len(values) >= _NUMERIC_SHARE * len(cells):
        return "time" if min(map(abs, values)) >= DATES_FROM / 10 else "rating"
    try:
        return "time" if cells and detect_time_format(cells[:20], "the time") else ""
    except DataError:
        return "time"


def _is_value(cell: str) -> bool:
    """Whether a cell is a number or a date, and so no column name."""
    return bool(NUMBER.fullmatch(cell.replace(",", ".", 1))) or bool(
        re.match(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", cell)
    )


def role_columns(roles: Roles, columns: Sequence[str]) -> dict[str, str]:
    """Return the name of each role's column."""
    return {role: columns[index] for role, index in roles.items() if index is not None}


def detection_methods(roles: Roles, options: ReadOptions, *, named: bool) -> dict[str, str]:
    """Return how the column of each role was found."""
    method = "by name" if named else "by position and content"
    return {
        role: method if getattr(options, role) is None else "as specified"
        for role, index in roles.items()
        if index is not None
    }
