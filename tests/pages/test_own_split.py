"""A split made elsewhere on the pages: its import, and what is offered for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from recdash.data import library
from recdash.data.own import SplitFiles
from recdash.splits import PROTOCOLS
from tests.pages.conftest import Open, said


def files(folder: Path) -> dict[str, bytes]:
    """A split of 20 users: two of each three items to learn from, the third held out, as contents of files."""
    rows = [(user, item) for user in range(20) for item in range(9)]
    train = "".join(f"{user},{item}\n" for user, item in rows if (user + item) % 3)
    test = "".join(f"{user},{item}\n" for user, item in rows if not (user + item) % 3)
    found = {"train": f"user,item\n{train}".encode(), "test_held_out": f"user,item\n{test}".encode()}
    for name, content in found.items():
        (folder / f"{name}.csv").write_bytes(content)
    return found


def importer() -> None:
    """The section alone, on a page of its own."""
    from recdash.ui import data, own_split

    data.progress()
    own_split.import_split()


def test_uploaded_files_become_a_data_set(toy: str, tmp_path: Path) -> None:
    tab = AppTest.from_function(importer, default_timeout=30).run()
    assert not tab.exception and "Still needed: Training, Test held-out" in said(tab)
    assert tab.button(key="own.import").disabled
    for part, content in files(tmp_path).items():
        tab.file_uploader(key=f"own.{part}").upload(f"{part}.csv", content, "text/csv")
    tab = tab.run()
    assert not tab.button(key="own.import").disabled
    tab.button(key="own.import").click().run()
    end = time.monotonic() + 20
    while not any(entry.name == "my-split" for entry in library.available()):
        assert time.monotonic() < end, said(tab)
        time.sleep(0.05)
    assert not tab.exception and library.load_dataset("my-split").own_split == "ranking"


@pytest.fixture
def mine(toy: str, tmp_path: Path) -> str:
    """A data set with a split of its own."""
    files(tmp_path)
    library.keep(library.read_split("mine", SplitFiles(tmp_path / "train.csv", (), (tmp_path / "test_held_out.csv",))))
    return "mine"


def test_the_train_page_offers_its_own_protocol_alone_and_elsewhere_never(open_page: Open, mine: str) -> None:
    tab = open_page("train", dataset=mine)
    assert not tab.exception
    protocol = next(box for box in tab.selectbox if box.label == "Protocol")
    assert protocol.value == "own" and protocol.options == ["The data's own split (own)"]
    other = open_page("train", dataset="toy")
    offered = next(box for box in other.selectbox if box.label == "Protocol").options
    assert len(offered) == len(PROTOCOLS) - 2 and not [one for one in offered if "own" in one.split("(")[-1]]


def test_the_data_page_shows_what_the_split_has(open_page: Open, mine: str) -> None:
    tab = open_page("data", dataset=mine, tab="Protocol")
    assert not tab.exception and not tab.error, said(tab)
    assert "The files that the data set was imported from say" in said(tab)
    assert "a split for ranking" in said(open_page("data", dataset=mine))
