"""Named tastes: saved, loaded, renamed and deleted as files that no name can place elsewhere."""

from __future__ import annotations

import pytest

from recdash import paths
from recdash.data.items import Item
from recdash.errors import DataError, UsageError
from recdash.recommend.taste import Taste, TasteEntry
from recdash.services import datasets, taste_profiles

NAMES = [
    "Friday night",
    "../../etc/passwd",
    "con",
    "ÄÖÜ / 電影 🎬",
    "a" * 80,
    "=HYPERLINK(1)",
    "name",
    ";item_id;mark",
    "a;name;year;rating",
    "*?<b>|",
    "NUL.",
]


def three(dataset: str) -> Taste:
    """Three items of a dataset, not in the order of the catalogue."""
    catalogue = datasets.load(dataset).catalogue
    entries = zip((catalogue[5], catalogue[2], catalogue[9]), ("like", 2.5, "dislike"), strict=True)
    return Taste(tuple(TasteEntry(item, mark) for item, mark in entries))


def files() -> list[str]:
    folder = paths.data_dir() / "tastes" / "toy"
    assert sorted(path for path in paths.data_dir().glob("tastes/**/*") if path.is_file()) == sorted(folder.glob("*"))
    return [path.name for path in folder.glob("*")]


def test_a_saved_taste_is_loaded_exactly(toy: str) -> None:
    taste = three(toy)
    for name in NAMES:
        assert taste_profiles.save(toy, f"  {name} ", taste) == name
    assert len(files()) == len(NAMES)
    assert all(name.endswith(".csv") and not name.startswith(".") for name in files())
    listed = taste_profiles.saved_tastes(toy)
    assert {one.name: one.n_entries for one in listed} == dict.fromkeys(NAMES, 3)
    for name in NAMES:
        loaded = taste_profiles.load(toy, name)
        assert (loaded.name, loaded.taste.entries, loaded.missing) == (name, taste.entries, ())
        assert loaded.taste.scale == datasets.load(toy).scale


def test_names_differ_by_their_letters_only(toy: str) -> None:
    taste_profiles.save(toy, "Film\n noir", three(toy))
    taste_profiles.save(toy, "film noir", Taste())
    assert [one.name for one in taste_profiles.saved_tastes(toy)] == ["Film noir", "film noir"]
    with pytest.raises(UsageError, match="already"):
        taste_profiles.save(toy, "film  noir", three(toy), overwrite=False)
    taste_profiles.save(toy, "film  noir", three(toy))
    assert len(taste_profiles.load(toy, "film noir").taste) == 3


@pytest.mark.parametrize("name", ["", " \n ", "\u200b \u202e", "a" * 81, "\ud800"])
def test_a_name_must_be_text_of_reasonable_length(toy: str, name: str) -> None:
    with pytest.raises(UsageError, match="Choose another name"):
        taste_profiles.save(toy, name, three(toy))


def test_rename_and_delete(toy: str) -> None:
    taste_profiles.save(toy, "one", three(toy))
    taste_profiles.save(toy, "two", Taste())
    with pytest.raises(UsageError, match="already"):
        taste_profiles.rename(toy, "one", "two")
    assert taste_profiles.rename(toy, "one", "three ") == "three"
    assert [one.name for one in taste_profiles.saved_tastes(toy)] == ["three", "two"]
    assert taste_profiles.load(toy, "three").taste.entries == three(toy).entries
    taste_profiles.delete(toy, "three")
    with pytest.raises(UsageError, match=r"Unknown taste: 'three'.*Known: two"):
        taste_profiles.load(toy, "three")
    with pytest.raises(UsageError, match="Unknown taste"):
        taste_profiles.delete(toy, "three")


def test_items_that_the_dataset_lost_are_reported_and_kept(toy: str) -> None:
    lost = TasteEntry(Item("9999", "A lost film", 1999), 4.0)
    first, *others = three(toy).entries
    taste_profiles.save(toy, "mine", [first, lost, *others])
    loaded = taste_profiles.load(toy, "mine")
    assert (loaded.taste.entries, loaded.missing) == ((first, *others), (lost,))
    taste_profiles.save(toy, "mine", loaded.taste)
    assert taste_profiles.load(toy, "mine").missing == (lost,)
    taste_profiles.rename(toy, "mine", "yours")
    assert taste_profiles.load(toy, "yours").missing == (lost,)


def test_a_dataset_has_at_most_200(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taste_profiles, "MAX_TASTES", 2)
    for name in ("a", "b", "a"):
        taste_profiles.save(toy, name, three(toy))
    with pytest.raises(UsageError, match="Delete one first"):
        taste_profiles.save(toy, "c", three(toy))


def test_a_read_only_installation_loads_and_changes_nothing(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taste_profiles.save(toy, "a", three(toy))
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    for change in (
        lambda: taste_profiles.save(toy, "b", three(toy)),
        lambda: taste_profiles.rename(toy, "a", "b"),
        lambda: taste_profiles.delete(toy, "a"),
    ):
        with pytest.raises(UsageError, match="RECDASH_READ_ONLY is set"):
            change()
    assert [one.name for one in taste_profiles.saved_tastes(toy)] == ["a"]
    assert len(taste_profiles.load(toy, "a").taste) == 3


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff", b"item_id,title,year,mark\n", b"name,a\nitem_id,title,year,mark\n1,x,2000,good\n"]
)
def test_a_damaged_file_is_one_line_and_can_be_replaced(toy: str, content: bytes) -> None:
    taste_profiles.save(toy, "a", three(toy))
    taste_profiles.save(toy, "b", three(toy))
    path = next((paths.data_dir() / "tastes" / "toy").glob("a-*.csv"))
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no saved taste") as caught:
        taste_profiles.load(toy, "a")
    assert "\n" not in str(caught.value)
    assert [one.name for one in taste_profiles.saved_tastes(toy)] == ["b"]
    taste_profiles.save(toy, "a", three(toy))
    assert len(taste_profiles.load(toy, "a").taste) == 3


def test_ratings_are_imported_on_the_scale_of_the_dataset(demo_kept: None) -> None:
    text = "Const,Your Rating,Title,Year,Title Type\ntt1,9,12 Angry Men,1957,Movie\ntt2,8,Ozymandias,2013,TV Episode\n"
    found = taste_profiles.import_ratings("demo", text.encode(), "ratings.csv")
    assert [(entry.item.title, entry.mark) for entry in found.taste()] == [("12 Angry Men", 4.5)]
    assert [one.reason for one in found.unmatched] == ["television episode"]
