"""Anyone's interactions from delimited text; what is not said about the columns is guessed from the first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recdash.data.catalogue import Item
from recdash.data.dataset import Dataset
from recdash.data.readers.blocks import Progress, beginning, blocks, open_input, shown, split_header, text
from recdash.data.readers.table import NUMBER, Columns, Layout, read_columns
from recdash.data.readers.titles import ID_NAMES, ITEM_NAMES, plain, read_titles
from recdash.data.times import DATES_FROM
from recdash.errors import DataError, UsageError, unknown

_DELIMITERS = ("\t", "::", ";", "|", ",")
_SAMPLE_LINES = 25
_NONE = "none"  # as the name of a column: there is none
_ROLES = {
    "user": ("userid", "user", "uid", "username", "customerid", "customer", "memberid", "accountid", "visitorid",
        "reviewerid"),
    "item": (*ID_NAMES, *ITEM_NAMES),
    "rating": ("rating", "ratings", "score", "stars", "star", "overall", "userrating", "bookrating", "preference"),
    "time": ("timestamp", "time", "date", "datetime", "unixtime", "unixreviewtime", "ratingtime", "ratedat",
        "createdat", "ts"),
}  # fmt: skip
_ISO = re.compile(r"\s*\d{4}-\d\d-\d\d")
_MEND = "Mend or remove that line."


@dataclass(frozen=True)
class Plan:
    """How a file will be read, for a preview before it is.

    columns: names from the header, or "1", "2", ... without one.  rows: the first lines, as they are.
    roles: the column (position from 0) of "user", "item", "rating" and "time"; None where there is none.
    """

    delimiter: str
    header: bool
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    roles: dict[str, int | None]

    def check(self, name: str) -> None:
        """Raise DataError unless user and item are known."""
        for role in ("user", "item"):
            if self.roles[role] is None:
                hint = f"Name the column (--{role} COLUMN)."
                if self.header and any(NUMBER.fullmatch(column) for column in self.columns):
                    hint = "The line looks like data: say that there is no header (--no-header)."
                listed = ", ".join(shown(column) for column in self.columns[:12])
                raise DataError(f"{name}, line 1: cannot tell which column is the {role} among {listed}. {hint}")

    def described(self) -> str:
        """Say which column is taken for what."""
        return "columns: " + ", ".join(
            f"{role} = {self.columns[place]}" for role, place in self.roles.items() if place is not None
        )


def read(
    path: Path,
    *,
    name: str | None = None,
    user: str | int | None = None,
    item: str | int | None = None,
    rating: str | int | None = None,
    time: str | int | None = None,
    titles: Path | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read a CSV, plain or gzip'd, with a column per role: user, item and, if there are such, rating and time.

    Columns are given by name (upper or lower case) or by number from 1; None guesses, "none" means that there is none.
    titles: a file of item titles (see `titles.read_titles`).  header: None looks whether the first line is one.
    Raises DataError with file and line for what is wrong in the file, UsageError for a column that does not exist.
    """
    plan = look(path, user=user, item=item, rating=rating, time=time, delimiter=delimiter, header=header)
    plan.check(path.name)
    known: dict[str, Item] = {}
    if titles is not None:
        with open_input(titles) as source:
            known = read_titles(source.name, text(source))
    dataset = read_planned(path, plan, name=name or plain_stem(path), known=known, progress=progress)
    return replace(dataset, notes=(plan.described(), *dataset.notes))


def look(
    path: Path,
    *,
    user: str | int | None = None,
    item: str | int | None = None,
    rating: str | int | None = None,
    time: str | int | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
) -> Plan:
    """Return how `read` would read the file with these words, from its beginning alone; what is not clear is None."""
    with open_input(path) as source:
        sample = re.split("\r\n|\r|\n", beginning(source))
    mark = _delimiter(delimiter) if delimiter else _sniff(sample, path.name)
    rows = _split(sample, mark)
    if not rows:
        raise DataError(
            f"{path.name}: the file is empty. It needs one line per interaction: user, item and maybe rating, time."
        )
    asked = {"user": user, "item": item, "rating": rating, "time": time}
    named = header if header is not None else _is_header(rows, asked)
    columns = (
        tuple(cell.strip() for cell in rows[0]) if named else tuple(str(place + 1) for place in range(len(rows[0])))
    )
    body = tuple(tuple(row) for row in (rows[1:] if named else rows))
    roles = _roles(asked, columns, body, named=named, name=path.name)
    return Plan(mark, named, columns, body, roles)


def read_planned(
    path: Path, plan: Plan, *, name: str, known: dict[str, Item], progress: Progress | None = None, quoted: bool = True
) -> Dataset:
    """Read a file as planned: as UTF-8, and from the start again as Latin-1 when it turns out not to be UTF-8."""
    notes: tuple[str, ...] = ()
    try:
        columns = _columns(path, plan, "utf-8", quoted, progress)
    except UnicodeDecodeError:
        columns, notes = (
            _columns(path, plan, "latin-1", quoted, progress),
            ("the file is not UTF-8 and was read as Latin-1",),
        )
    dataset = Dataset.build(
        name,
        users=columns.users,
        items=columns.items,
        ratings=columns.ratings,
        times=columns.times,
        known=known,
        source=path.name,
        notes=notes,
    )
    bare = sum(entry.id not in known for entry in dataset.catalogue.items)
    if not known or not bare:
        return dataset
    return replace(dataset, notes=(*dataset.notes, f"{bare:,} items have no title and are shown by their ids"))


def plain_stem(path: Path) -> str:
    """Return the file's name without its endings."""
    return path.name.split(".")[0] or path.name


def _columns(path: Path, plan: Plan, encoding: str, quoted: bool, progress: Progress | None) -> Columns:
    user, item = plan.roles["user"], plan.roles["item"]
    assert user is not None and item is not None  # noqa: S101  (`_roles` has seen to it)
    time = plan.roles["time"]
    layout = Layout(
        fields=len(plan.columns),
        delimiter=plan.delimiter,
        user=user,
        item=item,
        rating=plan.roles["rating"],
        time=time,
        iso_times=time is not None
        and bool(plan.rows)
        and len(plan.rows[0]) > time
        and not NUMBER.fullmatch(plan.rows[0][time]),
        quoted=quoted and len(plan.delimiter) == 1,
        mend=_MEND,
    )
    with open_input(path) as source:
        lines = blocks(source, encoding=encoding, quoted=plan.delimiter if layout.quoted else None, progress=progress)
        if plan.header:
            _, lines = split_header(lines)
        return read_columns(lines, layout, path.name)


def _delimiter(word: str) -> str:
    mark = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}.get(word.lower(), word)
    if mark != "::" and (len(mark) != 1 or mark in '"\r\n\0'):
        raise UsageError(f'The delimiter {shown(word)} cannot be used. Give one character, "tab" or "::".')
    return mark


def _sniff(lines: Sequence[str], name: str) -> str:
    """Choose the delimiter that cuts all first lines into equally many fields, and most of them."""
    widths = {mark: [len(row) for row in _split(lines, mark)] for mark in _DELIMITERS}
    even = {mark: found[0] for mark, found in widths.items() if found and found[0] > 1 and len(set(found)) == 1}
    some = even or {mark: found[0] for mark, found in widths.items() if found and found[0] > 1}
    if some:
        return max(some, key=some.__getitem__)
    if not any(line.strip() for line in lines):
        return ","
    raise DataError(
        f"{name}, line 1: found one column where user and item were expected. If the delimiter is unusual, name it."
    )


def _split(lines: Sequence[str], mark: str) -> list[list[str]]:
    full = [line for line in lines if line.strip()][:_SAMPLE_LINES]
    if len(mark) > 1:
        return [line.split(mark) for line in full]
    try:
        return list(csv.reader(full, delimiter=mark, skipinitialspace=mark != " "))
    except csv.Error:
        return [line.split(mark) for line in full]


def _is_header(rows: Sequence[Sequence[str]], asked: Mapping[str, str | int | None]) -> bool:
    first = [plain(cell) for cell in rows[0]]
    known = {name for names in _ROLES.values() for name in names} | {
        plain(str(column)) for column in asked.values() if isinstance(column, str)
    }
    if known.intersection(first) - {""}:
        return True
    return not any(NUMBER.fullmatch(cell) for cell in rows[0]) and any(
        NUMBER.fullmatch(cell) for row in rows[1:] for cell in row
    )


def _roles(
    asked: Mapping[str, str | int | None],
    columns: Sequence[str],
    body: Sequence[Sequence[str]],
    *,
    named: bool,
    name: str,
) -> dict[str, int | None]:
    roles = {role: _find(column, columns) for role, column in asked.items() if column is not None}
    wanted = [role for role in asked if role not in roles]
    found = _by_name(wanted, columns, roles) if named else _by_place(wanted, body[0], roles)
    roles = {role: roles.get(role, found.get(role)) for role in asked}
    places = [place for place in roles.values() if place is not None]
    if len(set(places)) < len(places):
        twice = Plan("", named, tuple(columns), (), roles).described()
        raise UsageError(f"{name}: one column cannot be two things at once ({twice}). Name another one.")
    return roles


def _find(column: str | int, columns: Sequence[str]) -> int | None:
    """Find a column by its name, else by its number from 1."""
    word = str(column).strip()
    for same in (str, str.casefold, plain):
        fits = [place for place, other in enumerate(columns) if same(other) == same(word)]
        if fits and isinstance(column, str):
            return fits[0]
    if word.isdecimal() and 1 <= int(word) <= len(columns):
        return int(word) - 1
    if word.lower() in ("", _NONE):
        return None
    raise unknown("column", word, columns)


def _by_name(wanted: Sequence[str], columns: Sequence[str], taken: Mapping[str, int | None]) -> dict[str, int]:
    names = [plain(column) for column in columns]
    found: dict[str, int] = {}
    for role in wanted:
        free = [name if place not in (*taken.values(), *found.values()) else "" for place, name in enumerate(names)]
        place = next((free.index(name) for name in _ROLES[role] if name in free), None)
        if place is not None:
            found[role] = place
    return found


def _by_place(wanted: Sequence[str], first: Sequence[str], taken: Mapping[str, int | None]) -> dict[str, int]:
    """Without a header: user, item, then the first small number is the rating, a date or another number the time."""
    free = [place for place in range(len(first)) if place not in taken.values()]
    found = {role: free.pop(0) for role in ("user", "item") if role in wanted and free}
    for place in free:
        number = float(first[place]) if NUMBER.fullmatch(first[place]) else None
        dated = _ISO.match(first[place]) is not None or (number is not None and number >= DATES_FROM)
        roles = ("time",) if dated else ("rating", "time") if number is not None else ()
        role = next((role for role in roles if role in wanted and role not in found), None)
        if role is not None:
            found[role] = place
    return found
