"""Pages without a browser and without training: runs are written into a store of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.recommend_helpers import components, trained, trained_folder
from tests.run_helpers import Runs, here, runs, small, store, toy, waiting

__all__ = [
    "Runs", "components", "here", "runs", "small", "store", "toy", "trained", "trained_folder", "waiting",
]  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ("overview", "train", "curves", "results", "published", "recommend", "data")
Open = Callable[..., AppTest]


@pytest.fixture(scope="session", autouse=True)
def installed_packages_are_read_once() -> Iterator[None]:
    """Streamlit reads the metadata of all installed packages, about 0.1 s, whenever a test opens a tab."""
    from streamlit.components.v2 import manifest_scanner

    found = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda: found)
        yield


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    """Clear what other tests cached."""
    import streamlit as st

    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def open_page(toy: str) -> Open:
    """Open a page in a tab of its own, inside the app's frame."""

    def open_it(page: str, **address: Any) -> AppTest:
        tab = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in address.items():
            tab.query_params[name] = value
        return (tab if page == "overview" else tab.switch_page(f"pages/{page}.py")).run()

    return open_it


def page_text(tab: AppTest) -> str:
    """All text of a page."""
    kinds = (
        tab.title,
        tab.header,
        tab.subheader,
        tab.markdown,
        tab.caption,
        tab.info,
        tab.error,
        tab.success,
        tab.warning,
    )
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def table_with(tab: AppTest, column: str) -> pd.DataFrame:
    """The first table that has a column."""
    found: pd.DataFrame = next(frame.value for frame in tab.dataframe if column in frame.value.columns)
    return found


def labels(tab: AppTest) -> list[str]:
    """The labels of all buttons."""
    return [button.label for button in tab.button]
