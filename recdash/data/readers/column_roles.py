"""Which column is what: by its name in a header, else by what its first cells look like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import median

from recdash.data.readers.cells import MISSING, NUMBER, text_format
from recdash.data.readers.chunks import shown
from recdash.data.readers.read_options import NONE, ROLES, ReadOptions
from recdash.data.readers.title_files import ID_NAMES, ITEM_NAMES, plain
from recdash.data.timestamps import DATES_FROM
from recdash.errors import DataError, Fixes, UsageError, unknown

STARS = ("rating", "ratings", "score", "stars", "star", "overall", "userrating", "bookrating", "preference", "rate",
    "starrating", "reviewrating", "value", "bewertung", "note", "puntuacion", "calificacion", "nota", "vote", "votes",
    "grade", "points")  # fmt: skip
LABELS = ("label", "like", "liked", "likes", "islike", "isliked", "clicked", "click", "isclick", "isclicked", "isread",
    "read", "watched", "purchased", "ispurchased", "bought", "favorite", "favourite", "isfavorite", "interaction",
    "feedback", "target", "thumbs", "recommended", "isrecommended")  # fmt: skip
COUNTS = ("plays", "playcount", "count", "counts", "listens", "listencount", "nplays", "numplays", "timesplayed",
    "quantity", "qty", "purchases", "views", "viewcount", "clicks", "frequency", "freq", "hours", "hoursplayed",
    "playtime", "weight", "visits")  # fmt: skip
_ROLES: Mapping[str, tuple[str, ...]] = {
    "user": ("userid", "user", "uid", "username", "customerid", "customer", "memberid", "accountid", "visitorid",
        "reviewerid", "sessionid", "reviewer", "client", "clientid", "nutzer", "benutzer", "kunde", "utilisateur",
        "usuario", "cliente"),
    "item": (*ID_NAMES, *ITEM_NAMES, "artikel", "produkt", "buch", "articulo", "pelicula", "libro", "produit", "livre"),
    "rating": (*STARS, *LABELS, *COUNTS),
    "time": ("timestamp", "time", "date", "datetime", "unixtime", "unixreviewtime", "ratingtime", "ratedat",
        "createdat", "ts", "reviewtime", "eventtime", "timems", "datum", "zeit", "zeitstempel", "fecha"),
}  # fmt: skip
_NAMES = frozenset(name for names in _ROLES.values() for name in names)
_RATING_WORDS = frozenset(("rating", "score", "stars", "vote", "points"))
_COUNT_WORDS = frozenset(("plays", "views", "listens", "clicks", "purchases", "playcount"))
_NO_RATING_WORDS = frozenset(("average", "avg", "mean", "num", "number", "total", "count", "sum", "id"))  # of an item
_TIME_WORDS = frozenset(("date", "time", "datetime", "timestamp", "created", "at", "utc"))
_MOSTLY = 0.8
_INDEX_ROWS = 5  # so many rows in a row numbered like lines are no ids
_MOST_STARS = 100
_DATE_WORDS = re.compile(r"date|day", re.IGNORECASE)

Roles = dict[str, int | None]


def names_both(cells: Sequence[str]) -> bool:
    """Whether these cells name a column of users and one of items."""
    found = {plain(cell) for cell in cells}
    return bool(found & set(_ROLES["user"])) and bool(found & set(_ROLES["item"]))


def is_dated(name: str) -> bool:
    """Whether a column is called after a date."""
    return _DATE_WORDS.search(name) is not None


def looks_like_header(rows: Sequence[Sequence[str]], options: ReadOptions, name: str) -> bool:
    """Whether the first row names the columns; a row that looks like the others is data.

    Raises DataError where it may be either: the numbers of the columns, or a row of data.
    """
    if options.header is not None:
        return options.header
    first = rows[0]
    cells = {plain(cell) for cell in first} - {""}
    asked = {
        plain(value) for role in ROLES if isinstance(value := getattr(options, role), str) and not value.isdecimal()
    }
    if asked - {NONE} and asked & cells:
        return True
    others = [row for row in rows[1:] if len(row) == len(first)]
    numbers = [[str(place) for place in range(start, start + len(first))] for start in (0, 1)]
    counted = [*numbers, ["", *numbers[0][1:]], ["", *numbers[0][:-1]]]
    stripped = [cell.strip() for cell in first]
    if len(first) > 2 and others and stripped in counted:
        raise DataError(
            f'{name}, line 1: "{",".join(stripped)}" may be a row of data or the numbers of the columns. '
            "Say which: --no-header or --header.",
            fixes={"It is a row of data": {"header": False}, "It numbers the columns": {"header": True}},
        )
    unlike = any(
        not NUMBER.fullmatch(cell) and cell.strip() and all(_is_datum(row[place]) for row in others)
        for place, cell in enumerate(first)
        if not _is_datum(cell)
    )
    if others and unlike:
        return True
    if any(_is_datum(cell) for cell in first):
        return False
    if not cells & _NAMES and _stands_apart(first, others):
        raise DataError(
            f'{name}, line 1: "{",".join(stripped)}" may name the columns or be a row of data. Say which: --header or '
            "--no-header.",
            fixes={"It names the columns": {"header": True}, "It is a row of data": {"header": False}},
        )
    return bool(cells & _NAMES)


def _stands_apart(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether no cell of the first row comes again in its column, where those of the other rows do."""
    if len(others) < 2 * _INDEX_ROWS or len(first) < 2:
        return False
    columns = [[row[place] for row in others] for place in range(2)]
    again = [len(set(column)) <= len(column) / 2 for column in columns]
    return any(again) and all(cell not in column for cell, column in zip(first[:2], columns, strict=True))


def find(
    columns: Sequence[str], rows: Sequence[Sequence[str]], options: ReadOptions, *, named: bool, name: str
) -> Roles:
    """Return the place, from 0, of the column of each role, None where there is none.

    Raises UsageError for a column that does not exist or stands for two roles, DataError where two columns of one name
    would fit one role.
    """
    asked = {role: value for role in ROLES if (value := getattr(options, role)) is not None}
    roles: Roles = {role: _place(column, columns, named=named) for role, column in asked.items()}
    wanted = [role for role in ROLES if role not in roles]
    if named:
        found = _by_name(wanted, columns, roles, name)
        _by_word([role for role in wanted if role not in found], columns, rows, roles, found)
    else:
        found = _by_look(wanted, rows, roles, len(columns), name)
    roles = {role: roles.get(role, found.get(role)) for role in ROLES}
    places = [place for place in roles.values() if place is not None]
    if len(set(places)) < len(places):
        said = ", ".join(f"{role} = {columns[place]}" for role, place in roles.items() if place is not None)
        raise UsageError(f"{name}: one column cannot be two things at once ({said}). Name another one.")
    return roles


def check(roles: Roles, columns: Sequence[str], *, named: bool, name: str, said: bool | None = None) -> None:
    """Raise DataError unless user and item are known. said: whether somebody said that there are names, or not."""
    for role in ("user", "item"):
        if roles[role] is None:
            hint = f"Name the column (--{role} COLUMN)."
            free = [place for place in range(len(columns)) if place not in roles.values()]
            called = [
                f'"{column}"' if named and column else f"Column {place}" for place, column in enumerate(columns, 1)
            ]
            fixes: Fixes = {f"{called[place]} is the {role}": {role: place + 1} for place in free}
            if named and any(NUMBER.fullmatch(column) for column in columns):
                hint = "The line looks like data: say that there is no header (--no-header)."
                if said:
                    hint = f"Give its number from 1 (--{role} N). {hint}"
                fixes = {"The first row is data": {"header": False}, **fixes}
            listed = ", ".join(shown(column) for column in columns[:12])
            raise DataError(
                f"{name}, line 1: cannot tell which column is the {role} among {listed}. {hint}", fixes=fixes
            )


def _place(column: str | int, columns: Sequence[str], *, named: bool) -> int | None:
    """Find a column by its name, else by its number from 1."""
    word = str(column).strip()
    if isinstance(column, str) and named:
        for same in (str, str.casefold, plain):
            fits = [place for place, other in enumerate(columns) if same(other) == same(word)]
            if fits:
                return fits[0]
    if word == "0":
        raise UsageError("Columns count from 1, so there is no column 0. Give 1 for the first one, or its name.")
    if word.isdecimal() and int(word) <= len(columns):
        return int(word) - 1
    if word.lower() in ("", NONE):
        return None
    raise unknown("column", word, columns)


def _by_name(wanted: Sequence[str], columns: Sequence[str], taken: Roles, name: str) -> dict[str, int]:
    names = [plain(column) for column in columns]
    found: dict[str, int] = {}
    for role in wanted:
        free = [one if place not in (*taken.values(), *found.values()) else "" for place, one in enumerate(names)]
        fitting = next((known for known in _ROLES[role] if known in free), None)
        if fitting is None:
            continue
        if free.count(fitting) > 1:
            raise DataError(
                f"{name}, line 1: {free.count(fitting)} columns are called {shown(columns[free.index(fitting)])}. "
                f"Say which by its number from 1 (--{role} {free.index(fitting) + 1}).",
                fixes={
                    f"Column {place} is the {role}": {role: place}
                    for place, one in enumerate(free, 1)
                    if one == fitting
                },
            )
        found[role] = free.index(fitting)
    return found


def _by_word(
    wanted: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[str]], taken: Roles, found: dict[str, int]
) -> None:
    """Add ratings and times whose names hold a usual word, such as my_rating and listened_at, if their cells fit."""
    for role, words in (("rating", _RATING_WORDS), ("rating", _COUNT_WORDS), ("time", _TIME_WORDS)):
        for place, column in enumerate(columns):
            parts = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower()))
            if role not in wanted or role in found or place in (*taken.values(), *found.values()):
                continue
            if not parts & words or (words is _RATING_WORDS and parts & _NO_RATING_WORDS):
                continue
            if look_of(_filled(rows, place)) == role:
                found[role] = place


def _by_look(
    wanted: Sequence[str], rows: Sequence[Sequence[str]], taken: Roles, width: int, name: str
) -> dict[str, int]:
    """Without a header: user, item, then the first column of small numbers is the rating, one of dates the time.

    Raises DataError where a column that would be the user or the item can be neither.
    """
    free = [place for place in range(width) if place not in taken.values()]
    found: dict[str, int] = {}
    cells = {place: _filled(rows, place) for place in free}
    if "user" in wanted and free and _numbers_rows(cells[free[0]]):
        raise _unclear(name, free[0], "numbers the rows. Say which columns are user and item (--user 2 --item 3)")
    dated = next((place for place in free[1:] if _are_dates(cells[place])), None)
    if "time" in wanted and dated is not None:
        found["time"] = dated
        free.remove(dated)
    for role in ("user", "item"):
        if role in wanted and free:
            found[role] = free.pop(0)
            if _are_fractions(cells[found[role]]):
                raise _unclear(name, found[role], f"has fractions, so it is not the {role}. Name that (--{role} N)")
    for place in free:
        look = look_of(cells[place])
        if look == "rating" and median(_values(cells[place])) > _MOST_STARS:
            look = ""  # a code, or a number that somebody has to name
        roles = ("rating", "time") if look == "rating" and _varies(cells[place]) else (look,)
        chosen = next((one for one in roles if one in wanted and one not in found), None)
        if chosen is not None:
            found[chosen] = place
        elif "rating" in wanted and "rating" not in found and not look and _looks_spoilt(cells[place]):
            raise _unclear(
                name,
                place,
                f"has values such as {shown(cells[place][0])}. Say what it is (--rating N, --time N or none)",
            )
    return found


def _varies(cells: Sequence[str]) -> bool:
    return len(cells) == 1 or len(set(cells)) > 1


def _unclear(name: str, place: int, what: str) -> DataError:
    return DataError(f"{name}: column {place + 1} {what}.")


def _filled(rows: Sequence[Sequence[str]], place: int) -> list[str]:
    """The cells of a column that hold something."""
    return [cell for row in rows if len(row) > place and (cell := row[place].strip()).lower() not in MISSING]


def _values(cells: Sequence[str]) -> list[float]:
    plain_numbers = [cell.replace(",", ".", 1) for cell in cells]
    return [float(cell) for cell in plain_numbers if NUMBER.fullmatch(cell)]


def _numbers_rows(cells: Sequence[str]) -> bool:
    """Whether a column counts the rows."""
    counted = [[str(place) for place in range(start, start + len(cells))] for start in (0, 1)]
    return len(cells) >= _INDEX_ROWS and list(cells) in counted


def _are_dates(cells: Sequence[str]) -> bool:
    return bool(cells) and not _values(cells) and look_of(cells) == "time"


def _are_fractions(cells: Sequence[str]) -> bool:
    """Whether the numbers of a column have digits behind the point that are not zero."""
    return bool(cells) and len(found := _values(cells)) == len(cells) and any(value % 1 for value in found)


def _looks_spoilt(cells: Sequence[str]) -> bool:
    """Whether cells begin like numbers and are none, such as "4 stars" and "01.08.11"."""
    return bool(cells) and all(re.match(r"[+-]?\d", cell) and re.search("[ .]", cell) for cell in cells[:50])


def look_of(cells: Sequence[str]) -> str:
    """Tell from the first cells of a column whether it may be "rating" or "time"; "" for neither.

    A few cells that are no numbers do not matter: they are errors of their lines.
    """
    values = _values(cells)
    if cells and len(values) >= _MOSTLY * len(cells):
        return "time" if min(map(abs, values)) >= DATES_FROM / 10 else "rating"
    try:
        return "time" if cells and text_format(cells[:20], "the time") else ""
    except DataError:
        return "time"


def _is_datum(cell: str) -> bool:
    """Whether a cell is a number or a date, which no name of a column is."""
    return bool(NUMBER.fullmatch(cell.replace(",", ".", 1))) or bool(
        re.match(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", cell)
    )


def described(roles: Roles, columns: Sequence[str]) -> dict[str, str]:
    """Return the name of each role's column."""
    return {role: columns[place] for role, place in roles.items() if place is not None}


def recognised(roles: Roles, options: ReadOptions, *, named: bool) -> dict[str, str]:
    """Say how the column of each role was found."""
    found = "by its name" if named else "by its place and its cells"
    return {
        role: found if getattr(options, role) is None else "as you said"
        for role, place in roles.items()
        if place is not None
    }
