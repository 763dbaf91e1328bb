"""What decides the best epoch and the best run is declared once, and everything else reads it there."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from recdash.evaluation.selection_metric import (
    SELECTION_METRIC_NAMES,
    SELECTION_METRICS,
    selection_metric_of,
    task_of,
)

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / "recdash" / "evaluation" / "selection_metric.py"
OTHERS_RULES = ROOT / "recdash" / "published"  # computes published tables as their authors did
FILES = sorted(
    path
    for path in [*(ROOT / "recdash").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
    if path != HOME and OTHERS_RULES not in path.parents
)


def constant(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def declarations(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a file says by itself which metric decides: line and why it counts."""
    for node in ast.walk(tree):
        match node:
            case ast.Tuple() | ast.List() | ast.Set() if set(map(constant, node.elts)) == set(SELECTION_METRIC_NAMES):
                yield node.lineno, "a collection of exactly the deciding metrics"
            case ast.Dict() if set(SELECTION_METRIC_NAMES) <= {constant(value) for value in node.values}:
                yield node.lineno, "a deciding metric for each of several keys"
            case ast.Compare() if constant(node.left) in SELECTION_METRIC_NAMES:
                yield node.lineno, "asks which of the deciding metrics is there"
            case ast.Assign() if constant(node.value) in SELECTION_METRIC_NAMES:
                yield node.lineno, "a name for a deciding metric"
            case ast.FunctionDef() if set(SELECTION_METRIC_NAMES) <= {constant(inner) for inner in ast.walk(node)}:
                yield node.lineno, f"{node.name} names both deciding metrics"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_file_declares_what_decides(path: Path) -> None:
    found = list(declarations(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found, f"{path}: {found}. Use recdash.evaluation.selection_metric."


@pytest.mark.parametrize(
    "text",
    [
        'PRIMARY = {"ranking": "ndcg@100", "rating": "rmse"}',
        'names = ("ndcg@100", "rmse")',
        'task = "rating" if "rmse" in metrics else "ranking"',
        'SELECT_BY = "ndcg@100"',
        'def primary(values):\n    return values.get("ndcg@100") or values["rmse"]',
    ],
)
def test_a_second_declaration_would_be_seen(text: str) -> None:
    assert list(declarations(ast.parse(text)))


def test_a_list_of_columns_is_no_declaration() -> None:
    assert not list(declarations(ast.parse('SHOWN = ("ndcg@100", "recall@20", "rmse")')))


def test_better_is_higher_for_rankings_and_lower_for_ratings() -> None:
    ranking, rating = SELECTION_METRICS["ranking"], SELECTION_METRICS["rating"]
    assert (ranking.name, rating.name) == ("ndcg@100", "rmse") == SELECTION_METRIC_NAMES
    assert ranking.is_better(0.4, 0.3) and not ranking.is_better(0.3, 0.3) and not ranking.is_better(0.2, 0.3)
    assert rating.is_better(0.8, 0.9) and not rating.is_better(0.9, 0.9) and not rating.is_better(1.0, 0.9)
    assert ranking.is_better(0.0, None) and not ranking.is_better(math.nan, None)


def test_values_determine_selection_metric_and_task() -> None:
    assert selection_metric_of({"recall@20": 0.1, "ndcg@100": 0.2}) is SELECTION_METRICS["ranking"]
    assert selection_metric_of({"mae": 0.7, "rmse": 0.9}) is SELECTION_METRICS["rating"]
    assert selection_metric_of({"loss": 3.0}) is None
    assert (task_of({"rmse": 0.9}), task_of({"ndcg@100": 0.2}), task_of({})) == ("rating", "ranking", "ranking")
