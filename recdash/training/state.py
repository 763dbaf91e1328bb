"""`TrainingState`: all that a training needs to go on as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from recdash.atomic_files import reading_back
from recdash.errors import CheckpointError
from recdash.models import checkpoint_io

# Fields of `Best` as versions up to 0.2 wrote them.
_NAMES_UNTIL_0_2 = {"looks": "n_validations", "stale": "validations_without_improvement"}


@dataclass(frozen=True)
class Position:
    """Where a training stands: epochs completed, and how far the one after them has come.

    phase, one_pass, batch: the next batch inside the unfinished epoch.  seconds: of all updates; epoch_seconds: of
    those in the unfinished epoch.  sums: what that epoch has added up so far, by name, each with the number of rows it
    is of.  arrays: the same for short arrays.  first_losses: those of the first epoch.  unstable_epoch: the first epoch
    with a loss above ten times those; None while there is none.
    """

    epoch: int = 0
    update: int = 0
    phase: int = 0
    one_pass: int = 0
    batch: int = 0
    seconds: float = 0.0
    validation_seconds: float = 0.0
    epoch_seconds: float = 0.0
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    arrays: dict[str, tuple[list[float], int]] = field(default_factory=dict)
    first_losses: dict[str, float] = field(default_factory=dict)
    unstable_epoch: int | None = None


@dataclass(frozen=True)
class Best:
    """The best validation so far: epoch (0 for none), value, validations, and those without a gain that count.

    value: with the criterion's sign, so that larger is better: minus the RMSE for rating models.
    """

    epoch: int = 0
    value: float = float("-inf")
    n_validations: int = 0
    validations_without_improvement: int = 0


@dataclass(frozen=True)
class TrainingState:
    """Weights, best weights, optimisers, position, and the running mean of the weights where there is one.

    No state of a random number generator is in it, for every draw depends on the seed and the position alone.
    """

    position: Position
    best: Best
    tensors: dict[str, Tensor]
    best_tensors: dict[str, Tensor]
    optimisers: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    average: dict[str, Tensor] = field(default_factory=dict)

    def copied(self) -> Self:
        """Return the state with tensors of its own on the CPU: it stays valid whatever happens to the training."""
        parts = ("tensors", "best_tensors", "average", "optimisers")
        return replace(self, **{part: _copied(getattr(self, part)) for part in parts})

    def save(self, folder: str | Path) -> None:
        """Keep the state in a folder, whole or not at all."""
        tensors = {f"model/{name}": tensor for name, tensor in self.tensors.items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best_tensors.items()}
        tensors |= {f"average/{name}": tensor for name, tensor in self.average.items()}
        scalars: dict[str, Any] = {}
        for phase, optimiser in self.optimisers.items():
            scalars[phase] = {"param_groups": optimiser["param_groups"], "plain": {}}
            for index, slots in optimiser["state"].items():
                for slot, value in slots.items():
                    if isinstance(value, Tensor):
                        tensors[f"optimiser/{phase}/{index}/{slot}"] = value
                    else:
                        scalars[phase]["plain"][f"{index}/{slot}"] = value
        facts = {
            "position": vars(self.position),
            "best": vars(self.best),
            "optimisers": scalars,
            "training": self.facts,
        }
        checkpoint_io.write(Path(folder), tensors, facts)

    @classmethod
    def load(cls, folder: str | Path) -> TrainingState:
        """Read what `save` wrote; raises CheckpointError when it is absent or damaged."""
        tensors, facts = checkpoint_io.read(Path(folder))
        with reading_back(
            Path(folder), CheckpointError, "Start the training anew.", "this training state cannot be read"
        ):
            optimisers: dict[str, dict[str, Any]] = {}
            for phase, saved in facts["optimisers"].items():
                optimisers[phase] = {"param_groups": saved["param_groups"], "state": {}}
                for name, value in saved["plain"].items():
                    index, slot = name.split("/")
                    optimisers[phase]["state"].setdefault(int(index), {})[slot] = value
            for name, tensor in tensors.items():
                if name.startswith("optimiser/"):
                    _, phase, index, slot = name.split("/")
                    optimisers[phase]["state"].setdefault(int(index), {})[slot] = tensor
            return cls(
                Position(**facts["position"]),
                Best(**{_NAMES_UNTIL_0_2.get(name, name): value for name, value in facts["best"].items()}),
                _under(tensors, "model/"),
                _under(tensors, "best/"),
                optimisers,
                facts["training"],
                _under(tensors, "average/"),
            )


def _copied(value: Any) -> Any:
    """Return nested dicts and lists with copies of their tensors on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
