"""Curves, Results, Data and Overview: what they show, and that the address keeps the view."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recdash.runs import queue
from recdash.runs.run_folder import RunFolder
from recdash.runs.store import Store
from recdash.services import curves
from tests.pages.conftest import (
    Open,
    Runs,
    page_text,
    table_with,
)


@pytest.mark.slow
def test_the_newest_runs_that_were_started_together_are_drawn_at_once(open_page: Open, runs: Runs) -> None:
    first, second = runs.finished(), runs.finished("multdae")
    tab = open_page("curves")
    assert set(tab.multiselect(key="url.run").value) == {first, second}
    assert len(tab.get("vega_lite_chart")) == 6


def test_the_address_says_which_runs_are_drawn_and_how(open_page: Open, runs: Runs) -> None:
    first, second = runs.finished(), runs.finished("multdae")
    tab = open_page("curves", run=[first], x="seconds", smooth="0.5", log="True", show=["kl", "beta"])
    assert tab.multiselect(key="url.run").value == [first]
    assert tab.segmented_control(key="url.x").value == "seconds"
    assert tab.slider(key="url.smooth").value == 0.5
    assert tab.toggle(key="url.log").value is True
    assert len(tab.get("vega_lite_chart")) == 2
    tab.multiselect(key="url.run").select(second).run()
    assert tab.query_params["run"] == [first, second]


def test_what_an_address_names_that_does_not_exist_is_passed_over(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished()
    tab = open_page("curves", run=["../../etc", run_id, "multvae-ffffffff"], x="sideways", smooth="lots")
    assert not tab.exception and not tab.error
    assert tab.multiselect(key="url.run").value == [run_id]
    assert tab.segmented_control(key="url.x").value == "epoch"


def test_latent_dimensions_are_drawn_where_a_model_has_some(open_page: Open, runs: Runs) -> None:
    first, second = runs.finished(), runs.finished("multdae")
    folder = RunFolder(first)
    folder.path.mkdir(parents=True, exist_ok=True)
    row = {"epoch": 3, "update": 30, "seconds": 1.0, "values": {}}
    folder.add_epoch(row, {"kl_by_dimension": np.array([0.2, 1.5, 0.0], np.float32)})
    assert curves.kl_by_dimension(first, 3) == pytest.approx((1.5, 0.2, 0.0))
    assert curves.kl_by_dimension(first, 99) == pytest.approx((1.5, 0.2, 0.0))
    assert curves.kl_by_dimension(second) == ()
    assert "KL per latent dimension" in page_text(open_page("curves", run=[first, second]))
    assert "KL per latent dimension" not in page_text(open_page("curves", run=[second]))


def test_coming_back_to_a_page_finds_the_view_as_it_was(open_page: Open, runs: Runs) -> None:
    first, _ = runs.finished(), runs.finished("multdae")
    tab = open_page("curves", run=[first])
    tab.query_params.clear()  # the menu opens pages without parameters
    tab.switch_page("pages/results.py").run()
    tab.query_params.clear()
    tab.switch_page("pages/curves.py").run()
    assert tab.multiselect(key="url.run").value == [first]
    assert tab.query_params["run"] == first


def test_values_that_are_not_finite_are_counted(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.running(epochs=2)
    store.add_epoch(run_id, runs.me, epoch=3, update=30, seconds=2.0, values={"loss": float("nan"), "kl": 1.0})
    assert "1 value is not finite" in page_text(open_page("curves", run=[run_id]))


def test_what_differs_between_runs_is_listed(open_page: Open, runs: Runs) -> None:
    runs.finished(seed=1), runs.finished(seed=2)
    tab = open_page("curves")
    assert "seed" in table_with(tab, "Mult-VAE on toy, seed 1").index


def test_the_table_has_the_published_columns_and_the_best_in_bold(open_page: Open, runs: Runs) -> None:
    runs.finished("multvae", 0.31), runs.finished("ease", 0.35, epochs=1), runs.finished("popularity", 0.2, epochs=1)
    tab = open_page("results")
    table = next(frame for frame in tab.dataframe if frame.key.startswith("table."))
    assert {"Model", "Epochs", "precision@100", "ndcg@100", "Training time"} <= set(table.value.columns)
    assert table.value["Model"].tolist() == ["EASE", "Mult-VAE", "Popularity"]
    styles = table.proto.arrow_data.styler.styles
    assert "font-weight: 700" in styles
    shown = table.proto.arrow_data.styler.display_values
    assert b"0.3500 \xc2\xb1 0.0100" in shown
    columns = json.loads(table.proto.columns)["ndcg@100"]
    assert columns["label"] == "NDCG@100" and "95% bootstrap interval" in columns["help"]


def test_runs_of_different_splits_stand_in_different_tables_with_the_reason(open_page: Open, runs: Runs) -> None:
    runs.finished(), runs.finished(seed=1, split_seed=7, protocol="strong-temporal")
    tab = open_page("results")
    assert len([frame for frame in tab.dataframe if frame.key.startswith("table.")]) == 2
    assert "not comparable" in page_text(tab) and "different protocols" in page_text(tab)
    tab.selectbox(key="url.protocol").select("strong-temporal").run()
    assert len([frame for frame in tab.dataframe if frame.key.startswith("table.")]) == 1
    assert tab.query_params["protocol"] == "strong-temporal"


def test_results_can_be_exported_and_run_nothing_in_a_spreadsheet(runs: Runs, store: Store) -> None:
    from recdash.services import results
    from recdash.ui import results_page as page

    run_id = runs.finished()
    queue.rename(store, run_id, "=cmd()")
    assert "'=cmd()" in page._export(results.groups(), "csv", ["ndcg@100"])
    assert "|:---" in page._export(results.groups(), "md", ["ndcg@100"])
    assert r"\toprule" in page._export(results.groups(), "latex", ["ndcg@100"])


@pytest.mark.parametrize("page", ["results", "curves", "train", "recommend", "overview"])
def test_a_run_name_is_shown_and_not_run(page: str, open_page: Open, runs: Runs, store: Store) -> None:
    queue.rename(store, runs.finished(), "<img src=x onerror=alert(1)> **bold** :material/home:")
    tab = open_page(page)
    assert not tab.exception
    assert "<img" not in page_text(tab).replace("\\<img", "")
    assert "**bold**" not in page_text(tab)


def test_overview_names_the_best_model_with_its_interval(open_page: Open, runs: Runs) -> None:
    runs.finished("multvae", 0.31), runs.finished("ease", 0.35)
    tab = open_page("overview")
    assert "EASE with NDCG@100 **0.3500**, 95% interval 0.340 to 0.360" in page_text(tab)
    assert [metric.value for metric in tab.metric] == ["2", "2", "1", "0"]


def test_overview_trains_everything_on_the_demo_with_one_button(
    open_page: Open, waiting: list[str], store: Store
) -> None:
    tab = open_page("overview")
    tab.button(key="train_demo").click().run()
    assert not tab.exception
    from recdash.services import compare

    assert {run.model for run in store.runs()} == set(compare.models_for())
    assert {run.dataset for run in store.runs()} == {"demo"}
    assert "Training all models on the demo" in page_text(tab)
    tab.button(key="train_demo").click().run()
    assert len(store.runs()) == len(compare.models_for())


def test_overview_offers_to_resume_what_was_interrupted(open_page: Open, runs: Runs) -> None:
    runs.interrupted()
    tab = open_page("overview")
    assert "1 run interrupted" in page_text(tab)
    assert "Resume runs" in [link.label for link in tab.get("page_link")]


def test_data_shows_numbers_pictures_and_what_a_protocol_does(open_page: Open) -> None:
    tab = open_page("data", dataset="toy")
    assert not tab.exception and not tab.error
    assert [metric.value for metric in tab.metric][:3] == ["240", "45", "5,198"]
    assert len(tab.get("vega_lite_chart")) == 3, "its interactions are of one month"
    tab = open_page("data", dataset="toy", tab="Protocol")
    assert "Entire users are held out" in page_text(tab)
    assert "Users by part of the split" in page_text(tab)
    tab.segmented_control(key="url.protocol").select("ratings-90").run()
    assert not tab.exception and "Training ratings" in [metric.label for metric in tab.metric]


def test_a_protocol_that_the_data_does_not_allow_says_why(open_page: Open, toy: str) -> None:
    from recdash import paths
    from tests.toy_data import toy_dataset

    toy_dataset(times=False).save(paths.data_dir() / "sets" / "timeless")
    tab = open_page("data", dataset="timeless", tab="Protocol", protocol="strong-temporal")
    assert "no time column" in tab.error[0].value


def test_a_dataset_is_removed_but_never_the_demo(open_page: Open) -> None:
    tab = open_page("data", dataset="toy")
    tab.button(key="remove.toy").click().run()
    assert not tab.exception
    from recdash.services import datasets

    assert "toy" not in {entry.name for entry in datasets.entries() if entry.ready}
    assert "remove.demo" not in {button.key for button in open_page("data", dataset="demo").button}
