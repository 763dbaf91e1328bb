"""The runs sidebar without a browser: what its actions do to the list, the URL and the page."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from recdash.runs.states import State
from recdash.services import housekeeping
from recdash.services import runs as run_service
from recdash.ui.widgets import run_rows, run_selection
from tests.pages.conftest import Open, Runs, page_text
from tests.pages.recommend_helpers import act, all_parameters, checked, drawn, is_drawn, lists, open_tab

pytestmark = pytest.mark.usefixtures("components")
BAR = "runs_sidebar"


def view(tab: AppTest) -> dict[str, Any]:
    """What the list shows."""
    found: dict[str, Any] = drawn(checked(tab), f"{BAR}.rows")["view"]
    return found


def rows(tab: AppTest) -> dict[str, dict[str, Any]]:
    """The rows by run."""
    return {one["id"]: one for one in view(tab)["entries"] if "id" in one}


def shown(tab: AppTest) -> set[str]:
    """Ids of the runs with an open eye."""
    return {run_id for run_id, row in rows(tab).items() if row["shown"]}


def groups(tab: AppTest) -> list[tuple[str, int, int]]:
    """Title, number of shown runs and size of each group."""
    return [(one["title"], one["shown"], one["count"]) for one in view(tab)["entries"] if "group" in one]


def url(tab: AppTest, name: str) -> list[str] | None:
    """The values of a URL parameter; None if it is absent."""
    return all_parameters(tab).get(name)


def test_eyes_pins_and_only_write_ids_into_the_url_of_curves(open_page: Open, runs: Runs) -> None:
    one, two, three = (runs.finished(seed=seed) for seed in range(3))
    tab = open_page("curves")
    assert set(rows(tab)) == {one, two, three} and url(tab, "run") is None
    before = shown(tab)
    act(tab, BAR, "show", id=one, on=one not in before)
    assert shown(tab) == before ^ {one} and set(url(tab, "run") or ()) == before ^ {one}
    act(tab, BAR, "only", id=two)
    assert shown(tab) == {two} and url(tab, "run") == [two]
    act(tab, BAR, "show", id=three, on=True)
    act(tab, BAR, "pin", id=three, on=True)
    assert url(tab, "pin") == [three] and next(iter(rows(tab))) == three and rows(tab)[three]["pinned"]
    act(tab, BAR, "none")
    assert shown(tab) == set() and url(tab, "run") == [""]
    act(tab, BAR, "all")
    assert shown(tab) == {one, two, three}


def test_the_same_action_sent_twice_is_applied_once(open_page: Open, runs: Runs) -> None:
    one, two = runs.finished(), runs.finished(seed=1)
    tab = open_page("curves", run=[one])
    actions = [{"kind": "show", "id": two, "on": True, "n": 11}, {"kind": "show", "id": one, "on": False, "n": 12}]
    act(tab, BAR, "list", actions=actions[:1])
    act(tab, BAR, "list", actions=actions)
    assert url(tab, "run") == [two] and view(tab)["done"] == 12
    act(tab, BAR, "list", actions=[{"kind": "none", "n": 5}])
    assert url(tab, "run") == [two], "an action older than the last one was applied already"


def test_a_run_stays_selected_whatever_its_state_and_new_ones_join_the_default(open_page: Open, runs: Runs) -> None:
    run_id = runs.running(epochs=2)
    tab = open_page("curves", run=[run_id, "gone-12345678"])
    row = rows(tab)[run_id]
    assert row["shown"] and (row["state"], row["text"], row["value"]) == ("running", "running, epoch 2/5", "0.2200")
    assert row["metric"] == "NDCG@100" and view(tab)["value"] == "validation NDCG@100"
    runs.store.end_run(run_id, runs.me, State.FAILED, "The loss became NaN")
    tab.run()
    row = rows(tab)[run_id]
    assert row["shown"] and (row["state"], row["text"]) == ("failed", "failed, epoch 2/5")
    assert "gone" in page_text(tab), "the page names runs of the link that it does not find"


def test_a_filter_narrows_the_list_and_an_invalid_one_keeps_it(open_page: Open, runs: Runs) -> None:
    one, two = runs.finished(ndcg=0.3), runs.finished("multdae", ndcg=0.5)
    tab = open_page("curves", run=[one])
    act(tab, BAR, "query", text="model:multdae ndcg@100>0.4")
    assert list(rows(tab)) == [two] and url(tab, "q") == ["model:multdae ndcg@100>0.4"]
    assert view(tab)["unlisted"] == 1 and url(tab, "run") == [one], "a filter hides nothing from the charts"
    act(tab, BAR, "query", text="model:multdae ndcg@100>")
    assert list(rows(tab)) == [two] and view(tab)["error"].startswith('A value is missing after "ndcg@100>"')
    act(tab, BAR, "all")
    assert url(tab, "run") == [two]
    act(tab, BAR, "query", text="")
    assert set(rows(tab)) == {one, two} and view(tab)["error"] == "" and url(tab, "q") is None


def test_groups_have_counts_fold_and_have_one_eye(open_page: Open, runs: Runs) -> None:
    made = [runs.finished(model, seed=seed) for model in ("multvae", "multdae") for seed in range(2)]
    tab = open_page("curves", run=[made[0]], group="seeds")
    assert sorted(groups(tab)) == [("Mult-DAE", 0, 2), ("Mult-VAE", 1, 2)]
    key = next(one["group"] for one in view(tab)["entries"] if one.get("title") == "Mult-DAE")
    act(tab, BAR, "show", group=key, on=True)
    assert sorted(groups(tab)) == [("Mult-DAE", 2, 2), ("Mult-VAE", 1, 2)] and shown(tab) == {made[0], *made[2:]}
    act(tab, BAR, "fold", group=key, on=True)
    assert set(rows(tab)) == set(made[:2]) and len(groups(tab)) == 2
    act(tab, BAR, "group", by="state")
    assert groups(tab) == [("Finished", 3, 4)] and url(tab, "group") == ["state"]
    act(tab, BAR, "group", by="<b>no such setting</b>")
    assert url(tab, "group") == ["state"]


def test_results_show_what_matches_and_hide_ids(open_page: Open, runs: Runs) -> None:
    one, two, three = (runs.finished(seed=seed) for seed in range(3))
    tab = open_page("results")
    assert shown(tab) == {one, two, three}
    act(tab, BAR, "show", id=one, on=False)
    assert shown(tab) == {two, three} and url(tab, "hide") == [one] and url(tab, "only") is None
    act(tab, BAR, "only", id=two)
    assert shown(tab) == {two} and url(tab, "only") == [two]
    act(tab, BAR, "all")
    assert shown(tab) == {one, two, three} and url(tab, "hide") is None and url(tab, "only") is None
    act(tab, BAR, "query", text="seed:2")
    assert shown(tab) == {three}


def test_shown_runs_are_tagged_archived_and_deleted_together_with_undo(open_page: Open, runs: Runs) -> None:
    one, two, three = (runs.finished(seed=seed) for seed in range(3))
    tab = open_page("curves", run=[one, two])
    act(tab, BAR, "tag", tags="good, <b>odd</b>")
    assert rows(tab)[one]["tags"] == ["<b>odd</b>", "good"] and rows(tab)[three]["tags"] == []
    assert view(tab)["message"] == "Tagged 2 runs: good and <b>odd</b>" and view(tab)["canUndo"]
    act(tab, BAR, "undo")
    assert rows(tab)[one]["tags"] == [] and view(tab)["message"] == "Undone" and not view(tab)["canUndo"]
    act(tab, BAR, "tag", tags=" , ")
    assert view(tab)["message"].startswith("No tag was given.")
    act(tab, BAR, "archive")
    assert set(rows(tab)) == {three} and view(tab)["nArchived"] == 2
    act(tab, BAR, "archived", on=True)
    assert rows(tab)[one]["archived"] and len(rows(tab)) == 3
    act(tab, BAR, "unarchive")
    act(tab, BAR, "trash")
    assert set(rows(tab)) == {three} and len(housekeeping.in_trash()) == 2
    act(tab, BAR, "undo")
    assert set(rows(tab)) == {one, two, three} and shown(tab) == {one, two}


def test_a_running_run_is_not_deleted_and_the_list_says_why(open_page: Open, runs: Runs) -> None:
    run_id = runs.running()
    tab = open_page("curves", run=[run_id])
    act(tab, BAR, "trash")
    assert set(rows(tab)) == {run_id} and run_id in view(tab)["message"] and not view(tab)["canUndo"]


def test_long_lists_are_sent_in_parts(open_page: Open, runs: Runs) -> None:
    for seed in range(run_rows.ROWS + 5):
        runs.queued(seed=seed)
    tab = open_page("curves", run="")
    assert len(rows(tab)) == run_rows.ROWS and view(tab)["more"] == 5
    act(tab, BAR, "more")
    assert len(rows(tab)) == run_rows.ROWS + 5 and view(tab)["more"] == 0
    act(tab, BAR, "all")
    assert len(url(tab, "run") or ()) == run_selection.PAGES["curves"].limit


def test_recommend_takes_its_lists_from_the_eyes_or_from_the_field(trained: dict[str, str]) -> None:
    tab = open_tab(pick=["1", "4"])
    default = {trained[model] for model in ("ease", "multdae", "multvae", "recvae")}
    assert shown(tab) == default == set(lists(tab)) and url(tab, "list") is None
    act(tab, BAR, "show", id=trained["popularity"], on=True)
    assert set(lists(tab)) == default | {trained["popularity"]} and len(url(tab, "list") or ()) == 5
    act(tab, BAR, "only", id=trained["ease"])
    assert list(lists(tab)) == url(tab, "list") == [trained["ease"]]
    assert tab.multiselect(key="url.list").value == [trained["ease"]]
    checked(tab.multiselect(key="url.list").set_value([trained["ease"], trained["recvae"]]).run())
    assert shown(tab) == {trained["ease"], trained["recvae"]}
    act(tab, BAR, "pin", id=trained["recvae"], on=True)
    assert list(lists(tab)) == [trained["recvae"], trained["ease"]], "pinned runs come first"


def test_unknown_ids_actions_and_texts_change_nothing(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished()
    tab = open_page("curves", run=[run_id])
    for kind in ("show", "only", "pin", "open", "nonsense"):
        act(tab, BAR, kind, id="../../etc", on=True, group_="x")
        checked(tab)
    assert url(tab, "pin") is None and shown(tab) == {run_id}
    act(tab, BAR, "order", by="nonsense")
    assert view(tab)["order"] == "newest"


def test_pages_without_runs_have_no_sidebar(open_page: Open) -> None:
    assert not is_drawn(open_page("curves"), BAR) and not is_drawn(open_page("data"), BAR)


def test_when_a_run_ends_the_live_rows_are_those_of_the_store(open_page: Open, runs: Runs) -> None:
    run_id = runs.running(epochs=1)
    tab = open_page("curves", run=[run_id])
    live = drawn(tab, f"{BAR}.live")["live"]
    assert set(live) == {run_id} and live[run_id]["version"] == run_service.find(run_id).version
    assert live[run_id]["text"] == "running, epoch 1/5"
