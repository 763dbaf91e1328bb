"""Inside the VAE: the charts of a run, and the annealing workbook."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from recdash.runs import queue, worker
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.services import annealing_tries
from recdash.services import runs as run_records
from tests.pages.conftest import Open, Runs, labels, page_text

pytestmark = pytest.mark.usefixtures("components", "waiting")
CONFIG = {"epochs": 8, "latent": 8, "beta_cap": 0.2, "reach_cap_at": 0.5, "hidden": [], "batch_size": 40}
TRY = {"wb_epochs": "5", "wb_latent": "8"}


def charts(tab: AppTest) -> dict[str, Any]:
    """All charts by their text for readers who do not see them."""
    return {element.proto.alt: element.proto for element in tab.get("vega_lite_chart")}


def text_of(tab: AppTest) -> str:
    """All text of a page, without escapes."""
    return page_text(tab).replace("\\", "")


def vae(runs: Runs, *, collapsed: bool = False, ended: bool = True, **request: Any) -> str:
    """A Mult-VAE with six epochs and their arrays, which collapsed after the third if wanted."""
    run_id = runs.queued(**request)
    queue.claim(runs.store, run_id, runs.me, 1)
    runs.store.update_run(run_id, runs.me, config=CONFIG, epochs=8, details={"interactions": 5000})
    for epoch in range(1, 7):
        kl = np.linspace(0.5, 0.1, 8, dtype=np.float32) * (0.001 if collapsed and epoch > 3 else 1)
        beta = min(0.2, 0.2 * (6 * epoch - 3.5) / 24)  # mean over the updates 6 epoch - 6 to 6 epoch - 1
        values = {"reconstruction": 20.0 / epoch, "kl": float(kl.sum()), "weighted_kl": beta * float(kl.sum())}
        values |= {"loss": values["reconstruction"] + values["weighted_kl"], "beta": beta, "ndcg@100": 0.3}
        values["active_units"] = float((kl > 0.01).sum())
        row = {"epoch": epoch, "update": 6 * epoch, "seconds": 1.0 * epoch, "values": values}
        runs.store.add_epoch(run_id, runs.me, **row, **({"best_epoch": 2} if epoch == 2 else {}))  # type: ignore[arg-type]
        RunFolder(run_id).make()
        RunFolder(run_id).add_epoch(row, {"kl_by_dimension": kl})
    if ended:
        runs.store.end_run(run_id, runs.me, State.FINISHED, metrics={"ndcg@100": 0.3})
    return run_id


def test_a_vae_has_every_chart_with_rows_before_it_is_drawn(open_page: Open, runs: Runs) -> None:
    tab = open_page("curves", run=[vae(runs)], section="vae", wb_cap="1.0")
    assert not tab.exception and not tab.error, page_text(tab)
    drawn = {alt: proto for alt, proto in charts(tab).items() if alt}
    starts = (
        "Loss by epoch as reconstruction plus weighted KL divergence; in epoch 6 3.333 plus 0.48 nats",
        "Beta by epochs done, planned and as run. Beta met its cap 0.2 after 4 epochs of 8 planned.",
        "Heat map of the KL divergence per latent dimension by epoch: 6 epochs, 8 dimensions; 8 active dimensions in",
        "KL divergence per latent dimension, largest first, of 1 run",
        "Active latent dimensions by epoch: 8 of 8 in epoch 6",
        "Planned beta by epochs done: up to 1 in 20 epochs",
    )
    for start in starts:
        (found,) = [proto for alt, proto in drawn.items() if alt.startswith(start)]
        assert [dataset.name for dataset in found.datasets] == ["rows"] and found.datasets[0].data.data
    text = text_of(tab)
    assert "The best epoch, 2, is before that. Training ended after epoch 6." in text
    assert "collapse" not in text and "did not record the KL part" not in text and "differ by" not in text


def test_a_collapse_is_named_and_of_two_vaes_the_address_says_which(open_page: Open, runs: Runs) -> None:
    first, second = vae(runs), vae(runs, collapsed=True, ended=False, seed=1)
    tab = open_page("curves", run=[first, second], section="vae", vae=second)
    (warning,) = [one.value.replace("\\", "") for one in tab.warning if "collapse" in one.value]
    assert warning.startswith("Posterior collapse since epoch 4: none of the 8 latent dimensions is active")
    assert "The saved model, of epoch 2, is from before. Try a lower beta_cap (now 0.2)" in warning
    box = tab.selectbox(key="url.vae")
    assert box.value == second and f"Mult-VAE on toy ({first[-8:]})" in box.options
    box.select(first).run()
    assert not any("collapse" in one.value for one in tab.warning)


@pytest.mark.slow
def test_the_workbook_trains_shows_the_answer_and_says_what_changed(
    open_page: Open, runs: Runs, waiting: list[str]
) -> None:
    run_id = vae(runs)
    tab = open_page("curves", run=[run_id], section="vae", wb_cap="0.5", **TRY)
    assert waiting, "the supervisor starts with the first click only"
    tab.button(key="workbook.train").click().run()
    first = annealing_tries.tries([tab.query_params["wb_try"]])[0]
    assert first.tags == ("workbook",) and ":gray-badge" in page_text(tab)
    assert tab.button(key="workbook.train").disabled
    worker.main([first.id, "--threads", "1"])
    tab.select_slider(key="url.wb_cap").set_value(10.0).run()
    assert "Planned beta by epochs done: up to 10 in 5 epochs" in charts(tab)
    assert run_records.list_runs(ids=first.id)[0].archived, "an ended try is not archived"
    tab.button(key="workbook.train").click().run()
    second = tab.query_params["wb_try"][1]
    worker.main([second, "--threads", "1"])
    tab.run()
    assert not tab.exception and not tab.error, page_text(tab)
    assert "With a cap of 10 instead of 0.5, the KL divergence fell from" in text_of(tab)
    assert sum(alt.startswith("KL per dimension (nats)") for alt in charts(tab)) == 2
    assert {run.id for run in run_records.list_runs()} == {run_id}
    tab.button(key="workbook.train").click().run()  # equal settings: shown at once
    assert not queue.queued_runs(runs.store) and tab.query_params["wb_try"] == [first.id, second]
    tab.button(key="workbook.clear").click().run()
    assert "wb_try" not in tab.query_params


def test_a_preset_moves_the_sliders_and_is_that_of_the_sliders(open_page: Open, runs: Runs) -> None:
    tab = open_page("curves", run=[runs.finished("multdae")], section="vae", wb_cap="0.5")
    assert "Choose a run of Mult-VAE, RecVAE or SVAE" in page_text(tab)
    pills = tab.button_group(key="workbook.preset")
    assert not pills.value
    pills.set_value("constant").run()
    assert (tab.query_params["wb_cap"], tab.query_params["wb_reach"]) == ("1.0", "0")
    assert "Planned beta by epochs done: up to 1 in 20 epochs" in charts(tab)
    tab.slider(key="url.wb_reach").set_value(50).run()
    assert tab.button_group(key="workbook.preset").value == "linear_1"


def test_a_read_only_installation_says_that_training_is_disabled(
    open_page: Open, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = vae(runs)
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    tab = open_page("curves", run=[run_id], section="vae", wb_cap="0.5")
    assert not tab.exception and "Training is disabled (RECDASH_READ_ONLY is set)." in page_text(tab)
    assert "Train" not in labels(tab)


def test_a_large_dataset_is_replaced_by_the_demo_with_the_reason(runs: Runs) -> None:
    run_id = runs.running()
    runs.store.update_run(run_id, runs.me, details={"interactions": 10**6})
    (run,) = runs.store.runs(ids=[run_id])
    data = annealing_tries.data_for(run)
    assert data.dataset == "demo" and data.refused == "toy is too large to train on in seconds"
    assert annealing_tries.data_for(None).refused == ""
