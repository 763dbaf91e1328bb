"""`TrainingState`: everything a training needs to continue as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from recdash.atomic_files import wrap_read_errors
from recdash.errors import CheckpointError
from recdash.models import checkpoint_io

# Fields of `Position` and `Best` in states written by versions up to 0.2.
_OLD_NAMES = {"one_pass": "pass_index", "looks": "n_validations", "stale": "validations_without_improvement"}


@dataclass(frozen=True)
class Position:
    """Where a training is: completed epochs, and the progress of the unfinished one.

    Attributes:
        epoch: Completed epochs.
        update: Completed updates.
        phase, pass_index, batch: Indices of the next batch in the unfinished epoch, from 0.
        seconds: Time of all updates.
        validation_seconds: Time of all validations.
        epoch_seconds: Time of the updates in the unfinished epoch.
        sums: Sums over the unfinished epoch by name, each with its number of rows.
        arrays: The same for short arrays.
        first_losses: Losses of the first epoch.
        unstable_epoch: First epoch with a loss above ten times those; None if there is none.
    """

    epoch: int = 0
    update: int = 0
    phase: int = 0
    pass_index: int = 0
    batch: int = 0
    seconds: float = 0.0
    validation_seconds: float = 0.0
    epoch_seconds: float = 0.0
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    arrays: dict[str, tuple[list[float], int]] = field(default_factory=dict)
    first_losses: dict[str, float] = field(default_factory=dict)
    unstable_epoch: int | None = None

    def copied(self) -> Self:
        """Return a copy with dicts of its own, which a training may add to."""
        return replace(self, sums=dict(self.sums), arrays=dict(self.arrays))


@dataclass(frozen=True)
class Best:
    """The best validation so far, and the counters of early stopping.

    Attributes:
        epoch: Best epoch; 0 if there is none.
        value: Its value with the sign of the selection metric, so that larger is better (minus RMSE for rating models).
        n_validations: Validations so far.
        validations_without_improvement: Validations since the best one, not counting those while schedules run.
    """

    epoch: int = 0
    value: float = float("-inf")
    n_validations: int = 0
    validations_without_improvement: int = 0


@dataclass(frozen=True)
class TrainingState:
    """Everything a training resumes from.

    It holds no state of a random number generator, because every draw depends on the seed and the position alone.

    Attributes:
        position: Where the training is.
        best: The best validation so far.
        tensors: Weights, and whatever else the model needs to continue.
        best_tensors: Weights of the best epoch.
        optimisers: State of each phase's optimiser.
        identity: Model, settings, seed and split; a resume with others is refused.
        average: Averaged weights, if the settings ask for averaging.
    """

    position: Position
    best: Best
    tensors: dict[str, Tensor]
    best_tensors: dict[str, Tensor]
    optimisers: dict[str, dict[str, Any]]
    identity: dict[str, Any]
    average: dict[str, Tensor] = field(default_factory=dict)

    def copied(self) -> Self:
        """Return a copy with tensors on the CPU, which further training does not change."""
        parts = ("tensors", "best_tensors", "average", "optimisers")
        return replace(self, **{part: _copied(getattr(self, part)) for part in parts})

    def save(self, folder: str | Path) -> None:
        """Write the state to a folder, atomically."""
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
        metadata = {
            "position": vars(self.position),
            "best": vars(self.best),
            "optimisers": scalars,
            "training": self.identity,
        }
        checkpoint_io.write(Path(folder), tensors, metadata)

    @classmethod
    def load(cls, folder: str | Path) -> TrainingState:
        """Read what `save` wrote; raises CheckpointError when it is missing or damaged."""
        tensors, metadata = checkpoint_io.read(Path(folder))
        with wrap_read_errors(
            Path(folder), CheckpointError, "Start the training again.", "this training state cannot be read"
        ):
            optimisers: dict[str, dict[str, Any]] = {}
            for phase, saved in metadata["optimisers"].items():
                optimisers[phase] = {"param_groups": saved["param_groups"], "state": {}}
                for name, value in saved["plain"].items():
                    index, slot = name.split("/")
                    optimisers[phase]["state"].setdefault(int(index), {})[slot] = value
            for name, tensor in tensors.items():
                if name.startswith("optimiser/"):
                    _, phase, index, slot = name.split("/")
                    optimisers[phase]["state"].setdefault(int(index), {})[slot] = tensor
            return cls(
                Position(**_with_current_names(metadata["position"])),
                Best(**_with_current_names(metadata["best"])),
                _with_prefix(tensors, "model/"),
                _with_prefix(tensors, "best/"),
                optimisers,
                metadata["training"],
                _with_prefix(tensors, "average/"),
            )


def _copied(value: Any) -> Any:
    """Return nested dicts and lists with copies of their tensors on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _with_current_names(saved: dict[str, Any]) -> dict[str, Any]:
    return {_OLD_NAMES.get(name, name): value for name, value in saved.items()}


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
