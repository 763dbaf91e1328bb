"""Recommendations of several models: no pick is recommended, reasons add up, and it works before any training."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recdash.data.histories import Histories
from recdash.errors import UsageError
from recdash.recommend import ease_fallback, ranked_list
from recdash.recommend.item_filter import ItemFilter
from recdash.recommend.ranked_list import ListOptions
from recdash.recommend.taste import DISLIKE, Taste, TasteEntry
from recdash.runs.run_folder import RunFolder
from recdash.services import compare, datasets, recommend, snapshots, trained_runs
from recdash.services import runs as run_service
from recdash.services import runs as service
from tests.devices import fake_gpu
from tests.run_helpers import Runs
from tests.toy_data import toy_dataset

PICKS = ["Film 4 (1954)", "7", "film 13"]


def test_without_a_trained_model_ease_is_fitted_and_the_note_reports_it(toy) -> None:
    answer = recommend.recommend("toy", PICKS, k=5)
    (only,) = answer.lists
    assert (only.model, only.run, len(only.items)) == ("ease", None, 5)
    assert "no model is trained" in only.note
    assert [pick.id for pick in answer.picks] == ["4", "7", "13"]


def test_the_untrained_fallback_uses_the_most_popular_items_of_a_large_catalogue(monkeypatch) -> None:
    monkeypatch.setattr(ease_fallback, "MAX_ITEMS", 10)
    data = toy_dataset()
    model, note = ease_fallback.fit_ease(data)
    liked = np.bincount(data.items[data.ratings >= 4], minlength=data.n_items)
    kept = {data.catalogue.index_of[item.id] for item in model.catalogue.items}
    assert len(kept) == 10 and "10 most popular" in note
    assert min(liked[list(kept)]) >= max(np.delete(liked, list(kept)))


def test_every_trained_model_answers_once_with_its_best_run(here, small) -> None:
    compare.start(compare.requests("toy", ["popularity", "ease", "multvae"], settings=small))
    compare.start(compare.requests("toy", ["ease"], settings={"l2": 1e6}))
    good, poor = sorted(service.list_runs(model="ease"), key=lambda run: -run.best_value)
    assert good.best_value > poor.best_value
    answer = recommend.recommend("toy", PICKS)
    assert [one.model for one in answer.lists] == ["popularity", "ease", "multvae"]
    assert answer.lists[1].run.id == good.id
    assert {run.id for run in trained_runs.trained_runs("toy")} >= {poor.id, good.id}


def test_picks_are_never_recommended_and_places_count_up(here, small) -> None:
    compare.start(compare.requests("toy", ["popularity", "ease", "multvae"], settings=small))
    for one in recommend.recommend("toy", PICKS, k=45).lists:
        ids = [place.item.id for place in one.items]
        assert not {"4", "7", "13"} & set(ids) and len(ids) == len(set(ids)) == 42
        assert [place.rank for place in one.items] == list(range(1, 43))
        scores = [place.score for place in one.items]
        assert scores == sorted(scores, reverse=True)


def test_contributions_of_ease_add_up_to_the_score(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    (ease,) = recommend.recommend("toy", PICKS).lists
    assert ease.reason_kind == "contribution"
    for place in ease.items:
        assert sum(reason.share for reason in place.reasons) == pytest.approx(place.score, rel=1e-4, abs=1e-6)
        shares = [reason.share for reason in place.reasons]
        assert shares == sorted(shares, reverse=True)


def test_a_score_drop_is_what_the_list_loses_without_the_pick(here, small) -> None:
    (run,) = compare.start(compare.requests("toy", ["multvae"], settings=small))
    answer = recommend.recommend("toy", PICKS)
    (vae,) = answer.lists
    assert vae.reason_kind == "score drop"
    model, place = recommend.load_model(service.find(run.id)), vae.items[0]
    index = model.catalogue.index_of
    without = [index[pick.id] for pick in answer.picks if pick.id != place.reasons[0].pick.id]
    score = model.score(Histories.from_rows([without], len(model.catalogue)))[0, index[place.item.id]]
    assert place.reasons[0].share == pytest.approx(place.score - score, abs=1e-5)


def test_a_single_pick_has_no_score_drop(here, small) -> None:
    compare.start(compare.requests("toy", ["multvae"], settings=small))
    (vae,) = recommend.recommend("toy", ["4"]).lists
    assert vae.reason_kind == "" and all(place.reasons == () for place in vae.items)


def test_an_unknown_pick_is_named_in_a_note(here) -> None:
    from recdash.data.items import Item

    (run,) = compare.start(compare.requests("toy", ["ease"]))
    model = recommend.load_model(service.find(run.id))
    stranger = Item("999", "Never seen", 1999)
    known = model.catalogue[3]
    ranked = ranked_list.rank(model, [stranger, known], 5)
    alone = ranked_list.rank(model, [known], 5)
    assert ranked.unknown == (stranger,)
    assert [place.item for place in ranked.items] == [place.item for place in alone.items]
    assert ranked_list.rank(model, [stranger], 5).items == ()


def test_without_picks_only_models_that_need_none_answer(here) -> None:
    compare.start(compare.requests("toy", ["popularity", "ease"]))
    popularity, ease = recommend.recommend("toy", []).lists
    assert len(popularity.items) == 10 and ease.items == () and "pick" in ease.note


def test_an_unknown_title_is_refused_with_the_nearest(toy) -> None:
    with pytest.raises(UsageError, match="No item matches"):
        recommend.recommend("toy", ["Zorglub"])


def test_an_untrained_model_is_refused_with_the_command_that_trains_it(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    with pytest.raises(UsageError, match="recdash train multvae --dataset toy"):
        recommend.recommend("toy", PICKS, models=["multvae"])
    with pytest.raises(UsageError, match="Did you mean 'multvae'"):
        recommend.recommend("toy", PICKS, models=["multvea"])


def test_exactly_the_named_runs_answer(here, small) -> None:
    a, b = compare.start(compare.requests("toy", ["multvae"], settings=small, seeds=[1, 2]))
    answer = recommend.recommend("toy", PICKS, run_ids=[b.id, a.id])
    assert [one.run.id for one in answer.lists] == [b.id, a.id]
    assert set(answer.to_dict()["recommendations"]) == {"multvae", a.id}


def test_a_run_of_another_dataset_is_refused(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    with pytest.raises(UsageError, match="trained on toy"):
        recommend.recommend("demo", [], run_ids=[run.id])


def test_a_damaged_checkpoint_is_a_note_and_the_other_lists_remain(here) -> None:
    ease, _ = compare.start(compare.requests("toy", ["ease", "popularity"]))
    (weights,) = RunFolder(ease.id).best.glob("*.safetensors")
    weights.write_bytes(b"no tensors")
    answer = recommend.recommend("toy", PICKS)
    by_model = {one.model: one for one in answer.lists}
    assert by_model["ease"].items == () and "checksum" in by_model["ease"].note
    assert len(by_model["popularity"].items) == 10


def test_the_document_is_json_with_the_promised_fields(here, small) -> None:
    compare.start(compare.requests("toy", ["ease", "multvae"], settings=small))
    found = json.loads(json.dumps(recommend.recommend("toy", PICKS, k=2).to_dict(), allow_nan=False))
    assert found["picks"][0] == {"id": "4", "title": "Film 4", "year": 1954}
    for places in found["recommendations"].values():
        assert [set(place) >= {"rank", "id", "title", "year", "score"} for place in places] == [True, True]


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_lists_have_a_sensible_length(toy, k: int) -> None:
    with pytest.raises(UsageError, match="outside"):
        recommend.recommend("toy", PICKS, k=k)


def test_models_are_read_from_disk_once(here, monkeypatch) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    record = service.find(run.id)
    assert recommend.load_model(record) is recommend.load_model(record)


def test_finding_items_forgives_typing_errors_and_starts_with_popular_ones(toy) -> None:
    assert recommend.find_items("toy", "flim 13")[0].id == "13"
    assert recommend.find_items("toy", "  ") == []
    popular = recommend.popular_items("toy", 5)
    counts = np.bincount(toy_dataset().items)
    assert counts[int(popular[0].id) - 1] == counts.max()


def test_deleted_runs_do_not_answer_any_more(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["popularity"]))
    run_service.delete(run.id)
    assert trained_runs.trained_runs("toy") == []


def best_of(model: str = "multvae") -> str:
    """The id of the best run of a model."""
    return trained_runs.best_runs("toy", [model])[0].id


def test_a_higher_figure_under_another_protocol_does_not_win(runs: Runs) -> None:
    usual = runs.answering(split="aaaa", epochs=2, seed=1)
    runs.answering(split="bbbb", epochs=5, seed=2, protocol="strong-temporal")
    assert trained_runs.trained_runs("toy")[0].id == usual == best_of()


def test_a_higher_figure_on_an_older_split_does_not_win(runs: Runs) -> None:
    runs.answering(split="aaaa", epochs=5, seed=1)
    newest = runs.answering(split="bbbb", epochs=2, seed=2, split_seed=7)
    assert best_of() == newest


def test_a_higher_figure_on_data_that_have_changed_does_not_win(runs: Runs) -> None:
    now = datasets.entry("toy").fingerprint
    present = runs.answering(epochs=2, seed=1, protocol="weak", dataset_fingerprint=now)
    runs.answering(epochs=5, seed=2, dataset_fingerprint="before")
    assert best_of() == present, "not even one of the usual protocol"


def test_among_comparable_runs_the_best_on_validation_wins_and_of_equals_the_newest(runs: Runs) -> None:
    first, better, _ = (runs.answering(epochs=epochs, seed=epochs) for epochs in (3, 5, 2))
    again = runs.answering(epochs=5, seed=50)
    assert best_of() == again
    run_service.delete(again)
    assert best_of() == better
    run_service.delete(better)
    assert best_of() == first


def test_runs_whose_split_is_unknown_are_comparable_with_nothing(runs: Runs) -> None:
    runs.answering(split="", epochs=5, seed=1)
    newest = runs.answering(split="", epochs=2, seed=2)
    assert best_of() == newest


def test_the_document_names_protocol_and_split_of_each_list(runs: Runs) -> None:
    runs.answering(protocol="weak", split_seed=7)
    (about,) = recommend.recommend("toy", PICKS).to_dict()["models"].values()
    assert (about["protocol"], about["split_seed"]) == ("weak", 7)
    assert about["still_improving"] is True and about["unstable_epoch"] is None


@pytest.mark.parametrize("nothing", [[], "", " , "])
def test_an_empty_list_of_models_or_runs_is_refused(runs: Runs, nothing: str | list[str]) -> None:
    runs.answering()
    with pytest.raises(UsageError, match="The list of models is empty"):
        recommend.recommend("toy", PICKS, models=nothing)
    with pytest.raises(UsageError, match="The list of runs is empty"):
        recommend.recommend("toy", PICKS, run_ids=nothing)


def test_models_run_on_the_requested_device(here, small) -> None:
    compare.start(compare.requests("toy", ["multvae", "ease"], settings=small))
    on_cpu = recommend.recommend("toy", PICKS).lists
    with fake_gpu.installed() as gpu:
        on_gpu = recommend.recommend("toy", PICKS, device="cuda").lists
        assert gpu.calls
        for one, other in zip(on_gpu, on_cpu, strict=True):
            assert [place.item for place in one.items] == [place.item for place in other.items] and one.note == ""


@pytest.mark.parametrize("loaded_before", [False, True])
def test_models_run_on_the_cpu_with_a_note_if_gpu_memory_is_full(here, small, loaded_before: bool) -> None:
    compare.start(compare.requests("toy", ["multvae"], settings=small))
    (expected,) = recommend.recommend("toy", PICKS).lists
    with fake_gpu.installed() as gpu:
        if loaded_before:  # then the weights lie there, and only the scores have no room
            recommend.recommend("toy", PICKS, device="cuda")
        gpu.full = True
        (found,) = recommend.recommend("toy", PICKS, device="cuda").lists
    assert [place.item for place in found.items] == [place.item for place in expected.items]
    assert "are free" in found.note and "computes on the CPU instead" in found.note and "\n" not in found.note


def test_an_unavailable_device_is_refused(here) -> None:
    compare.start(compare.requests("toy", ["popularity"]))
    with pytest.raises(UsageError, match="This machine has no device 'cuda:7'"):
        recommend.recommend("toy", PICKS, device="cuda:7")


def test_a_taste_with_dislikes_and_options_answers_in_place_of_picks(here, small) -> None:
    compare.start(compare.requests("toy", ["ease", "multvae"], settings=small))
    catalogue = datasets.load("toy").catalogue
    by_id = {item.id: item for item in catalogue.items}
    taste = Taste((TasteEntry(by_id["4"]), TasteEntry(by_id["7"], DISLIKE), TasteEntry(by_id["13"], 5.0)), (1, 5))
    options = ListOptions(k=45, filter=ItemFilter(year_from=1960))
    answer = recommend.recommend("toy", taste=taste, options=options)
    assert [pick.id for pick in answer.picks] == ["4", "13"] and answer.taste == taste
    for one in answer.lists:
        assert {ranked.item.id for ranked in one.items} == {str(number) for number in range(10, 46)} - {"13"}
        assert one.reads.startswith("reads 2 likes") and one.n_permitted == len(one.items)
    document = answer.to_dict()
    assert [entry["mark"] for entry in document["taste"]] == ["like", "dislike", "5"]
    assert document["models"]["multvae"]["scale"] == "probability"
    with pytest.raises(UsageError, match="picks and taste exclude each other"):
        recommend.recommend("toy", PICKS, taste=taste)


def test_k_and_explain_override_the_options(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    (found,) = recommend.recommend("toy", PICKS, k=3, explain=False, options=ListOptions(k=20)).lists
    assert len(found.items) == 3 and found.reason_kind == ""


def test_a_filter_that_nothing_passes_is_said(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    options = ListOptions(filter=ItemFilter(year_from=2050))
    (found,) = recommend.recommend("toy", PICKS, options=options).lists
    assert found.items == () and found.note == "no item passes the filters"


def test_a_taste_of_all_items_leaves_none_and_blames_no_filter(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    (found,) = recommend.recommend("toy", datasets.load("toy").catalogue.items).lists
    assert found.items == () and found.note == "no item is left to recommend"


def test_popularity_is_that_of_the_dataset(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    loaded = datasets.load("toy")
    options = ListOptions(k=45, filter=ItemFilter(popularity=(0.5, 1.0)))
    (found,) = recommend.recommend("toy", PICKS, options=options).lists
    counts = np.bincount(loaded.items)
    listed = {loaded.catalogue.index_of[ranked.item.id] for ranked in found.items}
    popular = {index for index in range(45) if np.mean(counts < counts[index]) >= 0.5}
    picks = {loaded.catalogue.index_of[pick] for pick in ("4", "7", "13")}
    assert listed == popular - picks


def test_the_last_position_of_the_epoch_slider_is_the_list_of_the_model(here, small) -> None:
    (run,) = compare.start(compare.requests("toy", ["multvae"], settings=small))
    record = service.find(run.id)
    epochs = snapshots.snapshot_epochs(record)
    assert epochs[0] == 0 and epochs[-1] == record.best_epoch

    def at(epoch: int) -> recommend.RecommendationList:
        (found,) = recommend.recommend("toy", PICKS, epochs={run.id: epoch}).lists
        assert found.epoch == epoch
        return found

    (saved,) = recommend.recommend("toy", PICKS).lists
    assert saved.epoch is None and at(epochs[-1]).items == saved.items
    assert at(0).items != saved.items and at(0).items == at(0).items
    untrained = recommend.load_model(record, epoch=0)
    assert untrained is recommend.load_model(record, epoch=0) is not recommend.load_model(record)


def test_an_epoch_without_a_snapshot_is_a_note(here, small) -> None:
    (run,) = compare.start(compare.requests("toy", ["multvae"], settings=small))
    (found,) = recommend.recommend("toy", PICKS, epochs={run.id: 77}).lists
    assert found.items == () and "77" in found.note


def test_a_list_of_a_model_with_broken_weights_is_a_note(here, monkeypatch) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    model = recommend.load_model(service.find(run.id))
    model.weights[3] = float("nan")
    (found,) = recommend.recommend("toy", PICKS).lists
    assert found.items == () and "contain NaN" in found.note


def test_missing_reasons_of_a_very_long_taste_are_said(here, small, monkeypatch) -> None:
    compare.start(compare.requests("toy", ["popularity", "ease", "multvae"], settings=small))
    monkeypatch.setattr(ranked_list, "MAX_LEFT_OUT", 2)
    notes = {one.model: one.note for one in recommend.recommend("toy", PICKS).lists}
    assert "no reasons for more than" in notes["multvae"] and notes["ease"] == ""
    assert "no reasons" not in notes["popularity"]
