"""Every model, setting, protocol and command is documented, or this fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recdash.models import registry
from recdash.settings import settings_of

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", registry.names())
def test_every_model_has_a_page_that_names_its_settings(name: str) -> None:
    text = (ROOT / "docs" / "models" / f"{name}.md").read_text(encoding="utf-8")
    for declared in settings_of(registry.model_class(name).config_class):
        assert f"`{declared.name}`" in text, f"docs/models/{name}.md does not name the setting {declared.name}"


@pytest.mark.parametrize("name", registry.names())
def test_every_models_page_has_idea_cost_and_what_it_is_good_at(name: str) -> None:
    text = (ROOT / "docs" / "models" / f"{name}.md").read_text(encoding="utf-8")
    for part in ("**Idea.**", "**Settings", "**Cost.**", "**Good and bad at.**"):
        assert part in text, f"docs/models/{name}.md lacks {part}"


@pytest.mark.parametrize("command", ["make app", "make test", "make test-all", "streamlit run app.py"])
def test_the_readme_names_the_commands_that_start_everything(command: str) -> None:
    assert command in README


def test_every_picture_the_readme_shows_exists() -> None:
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / name).is_file(), name
