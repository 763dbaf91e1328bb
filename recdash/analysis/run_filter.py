"""The language in which runs are filtered, for example `model:recvae ndcg@100>0.4 -tag:old`.

    query      = all {"or" all}
    all        = condition {["and"] condition}             every condition must hold
    condition  = ("-" | "not") condition | "(" query ")" | test
    test       = text                                      in name, model, dataset, seed, note, tag or id
               | field ":" value {"," value}               any of the values
               | field ("=" | "!=") value {"," value}
               | field ("<" | "<=" | ">" | ">=") number
               | [field ":"] "/" regular expression "/"    in the syntax of RE2
    text, value = characters without spaces, or "anything in quotes"

Case is ignored. Fields:
- text: `name`, `model`, `dataset` (or `data`), `protocol`, `state` (also active, ended), `tag`, `preset`, `note`, `id`,
  `device`, `source`, `split`. `field:value` compares the start, for name, note and source any part; a quoted value and
  `field=value` compare the whole text. `group:ID` leaves the runs that are comparable with a run.
- yes or no: `archived`, `pinned`, `shown`, `unstable`, `improving`.
- numbers: `best` (validation value at the best epoch), `best_epoch`, `epoch`, `epochs`, `seed`, `split_seed`,
  `parameters`; test metrics such as `ndcg@100`, `rmse`; the same at the best epoch as `validation.ndcg@100`.
- times: `time` (of training), `created` and `finished` (how long ago), in s, min, h, d or w, as in `created<7d` or
  `created:7d`; the last two also with dates, as in `created>2026-11-01`.
- every setting of the runs by its name, as in `latent=200`, `hidden=600-200`, `beta_cap<0.5`.
A run that lacks a value passes no comparison with it, except `!=`, which is always the opposite of `=`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from recdash.analysis import run_conditions
from recdash.analysis.run_conditions import Condition, FilterError, Value
from recdash.analysis.run_fields import ALIASES, Context, setting_names, words_of
from recdash.errors import quote
from recdash.runs.run_records import RunRecord

__all__ = ["HELP", "Context", "FilterError", "RunFilter", "filter_runs", "parse"]

MAX_LENGTH = 500  # characters of a query
_MAX_DEPTH = 20
_OPERATORS = ("<=", ">=", "!=", "==", "<", ">", "=")
HELP = (
    ('recvae "seed 3"', "text in name, model, dataset, seed, note, tag or id"),
    ("model:recvae,ease", "any of several; also dataset, protocol, state, tag, preset, note, id"),
    ("ndcg@100>0.4  best>0.3", "test metric, best validation value"),
    ("latent=200  epochs<=50", "any setting"),
    ("time<1h  created<7d", "training time, age"),
    ("-tag:old  not state:failed", "the opposite"),
    ("model:ease or (pinned:yes best>0.3)", "either"),
    ("name:/seed [12]$/", "regular expression"),
    ("archived:yes  group:ID", "archived runs; runs comparable with a run"),
)


@dataclass(frozen=True)
class RunFilter:
    """A parsed filter.

    Attributes:
        text: The text it was parsed from.
        condition: What a run must meet.
        fields: Names of the fields in it.
    """

    text: str
    condition: Condition
    fields: frozenset[str]

    def matches(self, run: RunRecord, context: Context | None = None) -> bool:
        """Return whether a run meets the filter."""
        return self.condition(run, context or Context())


def parse(text: str, settings: Collection[str] | None = None) -> RunFilter:
    """Parse a filter; an empty text matches every run.

    Args:
        text: The query.
        settings: Known names of settings; None accepts any name.

    Raises:
        FilterError: The text is malformed or names an unknown field.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"The filter is longer than {MAX_LENGTH} characters. Shorten it", MAX_LENGTH)
    parser = _Parser(text, settings)
    return RunFilter(text, parser.parse(), frozenset(parser.fields))


def filter_runs(
    text: str,
    runs: Sequence[RunRecord],
    *,
    pinned: Collection[str] = (),
    shown: Collection[str] = (),
    archived: bool = False,
) -> list[RunRecord]:
    """Return the runs that a filter leaves, in their order.

    Args:
        text: The query.
        runs: The runs.
        pinned: Ids of the pinned runs, for `pinned:yes`.
        shown: Ids of the shown runs, for `shown:yes`.
        archived: Whether archived runs are left too; a query about `archived` decides it instead.

    Raises:
        FilterError: The text is malformed or names an unknown field.
    """
    wanted = parse(text, setting_names(runs))
    groups: dict[str, tuple[str, ...]] = {}
    if "group" in wanted.fields:
        from recdash.analysis.groups import comparability_key  # lazy: pandas

        groups = {run.id: comparability_key(run) for run in runs}
    context = Context(pinned=set(pinned), shown=set(shown), groups=groups)
    decided = archived or "archived" in wanted.fields
    return [run for run in runs if (decided or run.archived is None) and wanted.condition(run, context)]


def _contains(words: str) -> Condition:
    return lambda run, context: words in words_of(run)


class _Parser:
    """Recursive descent over the characters of a query."""

    def __init__(self, text: str, settings: Collection[str] | None) -> None:
        self.text, self.settings, self.at, self.depth = text, settings, 0, 0
        self.fields: set[str] = set()

    def parse(self) -> Condition:
        self._skip_spaces()
        if self.at == len(self.text):
            return lambda run, context: True
        condition = self._either()
        if self.at < len(self.text):
            raise FilterError("Unexpected ). Remove it or open a parenthesis", self.at)
        return condition

    def _either(self) -> Condition:
        options = [self._all()]
        while self._keyword("or"):
            options.append(self._all())
        return options[0] if len(options) == 1 else lambda run, context: any(one(run, context) for one in options)

    def _all(self) -> Condition:
        conditions = [self._condition()]
        while True:
            joined = self._keyword("and")
            self._skip_spaces()
            if not joined and (self.at == len(self.text) or self.text[self.at] == ")" or self._keyword("or", False)):
                break
            conditions.append(self._condition())
        return (
            conditions[0] if len(conditions) == 1 else lambda run, context: all(one(run, context) for one in conditions)
        )

    def _condition(self) -> Condition:
        self._skip_spaces()
        start = self.at
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise FilterError("Too many nested conditions. Simplify the filter", start)
        try:
            if self.at == len(self.text) or self.text[self.at] == ")" or self._keyword("or", False):
                raise FilterError("Expected a condition. Add one or remove what precedes", start)
            if self._negation():
                condition = self._condition()
                return lambda run, context: not condition(run, context)
            if self.text[self.at] == "(":
                return self._group()
            return self._test()
        finally:
            self.depth -= 1

    def _negation(self) -> bool:
        if self.text[self.at] == "-" and self.text[self.at + 1 : self.at + 2].strip():
            self.at += 1
            return True
        return self._keyword("not")

    def _group(self) -> Condition:
        start = self.at
        self.at += 1
        condition = self._either()
        if self.at == len(self.text):
            raise FilterError("This parenthesis is not closed. Add )", start)
        self.at += 1
        return condition

    def _test(self) -> Condition:
        start = self.at
        if self.text[self.at] == "/":
            pattern = self._regex()
            return lambda run, context: any(pattern.search(line) for line in words_of(run).splitlines())
        if self.text[self.at] == '"':
            return _contains(self._quoted().casefold())
        name = self._characters(':<>=()"')
        if self.text.startswith(":", self.at) and name:
            self.at += 1
            operator = self._operator() or ":"
        else:
            operator = self._operator(spaces=True) if name else ""
            if not operator:
                if not name:
                    raise FilterError(f"Unexpected {self.text[self.at]}. Write a field before it, or quote it", start)
                return _contains(name.casefold())
        field = ALIASES.get(name.casefold(), name.casefold())
        self.fields.add(field)
        if operator == ":" and self.text.startswith("/", self.at):
            return run_conditions.regex(field, self._regex(), start)
        return run_conditions.condition(field, operator, self._values(name, operator), self.settings, start)

    def _values(self, name: str, operator: str) -> list[Value]:
        if operator != ":":
            self._skip_spaces()
        values = [self._value(name, operator)]
        while self.text.startswith(",", self.at):
            self.at += 1
            values.append(self._value(name, operator))
        return values

    def _value(self, name: str, operator: str) -> Value:
        start = self.at
        if self.text.startswith('"', self.at):
            return Value(self._quoted(), start, True)
        found = self._characters(',()"')
        if not found:
            raise FilterError(f"A value is missing after {quote(name + operator)}", start)
        return Value(found, start, False)

    def _operator(self, spaces: bool = False) -> str:
        start = self.at
        if spaces:
            self._skip_spaces()
        for operator in _OPERATORS:
            if self.text.startswith(operator, self.at):
                self.at += len(operator)
                return "=" if operator == "==" else operator
        self.at = start
        return ""

    def _characters(self, end: str) -> str:
        """Read up to a space or one of some characters; "!" ends a word only in front of "="."""
        start = self.at
        while self.at < len(self.text):
            character = self.text[self.at]
            if character.isspace() or character in end or (":" in end and self.text.startswith("!=", self.at)):
                break
            self.at += 1
        return self.text[start : self.at]

    def _quoted(self) -> str:
        end = self.text.find('"', self.at + 1)
        if end < 0:
            raise FilterError('This quotation mark is not closed. Add "', self.at)
        found, self.at = self.text[self.at + 1 : end], end + 1
        return found

    def _regex(self) -> Any:
        start, end = self.at, self.at + 1
        while end < len(self.text) and self.text[end] != "/":
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise FilterError("This regular expression is not closed. Add /", start)
        self.at = end + 1
        return run_conditions.compile_regex(self.text[start + 1 : end], start + 1)

    def _keyword(self, word: str, move: bool = True) -> bool:
        """Whether a keyword is next, which is then read unless `move` is off."""
        self._skip_spaces()
        end = self.at + len(word)
        found = self.text[self.at : end].casefold() == word and (
            end == len(self.text) or self.text[end].isspace() or self.text[end] in '()"'
        )
        self.at = end if found and move else self.at
        return found

    def _skip_spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
