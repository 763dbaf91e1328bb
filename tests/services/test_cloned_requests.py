"""Training again with changes: what changes, what stays, and how the new run is called."""

from __future__ import annotations

import pytest

from recdash.errors import RecdashError, UsageError
from recdash.services import launch, training_requests
from recdash.services import runs as service


@pytest.fixture
def first(waiting: list[str]) -> str:
    (request,) = training_requests.build_requests(
        "multvae", "toy", settings={"latent": "8", "epochs": "3"}, seed=4, split_seed=7
    )
    (run,) = launch.train([request])
    launch.stop(run.id)
    return run.id


def test_a_clone_has_the_request_of_its_run_with_the_changes(first: str) -> None:
    before = service.find(first)
    clone = launch.clone(first, settings={"beta_cap": "0.3"}, seed=5, epochs=2)
    assert clone.id != first and clone.settings == {"latent": 8, "epochs": 2, "beta_cap": 0.3}
    assert (clone.seed, clone.split_seed, clone.preset, clone.protocol) == (5, 7, before.preset, before.protocol)
    assert service.find(first) == before, "the run itself stays as it is"


def test_settings_go_back_to_the_preset_and_the_preset_can_change(first: str) -> None:
    clone = launch.clone(first, reset="latent", preset="paper")
    assert (dict(clone.settings), clone.preset) == ({"epochs": 3}, "paper")


def test_without_changes_it_is_the_same_request_again(first: str) -> None:
    clone = launch.clone(first)
    assert clone.request_hash == service.find(first).request_hash and clone.id != first
    assert launch.clone(first).id == clone.id, "an equal request that is queued is not queued twice"


def test_the_name_tells_what_differs(first: str) -> None:
    back = {"reset": "latent,epochs", "split_seed": 98765}
    for name, changes, expected in (
        ("", {"seed": 0}, "Mult-VAE on toy (latent 8, epochs 3, split seed 7)"),
        ("", back, "Mult-VAE on toy, seed 4"),
        ("", {"settings": {"hidden": "60-30"}, "name": "mine"}, "mine"),
        ("Mult-VAE on toy", {**back, "protocol": "weak", "seed": 0}, "Mult-VAE on toy (protocol weak)"),
        ("baseline", {"settings": {"hidden": "60-30"}}, "baseline (hidden 60-30)"),
        ("baseline", {"seed": 5, "preset": "fast"}, "baseline (preset fast, seed 5)"),
        ("baseline", {"reset": "latent"}, "baseline (latent of the preset)"),
        ("baseline", {}, "baseline"),
    ):
        if name:
            service.rename(first, name)
        clone = launch.clone(first, **changes)
        assert clone.name == expected
        service.delete(clone.id)


def test_a_long_name_stays_within_the_limit(first: str) -> None:
    service.rename(first, "n" * 118)
    assert len(launch.clone(first, seed=9).name) == 120


def test_changes_are_validated_before_anything_is_queued(first: str) -> None:
    for changes in (
        {"settings": {"beta_kap": "0.3"}},
        {"settings": {"dropout": "3"}},
        {"reset": "nothing"},
        {"preset": "none such"},
        {"protocol": "none such"},
        {"protocol": "ratings-90"},
        {"seed": -1},
        {"split_seed": 2**70},
        {"device": "toaster"},
    ):
        with pytest.raises(RecdashError) as caught:
            launch.clone(first, **changes)
        assert "\n" not in str(caught.value) and [run.id for run in service.list_runs()] == [first], changes


def test_a_run_in_the_trash_has_to_be_restored_first(first: str) -> None:
    from recdash.services import housekeeping

    housekeeping.trash(first)
    with pytest.raises(UsageError, match="is in the trash"):
        launch.clone(first)
