"""Retired phrases and private idioms stay out of messages, help, docs, comments and names.

Each entry of PHRASES was once used here and has a plain term of the field; a new text must use the plain one.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = [
    *sorted((ROOT / "recdash").rglob("*.py")),
    *sorted((ROOT / "pages").glob("*.py")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
    ROOT / "app.py",
    ROOT / "setup.py",
]
DOCS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*/README.md"))]
TEMPLATES = sorted(path for path in (ROOT / "recdash").rglob("templates/*") if path.is_file())

# Regular expression of the retired phrase -> what to write.
PHRASES = {
    r"words are off": "usage error",
    r"\bhonest\w*": "with one evaluation protocol; correct",
    r"tell (\w+ )?apart|told apart|tells? apart": "distinguish; not significantly different",
    r"(told|tell) from the best|be told from": "significantly different from",
    r"close enough to be chance": "all others are significantly different",
    r"of EASE's|of that of EASE": "relative to EASE",
    r"\bonce more\b": "again; reproduce",
    r"what stands between the columns": "separator",
    r"found out\b": "auto-detected",
    r"is data already": "the file has no header",
    r"\bat hand\b": "local; available",
    r"where it lies|lies already": "local folder or zip file",
    r"\b[Dd]ata sets?\b": "dataset",
    r"\b[Mm]end(s|ed|ing)?\b": "fix",
    r"\bBAD\b(?!_)": "FAIL",
    r"\b[Ss]omebody\b|\b[Aa]nybody\b": "a user; anyone",
    r"\b[Ww]hoever\b": "the process that; the user who",
    r"\bby itself\b": "automatically",
    r"\ball the same\b": "anyway",
    r"\b[Ii]n the end\b": "(rewrite)",
    r"waiting for a free place": "queued",
    r"cutting the split": "building the split",
    r"without a gain end the training": "early-stopping patience",
    r"this split has not\b": "which this split does not have",
    r"^In brackets\b": "user counts in parentheses",
    r"Take it along|Take the numbers along": "Export",
    r"for want of": "out of",
    r"dimensions say\b": "KL per latent dimension",
    r"takes? one back": "click to remove",
    r"\b[Yy]ardsticks?\b": "baseline",
    r"\b[Nn]ewcomers?\b": "new user; cold start",
    r"\b[Nn]ursery\b|\b[Nn]urslings?\b": "fork server; worker",
    r"\b[Tt]wins?\b": "request hash; equal request",
    r"\bwishes\b|\bwished\b|\ba wish\b": "request",
    r"\b(was|is|were) born\b": "process start",
    r"\barrows?\b": "dependency rule",
    r"\brooms?\b": "package",
    r"\bwalls?\b(?! time)": "isolation",
    r"\bbeside\b": "next to; in parallel with",
    r"\bas it is\b": "unchanged",
    r"\band the like\b": "(name them)",
    r"\bin words\b": "as text",
}
# Parts of identifiers that are no terms of the field.
NAMES = {
    "arrange", "aloud", "beside", "born", "cuts", "honest", "keep", "kept", "look", "mend", "mended", "mends",
    "newcomer", "newcomers", "nursery", "nursling", "said", "say", "says", "solo", "stale", "tell", "tells", "told",
    "twin", "twins", "walls", "whoever", "wish", "wished", "yardstick", "yardsticks",
}  # fmt: skip
# Names that are part of a public format: they may occur as code, not in sentences and not in our own names.
PUBLIC_NAMES = {
    "newcomer": "setting of CDAE",
    "twin": "JSON field of a run since 0.1",
    "mend": "JSON field of recdash doctor since 0.1",
    "mended": "JSON field of recdash doctor --fix since 0.1",
    "--mend": "hidden alias of recdash doctor --fix",
    "honest_rmse": "field of a reproduced cell on disk",
    "honest_mae": "field of a reproduced cell on disk",
    "honest_last": "field of a reproduced cell on disk",
    "honest_best": "field of a reproduced cell on disk",
    "honest_best_epoch": "field of a reproduced cell on disk",
}
# (path, text): the reason.
ALLOWED = {
    ("CHANGELOG.md", "BAD"): "the former output of recdash doctor",
    ("recdash/ui/widgets/settings_form.py", "newcomer"): "setting of CDAE, in its label",
    ("recdash/runs/schema.py", "twin"): "column of stores before schema version 3",
    ("recdash/runs/schema.py", "wished"): "column of stores before schema version 3",
}


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield string literals (f-strings and joined literals as one) and blocks of comments, with their lines."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value
    block: list[str] = []
    last = -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if block and token.start[0] != last + 1:
                yield last, " ".join(block)
                block = []
            block.append(token.string.lstrip("# "))
            last = token.start[0]
    if block:
        yield last, " ".join(block)


def names_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the names that a file defines: functions, classes, parameters, variables and attributes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def parts_of(name: str) -> set[str]:
    """Split snake_case and CamelCase into lower-case parts."""
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def retired(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Yield the retired phrases in a text, with what to write."""
    text = " ".join(text.split())
    name = path.relative_to(ROOT).as_posix()
    for phrase, plain in PHRASES.items():
        for match in re.finditer(phrase, text):
            start, end = match.span()
            left, right = re.search(r"[-`\w]*$", text[:start]), re.match(r"[`\w=]*", text[end:])
            assert left is not None and right is not None
            word = left[0] + match[0] + right[0]
            is_code = (
                word == text or "`" in word or "=" in word or word.startswith("--") or text[end:].startswith(" = ")
            )
            if is_code and re.split("=", word.strip("`"))[0] in PUBLIC_NAMES:
                continue
            if (name, match[0]) not in ALLOWED:
                yield text[max(0, start - 30) : end + 30], plain


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_uses_plain_texts(path: Path) -> None:
    found = [
        f"line {line}: ...{text}... -> {plain}" for line, full in texts_of(path) for text, plain in retired(full, path)
    ]
    assert not found, f"{path.relative_to(ROOT)}\n" + "\n".join(found)


@pytest.mark.parametrize("path", [*DOCS, *TEMPLATES], ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_plain_texts(path: Path) -> None:
    paragraphs = re.split(r"\n\s*\n|\n(?=[|#-])", path.read_text(encoding="utf-8"))
    found = [f"...{text}... -> {plain}" for paragraph in paragraphs for text, plain in retired(paragraph, path)]
    assert not found, f"{path.relative_to(ROOT)}\n" + "\n".join(found)


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_terms_of_the_field(path: Path) -> None:
    found = [
        f"line {line}: {name}" for line, name in names_of(path) if (parts_of(name) & NAMES) and name not in PUBLIC_NAMES
    ]
    assert not found, f"{path.relative_to(ROOT)}\n" + "\n".join(dict.fromkeys(found))


def test_every_exception_is_needed() -> None:
    for name, text in ALLOWED:
        assert text in (ROOT / name).read_text(encoding="utf-8"), f"remove ({name!r}, {text!r}) from ALLOWED"
    sources = "".join(path.read_text(encoding="utf-8") for path in CODE)
    for name in PUBLIC_NAMES:
        assert name in sources, f"remove {name!r} from PUBLIC_NAMES"


def test_the_search_finds_what_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(
        "# what\n# somebody\nNURSERY_size = f'cannot be told ' f'from the {1} best'\ndef mend(born): 'the data set'\n",
        encoding="utf-8",
    )
    found = {text for _, full in texts_of(path) for text, _ in retired(full, path)}
    assert found == {"what somebody", "cannot be told from the {} best", "the data set"}
    assert {name for _, name in names_of(path) if parts_of(name) & NAMES} == {"NURSERY_size", "mend", "born"}
