"""Regular expressions whose search takes time linear in the text, for patterns that users type.

Python's `re` backtracks: the time of a pattern such as (a+)+$ grows exponentially with the text. This is Thompson's
construction (CACM 1968) with states built while reading. Characters, classes and escapes are matched by `re`, one
character at a time. Supported are ( ) | * + ? {m,n} ^ $ . [...] and \\d \\w \\s with complements. Case is ignored.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

MAX_LENGTH = 100  # characters of a pattern
_MAX_INSTRUCTIONS, _MAX_REPEATS, _MAX_DEPTH, _MAX_CACHE = 1000, 50, 10, 4000
_REPEAT = re.compile(r"[*+?]|\{(?!\})(\d{0,3})(,(\d{0,3}))?\}")
_Node = tuple[object, ...]


class PatternError(ValueError):
    """A pattern is malformed, or outside the supported subset.

    Attributes:
        position: Index in the pattern.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class LinearRegex:
    """A compiled pattern.

    Args:
        pattern: The regular expression.

    Raises:
        PatternError: The pattern is malformed, too long, or outside the subset.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_LENGTH:
            raise PatternError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
        self._code: list[tuple[object, ...]] = []
        self._n_emitted = 0
        self._emit(_Parser(pattern).parse())
        self._code.append(("match",))
        self._steps: dict[tuple[frozenset[int], str], frozenset[int] | None] = {}

    def search(self, text: str) -> bool:
        """Return whether the pattern matches anywhere in the text."""
        threads: frozenset[int] = frozenset((0,))
        if self._matches(self._closure(threads, start=True, end=not text)):
            return True
        for index, character in enumerate(text):
            step = self._step(threads, character, index == 0)
            if step is None:
                return True
            threads = step
        return bool(text) and self._matches(self._closure(threads, start=False, end=True))

    def _step(self, threads: frozenset[int], character: str, first: bool) -> frozenset[int] | None:
        """Return the threads after a character, or None if the pattern matches before the end of the text."""
        key = threads, character
        if not first and key in self._steps:
            return self._steps[key]
        reached = self._closure(threads, start=first, end=False)
        taken = {at + 1 for at in reached if self._code[at][0] == "char" and self._code[at][1].fullmatch(character)}  # type: ignore[attr-defined]
        found: frozenset[int] | None = frozenset(taken | {0})  # 0: a match may start at any character
        if self._matches(self._closure(taken, start=False, end=False)):
            found = None
        if not first:
            if len(self._steps) >= _MAX_CACHE:
                self._steps.clear()
            self._steps[key] = found
        return found

    def _closure(self, threads: Iterable[int], *, start: bool, end: bool) -> set[int]:
        """Return all instructions that can be reached without reading a character."""
        reached: set[int] = set()
        waiting = list(threads)
        while waiting:
            at = waiting.pop()
            if at in reached:
                continue
            reached.add(at)
            kind, *targets = self._code[at]
            if kind == "jump":
                waiting += targets  # type: ignore[arg-type]
            elif (kind == "start" and start) or (kind == "end" and end):
                waiting.append(at + 1)
        return reached

    def _matches(self, reached: set[int]) -> bool:
        return len(self._code) - 1 in reached

    def _emit(self, node: _Node) -> None:
        kind, *parts = node
        self._n_emitted += 1  # counted apart from the code: repetitions of nothing emit no instruction
        if self._n_emitted > _MAX_INSTRUCTIONS:
            raise PatternError("too many repetitions", 0)
        if kind == "sequence":
            for part in parts:
                self._emit(part)  # type: ignore[arg-type]
        elif kind == "either":
            self._emit_either(parts)
        elif kind == "repeat":
            self._emit_repeat(*parts)  # type: ignore[arg-type]
        else:
            self._code.append(node)

    def _emit_either(self, options: list[object]) -> None:
        ends = []
        for option in options[:-1]:
            split = len(self._code)
            self._code.append(())
            self._emit(option)  # type: ignore[arg-type]
            ends.append(len(self._code))
            self._code.append(())
            self._code[split] = ("jump", split + 1, len(self._code))
        self._emit(options[-1])  # type: ignore[arg-type]
        for end in ends:
            self._code[end] = ("jump", len(self._code))

    def _emit_repeat(self, node: _Node, low: int, high: int | None) -> None:
        for _ in range(low):
            self._emit(node)
        if high is None:
            split = len(self._code)
            self._code.append(())
            self._emit(node)
            self._code.append(("jump", split))
            self._code[split] = ("jump", split + 1, len(self._code))
            return
        splits = []
        for _ in range(high - low):
            splits.append(len(self._code))
            self._code.append(())
            self._emit(node)
        for split in splits:
            self._code[split] = ("jump", split + 1, len(self._code))


class _Parser:
    """Turns a pattern into a tree of sequences, alternatives, repetitions and characters."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def parse(self) -> _Node:
        tree = self._either(0)
        if self.at < len(self.pattern):
            raise PatternError("unbalanced )", self.at)
        return tree

    def _either(self, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise PatternError("too many nested parentheses", self.at)
        options: list[_Node] = [self._sequence(depth)]
        while self.pattern.startswith("|", self.at):
            self.at += 1
            options.append(self._sequence(depth))
        return ("either", *options)

    def _sequence(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            parts.append(self._repeated(depth))
        return ("sequence", *parts)

    def _repeated(self, depth: int) -> _Node:
        node = self._atom(depth)
        match = _REPEAT.match(self.pattern, self.at)
        if match is None:
            return node
        if node[0] in ("start", "end"):
            raise PatternError("nothing to repeat", self.at)
        start, self.at = self.at, match.end()
        bounds: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if match[0] in bounds:
            low, high = bounds[match[0]]
        else:
            low = int(match[1] or 0)
            high = low if match[2] is None else int(match[3]) if match[3] else None
        if low > _MAX_REPEATS or (high is not None and not low <= high <= _MAX_REPEATS):
            raise PatternError(f"repetitions must be ascending and at most {_MAX_REPEATS}", start)
        if _REPEAT.match(self.pattern, self.at):
            raise PatternError("multiple repetition", self.at)
        return ("repeat", node, low, high)

    def _atom(self, depth: int) -> _Node:
        start, character = self.at, self.pattern[self.at]
        self.at += 1
        if character == "(":
            if self.pattern.startswith("?", self.at):
                if not self.pattern.startswith("?:", self.at):
                    raise PatternError("(? is not supported", start)
                self.at += 2
            node = self._either(depth + 1)
            if not self.pattern.startswith(")", self.at):
                raise PatternError("missing )", start)
            self.at += 1
            return node
        if character in "^$":
            return ("start" if character == "^" else "end",)
        if _REPEAT.match(self.pattern, start):
            raise PatternError("nothing to repeat", start)
        if character == "[":
            self._skip_class(start)
        elif character == "\\":
            escaped = self.pattern[self.at : self.at + 1]
            if not escaped or (escaped.isalnum() and escaped not in "dDwWsS"):
                raise PatternError(f"\\{escaped} is not supported", start)
            self.at += 1
        elif character != ".":
            return _character(re.escape(character), start)
        return _character(self.pattern[start : self.at], start)

    def _skip_class(self, start: int) -> None:
        """Move behind a class such as [a-z]; a ] right after [ or [^ is a character."""
        self.at += self.pattern.startswith("^", self.at)
        self.at += self.pattern.startswith("]", self.at)
        while self.at < len(self.pattern) and self.pattern[self.at] != "]":
            self.at += 2 if self.pattern[self.at] == "\\" else 1
        if self.at >= len(self.pattern):
            raise PatternError("missing ]", start)
        self.at += 1


def _character(source: str, position: int) -> _Node:
    try:
        return ("char", _compile(source))
    except re.error as error:
        raise PatternError("invalid character class", position) from error


def _compile(source: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # [[a] may mean something else in a later Python
        return re.compile(source, re.IGNORECASE | re.DOTALL)
