"""Imports between packages run one way, files never import in a circle, and ARCHITECTURE.md names what exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ("data", "splits", "models", "training", "evaluation", "recommend")
EVERYWHERE = {
    "errors",
    "settings",
    "paths",
    "environment",
    "devices",
    "compute_env",
    "freed_memory",
    "atomic_files",
    "json_values",
}
_CORE_BELOW = {"training", "evaluation", "splits", "models", "data"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "settings": {"errors"},
    "paths": {"errors"},
    "environment": {"errors", "paths"},
    "compute_env": set(),
    "freed_memory": set(),
    "json_values": set(),
    "atomic_files": {"errors", "json_values"},
    "devices": {"errors", "environment"},
    "data": set(),
    "models": {"data"},
    "splits": {"models", "data"},
    "evaluation": {"splits", "models", "data"},
    "training": {"evaluation", "splits", "models", "data"},
    "recommend": _CORE_BELOW,
    "published": _CORE_BELOW,
    "tuning": {"models", "data"},
    "runs": {"tuning", *_CORE_BELOW},
    "analysis": {"runs", "published", *_CORE_BELOW},
    "reporting": {"analysis", "runs", *_CORE_BELOW},
    "services": {"tuning", "reporting", "analysis", "runs", "recommend", "published", *_CORE_BELOW},
    "ui": {"tuning", "services", "reporting", "analysis", "runs", "recommend", *_CORE_BELOW},
    "cli": {"tuning", "services", "reporting", "analysis", "runs", "recommend", *_CORE_BELOW},
}
# What reads or writes the database: reports and analyses take records and files of runs, never the store itself.
STORE = {
    f"recdash.runs.{name}" for name in ("store", "database", "queue", "schema", "rebuild_store", "supervisor", "worker")
}
FILES = sorted((ROOT / "recdash").rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@cache
def imports_of(path: Path) -> list[tuple[str, int]]:
    """Modules that a file imports anywhere in it, with their lines; those for type checking count too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(name if name in MODULES else node.module, node.lineno) for name in names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    package = package_of(module_of(path))
    if package not in MAY_IMPORT:
        return  # the package's own __init__ and __main__
    for module, line in imports_of(path):
        where = f"{path.relative_to(ROOT)}:{line}"
        if module.split(".")[0] == "recdash" and package_of(module):
            allowed = MAY_IMPORT[package] | EVERYWHERE | {package}
            assert package_of(module) in allowed, f"{where} imports {module}"
        if module.split(".")[0] == "streamlit":
            assert package == "ui", f"{where}: Streamlit outside recdash/ui and pages/"
        if module.split(".")[0] == "sqlalchemy":
            assert package not in CORE, f"{where}: a database in the core"
        if package in ("analysis", "reporting"):
            assert module not in STORE, f"{where}: the store in {package}"


def test_no_file_imports_another_in_a_circle() -> None:
    graph = {
        name: {module for module, _ in imports_of(path) if module in MODULES and module != name}
        for name, path in MODULES.items()
        if path.name != "__init__.py"
    }
    circles = [sorted(circle) for circle in strongly_connected(graph) if len(circle) > 1]
    assert circles == []


def strongly_connected(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Tarjan's components of a directed graph."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> Iterator[set[str]]:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                yield from visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = set()
            while node not in component:
                component.add(stack.pop())
            yield component

    for node in graph:
        if node not in index:
            yield from visit(node)


def test_the_search_for_circles_finds_one() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert {"b", "c"} in list(strongly_connected(graph))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_import_inside_a_function_says_why(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Import, ast.ImportFrom)):
                said = " ".join(lines[inner.lineno - 1 : inner.end_lineno])
                assert re.search(r"# (lazy|optional): \w", said), f"{path.relative_to(ROOT)}:{inner.lineno}: {said}"


def test_no_file_name_occurs_twice_where_the_folder_does_not_tell_them_apart() -> None:
    """Pages, commands, services and analyses may share a subject; anything else has a name of its own."""
    by_name: dict[str, list[str]] = {}
    for path in FILES:
        if path.name != "__init__.py":
            by_name.setdefault(path.name, []).append(package_of(module_of(path)))
    layers = {"cli", "services", "analysis", "ui"}
    for name, packages in by_name.items():
        plain = len(packages) == 1 or (len(set(packages)) == len(packages) and len(set(packages) - layers) <= 1)
        assert plain, f"{name} in {', '.join(packages)}"


def test_pages_import_ui_and_services_only() -> None:
    for path in [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]:
        for module, line in imports_of(path):
            if module.startswith("recdash."):
                assert package_of(module) in {"ui", "services", "errors"}, f"{path}:{line} imports {module}"


def test_pages_are_short() -> None:
    for path in sorted((ROOT / "pages").glob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 80, path


def test_every_path_named_in_architecture_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`((?:recdash|tests|pages|docs|benchmarks|data|checkpoints)/[\w./-]*)`", text)):
        assert (ROOT / name).exists(), name
