"""JSON records, one per line or in an array, each an object with named fields or a list of values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from recdash.data.readers import column_roles, row_stream
from recdash.data.readers.chunks import ProgressCallback, read_chunks
from recdash.data.readers.column_names import normalise_name
from recdash.data.readers.column_roles import Roles
from recdash.data.readers.dataset_builder import Source
from recdash.data.readers.json_errors import refuse_nested_record, refuse_other_objects
from recdash.data.readers.read_options import NONE, ROLES, ReadOptions
from recdash.data.readers.record_values import preview_text, to_text, unwrap_mongodb
from recdash.data.readers.row_stream import FileRow
from recdash.data.readers.text_streams import Input, file_errors
from recdash.errors import DataError, quote, unknown_name

DetectedColumns = tuple[tuple[str, ...], tuple[tuple[str, ...], ...], Roles]
Record = Mapping[str, Any]  # values of a list are named by their numbers, from 1

_SAMPLE_RECORDS = 200
_MAX_ARRAY_BYTES = 1 << 30  # an array is read as a whole
_LIST_START = re.compile(r"\s*\[\s*[^\s\[\]{]")
_SEPARATOR = re.compile(r"[\s,]*")


def is_list_record(sample: str) -> bool:
    """Whether the first line is a JSON list of plain values, which resembles CSV in brackets."""
    line = sample.lstrip("\ufeff \t\r\n").partition("\n")[0]
    if not _LIST_START.match(line):
        return False
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(line), list)
    return False


def detect_columns(sample: str, name: str, options: ReadOptions) -> DetectedColumns:
    """Detect the fields and their roles from the first records.

    Args:
        sample: The beginning of the file.
        name: The file's name in messages.
        options: Options that override detection; a field they name may appear after the sample.

    Returns:
        The names of the fields, the first records as texts, and the field index of each role.

    Raises:
        DataError: The JSON is not a sequence of records; the message tells how to convert it.
    """
    text = sample.lstrip("\ufeff").lstrip()
    if text.startswith("{"):
        refuse_other_objects(text, name)
    records = list(_first_records(text, name))
    if not records:
        raise DataError(f"{name}: no records found. Write one JSON object per line, or an array of them.")
    names = tuple(dict.fromkeys(key for record in records for key in record))
    cells = [tuple(preview_text(record.get(key)) for key in names) for record in records]
    if _holds_lists(text):
        if column_roles.has_header(cells, options, name):
            names, cells = tuple(cells[0]), cells[1:]
    else:
        names = (*names, *_requested_later(names, options))
    roles = column_roles.assign_roles(names, cells, options, named=not are_numbered(names), name=name)
    if roles["user"] is None or roles["item"] is None:
        refuse_nested_record(records[0], name)
    return names, tuple(cells), roles


def read(
    source: Input,
    layout: str,
    columns: tuple[str, ...],
    roles: Roles,
    options: ReadOptions,
    progress: ProgressCallback | None,
) -> Source:
    """Read all records; numbers keep all their digits."""
    named = not are_numbered(columns)
    column_roles.require_user_and_item(roles, columns, named=named, name=source.name, header_given=True)
    names = column_roles.role_columns(roles, columns)
    start = _peek(source)
    unit = "record" if _is_array(start) else "line"
    fields = _FieldReader(source.name, columns, roles, options)
    records = _read_array(source) if unit == "record" else _read_lines(source, progress)
    if _holds_lists(start):
        records = _name_values(records, columns, source.name, unit, header=named or options.header is True)
    ignored = [column for column in columns if column not in names.values()]
    format_facts = {"format": "JSON array" if unit == "record" else "JSON lines", "encoding": "utf-8"}
    result = row_stream.read(
        fields.rows(records, names, unit), names, source.name, options, unit=unit, format_facts=format_facts, named=True
    )
    unlisted = [key for key in fields.late_fields if key not in columns]
    return replace(
        result, ignored=(*ignored, *unlisted), recognised=column_roles.detection_methods(roles, options, named=named)
    )


def are_numbered(names: Sequence[str]) -> bool:
    """Whether columns are only numbered, from 0 or 1, so that their roles follow from their cells."""
    return any(list(names) == [str(index) for index in range(start, start + len(names))] for start in (0, 1))


@dataclass
class _FieldReader:
    """Reads the fields of the roles, and tracks fields that first appear after the sample."""

    name: str
    columns: tuple[str, ...]
    roles: Roles
    options: ReadOptions
    late_fields: list[str] = field(default_factory=list)  # missing from the sample

    def rows(self, records: Iterable[tuple[int, Record]], names: Mapping[str, str], unit: str) -> Iterator[FileRow]:
        """Yield the texts of the roles, after checking that every field occurs.

        Raises UsageError for a field that no record has.
        """
        unseen = set(names.values())
        rows = self._rows(records, names, unit, unseen)
        waiting = []
        for row in rows:
            waiting.append(row)
            if not unseen:
                break
        if waiting and unseen:
            seen = [*(column for column in self.columns if column not in unseen), *self.late_fields]
            raise unknown_name("column", min(unseen), seen)
        yield from waiting
        yield from rows

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
                    self.late_fields.append(key)
                known.update(record)
            yield number, [self._text(record.get(key), role, f"{unit} {number}") for role, key in wanted]

    def _refuse_role(self, key: str, value: Any, location: str) -> None:
        """Raise DataError for a late field whose name implies a role."""
        if are_numbered(self.columns):
            raise _too_many_values(self.name, location, len(self.columns))
        cells = (*("" for _ in self.columns), preview_text(value))
        known: dict[str, Any] = {role: index + 1 for role, index in self.roles.items() if index is not None}
        options = replace(self.options, **known)
        roles = column_roles.assign_roles((*self.columns, key), [cells], options, named=True, name=self.name)
        for role in ROLES:
            if roles[role] == len(self.columns):
                raise DataError(
                    f"{self.name}: the field {quote(key)} first appears in {location}. Use it as the {role} "
                    f"(--{role} {key}), or ignore it (--{role} {NONE}).",
                    fixes={f"{quote(key)} is the {role}": {role: key}, f"There is no {role}": {role: NONE}},
                )

    def _text(self, value: Any, role: str, location: str) -> str:
        plain_value = unwrap_mongodb(value)
        if isinstance(plain_value, (dict, list)):
            kind = "an object" if isinstance(plain_value, dict) else "a list"
            raise DataError(
                f"{self.name}, {location}: the {role} is {kind}, {quote(json.dumps(value, ensure_ascii=False))}. Write "
                f"one plain value per record instead, or select another field (--{role} FIELD)."
            )
        return to_text(plain_value)


def _requested_later(names: Sequence[str], options: ReadOptions) -> tuple[str, ...]:
    """Return the fields that options name and the sample lacks."""
    known = {normalise_name(name) for name in names}
    requested = [column for role in ROLES if isinstance(column := getattr(options, role), str)]
    return tuple(
        column
        for column in requested
        if not column.isdecimal() and column.lower() not in ("", NONE) and normalise_name(column) not in known
    )


def _peek(source: Input) -> str:
    """Return the first characters of a stream without consuming them."""
    peek = getattr(source.stream, "peek", None)
    with file_errors(source.name):
        start: bytes = peek(1 << 12) if peek is not None else b""
    return start.decode("utf-8", "replace").lstrip("\ufeff").lstrip()


def _is_array(start: str) -> bool:
    """Whether the text starts an array of records."""
    return start.startswith("[") and not _LIST_START.match(start)


def _holds_lists(start: str) -> bool:
    """Whether the records are lists."""
    return _LIST_START.match(start.removeprefix("[") if _is_array(start) else start) is not None


def _first_records(text: str, name: str) -> Iterator[Record]:
    if not _is_array(text):
        lines = [(index, line) for index, line in enumerate(text.split("\n"), 1) if line.strip()]
        yield from (_parse_line(line, f"{name}, line {index}") for index, line in lines[:_SAMPLE_RECORDS])
        return
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    index = 1
    for number in range(1, _SAMPLE_RECORDS + 1):  # the last record of the sample may be cut off
        separator = _SEPARATOR.match(text, index)
        assert separator is not None  # noqa: S101  (the pattern matches the empty string)
        try:
            value, index = decoder.raw_decode(text, separator.end())
        except (ValueError, RecursionError):
            return
        yield _as_record(value, f"{name}, record {number}")


def _read_lines(source: Input, progress: ProgressCallback | None) -> Iterator[tuple[int, Record]]:
    for chunk in read_chunks(source, progress=progress):
        for line, text in enumerate(chunk.data.decode().split("\n"), chunk.line):
            if text.strip():
                yield line, _parse_line(text, f"{source.name}, line {line}")


def _read_array(source: Input) -> Iterator[tuple[int, Record]]:
    with file_errors(source.name):
        data = source.stream.read(_MAX_ARRAY_BYTES)
        if source.stream.read(1):
            raise DataError(f"{source.name}: the JSON array is larger than 1 GB. Write one JSON object per line.")
    try:
        values = json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
    except UnicodeDecodeError:
        raise  # reading restarts with another encoding
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise DataError(
            f"{source.name}, line {line}: invalid JSON ({getattr(error, 'msg', error)}). Fix it."
        ) from error
    for index, value in enumerate(values, 1):
        yield index, _as_record(value, f"{source.name}, record {index}")


def _name_values(
    records: Iterator[tuple[int, Record]], columns: tuple[str, ...], name: str, unit: str, *, header: bool
) -> Iterator[tuple[int, Record]]:
    """Name the values of lists by column; header: whether the first list is a header to skip."""
    if header:
        next(records, None)
    for number, record in records:
        if len(record) > len(columns):
            raise _too_many_values(name, f"{unit} {number}", len(columns))
        yield number, dict(zip(columns, record.values(), strict=False))


def _too_many_values(name: str, location: str, count: int) -> DataError:
    return DataError(f"{name}, {location}: more values than the {count} of the first records. Fix it.")


def _parse_line(line: str, location: str) -> Record:
    try:
        return _as_record(json.loads(line, parse_float=str, parse_int=str, parse_constant=str), location)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{location}: invalid JSON ({getattr(error, 'msg', error)}). Fix or remove this line."
        ) from error


def _as_record(value: Any, location: str) -> Record:
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value, 1)}
    if not isinstance(value, dict):
        raise DataError(
            f"{location}: expected an object with user and item, found {quote(str(value))}. Fix or remove it."
        )
    return value
