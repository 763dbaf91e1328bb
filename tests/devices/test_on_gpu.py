"""All models on a GPU as on the CPU: train, stop, resume, save, load, score, recommend, explain, evaluate.

Without a card this runs on a fake GPU; the tests marked `gpu` are the same on a real one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recdash
from recdash import devices
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.evaluation import evaluate
from recdash.models import registry
from recdash.models.base import ClosedFormModel, GradientModel, Model
from recdash.models.batch import Batch, Noise
from recdash.models.counter_noise import CounterNoise
from recdash.models.rating_model import RatingModel
from recdash.recommend import ranked_list
from recdash.splits import RatingSplit, Split, make_split
from recdash.training import TrainingState, batch_order, cuda_graph, fit
from tests.devices import fake_gpu
from tests.toy_data import toy_dataset, toy_split

SMALL = {"epochs": 2, "latent": 8, "hidden": (), "batch_size": 60, "hidden_width": 16, "embedding": 12, "recurrent": 16}
GRADIENT = [name for name in registry.names() if issubclass(registry.model_class(name), GradientModel)]


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


@pytest.fixture(scope="module")
def ratings() -> RatingSplit:
    found = make_split(toy_dataset(), "ratings-80", seed=1)
    assert isinstance(found, RatingSplit)
    return found


def small(name: str, **more: Any) -> dict[str, Any]:
    fields = registry.model_class(name).config_class.__dataclass_fields__
    return {key: value for key, value in (SMALL | more).items() if key in {*fields, "seed"}}


def trained(name: str, split: Any, device: str, **more: Any) -> Model:
    return fit(name, split, device=device, **small(name, **more))


@pytest.fixture
def without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train without dropout and latent noise: a real GPU draws other numbers than the CPU."""

    def silenced(draw: Callable[..., torch.Tensor], like: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda *sizes: like(draw(*sizes))

    for kind in (Noise, CounterNoise):
        for name in ("normal", "normal_entries"):
            monkeypatch.setattr(kind, name, silenced(getattr(kind, name), torch.zeros_like))
        for name in ("dropout_mask", "unit_dropout_mask"):
            monkeypatch.setattr(kind, name, silenced(getattr(kind, name), torch.ones_like))


@pytest.mark.parametrize("name", registry.names())
def test_a_model_does_on_a_gpu_what_it_does_on_the_cpu(
    name: str, split: Split, gpu: str, tmp_path: Path, without_noise: None
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="RNN module weights")
        model = trained(name, split, gpu, precision="float32")
    assert model.device.type == "cuda" and model.record["device"].startswith("cuda: ")
    on_cpu = trained(name, split, "cpu", precision="float32")
    rows = split.test.fold_in
    np.testing.assert_allclose(model.score(rows), on_cpu.score(rows), rtol=0.01, atol=0.01)
    assert evaluate(model, split).mean["ndcg@100"] == pytest.approx(evaluate(on_cpu, split).mean["ndcg@100"], abs=0.02)

    picks = [split.catalogue[3], split.catalogue[6]]
    assert len(model.recommend([pick.id for pick in picks], k=5)) == 5
    found = ranked_list.rank(model, picks, 5)
    expected = ranked_list.rank(on_cpu, picks, 5)
    assert len(found.items) == 5 and found.reason_kind == expected.reason_kind

    model.save(tmp_path / "model")
    loaded, moved = registry.load(tmp_path / "model"), registry.load(tmp_path / "model", device=gpu)
    assert loaded.device.type == "cpu" and moved.device.type == "cuda"
    np.testing.assert_allclose(loaded.score(rows), model.score(rows), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(moved.score(rows), model.score(rows), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GRADIENT)
def test_a_seed_starts_from_the_same_weights_on_every_device(name: str, split: Split, gpu: str) -> None:
    first = trained(name, split, gpu, epochs=1, learning_rate=0.0, weight_decay=0.0, seed=5)
    second = trained(name, split, "cpu", epochs=1, learning_rate=0.0, weight_decay=0.0, seed=5)
    for key, tensor in first.tensors().items():
        assert torch.equal(tensor.cpu(), second.tensors()[key]), key


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.slow
def test_in_bfloat16_a_stopped_training_goes_on_from_disk(name: str, split: Split, gpu: str, tmp_path: Path) -> None:
    words = small(name, precision="bfloat16", averaging=0.5, batch_size=20) | {"device": gpu}
    whole = fit(name, split, **words)
    asked = iter(range(1000))
    stopped = fit(
        name,
        split,
        should_stop=lambda: next(asked) >= 3,
        on_checkpoint=lambda state: state.save(tmp_path / "state"),
        **words,
    )
    assert stopped.record["stopped"] and stopped.record["precision"] == "bfloat16"
    resumed = fit(name, split, resume=TrainingState.load(tmp_path / "state"), **words)
    for key, tensor in whole.tensors().items():
        torch.testing.assert_close(resumed.tensors()[key], tensor, rtol=1e-3, atol=1e-4, msg=key)


@pytest.mark.parametrize("name", [name for name in registry.names() if registry.model_class(name).task == "rating"])
def test_ratings_are_predicted_on_a_gpu_as_on_the_cpu(name: str, ratings: RatingSplit, gpu: str) -> None:
    variants: list[dict[str, Any]] = [{"variant": "item"}, {"variant": "user"}] if name == "autorec" else [{}]
    for variant in variants:
        models = [trained(name, ratings, device, precision="float32", **variant) for device in (gpu, "cpu")]
        found, expected = (evaluate(model, ratings).mean["rmse"] for model in models)
        assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("name", ["cdae", "svae", "autorec", "deeprec", "recvae"])
def test_a_trained_model_can_be_moved_and_answers_there(name: str, split: Split, gpu: str) -> None:
    model = trained(name, split, "cpu")
    rows = split.test.fold_in
    before = model.score(rows)
    assert isinstance(model, GradientModel)
    model.to(gpu)
    np.testing.assert_allclose(model.score(rows), before, rtol=1e-3, atol=1e-3)
    model.to("cpu")
    assert np.array_equal(model.score(rows), before)


@pytest.mark.parametrize("words", [{"newcomer": "mean"}, {"formula": "published", "weighting": "sampled"}])
def test_every_form_of_cdae_runs_on_a_gpu(words: dict[str, Any], split: Split, gpu: str) -> None:
    assert np.isfinite(fit("cdae", split, device=gpu, **small("cdae"), **words).score(split.test.fold_in)).all()


@pytest.mark.parametrize("words", [{"refeed": 1, "solver": "sgd"}, {"hidden": (12, 10), "halve_at": (1,)}])
def test_every_form_of_deeprec_runs_on_a_gpu(words: dict[str, Any], split: Split, gpu: str) -> None:
    assert np.isfinite(trained("deeprec", split, gpu, **words).score(split.test.fold_in)).all()


def test_resilient_propagation_runs_on_a_gpu(split: Split, gpu: str) -> None:
    model = fit("autorec", split, device=gpu, **small("autorec"), solver="rprop")
    assert np.isfinite(model.score(split.test.fold_in)).all()


def test_a_model_that_knows_no_order_is_asked_without_one_on_a_gpu(split: Split, gpu: str) -> None:
    model = trained("svae", split, gpu)
    assert np.isfinite(model.score(split.test.fold_in.matrix())).all()


def test_entries_are_grouped_by_item_on_a_gpu(split: Split, gpu: str) -> None:
    rows = split.test.fold_in
    there, here = (Batch.of(rows, torch.device(device)).by_item for device in (gpu, "cpu"))
    for one, other in zip(there, here, strict=True):
        assert one.device.type == "cuda" and torch.equal(one.cpu(), other)


def test_weak_generalisation_reads_training_rows_on_a_gpu(gpu: str) -> None:
    weak = make_split(toy_dataset(), "weak", seed=1)
    assert isinstance(weak, Split)
    assert np.isfinite(evaluate(trained("cdae", weak, gpu), weak).mean["ndcg@100"])


def test_ease_is_solved_in_either_precision_on_a_gpu(split: Split, gpu: str) -> None:
    exact = fit("ease", split, device="cpu").score(split.test.fold_in)
    for precision in ("float32", "float64"):
        model = fit("ease", split, device=gpu, precision=precision)
        assert isinstance(model, ClosedFormModel) and model.record["precision"] == precision
        np.testing.assert_allclose(model.score(split.test.fold_in), exact, rtol=1e-3, atol=1e-4)


def test_a_loaded_model_stays_on_the_cpu_when_the_gpu_is_full_and_says_so(split: Split, tmp_path: Path) -> None:
    fit("multdae", split, device="cpu", **small("multdae")).save(tmp_path / "model")
    with fake_gpu.installed() as gpu:
        gpu.full = True
        with pytest.warns(UserWarning, match="computes on the CPU instead") as caught:
            model = recdash.load_model(tmp_path / "model", device="cuda")
    assert "20.0 MiB more are needed, 1.0 MiB are free" in str(caught[0].message)
    assert model.device.type == "cpu" and np.isfinite(model.score(split.test.fold_in)).all()


@pytest.mark.parametrize("name", ["multvae", "ease", "autorec"])
def test_a_training_that_runs_out_of_memory_says_what_it_needs(name: str, split: Split) -> None:
    with fake_gpu.installed() as gpu:
        gpu.full = True
        with pytest.raises(TrainingError, match=r"Not enough memory on cuda: 20.0 MiB more|EASE needs|free") as caught:
            trained(name, split, "cuda")
    assert "\n" not in str(caught.value)


def test_a_training_that_runs_out_of_memory_later_keeps_its_last_state(split: Split) -> None:
    states: list[TrainingState] = []
    with fake_gpu.installed() as gpu:

        def fill(record: Any) -> None:
            gpu.full = record.epoch == 2

        with pytest.raises(TrainingError, match="RECDASH_RUNS_PER_GPU"):
            fit(
                "multdae",
                split,
                device="cuda",
                on_epoch=fill,
                on_checkpoint=lambda state: states.append(state.copied()) if not gpu.full else None,
                **small("multdae", epochs=5),
            )
        gpu.full = False
        resumed = fit("multdae", split, device="cuda", resume=states[-1], **small("multdae", epochs=5))
        whole = trained("multdae", split, "cuda", epochs=5)
        assert states[-1].position.epoch == 1
        assert torch.equal(resumed.tensors()["last.weight"], whole.tensors()["last.weight"])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 858993459200 bytes"),
        MemoryError("Unable to allocate 800. GiB for an array with shape (1, 2)"),
    ],
)
def test_a_model_that_the_machine_cannot_hold_is_refused_with_what_it_needs(
    error: Exception, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(registry, "build", fail)
    with pytest.raises(TrainingError, match=r"Not enough memory: 800 GiB more are needed, .* free\. Lower batch_size"):
        fit("multdae", split, device="cpu", epochs=1)


def test_the_numbers_of_a_gpu_are_made_repeatable_while_training_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    with devices.deterministic(torch.device("cuda")):
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled() and torch.utils.deterministic.fill_uninitialized_memory
    with devices.deterministic(torch.device("cpu")):
        assert not torch.are_deterministic_algorithms_enabled()


def test_weights_of_a_training_are_drawn_on_the_cpu_whatever_the_device(split: Split, gpu: str) -> None:
    config = registry.configure("multvae", split.shape, "auto", small("multvae"))
    model = registry.build("multvae", config, split.shape)
    assert isinstance(model, GradientModel)
    model.initialise(batch_order.torch_generator(3, "weights"))
    drawn = {name: tensor.clone() for name, tensor in model.tensors().items()}
    model.to(gpu)
    assert all(torch.equal(tensor.cpu(), drawn[name]) for name, tensor in model.tensors().items())


def test_pairs_beyond_what_fits_the_cache_are_predicted_on_a_gpu(ratings: RatingSplit, gpu: str) -> None:
    model = trained("deeprec", ratings, gpu)
    assert isinstance(model, RatingModel)
    users = np.arange(20_000) % len(ratings.train)
    assert np.isfinite(model.predict(users, users % ratings.n_items)).all()


def test_a_history_of_nobody_is_scored_on_a_gpu(split: Split, gpu: str) -> None:
    for name in GRADIENT:
        model = trained(name, split, gpu, epochs=1)
        assert np.isfinite(model.score(Histories.from_rows([[], [1]], split.n_items))).all(), name


@pytest.mark.parametrize("name", [name for name in GRADIENT if name not in ("svae", "elsa")])
@pytest.mark.slow
def test_an_update_on_a_gpu_can_be_recorded(
    name: str, split: Split, ratings: RatingSplit, caplog: pytest.LogCaptureFixture
) -> None:
    used = ratings if registry.model_class(name).task == "rating" else split
    with fake_gpu.installed(records=True) as gpu:
        model = trained(name, used, "cuda", precision="float32")
        assert gpu.calls["aten::searchsorted"] > 2 and not caplog.records
    for key, tensor in model.tensors().items():
        assert torch.isfinite(tensor.cpu().float()).all(), key


def test_nothing_is_recorded_if_the_environment_says_so(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_CUDA_GRAPHS", "0")
    with fake_gpu.installed(records=True) as gpu:
        trained("multdae", split, "cuda", epochs=1)
        assert "aten::searchsorted" not in gpu.calls


def test_work_that_waits_for_the_gpu_is_refused_while_it_is_recorded() -> None:
    with fake_gpu.installed(records=True):
        there = torch.ones(3, device="cuda")
        recorder = fake_gpu.Recorder("cuda")
        recorder.record(lambda: there.add_(1))()
        assert there.tolist() == [2, 2, 2]
        for function in (lambda: float(there.sum()), lambda: there.nonzero(), lambda: there.cpu()):
            with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
                recorder.record(function)()


@pytest.mark.parametrize("name", [name for name in GRADIENT if name not in ("svae", "elsa")])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.gpu
def test_recorded_updates_are_those_called_one_by_one(
    name: str,
    precision: str,
    split: Split,
    ratings: RatingSplit,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU on this machine")
    used = ratings if registry.model_class(name).task == "rating" else split
    words = {"precision": precision, "batch_size": 23, "epochs": 3}
    recorded = trained(name, used, "cuda", **words)
    assert not caplog.records
    monkeypatch.setattr(cuda_graph.GraphRecorder, "record", lambda self, function: function)
    direct = trained(name, used, "cuda", **words)
    monkeypatch.setenv("RECDASH_CUDA_GRAPHS", "0")
    ordinary = trained(name, used, "cuda", **words)
    for key, tensor in recorded.tensors().items():
        torch.testing.assert_close(tensor, direct.tensors()[key], rtol=1e-3, atol=1e-4, msg=key)
    metric = "rmse" if used is ratings else "ndcg@100"
    found, expected = (evaluate(model, used).mean[metric] for model in (recorded, ordinary))
    assert found == pytest.approx(expected, abs=0.05)
