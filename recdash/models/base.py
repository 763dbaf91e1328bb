"""Base classes of all models: a frozen config, a data shape, scores for any histories, and saving to a folder."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recdash import devices
from recdash.data.catalogue import Catalogue
from recdash.data.histories import Histories
from recdash.data.pick_rows import history_of, rows_of
from recdash.data.picks import Pick, resolve_all
from recdash.errors import UsageError
from recdash.models import checkpoint_io
from recdash.models.batch import Batch, Noise
from recdash.models.data_shape import DataShape
from recdash.models.explain import Explanation, explanation, pick_contributions
from recdash.models.ranking import TopItems, top_items
from recdash.settings import Config, setting, whole_number

Task = Literal["ranking", "rating"]
ScoreKind = Literal["softmax", "sigmoid", "stars", "relative"]
ACTIVE_UNIT_MIN_KL = 0.01  # nats; a latent dimension closer to the prior carries no information
SMALL_DATA_USERS = 3_000  # below, overhead dominates an update, so presets make fewer and larger ones
POPULARITY_FILE = "popularity.json"  # next to the weights; models saved by early versions have none
SCORES_PER_CHUNK = 1 << 21  # on the CPU: 8 MiB of float32, which stay in its cache


class Recommendation(NamedTuple):
    """One item of a ranked list: item id, title with year, and the model's score (not a probability)."""

    id: str
    title: str
    score: float


@dataclass(frozen=True, kw_only=True)
class GradientConfig(Config):
    """Settings common to the models trained by gradients."""

    epochs: int = setting(
        100, low=1, high=100_000, unit="epochs", help="maximum number of passes over the training users"
    )
    batch_size: int = setting(500, low=1, high=1_000_000, unit="users", help="maximum number of users in one update")
    learning_rate: float = setting(1e-3, low=0, high=10, help="learning rate of the optimiser")
    weight_decay: float = setting(0.0, low=0, high=100, help="L2 penalty on weight matrices, coupled as in Adam")
    patience: int = setting(
        10, low=1, high=100_000, unit="validations", help="early-stopping patience, in validations without improvement"
    )
    validate_every: int = setting(1, low=1, high=100_000, unit="epochs", help="interval between validations")
    averaging: float = setting(
        0.0,
        low=0,
        high=0.999,
        help="decay of the moving average of the weights, per epoch; validation and the saved model use the average, "
        "0 turns it off",
    )
    precision: str = setting(
        "auto",
        choices=("auto", "float32", "bfloat16"),
        help="data type of matrix products in training; auto uses bfloat16 where the processor supports it",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto` for data of this shape; `given`: settings passed by name."""
        return cls(batch_size=auto_batch_size(shape))

    def beta_schedule(self, updates_per_epoch: int) -> Callable[[int], float] | None:
        """Return the planned weight of the KL divergence as a function of the updates done.

        None for models without such a weight, or whose weight depends on the user.
        """
        return None


def auto_batch_size(shape: DataShape, updates: int = 45) -> int:
    """Return the batch size that gives about so many updates per epoch, between 8 and 1,000 users."""
    return int(np.clip(round(shape.users / updates), 8, 1000))


def read_only_array(tensor: Tensor) -> NDArray[np.float32]:
    """Return the values of a tensor as a float32 array on the CPU that cannot be written to."""
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy().view()
    array.flags.writeable = False
    return array


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a training at the time of an update.

    Attributes:
        epoch: Current epoch, from 1.
        update: Updates done before this one.
        planned_updates: Updates of the whole training, without early stopping.
        noise: Random numbers of this update.
        phase: Name of the current phase.
        whole: The batch, if the losses are computed from a slice of its rows; only a loss that is no mean over rows
            needs it.
    """

    epoch: int
    update: int
    planned_updates: int
    noise: Noise
    phase: str = "all"
    whole: Batch | None = None

    def scheduled(self, schedule: Callable[[int, int], float]) -> float | Tensor:
        """Return the value of a schedule, a function of the updates done and planned, at this update.

        Losses must read schedules here: a GPU repeats a recorded update, and gets the value as a tensor ().
        """
        return schedule(self.update, self.planned_updates)


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss to minimise and its named parts, which the curves show.

    Attributes:
        total: (rows,) one value per row.
        parts: Tensors (rows,) or numbers, averaged over an epoch; a tensor (rows, width) becomes an array (width,).
    """

    total: Tensor
    parts: Mapping[str, Tensor | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """A part of an epoch: some passes over the users with an optimiser of its own.

    Attributes:
        name: Name of the phase, for example "encoder".
        passes: Passes over the training rows.
        parameters: Names of the parameters to train; () for all.
    """

    name: str
    passes: int
    parameters: tuple[str, ...]  # names of parameters; () for all


class Model(ABC):
    """A recommender; `score` accepts any histories over the model's items, of training users or not.

    Subclasses implement `score_batch`, `tensors` and `load_tensors`.

    Attributes:
        name: Name in commands and files.
        title: Name on pages and in reports.
        about: Description in one sentence.
        source: Paper of the model, or "baseline".
        task: "ranking" or "rating".
        config_class: Class of the settings.
        needs_order: Whether the model reads the order of a history.
        accepts_empty_history: Whether `recommend` accepts an empty list.
        uses_history: Whether the ranking depends on the history.
        objective: What one unit of the training loss measures; losses of different objectives are not comparable.
        config: Settings of this model.
        shape: Size of the training data.
        catalogue: Items with ids and titles; empty if unknown.
        popularity: (items,) training interactions of each item, or None.
        record: Seed, device, versions, epochs and times of the training.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str]
    task: ClassVar[Task] = "ranking"
    config_class: ClassVar[type[Config]]
    needs_order: ClassVar[bool] = False
    accepts_empty_history: ClassVar[bool] = False
    exact_contributions: ClassVar[bool] = False  # True: the score is a sum over the picks, see `contributions`
    lowest_listed: ClassVar[float] = -inf  # only items with a higher score are recommended
    objective: ClassVar[str] = ""
    uses_history: ClassVar[bool] = True  # False: the ranking does not depend on them, so there are no reasons

    config: Any
    shape: DataShape
    catalogue: Catalogue
    popularity: NDArray[np.int64] | None  # (items,) training interactions; None in models saved by early versions
    record: dict[str, Any]

    def __init__(self, config: Config, shape: DataShape) -> None:
        self.config = config
        self.shape = shape
        self.catalogue = Catalogue(())
        self.popularity = None
        self.record = {}

    @classmethod
    def objective_of(cls, settings: Mapping[str, Any]) -> str:
        """Return what the training loss measures with these settings; `objective`, unless a setting changes it."""
        return cls.objective

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Device of the weights."""

    @abstractmethod
    def score_batch(self, batch: Batch) -> Tensor:
        """Return scores of all items, without dropout or sampling.

        Args:
            batch: Histories to score.

        Returns:
            (rows, items) float32.
        """

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return everything the model has learned, by name."""

    @abstractmethod
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned."""

    @property
    def n_parameters(self) -> int:
        """Number of learned values; training data that the model stores does not count."""
        return sum(tensor.numel() for tensor in self.tensors().values())

    @property
    def score_kind(self) -> ScoreKind:
        """What the scores of a history are, for display.

        "softmax": logits over all items; "sigmoid": a logit of each item; "stars": ratings; "relative": numbers that
        only compare items.
        """
        return "stars" if self.task == "rating" else "relative"

    def score_chunks(
        self, histories: Histories, users: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Yield slices of rows and their scores, in chunks that bound memory.

        Args:
            histories: (rows, items).
            users: (rows,) training row of each history, if the histories belong to training users.

        Yields:
            A slice of the rows and their scores (rows of the slice, items), which the caller may overwrite.
        """
        most, scores_per_chunk = (4096, 1 << 24) if self.device.type == "cuda" else (512, SCORES_PER_CHUNK)
        rows = max(1, min(most, scores_per_chunk // max(1, self.shape.items)))
        for start in range(0, len(histories), rows):
            part = histories.slice(start, start + rows)
            with torch.no_grad(), devices.deterministic(self.device):  # equal scores in every call, on a GPU too
                train_rows = None if users is None else users[start : start + rows]
                scores = self.score_batch(Batch.of(part, self.device, train_rows)).float()  # (rows, items)
            yield slice(start, start + len(part)), scores

    def score(self, histories: Any) -> NDArray[np.float32]:
        """Score every item for every row; seen items are not masked.

        Args:
            histories: Histories or a scipy CSR matrix, (users, items).

        Returns:
            (users, items) float32.

        Raises:
            DataError: The number of items differs from the training data's.
        """
        rows = Histories.from_any(histories, self.shape.items)
        out = np.empty((len(rows), self.shape.items), np.float32)
        for chunk, scores in self.score_chunks(rows):
            out[chunk] = scores.cpu().numpy()
        return out

    def recommend(
        self,
        picks: Sequence[Pick],
        k: int = 10,
        *,
        ratings: Sequence[float] | None = None,
        exclude: Sequence[Pick] = (),
    ) -> list[Recommendation]:
        """Recommend items to a user who likes the picks; the picks are never in the list.

        Example: `model.recommend(["Heat (1995)", "Toy Story"], k=5, exclude=["Jumanji (1995)"])`.

        Args:
            picks: Titles, with or without year, or item ids, in the order in which they were liked; small typing
                errors are corrected (`recdash.data.picks.resolve`).
            k: Maximum length of the list.
            ratings: Rating of each pick, for models that predict ratings. Without them a pick counts as a high rating.
            exclude: Other items that must not be in the list, for example disliked ones.

        Returns:
            The list, best item first; of equal scores the lower item index first. Items that a rating model has too
            few ratings of are left out.

        Raises:
            UsageError: A title matches no item or several, the model needs at least one pick, or the ratings do not
                fit the picks or the model.
            TrainingError: A score is NaN or infinite.
        """
        history, k = self._read_picks(picks, ratings), min(whole_number("k", k, 0), self.shape.items)
        excluded = resolve_all(self.catalogue, exclude, self.popularity)
        seen = Histories.from_rows([[*history.items.tolist(), *excluded]], self.shape.items)
        top = top_items(self, history, k, seen=seen, lowest=self.lowest_listed)
        return [
            Recommendation(self.catalogue[index].id, self.catalogue[index].label, score)
            for index, score in zip(top.items[0].tolist(), top.scores[0].tolist(), strict=True)
            if index >= 0
        ]

    def recommend_users(self, histories: Any, k: int = 10, *, seen: Any = None) -> TopItems:
        """Recommend items to many users at once, in bounded memory; each list equals that of `recommend`.

        Example: `items, scores = model.recommend_users([["Heat (1995)"], ["1", "32"]], k=5)`; the title of an item is
        `model.catalogue[index].label`.

        Args:
            histories: What the model reads of each user: Histories, a scipy CSR matrix (users, items), or a list with
                the titles or item ids of each user, in order. Rating models read the values of Histories.
            k: Length of the lists.
            seen: Items that must not be in the lists, one row per user, in the same forms; by default those of the
                histories. Give all interactions of the users if the histories are a part of them.

        Returns:
            Item indices and scores, (users, k) each, with at most as many columns as there are items. A shorter list
            ends in -1 and minus infinity, and a user without history has no list if the model needs one.

        Raises:
            DataError: The rows are invalid, or have another number of users or items.
            UsageError: A title matches no item or several.
            TrainingError: A score is NaN or infinite.
        """
        k = min(whole_number("k", k, 0), self.shape.items)
        rows = rows_of(self.catalogue, histories, self.shape.items, self.popularity)
        masked = None if seen is None else rows_of(self.catalogue, seen, self.shape.items, self.popularity)
        top = top_items(self, rows, k, seen=masked, lowest=self.lowest_listed)
        if not self.accepts_empty_history:
            without = rows.counts == 0  # (users,)
            top.items[without], top.scores[without] = -1, -np.inf
        return top

    def explain(
        self,
        picks: Sequence[Pick],
        items: Sequence[Pick] | None = None,
        k: int = 10,
        *,
        ratings: Sequence[float] | None = None,
    ) -> Explanation:
        """Explain recommendations: what each pick contributes to the score of each item.

        EASE, item-kNN, RP3beta and iALS give exact parts, which add up to the score (kind "contribution"). For other
        models a contribution is the score lost without the pick (kind "score drop"). Models that read no picks, and
        those without exact parts for a single pick, give none; the note says so.

        Example: `model.explain(["Heat (1995)", "Toy Story"]).items[0].contributions`.

        Args:
            picks: Liked items, as for `recommend`.
            items: Items to explain; by default the list of `recommend`.
            k: Length of that list.
            ratings: Rating of each pick, as for `recommend`.

        Returns:
            The items in the given order, each with the contributions of all picks.

        Raises:
            UsageError: As for `recommend`.
        """
        history = self._read_picks(picks, ratings)
        if items is None:
            top = top_items(self, history, min(whole_number("k", k, 0), self.shape.items), lowest=self.lowest_listed)
            chosen = [index for index in top.items[0].tolist() if index >= 0]
        else:
            chosen = resolve_all(self.catalogue, items, self.popularity)
        scores = self.score(history)[0, chosen]
        found = pick_contributions(self, history, chosen)
        return explanation(self.catalogue, history.items.tolist(), chosen, scores, found)

    def _read_picks(self, picks: Sequence[Pick], ratings: Sequence[float] | None) -> Histories:
        """Return the picks as a single row, with ratings if given."""
        if ratings is not None and self.task != "rating":
            raise UsageError(
                f"{self.name} reads liked items, not ratings. Leave ratings out and give only liked items."
            )
        history = history_of(self.catalogue, picks, self.popularity, ratings=ratings, scale=self.shape.scale)
        if not history.n_entries and not self.accepts_empty_history:
            raise UsageError(
                f"{self.name} needs at least one pick. Name an item, for example {self.catalogue[0].label!r}."
            )
        return history

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32] | None:
        """Return what each pick adds to the score of each item, if the score is such a sum.

        Args:
            picks: Indices of the picks.
            items: Indices of the items.

        Returns:
            (picks, items) float32, or None for models whose score is no such sum.
        """
        return None

    def item_vectors(self) -> NDArray[np.float32] | None:
        """Return one vector per item, near for items that the model recommends to the same users; read-only.

        Returns:
            (items, width) float32, or None for models without such vectors.
        """
        return None

    def save(self, folder: str | Path) -> None:
        """Write the model to a folder (safetensors and JSON), atomically.

        Args:
            folder: Folder to create or to replace the model in.

        Raises:
            CheckpointError: The folder cannot be written.
        """
        shape = [self.shape.users, self.shape.items, self.shape.interactions, self.shape.scale]
        metadata = {"model": self.name, "config": self.config.to_dict(), "shape": shape, "record": self.record}
        extra = {"catalogue.json": self.catalogue.to_json()}
        if self.popularity is not None:
            extra[POPULARITY_FILE] = json.dumps(self.popularity.tolist())
        checkpoint_io.write(Path(folder), self.tensors(), metadata, extra=extra)


class ClosedFormModel(Model):
    """A model whose weights are the solution of an equation, or counts; subclasses implement `solve`."""

    @property
    def precision(self) -> str:
        """Data type of the solution."""
        return "float32"

    def __init__(self, config: Config, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.seed = 0
        self._tensors: dict[str, Tensor] = {}
        self._device = torch.device("cpu")

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self._device

    @abstractmethod
    def solve(self, train: Any) -> Self:
        """Fit the model to the training users' histories.

        Args:
            train: Histories or a scipy CSR matrix, (users, items).

        Returns:
            The model itself.
        """

    def to(self, device: torch.device) -> Self:
        """Move the model to a device and return it."""
        self._device = device
        self._tensors = {name: tensor.to(device) for name, tensor in self._tensors.items()}
        return self

    def tensors(self) -> dict[str, Tensor]:
        """Return everything the model has learned, by name."""
        return self._tensors

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned."""
        self._tensors = {name: tensor.to(self._device) for name, tensor in tensors.items()}


class GradientModel(Model, nn.Module):
    """A model trained by the common loop (`recdash.training.loop`); it defines a loss and does not loop, log or save.

    Subclasses implement `initialise`, `loss` and `score_batch`; all other methods are hooks with a default.
    """

    config_class: ClassVar[type[GradientConfig]]
    parts_of_loss: ClassVar[tuple[str, ...]] = ("reconstruction",)  # of a ranking model, besides those of a VAE

    def __init__(self, config: GradientConfig, shape: DataShape) -> None:
        nn.Module.__init__(self)
        Model.__init__(self, config, shape)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    @property
    def fixed_shapes(self) -> bool:
        """Whether `losses` accepts a `FixedBatch` and asks the device for no values, so that a GPU can record it."""
        return True

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights, on the CPU, so that a seed gives the same weights on every device."""

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Clear caches on every move to another device; PyTorch calls this method for each one."""
        self.clear_caches()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call,no-any-return]

    def clear_caches(self) -> None:
        """Drop tensors computed from the weights or stored on their device; none by default."""

    @abstractmethod
    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return the loss of a batch.

        Args:
            batch: Training rows.
            progress: Epoch, update and phase, for schedules, and the random numbers of this update.

        Returns:
            One value per row, and named parts.
        """

    def losses(self, batch: Batch, progress: TrainingProgress) -> Iterator[Loss]:
        """Yield losses, each followed by one optimiser step; by default the one of `loss`."""
        yield self.loss(batch, progress)

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return the optimiser of some parameter groups (as in `torch.optim`); Adam by default."""
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.Adam(groups, lr=self.config.learning_rate, fused=fused)

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Return the values to show for an epoch, from the means of its loss parts; unchanged by default."""
        return means

    def summarise_arrays(self, arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
        """Return values computed from an epoch's arrays; by default the number of active units."""
        by_dimension = arrays.get("kl_by_dimension")
        return {} if by_dimension is None else {"active_units": float((by_dimension > ACTIVE_UNIT_MIN_KL).sum())}

    def training_rows(self, train: Histories) -> Histories:
        """Return the rows of an epoch; by default the training users."""
        return train

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1."""
        return float(self.config.learning_rate)

    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of an epoch; by default one pass that trains all parameters."""
        return (Phase("all", 1, ()),)

    def on_phase_start(self, phase: str, rows: Histories, *, resumed: bool) -> None:
        """Called with the training rows at the start of a phase, and again when a training resumes within it."""

    def order_batches(self, order: NDArray[np.int64], rows: Histories) -> NDArray[np.int64]:
        """Return the order in which a pass visits the rows, given a random permutation; both (rows,)."""
        return order

    def training_tensors(self) -> dict[str, Tensor]:
        """Return the tensors that a resumed training needs; by default `tensors`."""
        return self.tensors()

    def schedules_done(self, update: int, planned_updates: int) -> bool:
        """Return whether all schedules are complete, so that early stopping may count validations."""
        return True

    def tensors(self) -> dict[str, Tensor]:
        """Return everything the model has learned, by name."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned."""
        self.load_state_dict(dict(tensors))
