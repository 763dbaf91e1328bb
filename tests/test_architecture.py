"""The arrows between the rooms run one way (ARCHITECTURE.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "settings": {"errors"},
    "places": {"errors"},
    "devices": {"errors", "places"},
    "data": set(),
    "models": {"data"},
    "splits": {"models", "data"},
    "evaluation": {"splits", "models", "data"},
    "training": {"evaluation", "splits", "models", "data"},
    "recommend": {"training", "evaluation", "splits", "models", "data"},
    "published": {"training", "evaluation", "splits", "models", "data"},
    "runs": {"training", "evaluation", "splits", "models", "data"},
    "services": {"runs", "recommend", "published", "training", "evaluation", "splits", "models", "data"},
    "ui": {"services", "runs", "recommend", "training", "evaluation", "splits", "models", "data"},
    "cli": {"services", "runs", "recommend", "training", "evaluation", "splits", "models", "data"},
}
EVERYBODY = {"errors", "settings", "places", "devices"}
CORE = ("data", "splits", "models", "training", "evaluation", "recommend")
FILES = sorted((ROOT / "recdash").rglob("*.py"))


def imports_of(path: Path) -> list[tuple[str, int]]:
    """Modules that a file imports anywhere in it, with their lines."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "recdash" else [node.module]
            found += [(name, node.lineno) for name in names]
    return found


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    parts = path.relative_to(ROOT / "recdash").with_suffix("").parts
    room = parts[0]
    if room not in BELOW:
        return  # the package's own __init__ and __main__
    for module, line in imports_of(path):
        if module.split(".")[0] == "recdash" and room_of(module):
            target = room_of(module)
            assert target in BELOW[room] | EVERYBODY | {room, "__version__"}, f"{path}:{line} imports {module}"
        if module.split(".")[0] == "streamlit":
            assert room == "ui", f"{path}:{line}: Streamlit outside recdash/ui and pages/"
        if module.split(".")[0] == "sqlalchemy":
            assert room not in CORE, f"{path}:{line}: a database in the core"


def test_pages_import_ui_and_services_only() -> None:
    for path in [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]:
        for module, line in imports_of(path):
            if module.startswith("recdash."):
                assert room_of(module) in {"ui", "services", "errors"}, f"{path}:{line} imports {module}"


def test_pages_are_short() -> None:
    for path in sorted((ROOT / "pages").glob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 80, path


def test_every_path_named_in_architecture_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"`((?:recdash|tests|pages|docs|benchmarks|data|checkpoints)/[\w./-]*)`", text)):
        assert (ROOT / name).exists(), name
