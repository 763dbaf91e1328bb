"""What a change of the annealing schedule did to a training, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recdash.runs.run_records import RunRecord

_CHANGES = {  # in the order of the sentence; values of after and before
    "beta_cap": "a cap of {:g} instead of {:g}",
    "reach_cap_at": "met after {:.0%} instead of {:.0%} of training",
    "epochs": "{:g} epochs instead of {:g}",
    "latent": "{:g} latent dimensions instead of {:g}",
}


@dataclass(frozen=True)
class Outcome:
    """One training with an annealing schedule.

    Attributes:
        settings: `beta_cap`, `reach_cap_at`, `epochs` and `latent`.
        kl: KL divergence in the best epoch, nats per user.
        active: Active units in the best epoch.
        ndcg: NDCG@100 on the validation users in the best epoch.
        best_epoch: Epoch of the saved model.
    """

    settings: Mapping[str, float]
    kl: float
    active: int
    ndcg: float
    best_epoch: int


def outcome(run: RunRecord, epochs: Mapping[int, Mapping[str, float]]) -> Outcome | None:
    """Return the outcome of a finished training; None if a value was not recorded."""
    values = epochs.get(run.best_epoch or 0, {})
    if run.best_epoch is None or not all(name in values for name in ("kl", "active_units", "ndcg@100")):
        return None
    settings = {name: float(run.config[name]) for name in _CHANGES if name in run.config}
    return Outcome(settings, values["kl"], int(values["active_units"]), values["ndcg@100"], run.best_epoch)


def sentence(before: Outcome, after: Outcome) -> str:
    """Return what changed between two trainings of one model and seed."""
    changes = [
        text.format(after.settings[name], before.settings[name])
        for name, text in _CHANGES.items()
        if name in before.settings and name in after.settings and before.settings[name] != after.settings[name]
    ]
    if not changes:
        return "The settings are those of the try before."
    units = f"{before.active} to {after.active} active dimensions"
    if before.active == after.active:
        units = f"{after.active} active dimensions as before"
    kl = f"the KL divergence {_moved(before.kl, after.kl, '.1f')} nats ({units})"
    ndcg = f"NDCG@100 {_moved(before.ndcg, after.ndcg, '.3f')}"
    return f"With {', '.join(changes)}, {kl} and {ndcg}."


def _moved(before: float, after: float, form: str) -> str:
    first, second = format(before, form), format(after, form)
    if first == second:
        return f"stayed at {second}"
    return f"{'rose' if after > before else 'fell'} from {first} to {second}"
