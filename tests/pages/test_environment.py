"""Pages where an environment variable means nothing: the name of the page, one line, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages.conftest import (
    PAGES,
    Open,
    page_text,
)

BAD = {
    "RECDASH_DATA_DIR": "/dev/null/x",
    "RECDASH_CHECKPOINT_DIR": "/dev/null/x",
    "RECDASH_STORE": "foo",
    "RECDASH_MAX_RUNS": "ten",
    "RECDASH_READ_ONLY": "maybe",
}


@pytest.mark.parametrize(
    ("variable", "page"),
    [
        pytest.param(variable, page, marks=() if variable == "RECDASH_STORE" or page == "train" else pytest.mark.slow)
        for variable in BAD
        for page in PAGES
    ],
)
def test_a_value_that_means_nothing_is_one_line_on_every_page(
    page: str, variable: str, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(variable, BAD[variable])
        tab = open_page(page)
    assert not tab.exception, [error.value for error in tab.exception]
    assert len(tab.error) == 1 and variable in tab.error[0].value.replace("\\", "")
    assert tab.title and "Traceback" not in page_text(tab)


@pytest.mark.parametrize("url", ["postgresql://nohost/db", "sqlite://", "FOLDER", "sqlite:////proc/nowhere/runs.db"])
def test_a_store_that_cannot_be_opened_is_one_line_that_says_so(
    url: str, open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("RECDASH_STORE", url.replace("FOLDER", f"sqlite:///{tmp_path}"))
        tab = open_page("results")
    assert not tab.exception and len(tab.error) == 1
    assert "RECDASH_STORE" in tab.error[0].value.replace("\\", "") and "recdash doctor" in page_text(tab)
