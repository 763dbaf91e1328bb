"""Documentation is complete: models and settings, protocols, commands, environment variables, metrics and public names.

What a user may type or read from the environment is compared with the page that documents it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import recdash
from recdash.cli.main import COMMANDS
from recdash.evaluation import evaluator, rating_metrics
from recdash.models import registry
from recdash.settings import settings_of
from recdash.splits import PROTOCOLS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NAVIGATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
VARIABLE = re.compile(r"RECDASH_[A-Z_]+")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", registry.names())
def test_every_model_has_a_page_that_names_its_settings(name: str) -> None:
    text = page(f"models/{name}.md")
    for declared in settings_of(registry.model_class(name).config_class):
        assert f"`{declared.name}`" in text, f"docs/models/{name}.md does not name the setting {declared.name}"


@pytest.mark.parametrize("name", registry.names())
def test_every_model_page_has_the_same_parts(name: str) -> None:
    text = page(f"models/{name}.md")
    for part in ("**Idea.**", "**Settings", "**Cost.**", "**Strengths and weaknesses.**"):
        assert part in text, f"docs/models/{name}.md lacks {part}"


def test_no_model_page_documents_a_model_that_does_not_exist() -> None:
    assert {path.stem for path in (ROOT / "docs" / "models").glob("*.md")} == set(registry.names())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_documented_with_its_task(name: str) -> None:
    assert f"| `{name}` | {PROTOCOLS[name].task} |" in page("configuration.md")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_has_an_example_of_every_command(name: str) -> None:
    assert f"\nrecdash {name}" in README


@pytest.mark.parametrize("command", ["make app", "make test", "make test-all", "make docs", "streamlit run app.py"])
def test_the_readme_names_the_commands_that_start_everything(command: str) -> None:
    assert command in README


def test_every_environment_variable_is_documented() -> None:
    sources = [*(ROOT / "recdash").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    read = {
        node.value
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value)
    }
    documented = set(VARIABLE.findall(page("configuration.md")))
    assert {"RECDASH_DATA_DIR", "RECDASH_TEST_DATA"} <= read
    # Reserved: the tests clear it, and nothing reads it yet.
    assert read - documented <= {"RECDASH_RAY_ADDRESS"}, "docs/configuration.md lacks a variable"
    assert documented - read == set(), "docs/configuration.md documents a variable that nothing reads"


@pytest.mark.parametrize("name", [*evaluator.NAMES, *rating_metrics.NAMES])
def test_every_metric_is_in_the_glossary(name: str) -> None:
    assert f"`{name}`" in page("glossary.md")


def test_the_glossary_has_each_term_once_in_alphabetical_order() -> None:
    found: list[str] = []
    for section in page("glossary.md").split("\n## ")[1:]:
        terms = [term.lower() for term in re.findall(r"^\*\*(.+?)\*\*", section, flags=re.MULTILINE)]
        assert terms == sorted(terms)
        found += terms
    assert len(found) > 60 and len(found) == len(set(found))


@pytest.mark.parametrize("name", recdash.__all__)
def test_every_public_name_is_on_the_api_page(name: str) -> None:
    assert f"::: recdash.{name}\n" in page("api.md") or f"[{name}," in page("api.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_page_is_in_the_navigation(path: Path) -> None:
    assert path.relative_to(ROOT / "docs").as_posix() in NAVIGATION


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES])
def test_links_and_pictures_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)}: {target}"


def test_benchmark_results_named_in_the_docs_exist() -> None:
    results = {path.name for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    for path in (ROOT / "docs" / "measurements.md", ROOT / "README.md"):
        named = set(re.findall(r"[`/](\w+\.json)`", path.read_text(encoding="utf-8")))
        assert named <= results, path


def test_the_changelog_has_the_version_of_the_package() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+) - \d{4}-\d{2}-\d{2}$", text, flags=re.MULTILINE)
    assert newest is not None and newest[1] == recdash.__version__
    assert f"recdash-{recdash.__version__}-py3" in README
