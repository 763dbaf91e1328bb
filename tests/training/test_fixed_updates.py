"""Updates of fixed shapes, recorded and repeated, do what the ordinary ones do; the CPU stands for the GPU."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from recdash import environment
from recdash.errors import TrainingError, UsageError
from recdash.models import registry
from recdash.models.base import GradientModel, Loss, Model, TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.counter_noise import CounterNoise, noise_keys
from recdash.models.multdae import MultDAE
from recdash.splits import RatingSplit, Split, make_split
from recdash.training import EpochRecord, TrainingState, cuda_graph, fit, fixed_updates, loop
from recdash.training.fixed_updates import FixedUpdates
from tests.toy_data import toy_dataset, toy_split
from tests.training.recorded_operations import RecordedOperations

SMALL: dict[str, Any] = {"latent": 8, "hidden": (12,), "hidden_width": 16, "batch_size": 35, "precision": "float32"}
MODELS: list[tuple[str, dict[str, Any]]] = [
    ("multvae", {}),
    ("multdae", {}),
    ("recvae", {"decay": 0.9}),
    ("cdae", {}),
    ("cdae", {"likelihood": "square", "weighting": "sampled"}),
    ("cdae", {"weighting": "sampled"}),
    ("autorec", {}),
    ("autorec", {"variant": "user"}),
    ("deeprec", {"refeed": 0}),
    ("deeprec", {"refeed": 1, "solver": "sgd", "learning_rate": 1e-3, "halve_at": (1,)}),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Operations are so small here that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def ranking() -> Split:
    whole = toy_split()  # without validation, which takes most of the time
    test = whole.test.fold_in.matrix(), whole.test.held_out.matrix()
    return Split.from_matrices(whole.train.matrix(), test=test)


@pytest.fixture(scope="module")
def ratings() -> RatingSplit:
    found = make_split(toy_dataset(), "ratings-80", seed=1)
    assert isinstance(found, RatingSplit)
    return found


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedOperations]:
    """Let trainings on the CPU record their updates, as on a GPU."""
    recorder = RecordedOperations()

    def for_training(model: GradientModel, *args: Any, **words: Any) -> FixedUpdates | None:
        return FixedUpdates(model, *args, **words, recorder=recorder) if model.fixed_shapes else None

    monkeypatch.setattr(fixed_updates, "for_training", for_training)
    yield recorder


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give ordinary updates the random numbers of recorded ones."""

    def noise(seed: int, update: int, batch: Batch, **whole: Any) -> Noise:
        return CounterNoise(torch.from_numpy(noise_keys(seed, update, 1)), len(batch), len(batch.items))

    monkeypatch.setattr(loop, "Noise", noise)


def words_of(name: str, **more: Any) -> dict[str, Any]:
    fields = registry.model_class(name).config_class.__dataclass_fields__
    return {key: value for key, value in (SMALL | more).items() if key in {*fields, "seed"}}


def assert_close(first: Model, second: Model, tolerance: float) -> None:
    for name, tensor in first.tensors().items():
        torch.testing.assert_close(tensor, second.tensors()[name], rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize(("name", "more"), MODELS)
@pytest.mark.usefixtures("counted")
def test_recorded_updates_train_as_ordinary_ones(
    name: str, more: dict[str, Any], ranking: Split, ratings: RatingSplit, request: pytest.FixtureRequest
) -> None:
    split = ratings if name in ("autorec", "deeprec") else ranking
    words = words_of(name, epochs=2, **more)
    expected: list[EpochRecord] = []
    ordinary = fit(name, split, on_epoch=expected.append, **words)
    recorder: RecordedOperations = request.getfixturevalue("recorder")
    records: list[EpochRecord] = []
    model = fit(name, split, on_epoch=records.append, **words)
    assert 1 <= recorder.recorded <= 4 and recorder.repeated == records[-1].update + recorder.recorded
    assert_close(model, ordinary, 1e-6)
    for record, other in zip(records, expected, strict=True):
        del record.values["examples/s"], other.values["examples/s"]
        assert record.values == pytest.approx(other.values, rel=1e-4)
        assert {key: array.shape for key, array in record.arrays.items()} == {
            key: array.shape for key, array in other.arrays.items()
        }
        assert record.seconds > 0


@pytest.mark.parametrize(("name", "stop_after"), [("multvae", 2), ("multvae", 6), ("recvae", 5), ("recvae", 23)])
def test_a_stopped_training_of_recorded_updates_goes_on_bit_for_bit(
    name: str, stop_after: int, ranking: Split, recorder: RecordedOperations, tmp_path: Path
) -> None:
    words = words_of(name, epochs=2, seed=3)
    expected: list[EpochRecord] = []
    whole = fit(name, ranking, on_epoch=expected.append, **words)
    asked = iter(range(1, 1000))
    records: list[EpochRecord] = []
    fit(
        name,
        ranking,
        should_stop=lambda: next(asked) == stop_after,
        on_checkpoint=lambda state: state.save(tmp_path / "state"),
        on_epoch=records.append,
        **words,
    )
    state = TrainingState.load(tmp_path / "state")
    assert state.position.update == stop_after
    resumed = fit(name, ranking, resume=state, on_epoch=records.append, **words)
    assert_close(whole, resumed, 0)
    for record, other in zip(records, expected, strict=True):
        del record.values["examples/s"], other.values["examples/s"]
        assert record.values == other.values
        assert all((record.arrays[key] == array).all() for key, array in other.arrays.items())


def test_in_bfloat16_recorded_updates_reach_the_same_loss(ranking: Split, recorder: RecordedOperations) -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        records: list[EpochRecord] = []
        fit("multvae", ranking, on_epoch=records.append, **words_of("multvae", epochs=2) | {"precision": precision})
        losses.append(records[-1].values["loss"])
    assert recorder.recorded == 4
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


class _Reading(MultDAE):
    """Reads a value from the device in its loss."""

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        found = super().loss(batch, progress)
        return Loss(found.total * (1.0 if float(found.total.detach().sum()) else 0.0), found.parts)


class _Counting(MultDAE):
    """Asks for the number of updates, which a recorded update cannot know."""

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        found = super().loss(batch, progress)
        return Loss(found.total * (1.0 if progress.update >= 0 else 0.0), found.parts)


class _Misreading(MultDAE):
    """Computes something else from a padded batch."""

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        found = super().loss(batch, progress)
        return Loss(found.total * (2.0 if batch.has_padding else 1.0), found.parts)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (_Reading, "cannot be recorded on cpu: operation not permitted"),
        (_Counting, "are not recorded on cpu: .* 'update'"),
        (_Misreading, "are not recorded on cpu: its loss or its gradients differ"),
    ],
)
@pytest.mark.usefixtures("counted")
def test_what_cannot_be_recorded_is_computed_without_and_said_once(
    kind: type[MultDAE],
    message: str,
    ranking: Split,
    recorder: RecordedOperations,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = fit("multdae", ranking, **words_of("multdae", epochs=2))
    assert recorder.recorded and not caplog.records
    monkeypatch.setattr(registry, "model_class", lambda name: kind)
    with caplog.at_level(logging.WARNING):
        model = fit("multdae", ranking, **words_of("multdae", epochs=2))
    (said,) = caplog.records
    assert isinstance(model, kind)
    assert re.search(message, said.getMessage())
    assert_close(model, expected, 1e-6)


def test_a_recorded_loss_that_is_no_number_names_its_update(ranking: Split, recorder: RecordedOperations) -> None:
    words = words_of("multvae", epochs=50, latent=50, hidden=(), learning_rate=10.0, batch_size=25)
    with pytest.raises(TrainingError, match=r"multvae diverged: .* in epoch \d+, update \d+\. Lower learning_rate"):
        fit("multvae", ranking, **words)


def test_a_model_that_moved_is_recorded_again(ranking: Split, recorder: RecordedOperations) -> None:
    def move(record: EpochRecord) -> None:
        if record.epoch == 2:
            for parameter in training[0].parameters():
                parameter.data = parameter.data.clone()

    training: list[GradientModel] = []
    words = words_of("multdae", epochs=4, batch_size=200)
    expected = fit("multdae", ranking, **words)
    recorder.recorded = 0
    model = fit("multdae", ranking, on_epoch=move, on_weights=lambda _, model: training.append(model), **words)
    assert recorder.recorded == 2
    assert_close(model, expected, 0)


def test_optimisers_get_their_settings_back_after_a_recording() -> None:
    weights = [torch.nn.Parameter(torch.ones(2, 3))]
    rate = torch.tensor(0.5)
    for optimiser, reads in (
        (torch.optim.Adam(weights, lr=0.1, fused=True), True),
        (torch.optim.AdamW(weights, lr=0.1, fused=True), True),
        (torch.optim.SGD(weights, lr=0.1, momentum=0.9), False),
    ):
        assert cuda_graph.is_recordable(optimiser)
        with cuda_graph.recordable(optimiser, rate):
            (group,) = optimiser.param_groups
            assert (group["lr"] is rate) == reads and group.get("capturable", False) == reads
        assert group["lr"] == 0.1 and not group.get("capturable", False)
    assert not cuda_graph.is_recordable(torch.optim.Rprop(weights))
    assert not cuda_graph.is_recordable(torch.optim.SGD(weights, lr=0.1, momentum=0.9, dampening=0.5))


def test_recording_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.cuda_graphs()
    monkeypatch.setenv("RECDASH_CUDA_GRAPHS", "0")
    assert not environment.cuda_graphs()
    monkeypatch.setenv("RECDASH_CUDA_GRAPHS", "maybe")
    with pytest.raises(UsageError, match="RECDASH_CUDA_GRAPHS = 'maybe' is neither on"):
        environment.check_environment()
