"""The import of anybody's file on the Data page: what was understood is shown, every choice can be changed."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from recdash.data import dataset_registry
from recdash.services import datasets
from tests.pages.conftest import (
    Open,
    labels,
    page_text,
    table_with,
)

ROWS = [(f"u{n % 9}", f"i{n % 13}", n % 5 + 1) for n in range(117)]
RATED = "user,item,rating,score\n" + "".join(f"{user},{item},{stars},{6 - stars}\n" for user, item, stars in ROWS)
UNUSUAL = "user,what,stars\n" + "".join(f"{user},{item},{stars}\n" for user, item, stars in ROWS)
TIED = "user,item,date\n" + "".join(f"u{n % 9},i{n % 13},2024-03-{n % 3 + 1:02}\n" for n in range(117))


def importer() -> None:
    """The section alone, on a page of its own."""
    from recdash.ui.importing import import_section

    import_section.section()


@pytest.fixture
def upload(toy: str) -> Any:
    """Open the import and give it a file."""

    def upload_it(content: str | bytes, name: str = "my films.csv", tab: AppTest | None = None) -> AppTest:
        tab = tab or AppTest.from_function(importer, default_timeout=30).run()
        data = content.encode() if isinstance(content, str) else content
        tab = tab.file_uploader(key="file.0").upload(name, data).run()
        assert not tab.exception
        return tab

    return upload_it


def box(tab: AppTest, label: str) -> Any:
    """A select box, a field or a check box by its label."""
    kinds = (tab.selectbox, tab.text_input, tab.number_input, tab.checkbox)
    return next(element for kind in kinds for element in kind if element.label == label)


def error(tab: AppTest) -> str:
    """The only error of the page, as people read it."""
    assert len(tab.error) == 1
    return plain(tab.error[0].value)


def plain(text: str) -> str:
    """Text without the marks that keep Markdown from reading it."""
    return text.replace("\\", "").replace("\u2060", "")


def counts(tab: AppTest) -> dict[str, str]:
    """What the metrics say."""
    return {metric.label: metric.value for metric in tab.metric}


def press(tab: AppTest, label: str) -> AppTest:
    """Press the button of this label."""
    tab = next(button for button in tab.button if plain(button.label) == label).click().run()
    assert not tab.exception
    return tab


def test_a_file_is_shown_as_it_was_understood_and_nothing_is_kept(upload: Any) -> None:
    tab = upload(RATED)
    assert not tab.error
    assert counts(tab) == {"Users": "9", "Items": "13", "Interactions": "117", "Positives": "46"}
    assert list(table_with(tab, "user").columns) == ["user", "item", "rating"] and len(table_with(tab, "user")) == 6
    assert (
        "Ratings on a scale of 1 to 5" in page_text(tab)
        and "No times" in page_text(tab)
        and "Not used: score" in page_text(tab)
    )
    assert "Recognised by its name." in box(tab, "Rating").help
    assert [entry.name for entry in dataset_registry.available() if entry.ready] == ["demo", "toy"]


def test_another_column_changes_the_preview(upload: Any) -> None:
    tab = upload(RATED)
    first = table_with(tab, "user")["rating"].tolist()
    tab = box(tab, "Rating").select(4).run()
    assert table_with(tab, "user")["rating (score)"].tolist() != first and "Chosen here." in box(tab, "Rating").help
    tab = box(tab, "Rating").select("none").run()
    assert "every row is a positive" in page_text(tab) and counts(tab)["Positives"] == "117"
    tab = press(tab, "Reset to detected")
    assert table_with(tab, "user")["rating"].tolist() == first


def test_a_column_of_dates_with_a_name_of_its_own_is_offered_as_the_time(upload: Any) -> None:
    tab = press(upload(TIED.replace("date", "when")), '"when" is the time')
    assert box(tab, "Time").value == 3 and "Times are dates" in page_text(tab)


def test_a_column_that_is_taken_moves_and_never_stands_for_two_things(upload: Any) -> None:
    tab = box(upload(UNUSUAL), "Item").select(2).run()
    tab = box(tab, "User").select(2).run()
    assert not tab.exception and "cannot be two things" not in page_text(tab)
    assert (box(tab, "User").value, box(tab, "Item").value) == (2, 1)
    tab = box(tab, "Item").select(3).run()
    assert (box(tab, "User").value, box(tab, "Item").value, box(tab, "Rating").value) == (2, 3, "none")


def test_what_values_mean_can_be_said(upload: Any) -> None:
    tab = box(upload(RATED), "Positive from").set_value(5.0).run()
    assert counts(tab)["Positives"] == "23"
    tab = box(tab, "Ratings to ignore").input("1").run()
    assert counts(tab)["Interactions"] == "93" and any("rating of 1" in one.value for one in tab.warning)
    tab = box(tab, "Scale").input("1..").run()
    assert "Write 1..5" in error(tab) and box(tab, "Scale").value == "1.."
    tab = box(tab, "Scale").input("1..10").run()
    assert not tab.error and "scale of 1 to 10" in page_text(tab)
    assert box(tab, "Minimum positives").set_value(2).run().session_state["_draft"].read().dataset.min_positives == 2


def test_ties_are_reported_and_have_a_rule(upload: Any) -> None:
    tab = upload(TIED)
    shared = "% of the events are tied with another event of the same user, ordered at random"
    reason = f"{shared}, because the file is not in order of time"
    assert "Times are dates, from 2024-03-01 to 2024-03-03; " in plain(page_text(tab)) and reason in plain(
        page_text(tab)
    )
    tied = box(tab, "Order of tied events")
    assert tied.options[:2] == ["automatic: random order", "file order, if sorted by time"]
    tab = tied.select("file").run()
    assert reason in plain(page_text(tab)), "a file in no order of time cannot follow that choice"
    tab = box(tab, "Order of tied events").select("random").run()
    assert shared in plain(page_text(tab)) and reason not in plain(page_text(tab))


def test_the_order_of_a_file_that_is_in_the_order_of_time_decides_ties(upload: Any) -> None:
    rows = "".join(f"u{n % 9},i{n * 7 % 13},2024-03-{n // 40 + 1:02}T10:00:00\n" for n in range(117))
    words = plain(page_text(upload(f"user,item,date\n{rows}")))
    assert "of the same user, ordered as in the file" in words
    assert "from 2024-03-01T10:00:00Z to 2024-03-03T10:00:00Z" in words


def test_one_press_says_what_an_unusual_column_is_and_one_more_imports(upload: Any, open_page: Open) -> None:
    tab = upload(UNUSUAL, tab=open_page("data", tab="Import"))
    assert "no item column recognised" in error(tab)
    tab = press(tab, '"what" is the item')
    assert not tab.error and counts(tab)["Items"] == "13"
    tab = press(tab, "Import")
    assert not tab.error and tab.query_params["dataset"] == "my-films"
    assert (counts(tab)["Users"], counts(tab)["Items"], counts(tab)["Ratings"]) == ("9", "13", "117")
    assert "my\\-films imported: 9 users, 13 items, 117 interactions" in tab.toast[0].value
    assert datasets.describe("my-films")["interactions"] == 117
    assert not tab.file_uploader, "the tab that shows the data is open"


ZEROS = "user,item,rating\n" + "".join(f"u{n % 9},i{n % 13},{n % 6 if n % 2 else 0}\n" for n in range(117))
TENS = "user,item,rating\n" + "".join(f"u{n % 9},i{n % 13},{n % 11 if n % 2 else 0}\n" for n in range(117))
MATRIX = "75,-7.82,8.79,99,-9.66\n100,4.08,-0.29,6.36,4.37\n"
DATES = "user,item,date\nann,Heat,03/04/2024\nbob,Heat,05/06/2024\n"
BAD = "user,item,rating\nNaN,Heat,4\n" + "".join(f"u{n},i{n},4\n" for n in range(120))
CHINESE = "user,item\n" + "".join(f"{n},\u7535\u5f71\u6807\u9898\u5728\u8fd9\u91cc\n" for n in range(40))


@pytest.mark.parametrize(
    ("content", "refusal", "fix", "then"),
    [
        (ZEROS, "outside the scale", "0 means not rated", "Left out: 59 rows with a rating of 0\n"),
        (ZEROS, "outside the scale", "The scale is 0 to 5", "scale of 0 to 5"),
        (TENS, "If 0 means not rated", "Leave the zeros out", "Left out: 64 rows with a rating of 0\n"),
        (TENS, "If 0 means not rated", "0 is a rating", "scale of 0 to 10"),
        (MATRIX, "looks like a user-item matrix", "Read it as a matrix", "the first column may hold user ids"),
        (DATES, "may be", "03/04/2024 is 3 April 2024", "2024-04-03"),
        (BAD, "missing value. Fix", "Skip the invalid row", "Left out: 1 invalid row (line 2"),
        (CHINESE.encode("gbk"), "looks like GBK", "Read it as GBK", "gbk"),
        (
            "user,item,plays2,rating\n1,2,3,37\n2,3,4,5.5\n",
            "not a standard rating scale",
            "The scale is 5.5 to 37",
            "5.5 to 37",
        ),
        ("a,b,c\n1,2,3\n1,3,4\n", "no user column recognised", '"a" is the user', "no item column recognised"),
        ("user,user,item\n1,2,3\n1,3,4\n", "2 columns are named", "Column 2 is the user", "2 users"),
        ("1,2,3\n7,8,5\n8,9,4\n", "may be data or column numbers", "It is a row of data", "3 interactions"),
        ("user,item,rating\n" + "1,2,3\n2,3,4\n" * 9 + "1,3,99\n", "outside the scale", "99 means not rated", "of 99"),
        (
            "user,item,rating\n1,2,x\n1,3,y\n" + "1,4,5\n" * 9,
            'x", not a number. F',
            "Skip the 2 invalid rows",
            "Left out: 2 invalid rows (line 2",
        ),
    ],
)
def test_a_refused_file_shows_its_line_and_a_press_that_reads_it(
    upload: Any, content: str | bytes, refusal: str, fix: str, then: str
) -> None:
    tab = upload(content, "mine.csv")
    assert refusal in error(tab)
    tab = press(tab, fix)
    everything = plain(page_text(tab) + "".join(f"\n{one.value} {one.label.lower()}" for one in tab.metric))
    assert refusal not in everything and then in everything, everything


def test_a_press_keeps_what_was_said_before(upload: Any) -> None:
    content = "user,item,rating\n" + "".join(
        f"u{n % 9},i{n % 13},{(1, 2, 3, 4, 5, 99, -1)[n % 7]}\n" for n in range(117)
    )
    tab = box(upload(content), "Ratings to ignore").input("99").run()
    tab = press(tab, next(label for label in labels(tab) if "means not rated" in label).replace("\\", ""))
    assert box(tab, "Ratings to ignore").value == "99, -1" and not tab.error


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04rubbish", "damaged"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "an old Excel workbook"),
        (bytes(range(256)) * 8, "not text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "not text"),
    ],
)
def test_what_is_no_table_is_explained_in_one_line_and_breaks_nothing(upload: Any, content: bytes, line: str) -> None:
    tab = upload(content, "mine.xlsx")
    assert line in error(tab)
    assert "Import" not in labels(tab) and box(tab, "Encoding").options[0] == "automatic"


def test_the_form_of_the_file_can_be_said(upload: Any) -> None:
    tab = upload("user~item\nann~Heat\nbob~Alien\n")
    assert "found one column" in error(tab)
    tab.session_state["_draft"].set_option("delimiter", "~")  # as typed into the box, which this driver cannot do
    tab = tab.run()
    assert box(tab, "Delimiter").value == "~"
    assert not tab.error and counts(tab)["Users"] == "2"
    tab = box(tab, "First row").select(False).run()
    assert counts(tab)["Users"] == "3"


def test_a_name_that_is_there_is_said_to_be_replaced_and_a_wrong_one_is_refused(upload: Any) -> None:
    tab = upload(RATED, "toy.csv")
    assert any("Dataset toy with" in one.value for one in tab.warning)
    for wrong in ("../up", "demo", "ml-1m"):
        tab = box(tab, "Dataset name").input(wrong).run()
        assert tab.error and tab.button(key="import").disabled
    tab = press(box(tab, "Dataset name").input("mine").run(), "Import")
    assert tab.query_params["dataset"] == "mine" and dataset_registry.load_dataset("mine").name == "mine"


def test_a_file_is_read_once_for_all_that_is_drawn(upload: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[dict[str, Any]] = []
    original = datasets.read_file
    monkeypatch.setattr(
        datasets, "read_file", lambda *args, **options: read.append(options) or original(*args, **options)
    )
    tab = upload(RATED)
    tab = box(tab, "Dataset name").input("other").run()
    assert len(read) == 1
    press(box(tab, "Rating").select("none").run(), "Import")
    assert len(read) == 2 and datasets.describe("other")["feedback"] == "events"


def test_titles_belong_to_the_items(upload: Any) -> None:
    titles = "id,title\n" + "".join(f"i{n},Film {n}\n" for n in range(13))
    tab = upload(RATED)
    uploader = next(one for one in tab.file_uploader if one.key.startswith("import.titles"))
    tab = uploader.upload("titles.csv", titles.encode()).run()
    assert not tab.exception and not tab.error
    press(tab, "Import")
    assert dataset_registry.load_dataset("my-films").catalogue[0].title == "Film 0"


def test_packed_files_and_records_are_read(upload: Any) -> None:
    import gzip

    assert counts(upload(gzip.compress(RATED.encode()), "mine.csv.gz"))["Interactions"] == "117"
    assert counts(upload('{"user_id":"u1","item_id":"i1"}\n' * 2, "mine.jsonl"))["Users"] == "1"


def test_nothing_is_imported_where_that_is_switched_off(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    tab = open_page("data", tab="Import")
    assert not tab.file_uploader and "disabled" in page_text(tab)


def test_the_files_of_a_split_are_the_other_way_in(open_page: Open) -> None:
    tab = open_page("data", tab="Import")
    tab = tab.segmented_control(key="url.import").select("split").run()
    assert not tab.exception and "own.train" in [one.key for one in tab.file_uploader]


def test_an_archive_of_something_else_is_refused_in_one_line(open_page: Open) -> None:
    tab = open_page("data", tab="Get MovieLens")
    tab = tab.file_uploader(key="zip").upload("ml-1m.zip", b"PK\x05\x06" + bytes(18)).run()
    tab.button(key="read_zip").click().run()
    end = time.monotonic() + 20
    while not tab.error:
        assert time.monotonic() < end and not tab.exception, page_text(tab)
        tab.run()
    assert "differs from the published" in error(tab) and "\n" not in error(tab)


def test_forms_that_name_their_columns_themselves_have_no_columns_to_choose(upload: Any) -> None:
    tab = press(upload(MATRIX), "Read it as a matrix")
    tab = press(press(tab, "The first column names the users"), "99 means not rated")
    assert not tab.error and counts(tab)["Users"] == "2" and "User" not in [one.label for one in tab.selectbox]
    tab = upload("1:\n7,5,2005-09-06\n8,4,2005-09-07\n2:\n7,3,2005-09-08\n", "blocks.txt")
    assert not tab.error and (counts(tab)["Users"], counts(tab)["Items"]) == ("2", "2")


def test_uploaded_files_are_removed_when_they_are_not_needed(upload: Any) -> None:
    tab = upload(RATED)
    draft = tab.session_state["_draft"]
    assert draft.path.exists()
    press(tab, "Import")
    assert not draft.path.parent.exists() and "_draft" not in tab.session_state


def test_a_field_that_is_cleared_is_detected_again_and_begins_with_what_was_detected(upload: Any) -> None:
    tab = upload(RATED)
    assert (box(tab, "Positive from").value, box(tab, "Minimum positives").value) == (4.0, 5)
    tab = box(tab, "Positive from").set_value(5.0).run()
    tab = box(tab, "Minimum positives").set_value(2).run()
    tab = box(tab, "Positive from").set_value(None).run()
    assert counts(tab)["Positives"] == "46" and box(tab, "Positive from").value == 4.0
    tab = box(tab, "Minimum positives").set_value(None).run()
    assert box(tab, "Minimum positives").value == 5 and tab.session_state["_draft"].options == {}


@pytest.mark.parametrize("text", ["0-10", "0 to 10", "0..10", " 0 \u2013 10 "])
def test_a_scale_is_read_as_people_write_it(upload: Any, text: str) -> None:
    tab = box(upload(RATED), "Scale").input(text).run()
    assert not tab.error and "scale of 0 to 10" in page_text(tab)


def test_columns_that_are_not_used_are_offered_for_what_they_look_like(upload: Any) -> None:
    rows = "".join(f"u{n % 9},i{n % 13},{n % 5 + 1},2024-03-{n % 28 + 1:02},x{n}\n" for n in range(117))
    tab = upload(f"user,item,quality,seen,remark\n{rows}")
    assert "Not used: quality, seen, remark" in plain(page_text(tab))
    tab = press(press(tab, '"quality" is the rating'), '"seen" is the time')
    assert "Ratings on a scale of 1 to 5" in page_text(tab) and "Times are dates" in page_text(tab)
    assert "Not used: remark" in plain(page_text(tab)) and not [one for one in labels(tab) if "is the" in one]


def test_many_unused_columns_are_counted(upload: Any) -> None:
    names = ",".join(f"f{n}" for n in range(30))
    rows = "".join(f"u{n % 9},i{n % 13},{n % 5 + 1}{',x' * 30}\n" for n in range(117))
    assert "Not used: f0, f1, f2, f3, f4, f5 and 24 more" in plain(
        page_text(upload(f"user,item,rating,{names}\n{rows}"))
    )


def test_a_column_of_dates_is_never_offered_as_the_user(upload: Any) -> None:
    rows = "".join(f"{n % 9 + 1},f{n % 13},2024-03-{n % 28 + 1:02}\n" for n in range(117))
    tab = upload(f"who,what,when\n{rows}")
    offered = [plain(one) for one in labels(tab)]
    assert '"who" is the user' in offered and not [one for one in offered if one.startswith('"when" is the user')]


def test_how_columns_were_recognised_is_shown_above_the_import(upload: Any) -> None:
    tab = upload(RATED.replace("user,item,rating,score", "user_id,movie,stars,remark"))
    assert list(table_with(tab, "user (user_id)").columns) == ["user (user_id)", "item (movie)", "rating (stars)"]
    assert "user = user_id (by name), item = movie (by name)" in plain(page_text(tab))
    drawn = [getattr(one, "label", None) or str(getattr(one, "value", "")) for one in tab.main]
    place = {what: next(n for n, label in enumerate(drawn) if what in plain(label)) for what in ("Time", "Not used")}
    assert max(place.values()) < drawn.index("Import")


def test_a_draft_outlives_the_tab_and_the_page_until_another_file_is_chosen(upload: Any, open_page: Open) -> None:
    tab = upload(RATED, tab=open_page("data", tab="Import"))
    tab = box(tab, "Positive from").set_value(5.0).run()
    tab = box(tab, "Dataset name").input("films").run()
    tab = tab.switch_page("pages/train.py").run()
    tab = tab.switch_page("pages/data.py").run()
    tab.session_state["tab"] = "Import"
    tab = tab.run()
    assert [one.label for one in tab.file_uploader if "titles" not in one.key] == [] and "my films.csv" in plain(
        page_text(tab)
    )
    assert (counts(tab)["Positives"], box(tab, "Dataset name").value) == ("23", "films")
    path = tab.session_state["_draft"].path
    tab = press(tab, "Choose another file")
    assert tab.file_uploader(key="file.1") and not path.exists() and "_draft" not in tab.session_state


def test_titles_that_do_not_fit_are_shown_in_their_box_and_can_be_left_out(upload: Any) -> None:
    tab = upload(RATED)
    uploader = next(one for one in tab.file_uploader if one.key.startswith("import.titles"))
    tab = uploader.upload("titles.csv", b"id,title\nx1,Heat\nx2,Alien\n").run()
    assert not tab.exception and "none of the 2 titles belongs to an item" in error(tab)
    opened = next(one for one in tab.expander if one.label == "Item titles")
    assert opened.proto.expanded and opened.error and tab.button(key="import").disabled
    assert counts(tab)["Interactions"] == "117", "the rest is shown"
    press(tab, "Import without titles")
    assert len(dataset_registry.load_dataset("my-films")) == 117


def test_a_box_stays_open_while_it_is_used_and_opens_when_it_is_at_fault(upload: Any) -> None:
    def form(tab: AppTest) -> bool:
        return bool(next(one for one in tab.expander if one.label == "File format").proto.expanded)

    tab = upload(RATED)
    assert not form(tab)
    tab = box(tab, "Delimiter").select(";").run()
    assert tab.error and form(tab)
    tab = box(tab, "Delimiter").select("").run()
    assert not tab.error and form(tab)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (MATRIX, "75,-7.82,8.79,99,-9.66"),
        (CHINESE.encode("gbk"), "0,\u7535\u5f71\u6807\u9898\u5728\u8fd9\u91cc"),
    ],
)
def test_a_file_that_may_be_read_in_several_ways_shows_how_it_begins(
    upload: Any, content: str | bytes, line: str
) -> None:
    tab = upload(content, "mine.csv")
    assert tab.error and line in "\n".join(one.value for one in tab.code)


def test_files_left_by_closed_tabs_are_removed_after_a_day(
    upload: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, fresh, other = (tmp_path / name for name in ("recdash-upload-a", "recdash-upload-b", "somebody"))
    for folder in (left, fresh, other):
        folder.mkdir()
        (folder / "data.csv").write_text("user,item\n")
    for folder in (left, other):
        os.utime(folder, (time.time() - 90_000,) * 2)
    tab = upload(RATED)
    assert (left.exists(), fresh.exists(), other.exists()) == (False, True, True)
    assert tab.session_state["_draft"].path.exists()


def test_the_summary_tab_repeats_what_was_decided_and_draws_no_empty_chart(open_page: Open, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("user,item,rating,date\n" + "".join(f"u{n},i0,{n % 5 + 1},2024-03-{n + 1:02}\n" for n in range(20)))
    datasets.import_csv("one", path)
    words = plain(page_text(open_page("data", dataset="one")))
    assert "Ratings on a scale of 1 to 5; 4 or more is a positive: 8 positives (40% of all rows)" in words
    assert "Times are dates, from 2024-03-01 to 2024-03-20" in words
    assert "Long tail" not in words and "Interactions over time" not in words and "User activity" in words
