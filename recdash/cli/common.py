"""Reading words and writing answers: what all commands share."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from recdash.errors import UsageError
from recdash.settings import as_names

_NEGATIVE = re.compile(r"-\d[\d.]*(\.\.-?[\d.]+)?")  # a number, or a scale such as -1..10, is no option


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are errors of one line, and whose long names are written out."""

    def __init__(self, **words: Any) -> None:
        words.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **words)
        self._negative_number_matcher = _NEGATIVE

    def error(self, message: str) -> NoReturn:
        """Raise UsageError in place of printing the usage and leaving."""
        where = self.prog.removeprefix("recdash").strip()
        raise UsageError(
            f"{where}: {message}. See `{self.prog} --help`." if where else f"{message}. See `recdash --help`."
        )


def command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help: str,
    *,
    json: bool = True,
    part: bool = False,
) -> Parser:
    """Add one command, or with `part` a part of one; with `json` it takes `--json`, before or after a part's name."""
    parser: Parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    parser.set_defaults(run=run)
    if json:
        default = argparse.SUPPRESS if part else False
        said = "print exactly one JSON document on standard output"
        parser.add_argument("--json", action="store_true", default=default, help=said)
    return parser


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Turn `name=value` words into a mapping."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {text!r} is not name=value. Write for example --set dropout=0.5.")
        found[name.strip()] = value
    return found


def whole_numbers(text: str) -> list[int]:
    """Turn "1,2,3" into numbers."""
    try:
        return [int(part) for part in as_names(text)]
    except ValueError:
        raise UsageError(f"{text!r} is not a list of whole numbers. Write for example 1,2,3.") from None


def say(text: str) -> None:
    """Tell a person something that is not the answer."""
    print(text, file=sys.stderr, flush=True)


def answer(text: str) -> None:
    """Write the answer."""
    print(text)


def answer_json(document: Any) -> None:
    """Write the answer as one JSON document."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False))


@contextmanager
def byte_bar(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Give a progress function of (bytes done, bytes in all) that draws a bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from tqdm import tqdm

    with tqdm(desc=title, unit="B", unit_scale=True, leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            if done < bar.n:  # another file, or reading after downloading
                bar.reset()
            bar.total = total
            bar.update(done - bar.n)

        yield show


def existing(text: str) -> Path:
    """Turn a word into a path; whether it exists is for the reader of the file to say."""
    return Path(text).expanduser()
