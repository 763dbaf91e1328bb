"""Curves, Results, Data and Overview: what they show, and that the address keeps the view."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.runs import queue
from recdash.runs.run_folder import RunFolder
from recdash.runs.store import Store
from recdash.services import latent_kl
from recdash.services import runs as service
from tests.pages.conftest import (
    Open,
    Runs,
    page_text,
    table_with,
)


def test_what_an_address_names_that_does_not_exist_is_passed_over(open_page: Open, runs: Runs) -> None:
    run_id = runs.finished()
    tab = open_page("curves", run=["../../etc", run_id, "multvae-ffffffff"], x="sideways", smooth="lots")
    assert not tab.exception and not tab.error
    assert "2 runs in the address" in tab.warning[0].value
    assert tab.segmented_control(key="url.x").value == "epoch"
    assert tab.slider(key="url.smooth").value == 0


def test_latent_dimensions_are_drawn_where_a_model_has_some(open_page: Open, runs: Runs) -> None:
    first, second = runs.finished(), runs.finished("multdae")
    folder = RunFolder(first)
    folder.path.mkdir(parents=True, exist_ok=True)
    row = {"epoch": 3, "update": 30, "seconds": 1.0, "values": {}}
    folder.add_epoch(row, {"kl_by_dimension": np.array([0.2, 1.5, 0.0], np.float32)})
    kl = latent_kl.history(service.find(first)).kl
    assert kl is not None
    assert [kl.at(epoch)[1] for epoch in (3, 99)] == [pytest.approx((1.5, 0.2, 0.0))] * 2
    assert latent_kl.history(service.find(second)).kl is None
    assert "KL per latent dimension" in page_text(open_page("curves", run=[first, second], section="vae"))
    assert "KL per latent dimension" not in page_text(open_page("curves", run=[second], section="vae"))


def test_coming_back_to_a_page_finds_the_view_as_it_was(open_page: Open, runs: Runs) -> None:
    first, _ = runs.finished(), runs.finished("multdae")
    tab = open_page("curves", run=[first])
    tab.query_params.clear()  # the menu opens pages without parameters
    tab.switch_page("pages/results.py").run()
    tab.query_params.clear()
    tab.switch_page("pages/curves.py").run()
    assert tab.query_params["run"] == first


def test_c7_values_that_are_not_finite_are_counted(open_page: Open, runs: Runs, store: Store) -> None:
    run_id = runs.running(epochs=2)
    store.add_epoch(run_id, runs.me, epoch=3, update=30, seconds=2.0, values={"loss": float("nan"), "kl": 1.0})
    assert "1 value is not finite" in page_text(open_page("curves", run=[run_id], show=["loss", "kl"]))


def test_what_differs_between_runs_is_listed(open_page: Open, runs: Runs) -> None:
    runs.finished(seed=1), runs.finished(seed=2)
    tab = open_page("curves", section="settings")
    assert "seed" in table_with(tab, "Mult-VAE on toy, seed 1").index


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
    assert "NDCG@100 **0.3500**, 95% interval 0.340 to 0.360" in page_text(tab)
    assert "EASE" in [link.label for link in tab.get("page_link")]
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
