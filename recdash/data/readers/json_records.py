"""JSON records: one per line, or in an array; each is an object with named fields, or a list of values."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from recdash.data.readers import column_roles, row_stream
from recdash.data.readers.chunks import (
    ProgressCallback,
    chunks_of,
    shown,
)
from recdash.data.readers.column_roles import Roles
from recdash.data.readers.dataset_builder import Source
from recdash.data.readers.read_options import NONE, ROLES, ReadOptions
from recdash.data.readers.row_stream import FileRow
from recdash.data.readers.text_streams import Input, reading
from recdash.data.readers.title_files import plain
from recdash.errors import DataError, unknown

Beginning = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], Roles]
Record = Mapping[str, Any]  # the values of a list are called by their numbers from 1

_LOOKED_AT = 200
_MOST_JSON = 1 << 30  # bytes of an array, which is read whole
_LISTED = re.compile(r"\s*\[\s*[^\s\[\]{]")
_BREAK = re.compile(r"[\s,]*")
_PANDAS = 'df.to_json(path, orient="records", lines=True)'
_LARGE = 1 << 15  # letters of a beginning that is not the whole file
_DEEPEST = 4  # objects inside each other, in which records are looked for
_WRAPPED = frozenset(("$oid", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal", "$date"))  # by MongoDB
_1970 = datetime(1970, 1, 1)


def are_lists(sample: str) -> bool:
    """Whether each line is a JSON list of plain values, which looks like a line of CSV with brackets."""
    line = sample.lstrip("\ufeff \t\r\n").partition("\n")[0]
    if not _LISTED.match(line):
        return False
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(line), list)
    return False


def beginning(sample: str, name: str, options: ReadOptions) -> Beginning:
    """Names of the fields, the first records as texts, and the place of the field of each role.

    A field that an option names and the first records do not have is taken to come later.
    Raises DataError, with what makes JSON lines of it, for JSON that does not hold one record after another.
    """
    text = sample.lstrip("\ufeff").lstrip()
    if text.startswith("{"):
        _refuse_other_objects(text, name)
    found = list(_first_records(text, name))
    if not found:
        raise DataError(f"{name}: no records were found. Give one JSON object per line, or an array of them.")
    names = tuple(dict.fromkeys(key for record in found for key in record))
    cells = [tuple(_shown(record.get(key)) for key in names) for record in found]
    if _is_listed(text):
        if column_roles.looks_like_header(cells, options, name):
            names, cells = tuple(cells[0]), cells[1:]
    else:
        names = (*names, *_named_later(names, options))
    where = column_roles.find(names, cells, options, named=not are_numbers(names), name=name)
    if where["user"] is None or where["item"] is None:
        _refuse_inner(found[0], name)
    return names, tuple(cells), where


def read(
    source: Input,
    shape: str,
    columns: tuple[str, ...],
    where: Roles,
    options: ReadOptions,
    progress: ProgressCallback | None,
) -> Source:
    """Read all records; values keep their digits."""
    named = not are_numbers(columns)
    column_roles.check(where, columns, named=named, name=source.name, said=True)
    names = column_roles.described(where, columns)
    start = _start(source)
    unit = "record" if _is_array(start) else "line"
    fields = _Fields(source.name, columns, where, options)
    found = _array(source) if unit == "record" else _lines(source, progress)
    if _is_listed(start):
        found = _by_column(found, columns, source.name, unit, header=named or options.header is True)
    ignored = [column for column in columns if column not in names.values()]
    about = {"format": "JSON array" if unit == "record" else "JSON lines", "encoding": "utf-8"}
    made = row_stream.read(
        fields.rows(found, names, unit), names, source.name, options, unit=unit, about=about, named=True
    )
    late = [key for key in fields.late if key not in columns]
    return replace(made, ignored=(*ignored, *late), recognised=column_roles.recognised(where, options, named=named))


def are_numbers(names: Sequence[str]) -> bool:
    """Whether columns are merely numbered, from 0 or 1, so that nothing but their cells tells what they are."""
    return any(list(names) == [str(place) for place in range(start, start + len(names))] for start in (0, 1))


@dataclass
class _Fields:
    """The fields of the records that are read: those of the roles as texts, and those that come late."""

    name: str
    columns: tuple[str, ...]
    where: Roles
    options: ReadOptions
    late: list[str] = field(default_factory=list)  # those that the beginning lacks

    def rows(self, records: Iterable[tuple[int, Record]], names: Mapping[str, str], unit: str) -> Iterator[FileRow]:
        """Yield the texts of the roles; none before each of their fields has been seen.

        Raises UsageError for a field that no record has.
        """
        unseen = set(names.values())
        found = self._rows(records, names, unit, unseen)
        waiting = []
        for row in found:
            waiting.append(row)
            if not unseen:
                break
        if waiting and unseen:
            seen = [*(column for column in self.columns if column not in unseen), *self.late]
            raise unknown("column", min(unseen), seen)
        yield from waiting
        yield from found

    def _rows(
        self, records: Iterable[tuple[int, Record]], names: Mapping[str, str], unit: str, unseen: set[str]
    ) -> Iterator[FileRow]:
        known, wanted = set(self.columns), list(names.items())
        for number, record in records:
            if unseen:
                unseen.difference_update(record)
            if not known.issuperset(record):
                for key in [key for key in record if key not in known]:
                    self._refuse_role(key, record[key], f"{unit} {number}")
                    self.late.append(key)
                known.update(record)
            yield number, [self._text(record.get(key), role, f"{unit} {number}") for role, key in wanted]

    def _refuse_role(self, key: str, value: Any, place: str) -> None:
        """Refuse a field that comes late and whose name says that it is one of the roles."""
        if are_numbers(self.columns):
            raise _too_many(self.name, place, len(self.columns))
        cells = (*("" for _ in self.columns), _shown(value))
        known: dict[str, Any] = {role: place + 1 for role, place in self.where.items() if place is not None}
        options = replace(self.options, **known)
        found = column_roles.find((*self.columns, key), [cells], options, named=True, name=self.name)
        for role in ROLES:
            if found[role] == len(self.columns):
                raise DataError(
                    f"{self.name}: the field {shown(key)} first appears in {place}. Say that it is the {role} "
                    f"(--{role} {key}), or that there is none (--{role} {NONE}).",
                    fixes={f"{shown(key)} is the {role}": {role: key}, f"There is no {role}": {role: NONE}},
                )

    def _text(self, value: Any, role: str, place: str) -> str:
        plain_value = _unwrapped(value)
        if isinstance(plain_value, (dict, list)):
            what = "an object" if isinstance(plain_value, dict) else "a list"
            raise DataError(
                f"{self.name}, {place}: the {role} is {what}, {shown(json.dumps(value, ensure_ascii=False))}. Write "
                f"one plain value per record in its place, or name another field (--{role} FIELD)."
            )
        return _plain(plain_value)


def _named_later(names: Sequence[str], options: ReadOptions) -> tuple[str, ...]:
    """Fields that options name and that are none of these."""
    known = {plain(name) for name in names}
    asked = [word for role in ROLES if isinstance(word := getattr(options, role), str)]
    return tuple(
        word for word in asked if not word.isdecimal() and word.lower() not in ("", NONE) and plain(word) not in known
    )


def _start(source: Input) -> str:
    """The first letters of a stream, which stay in it."""
    peek = getattr(source.stream, "peek", None)
    with reading(source.name):
        start: bytes = peek(1 << 12) if peek is not None else b""
    return start.decode("utf-8", "replace").lstrip("\ufeff").lstrip()


def _is_array(start: str) -> bool:
    """Whether this is the beginning of one array of records."""
    return start.startswith("[") and not _LISTED.match(start)


def _is_listed(start: str) -> bool:
    """Whether the records are lists, each in a line or all in an array."""
    return _LISTED.match(start.removeprefix("[") if _is_array(start) else start) is not None


def _first_records(text: str, name: str) -> Iterator[Record]:
    if not _is_array(text):
        numbered = [(place, line) for place, line in enumerate(text.split("\n"), 1) if line.strip()]
        yield from (_parsed(line, f"{name}, line {place}") for place, line in numbered[:_LOOKED_AT])
        return
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    place = 1
    for number in range(1, _LOOKED_AT + 1):  # the whole records in the beginning of an array
        rest = _BREAK.match(text, place)
        assert rest is not None  # noqa: S101  (it matches nothing, too)
        try:
            value, place = decoder.raw_decode(text, rest.end())
        except (ValueError, RecursionError):
            return
        yield _record(value, f"{name}, record {number}")


def _lines(source: Input, progress: ProgressCallback | None) -> Iterator[tuple[int, Record]]:
    for block in chunks_of(source, progress=progress):
        for line, text in enumerate(block.data.decode().split("\n"), block.line):
            if text.strip():
                yield line, _parsed(text, f"{source.name}, line {line}")


def _array(source: Input) -> Iterator[tuple[int, Record]]:
    with reading(source.name):
        data = source.stream.read(_MOST_JSON)
        if source.stream.read(1):
            raise DataError(f"{source.name}: a JSON array of more than 1 GB. Give one JSON object per line.")
    try:
        values = json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
    except UnicodeDecodeError:
        raise  # the reading begins again in another encoding
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise DataError(
            f"{source.name}, line {line}: not JSON ({getattr(error, 'msg', error)}). Correct it."
        ) from error
    for place, value in enumerate(values, 1):
        yield place, _record(value, f"{source.name}, record {place}")


def _by_column(
    records: Iterator[tuple[int, Record]], columns: tuple[str, ...], name: str, unit: str, *, header: bool
) -> Iterator[tuple[int, Record]]:
    """Give the values of lists the names of their columns; header: the first list holds those."""
    if header:
        next(records, None)
    for number, record in records:
        if len(record) > len(columns):
            raise _too_many(name, f"{unit} {number}", len(columns))
        yield number, dict(zip(columns, record.values(), strict=False))


def _too_many(name: str, place: str, count: int) -> DataError:
    return DataError(f"{name}, {place}: more values than the {count} of the first records. Correct it.")


def _parsed(line: str, where: str) -> Record:
    try:
        return _record(json.loads(line, parse_float=str, parse_int=str, parse_constant=str), where)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({getattr(error, 'msg', error)}). Correct or remove that line.") from error


def _record(value: Any, where: str) -> Record:
    if isinstance(value, list):
        return {str(place): one for place, one in enumerate(value, 1)}
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object with a user and an item, found {shown(str(value))}.")
    return value


def _unwrapped(value: Any) -> Any:
    """Take a value out of the object in which MongoDB writes its type; anything else stays as it is."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    kind, inner = next(iter(value.items()))
    if kind not in _WRAPPED:
        return value
    inner = _unwrapped(inner)
    return _moment(inner) if kind == "$date" else inner


def _moment(value: Any) -> Any:
    """A number of milliseconds as the date that it is, for some of a column may be written as dates."""
    if not isinstance(value, str) or not re.fullmatch(r"-?\d+", value):
        return value
    try:
        return (_1970 + timedelta(milliseconds=int(value))).isoformat() + "Z"
    except OverflowError:
        return value


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(value: Any) -> str:
    """A value as text, whatever it is."""
    return _plain(_unwrapped(value))


def _refuse_other_objects(text: str, name: str) -> None:
    """Refuse text that begins with an object and is not one object per line, by what it is."""
    line = text.partition("\n")[0]
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        if _is_python(line):
            raise DataError(
                f"{name}, line 1: this is a Python dict, not JSON. Read each line with ast.literal_eval and write it "
                "with json.dumps, one record per line."
            ) from error
        at_end = getattr(error, "pos", 0) >= len(text.rstrip()) or "Unterminated" in str(error)
        if at_end and len(text) > _LARGE:
            raise DataError(
                f"{name}, line 1: the first JSON object is longer than 64 KB, as one with a whole table in it is. "
                f"Write one record per line, without long texts, from pandas: {_PANDAS}"
            ) from error
        return
    rest = text[end:].strip()
    if rest.startswith(","):
        raise DataError(
            f"{name}, line {text[:end].count(chr(10)) + 1}: a comma follows the object, which JSON lines do not have. "
            "Remove the commas at the ends of lines, or put [ before the first object and ] after the last."
        )
    if rest.startswith("{") and "\n" in text[:end]:
        raise DataError(
            f"{name}, line 1: JSON objects over several lines, one after another. Write one object per line: "
            "jq -c . FILE > records.jsonl"
        )
    is_record = column_roles.names_both([key for key, one in value.items() if not _is_nested(one)])
    if not rest and not is_record and any(map(_is_nested, value.values())):
        raise _one_object(name, value)
    if not rest and "\n" in text[:end]:
        raise DataError(
            f"{name}, line 1: one JSON object over several lines. Write one record per line: "
            "jq -c . FILE > records.jsonl"
        )


def _is_nested(value: Any) -> bool:
    return isinstance(_unwrapped(value), (dict, list))


def _is_python(line: str) -> bool:
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return isinstance(ast.literal_eval(line.strip().rstrip(",")), dict)
    return False


def _one_object(name: str, value: Mapping[str, Any]) -> DataError:
    """The error for a whole table in one object: how pandas or a service wrote it, and what writes JSON lines."""
    path = _path_of_records(value)
    if path:
        return DataError(
            f"{name}: one JSON object with the records inside it. Write one record per line: "
            f"jq -c '{path}' FILE > records.jsonl, or from pandas {_PANDAS}"
        )
    what = "one JSON object with a whole table in it"
    if {"columns", "data"} <= set(value):
        what = 'one JSON object with columns and data (orient="split")'
    elif value and all(isinstance(one, dict) and column_roles.names_both(list(one)) for one in value.values()):
        what = 'one JSON object with an object per row (orient="index")'
    elif column_roles.names_both(list(value)):
        what = "one JSON object with a list or object per column"
    return DataError(f"{name}: {what}. Write one record per line, from pandas: {_PANDAS}")


def _path_of_records(value: Any, path: str = "", depth: int = 0) -> str:
    """Where in an object a list of records is, as jq says it; "" for nowhere."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        inner = _inner(value[0])
        if column_roles.names_both(list(value[0])) or inner:
            return f"{path}[]{inner and '.' + inner}"
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, one in value.items():
            if found := _path_of_records(one, f"{path}.{key}", depth + 1):
                return found
    return ""


def _inner(record: Record) -> str:
    """The field whose value is an object with a user and an item; "" for none."""
    return next(
        (key for key, one in record.items() if isinstance(one, dict) and column_roles.names_both(list(one))), ""
    )


def _refuse_inner(record: Record, name: str) -> None:
    if inner := _inner(record):
        raise DataError(
            f"{name}: user and item are inside the object {shown(inner)} of each record. Write that object alone: "
            f"jq -c '.{inner}' FILE > records.jsonl"
        )
