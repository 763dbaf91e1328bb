"""What computes as published is reached by `recdash reproduce` and by nothing else."""

from __future__ import annotations

import ast
import json
from importlib.resources import files
from pathlib import Path

import recdash
from recdash.cli import main
from recdash.evaluation import evaluator
from recdash.models import registry
from recdash.splits import PROTOCOLS
from tests.test_architecture import imports_of

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "recdash").rglob("*.py"))]
DATA = "recdash.published.figures"
SERVICE = "recdash.services.reproduce"
MAY_CALL_THE_SERVICE = {
    "recdash/cli/reproduce.py",
    "recdash/ui/cache.py",  # EASE, for the page
    "recdash/ui/published_page.py",
    "pages/published.py",
}


def imported(path: Path) -> set[str]:
    """Every module that a file names, also as a name taken from its package."""
    found = {module for module, _ in imports_of(path)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_service_of_reproduce_imports_what_computes_as_published() -> None:
    looked = 0
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("recdash/published/"):
            continue
        looked += 1
        inner = {module for module in imported(path) if module.startswith("recdash.published")}
        inner = {module for module in inner if not module.startswith(DATA)}
        inner.discard("recdash.published")  # the package alone, as in "from recdash.published import figures"
        assert not inner or name == "recdash/services/reproduce.py", f"{name} imports {inner}"
    assert looked > 100


def test_only_the_command_and_its_page_call_that_service() -> None:
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if SERVICE in imported(path):
            assert name in MAY_CALL_THE_SERVICE, f"{name} imports {SERVICE}"


def test_no_text_in_the_program_names_the_package_so_that_it_could_be_imported_by_name() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
                inner = path.is_relative_to(ROOT / "recdash" / "published")
                assert inner or "recdash.published" not in node.value, f"{path}:{node.lineno}"
                assert "services.reproduce" not in node.value, f"{path}:{node.lineno}"


def test_no_name_of_a_model_preset_protocol_metric_or_command_leads_there() -> None:
    for name in registry.names():
        assert registry.model_class(name).__module__.startswith("recdash.models.")
    assert {name for name in main.COMMANDS if "publish" in name or "legacy" in name} == set()
    assert not any("unmasked" in name or "seen" in name for name in (*evaluator.NAMES, *PROTOCOLS))
    assert not any("published" in name for name in recdash.__all__)
    for name in registry.names():
        text = files("recdash.models").joinpath("presets", f"{name}.json").read_text(encoding="utf-8")
        assert not {"masked", "unmasked", "evaluation"} & {
            key for preset in json.loads(text).values() for key in preset
        }


def test_a_published_protocol_is_evaluated_like_any_other() -> None:
    """`evaluate` has one way to make lists; there is nothing to switch."""
    tree = ast.parse((ROOT / "recdash" / "evaluation" / "top_k.py").read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    words = {argument.arg for argument in functions["top_lists"].args.args}
    assert words == {"model", "fold_in", "k", "train_rows"}
    called = {
        node.func.id
        for node in ast.walk(functions["top_lists"])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "mask_seen" in called
