"""The evaluation as published is reached by `recdash reproduce` and its page only, by imports and by behaviour."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recdash.cli import main
from recdash.evaluation import evaluate
from recdash.models import registry
from recdash.splits import PROTOCOLS, Split, make_split
from recdash.splits.split import EvaluationPart
from recdash.training import fit
from tests.test_architecture import imports_of
from tests.toy_data import toy_dataset

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py")), *sorted((ROOT / "recdash").rglob("*.py"))]
FIGURES = "recdash.published.figures"
SERVICE = {f"recdash.services.{name}" for name in ("reproduce", "reproduce_files", "reproduce_lock")}
MAY_IMPORT_THE_SERVICE = {
    *(f"{module.replace('.', '/')}.py" for module in SERVICE),
    "recdash/cli/reproduce.py",
    "recdash/services/seen_items_effect.py",  # EASE, for the page
    "recdash/ui/published_page.py",
    "pages/published.py",
}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, also as a name taken from its package."""
    found = {module for module, _ in imports_of(path)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_service_of_reproduce_imports_what_computes_as_published() -> None:
    checked = 0
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("recdash/published/"):
            continue
        checked += 1
        inner = {module for module in imported(path) if module.startswith("recdash.published")}
        inner = {module for module in inner if not module.startswith(FIGURES)}
        inner.discard("recdash.published")  # the package alone, as in "from recdash.published import figures"
        assert not inner or name[:-3].replace("/", ".") in SERVICE, f"{name} imports {inner}"
    assert checked > 100


def test_only_the_command_and_its_page_import_that_service() -> None:
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if SERVICE & imported(path):
            assert name in MAY_IMPORT_THE_SERVICE, f"{name} imports {SERVICE & imported(path)}"


def test_no_text_in_the_program_names_the_package_so_that_it_could_be_imported_by_name() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
                inner = path.is_relative_to(ROOT / "recdash" / "published")
                assert inner or "recdash.published" not in node.value, f"{path}:{node.lineno}"
                assert "services.reproduce" not in node.value, f"{path}:{node.lineno}"


EVERYTHING_ELSE = """
import importlib, pkgutil, sys
import recdash

for module in pkgutil.walk_packages(recdash.__path__, "recdash."):
    name = module.name
    if name.startswith("recdash.published") or name.endswith("__main__") or name in sys.argv[1:]:
        continue
    importlib.import_module(name)
print(*sorted(name for name in sys.modules if name.startswith("recdash.published")))
"""


@pytest.mark.slow
def test_importing_everything_else_loads_the_figures_and_nothing_more_of_the_package() -> None:
    """Imports in a process of its own; this also covers imports that no search of the source text finds."""
    service = [name[:-3].replace("/", ".") for name in MAY_IMPORT_THE_SERVICE]
    command = [sys.executable, "-c", EVERYTHING_ELSE, *service]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["recdash.published", FIGURES]


RUN_OF_ANOTHER_COMMAND = """
import sys
from recdash.cli.main import main

status = main(sys.argv[1:])
print(status, *sorted(name for name in sys.modules if name.startswith("recdash.published")), file=sys.stderr)
"""


@pytest.mark.parametrize(("command", "loads"), [(["results", "--json"], False), (["reproduce", "--models", "x"], True)])
@pytest.mark.slow
def test_of_the_commands_only_reproduce_loads_what_computes_as_published(command: list[str], loads: bool) -> None:
    result = subprocess.run(
        [sys.executable, "-c", RUN_OF_ANOTHER_COMMAND, *command], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    modules = result.stderr.splitlines()[-1].split()[1:]
    assert ("recdash.published.table_definitions" in modules) is loads, result.stderr


def test_no_other_command_has_a_name_of_its_own_for_it() -> None:
    assert "reproduce" in main.COMMANDS
    assert {name for name in main.COMMANDS if "publish" in name or "legacy" in name} == set()


@pytest.mark.parametrize("name", registry.names())
def test_every_registered_model_is_one_of_the_ordinary_ones(name: str) -> None:
    assert all(not kind.__module__.startswith("recdash.published") for kind in registry.model_class(name).__mro__)


RANKING = [name for name, protocol in PROTOCOLS.items() if name.startswith("published-") and protocol.task == "ranking"]


@pytest.mark.parametrize("protocol", RANKING)
def test_a_published_protocol_is_evaluated_without_seen_items(protocol: str) -> None:
    """Precision of `evaluate` is that of lists counted here without seen items; with them it would be lower."""
    split = make_split(toy_dataset(users=130), protocol)
    assert isinstance(split, Split)
    model = fit("ease", split, preset="published")
    part = split.test
    report = evaluate(model, split, on="test")
    scores = model.score(part.fold_in).astype(np.float64)
    with_seen = precision_at_10(scores, part)
    for row in range(len(part.fold_in)):
        scores[row, part.fold_in.row(row)] = -np.inf
    without_seen = precision_at_10(scores, part)
    assert report.mean["precision@10"] == pytest.approx(without_seen, abs=1e-6)
    assert without_seen > with_seen + 0.01, "the test could not fail"


def precision_at_10(scores: np.ndarray, part: EvaluationPart) -> float:
    top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    hits = [len(np.intersect1d(top[row], part.held_out.row(row))) for row in range(len(top))]
    return float(np.mean([hit / 10 for hit, held_out in zip(hits, part.held_out.counts, strict=True) if held_out]))
