"""What every model is: a frozen config, a shape, scores for any histories, and a folder it can be kept in."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recdash import devices
from recdash.data.catalogue import Catalogue
from recdash.data.histories import Histories
from recdash.errors import UsageError
from recdash.models import checkpoint_io
from recdash.models.batch import Batch, Noise
from recdash.models.data_shape import DataShape
from recdash.settings import Config, setting, whole_number

Task = Literal["ranking", "rating"]
ACTIVE_FROM = 0.01  # nats; a latent dimension that differs less from the prior says nothing
FEW_USERS = 3_000  # below, an update costs its overhead, and presets make fewer and larger ones
POPULARITY_FILE = "popularity.json"  # beside the weights; models kept by earlier versions have none
SCORES_AT_ONCE = 1 << 21  # scores held at once while scoring in chunks: 8 MiB of float32 stay in the cache


class Recommendation(NamedTuple):
    """One place of a list: item id, title with year, and the model's score (not a probability)."""

    id: str
    title: str
    score: float


@dataclass(frozen=True, kw_only=True)
class GradientConfig(Config):
    """Settings common to the models trained by gradients."""

    epochs: int = setting(
        100, low=1, high=100_000, unit="epochs", help="the largest number of passes over the training users"
    )
    batch_size: int = setting(
        500, low=1, high=1_000_000, unit="users", help="the largest number of users in one update"
    )
    learning_rate: float = setting(1e-3, low=0, high=10, help="the step size of the optimiser")
    weight_decay: float = setting(0.0, low=0, high=100, help="the L2 penalty on weight matrices, coupled as in Adam")
    patience: int = setting(
        10, low=1, high=100_000, unit="validations", help="how many validations without a gain end the training"
    )
    validate_every: int = setting(
        1, low=1, high=100_000, unit="epochs", help="how often the validation users are looked at"
    )
    averaging: float = setting(
        0.0,
        low=0,
        high=0.999,
        help="what is judged and kept is a running mean of the weights, of which this share stays from epoch to epoch; "
        "0 for the weights themselves",
    )
    precision: str = setting(
        "auto",
        choices=("auto", "float32", "bfloat16"),
        help="the number format of matrix products in training; auto takes bfloat16 where the processor has it",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto` for data of this shape; `given` are those set by name."""
        return cls(batch_size=auto_batch_size(shape))


def auto_batch_size(shape: DataShape, updates: int = 45) -> int:
    """Batch size that gives about so many updates an epoch, between 8 and 1,000 users."""
    return int(np.clip(round(shape.users / updates), 8, 1000))


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands when it asks for a loss: epoch from 1, updates done before this one, updates planned."""

    epoch: int
    update: int
    planned: int
    noise: Noise
    phase: str = "all"


@dataclass(frozen=True, eq=False)
class Loss:
    """What is minimised, one value per user, and the named parts that are shown.

    total: (rows,).  parts: per-user tensors or plain numbers; a tensor (rows, width) becomes a short array per epoch.
    """

    total: Tensor
    parts: Mapping[str, Tensor | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """A share of an epoch: so many passes over the users, in which one optimiser moves some of the parameters."""

    name: str
    passes: int
    parameters: tuple[str, ...]  # names of parameters; () for all


class Model(ABC):
    """A recommender. `score` is defined for any histories over the model's items, seen users or not."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    task: ClassVar[Task] = "ranking"
    config_class: ClassVar[type[Config]]
    needs_order: ClassVar[bool] = False
    answers_without_picks: ClassVar[bool] = False
    reads_picks: ClassVar[bool] = True  # False: the order of a list owes them nothing, so no reason can be given

    config: Any
    shape: DataShape
    catalogue: Catalogue
    popularity: NDArray[np.int64] | None  # (items,) training interactions; unknown where nobody counted
    record: dict[str, Any]

    def __init__(self, config: Config, shape: DataShape) -> None:
        self.config = config
        self.shape = shape
        self.catalogue = Catalogue(())
        self.popularity = None
        self.record = {}

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the model computes."""

    @abstractmethod
    def score_batch(self, batch: Batch) -> Tensor:
        """Scores of all items, (rows, items) float32; no dropout, no sampling."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Everything that was learned, by name."""

    @abstractmethod
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave."""

    @property
    def n_learned(self) -> int:
        """How many numbers were learned; data that a model keeps beside them does not count."""
        return sum(tensor.numel() for tensor in self.tensors().values())

    def in_chunks(self, histories: Histories, users: NDArray[np.int64] | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Yield rows and their scores, few enough at a time to bound memory; callers may write into the scores.

        users: (rows,) the training row of each history, where the histories belong to users that were trained on.
        """
        rows = max(1, min(512, SCORES_AT_ONCE // max(1, self.shape.items)))
        for start in range(0, len(histories), rows):
            part = histories.slice(start, start + rows)
            with torch.no_grad(), devices.deterministic(self.device):  # equal scores from call to call on a GPU, too
                known = None if users is None else users[start : start + rows]
                scores = self.score_batch(Batch.of(part, self.device, known)).float()
            yield slice(start, start + len(part)), scores

    def score(self, histories: Any) -> NDArray[np.float32]:
        """Score every item for every row; seen items are not masked.

        histories: Histories or a scipy CSR matrix, (users, items).  Returns (users, items) float32.
        Raises DataError when the number of items differs from the training data's.
        """
        rows = Histories.from_any(histories, self.shape.items)
        out = np.empty((len(rows), self.shape.items), np.float32)
        for where, scores in self.in_chunks(rows):
            out[where] = scores.cpu().numpy()
        return out

    def recommend(self, picks: Sequence[str | int], k: int = 10) -> list[Recommendation]:
        """Rank the items for somebody who likes the picks, which are never in the list themselves.

        picks: titles, with or without year, or item ids, in the order in which they were liked; small typing errors
        are forgiven (`recdash.data.picks.resolve`).  k: at most so many.  Raises UsageError for a title that fits no
        item or several, or for no picks where some are needed.
        """
        from recdash.data.picks import resolve_all

        chosen, k = resolve_all(self.catalogue, picks, self.popularity), whole_number("k", k, 0)
        if not chosen and not self.answers_without_picks:
            raise UsageError(
                f"{self.name} needs at least one pick. Name an item, for example {self.catalogue[0].label!r}."
            )
        scores = self.score(Histories.from_rows([chosen], self.shape.items))[0]
        scores[chosen] = -np.inf
        best = np.lexsort((np.arange(len(scores)), -scores))[: min(k, len(scores) - len(chosen))]
        return [Recommendation(self.catalogue[i].id, self.catalogue[i].label, float(scores[i])) for i in best.tolist()]

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32] | None:
        """What each pick adds to the score of each item, (picks, items), where the score is such a sum; else None."""
        return None

    def save(self, folder: str | Path) -> None:
        """Keep the model in a folder (safetensors and JSON), whole or not at all."""
        shape = [self.shape.users, self.shape.items, self.shape.interactions, self.shape.scale]
        facts = {"model": self.name, "config": self.config.to_dict(), "shape": shape, "record": self.record}
        extra = {"catalogue.json": self.catalogue.to_json()}
        if self.popularity is not None:
            extra[POPULARITY_FILE] = json.dumps(self.popularity.tolist())
        checkpoint_io.write(Path(folder), self.tensors(), facts, extra=extra)


class ClosedFormModel(Model):
    """A model whose weights are the solution of an equation, or a count."""

    @property
    def precision(self) -> str:
        """The number format in which the solution is computed."""
        return "float32"

    def __init__(self, config: Config, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.seed = 0
        self._tensors: dict[str, Tensor] = {}
        self._device = torch.device("cpu")

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self._device

    @abstractmethod
    def solve(self, train: Any) -> Self:
        """Learn from the training users' histories; returns the model itself."""

    def to(self, device: torch.device) -> Self:
        """Move to a device."""
        self._device = device
        self._tensors = {name: tensor.to(device) for name, tensor in self._tensors.items()}
        return self

    def tensors(self) -> dict[str, Tensor]:
        """Everything that was learned, by name."""
        return self._tensors

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        self._tensors = {name: tensor.to(self._device) for name, tensor in tensors.items()}


class GradientModel(Model, nn.Module):
    """A model that one training loop can train: it gives a loss and does nothing else."""

    config_class: ClassVar[type[GradientConfig]]

    def __init__(self, config: GradientConfig, shape: DataShape) -> None:
        nn.Module.__init__(self)
        Model.__init__(self, config, shape)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.parameters()).device

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights afresh, on the CPU: a seed starts from the same weights on every device."""

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Called by PyTorch for every move to another device: nothing computed before may stay behind."""
        self.clear_caches()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call,no-any-return]

    def clear_caches(self) -> None:
        """Drop what was computed from the weights, or lies on their device; by default there is nothing."""

    @abstractmethod
    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return what is minimised, and its parts."""

    def losses(self, batch: Batch, progress: TrainingProgress) -> Iterator[Loss]:
        """Yield what is minimised, one optimiser step after each; by default one step on `loss`."""
        yield self.loss(batch, progress)

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the optimiser of some parameters; by default Adam."""
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.Adam(groups, lr=self.config.learning_rate, fused=fused)

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Turn an epoch's means over rows into the values that are shown; by default they are shown as they are."""
        return means

    def summarise_arrays(self, arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
        """Values that follow from an epoch's arrays; of the KL divergence by dimension, how many are in use."""
        by_dimension = arrays.get("kl_by_dimension")
        return {} if by_dimension is None else {"active_units": float((by_dimension > ACTIVE_FROM).sum())}

    def training_rows(self, train: Histories) -> Histories:
        """What an epoch goes through; by default the training users."""
        return train

    def learning_rate(self, epoch: int) -> float:
        """Step size in an epoch, counted from 1."""
        return float(self.config.learning_rate)

    def phases(self) -> tuple[Phase, ...]:
        """How an epoch is divided; by default one pass that moves everything."""
        return (Phase("all", 1, ()),)

    def on_phase_start(self, phase: str, rows: Histories, *, resumed: bool) -> None:
        """Called with the training rows when a phase begins, and again when a training is resumed inside it."""

    def order_batches(self, order: NDArray[np.int64], rows: Histories) -> NDArray[np.int64]:
        """Turn a random permutation of the rows into the order in which a pass visits them."""
        return order

    def training_tensors(self) -> dict[str, Tensor]:
        """What a resumed training needs beside the optimisers; by default what was learned."""
        return self.tensors()

    def schedules_done(self, update: int, planned: int) -> bool:
        """Whether schedules have come to rest, so that patience may be counted."""
        return True

    def tensors(self) -> dict[str, Tensor]:
        """Everything that was learned, by name."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave."""
        self.load_state_dict(dict(tensors))
