"""A run's own page: what it shows in every state, and what can be done with the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from recdash.runs import queue
from recdash.runs.run_folder import RunFolder
from recdash.runs.store import Store, write_run
from recdash.services import curve_import
from recdash.ui.run_page import PARTS
from tests.pages.conftest import Open, Runs, labels, page_text
from tests.pages.recommend_helpers import parameters

pytestmark = pytest.mark.usefixtures("components")


def opened(open_page: Open, run_id: str, **address: str) -> AppTest:
    tab = open_page("run", id=run_id, **address)
    assert not tab.exception and not tab.error, page_text(tab)
    return tab


def tables(tab: AppTest) -> str:
    """All tables as text."""
    return "\n".join(frame.value.to_string() for frame in tab.dataframe)


def test_every_part_of_a_finished_run_is_there(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.finished(ndcg=0.31, best=2, settings={"beta_cap": 0.2})
    folder = RunFolder(run_id)
    folder.make()
    folder.log.write_text("epoch 5 of 5\n")
    details = {**store.run(run_id).details, "environment": {"host": "box", "git": {"commit": "abc123", "dirty": True}}}
    with store.database.write() as connection:
        write_run(connection, run_id, details=details)
    tab = opened(open_page, run_id)
    assert tab.title[0].value == "Mult\\-VAE on toy"
    assert "0.3000 to 0.3200" in tables(tab) and "0.2200" in tables(tab) and "0.2500" in tables(tab), "best and last"
    wanted = {
        "settings": ("beta_cap", "1 of 3 differ"),
        "environment": ("abc123", "Training users", "f00d"),
        "log": ("finished", "epoch 5 of 5"),
        "files": ("log.txt", "Output of the training process"),
        "curves": ("Use of the machine",),
    }
    assert set(wanted) | {"results"} == set(PARTS)
    for part, words in wanted.items():
        tab.segmented_control(key="url.part").set_value(part).run()
        assert not tab.exception and not tab.error, page_text(tab)
        text = "\n".join([page_text(tab), tables(tab), *(block.value for block in tab.code)])
        assert all(word in text for word in words), (part, text)
        assert parameters(tab)["id"] == run_id


def test_links_lead_to_the_run_on_other_pages(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished()
    links = {link.label: link.proto for link in opened(open_page, run_id).get("page_link")}
    assert {"Curves", "Results", "Recommend", "Train again with changes"} <= set(links)
    assert f"from={run_id}" in links["Train again with changes"].query_string
    assert f"list={run_id}" in links["Recommend"].query_string
    assert f"select={run_id}" in links["Results"].query_string and "comparison=strong-" in links["Results"].query_string


def test_a_run_without_results_says_what_it_is_doing(open_page: Open, runs: Runs) -> None:
    tab = opened(open_page, runs.running(epochs=2), part="results")
    assert "Results on the test users follow" in page_text(tab) and "Stop" in labels(tab)
    tab = opened(open_page, runs.interrupted(seed=1), part="log")
    assert "Resume" in labels(tab) and "Resume" in page_text(tab), "what ended it, and what to do"


def test_a_run_without_samples_says_why(open_page: Open, runs: Runs) -> None:
    assert "Nothing was recorded: the run ended before the first sample." in page_text(
        opened(open_page, runs.finished(), part="curves")
    )
    assert "Nothing was recorded: the run has just started." in page_text(
        opened(open_page, runs.running(seed=1), part="curves")
    )


def test_an_unknown_id_gives_one_line_and_similar_runs(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished()
    tab = open_page("run", id="multvae-ffffffff")
    assert not tab.exception and not tab.error
    assert "No run has the id or name" in tab.warning[0].value
    assert tab.title[0].value == "Run" and "Mult\\-VAE on toy" in [link.label for link in tab.get("page_link")]
    tab = open_page("run")
    assert "No run is named in the address" in tab.info[0].value
    assert tab.text_input(key="run.search")
    assert opened(open_page, run_id[:12]).title[0].value == "Mult\\-VAE on toy", "the beginning of an id is enough"


def test_name_note_and_tags_are_changed_and_shown_as_text(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.finished()
    tab = opened(open_page, run_id)
    fields = {field.label: field for field in [*tab.text_input, *tab.text_area]}
    fields["Name"].set_value("**mine** <b>x</b>")
    fields["Note"].set_value(":material/home:")
    fields["Tags"].set_value("good, _odd_")
    next(button for button in tab.button if button.label == "Save").click().run()
    assert not tab.exception and not tab.error
    run = store.run(run_id)
    assert (run.name, run.note, run.tags) == ("**mine** <b>x</b>", ":material/home:", ("_odd_", "good"))
    text = page_text(opened(open_page, run_id))
    assert "**mine**" not in text and "<b>" not in text.replace("\\<b", "") and "\\*\\*mine\\*\\*" in text


def test_a_deleted_run_can_be_restored(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.finished()
    tab = opened(open_page, run_id)
    tab.button(key=f"Delete.{run_id}").click().run()
    assert not tab.exception and not store.runs() and "is in the trash" in page_text(tab)
    other = open_page("run", id=run_id)
    assert "is in the trash" in page_text(other) and "Restore" in labels(other), "another tab, or a shared link"
    tab.button(key="undo_trash").click().run()
    assert [run.id for run in store.runs()] == [run_id] and tab.title[0].value == "Mult\\-VAE on toy"
    tab.button(key=f"Archive.{run_id}").click().run()
    assert store.run(run_id).archived is not None and "Unarchive" in labels(tab)


def test_a_read_only_installation_offers_no_changes(
    open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runs.finished()
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    assert not {"Delete", "Retry", "Archive", "Save"} & set(labels(opened(open_page, run_id)))


def test_a_diverged_run_is_trained_again_with_a_lower_learning_rate(open_page: Open, runs: Runs, store: Store) -> None:
    error = "multvae diverged: loss is nan in epoch 3, update 7. Lower learning_rate (now 0.5)."
    run_id = runs.failed(error, settings={"learning_rate": 0.5})
    tab = open_page("run", id=run_id)
    links = {link.label for link in tab.get("page_link")}
    assert "Train again with a lower learning rate" in links and not {"Resume", "Retry"} & set(labels(tab))
    cards = set(labels(open_page("train", view="earlier")))
    assert "Train again with a lower learning rate" in cards and not {"Resume", "Retry", "Copy"} & cards
    form = open_page("train", **{"from": run_id})
    text = page_text(form).replace("\\", "")
    assert "learning_rate = **0.05**" in text and "That run diverged" in text
    other = runs.failed("The disk is full.", seed=1)
    assert {"Resume", "Retry"} <= set(labels(open_page("run", id=other)))


def test_a_renamed_run_keeps_its_address(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.finished()
    queue.rename(store, run_id, "My model")
    assert opened(open_page, run_id).title[0].value == "My model"


def test_imported_curves_offer_no_training_and_name_their_source(
    open_page: Open, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.csv").write_text("epoch,ndcg@100\n1,0.1\n2,0.2\n")
    curve_import.import_paths([tmp_path / "mine.csv"])
    run_id = store.runs()[0].id
    tab = opened(open_page, run_id, part="environment")
    text = page_text(tab)
    assert "curves imported from CSV · 2 epochs" in text and "preset" not in text and "Split seed" not in tables(tab)
    links = {link.label for link in tab.get("page_link")}
    assert {"Delete", "Archive"} <= set(labels(tab)) and not {"Retry", "Train again with changes"} & {
        *labels(tab),
        *links,
    }
    assert "and no settings" in page_text(opened(open_page, run_id, part="settings"))
    form = open_page("train", **{"from": run_id})
    assert not form.exception and not form.error and "no settings" in page_text(form) and form.selectbox, (
        "not a dead end"
    )
    overview = open_page("overview")
    assert {metric.label: metric.value for metric in overview.metric}.get("Models trained", "0") == "0"
