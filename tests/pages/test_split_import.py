"""A split made elsewhere on the pages: its import, and what is offered for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from recdash.data import dataset_registry
from recdash.data.split_parts import SplitFiles
from recdash.splits import PROTOCOLS
from tests.pages.conftest import Open, page_text


def files(folder: Path) -> dict[str, bytes]:
    """A split of 20 users: two of each three items to learn from, the third held out, as contents of files."""
    rows = [(user, item) for user in range(20) for item in range(9)]
    train = "".join(f"{user},{item}\n" for user, item in rows if (user + item) % 3)
    test = "".join(f"{user},{item}\n" for user, item in rows if not (user + item) % 3)
    found = {"train": f"user,item\n{train}".encode(), "test_held_out": f"user,item\n{test}".encode()}
    for name, content in found.items():
        (folder / f"{name}.csv").write_bytes(content)
    return found


def fill(tab: AppTest, contents: Mapping[str, bytes]) -> AppTest:
    """Give the import its files."""
    for part, content in contents.items():
        tab.file_uploader(key=f"own.{part}").upload(f"{part}.csv", content, "text/csv")
    return tab.run()


@pytest.fixture
def importer(open_page: Open) -> AppTest:
    """The Data page where it imports a split."""
    tab = open_page("data", tab="Import")
    return tab.segmented_control(key="url.import").select("split").run()


def test_uploaded_files_become_a_dataset_that_is_opened(importer: AppTest, tmp_path: Path) -> None:
    tab = importer
    assert not tab.exception and "Missing files: Training, Test held-out" in page_text(tab)
    assert tab.button(key="own.import").disabled
    tab = fill(tab, files(tmp_path))
    assert not tab.button(key="own.import").disabled
    tab = tab.button(key="own.import").click().run()
    assert not tab.exception and not tab.error, page_text(tab)
    assert dataset_registry.load_dataset("my-split").own_split == "ranking"
    assert tab.query_params["dataset"] == "my-split" and not tab.file_uploader, "the tab that shows the data is open"
    assert "imported: 20 users, 9 items" in tab.toast[0].value


def test_a_split_says_what_it_replaces_and_that_a_name_cannot_be_had(importer: AppTest) -> None:
    tab = importer
    name = tab.text_input(key="own.name")
    assert not tab.warning
    tab = name.input("toy").run()
    assert any("Dataset toy with" in one.value for one in tab.warning)
    tab = tab.text_input(key="own.name").input("demo").run()
    assert tab.error and tab.button(key="own.import").disabled


def test_a_split_that_cannot_be_read_says_so_in_this_session_until_the_next_try(
    importer: AppTest, open_page: Open, tmp_path: Path
) -> None:
    good = files(tmp_path)
    tab = fill(importer, {**good, "test_held_out": b"user,item\n99,1\n"})
    tab = tab.button(key="own.import").click().run()
    assert len(tab.error) == 1 and not tab.exception
    assert "my-split" not in [entry.name for entry in dataset_registry.available()]
    assert not open_page("data").error
    tab.file_uploader(key="own.test_held_out").upload("test.csv", good["test_held_out"], "text/csv")
    tab = tab.button(key="own.import").click().run()
    assert not tab.error and dataset_registry.load_dataset("my-split").own_split == "ranking"


def test_each_part_shows_how_it_is_understood_and_what_would_help(importer: AppTest, tmp_path: Path) -> None:
    good = files(tmp_path)
    tab = fill(importer, {**good, "test_held_out": good["test_held_out"].replace(b"user,item", b"0,1")})
    assert page_text(tab).replace("\\", "").count("user = user, item = item") == 1 and len(tab.dataframe[0].value) == 2
    tab = fill(importer, {part: content.replace(b"user,item", b"visitor,what") for part, content in good.items()})
    tab = tab.button(key="own.import").click().run()
    assert "column recognised" in tab.error[0].value
    while tab.error:
        fix = next(one for one in tab.button if one.key.startswith("own.fix.all"))
        tab = fix.click().run()
        tab = tab.button(key="own.import").click().run()
        assert not tab.exception
    assert dataset_registry.load_dataset("my-split").own_split == "ranking"


@pytest.fixture
def mine(toy: str, tmp_path: Path) -> str:
    """A dataset imported as a split."""
    files(tmp_path)
    dataset_registry.save(
        dataset_registry.read_split("mine", SplitFiles(tmp_path / "train.csv", (), (tmp_path / "test_held_out.csv",)))
    )
    return "mine"


def test_the_train_page_offers_its_own_protocol_alone_and_elsewhere_never(open_page: Open, mine: str) -> None:
    tab = open_page("train", dataset=mine)
    assert not tab.exception
    protocol = next(box for box in tab.selectbox if box.label == "Protocol")
    assert protocol.value == "own" and protocol.options == ["User-defined split (own)"]
    other = open_page("train", dataset="toy")
    offered = next(box for box in other.selectbox if box.label == "Protocol").options
    assert len(offered) == len(PROTOCOLS) - 2 and not [one for one in offered if "own" in one.split("(")[-1]]


def test_the_data_page_shows_what_the_split_has(open_page: Open, mine: str) -> None:
    tab = open_page("data", dataset=mine, tab="Protocol")
    assert not tab.exception and not tab.error, page_text(tab)
    assert "The imported files define" in page_text(tab)
    assert "task\\: ranking" in page_text(open_page("data", dataset=mine))
