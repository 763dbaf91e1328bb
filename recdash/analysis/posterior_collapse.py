"""Posterior collapse of a variational autoencoder: the rule, and sentences that name it.

The decoder of a collapsed model ignores the latent code, and the KL divergence goes to 0 (Bowman et al., CoNLL 2016).
The rule counts active units, as Burda et al. (ICLR 2016) do. They call a unit active if the variance of its posterior
mean exceeds 0.01; here a unit is active if its KL divergence, the mean over the training users that runs record,
exceeds 0.01 nats (`recdash.models.base.ACTIVE_UNIT_MIN_KL`). By Markov's inequality, an inactive unit has a KL
divergence above 0.1 nats for at most 10% of the users: it is (0.1, 0.1)-collapsed in the sense of Lucas et al. (NeurIPS
2019).

Whole collapse: no unit is active. Partial collapse: fewer than half of the units are. The state must last until the
newest epoch, and is not judged before the third one: the weights of the first epochs are close to random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recdash.analysis.loss_parts import VAE_MODELS
from recdash.runs.run_records import RunRecord

MIN_EPOCHS = 3  # before, nothing is judged
PARTIAL_SHARE = 0.5  # of the units; fewer active ones are a partial collapse


@dataclass(frozen=True)
class Collapse:
    """A posterior collapse that lasts until the newest epoch.

    Attributes:
        kind: "whole" or "partial".
        since: First epoch of it.
        epoch: Newest epoch.
        active: Active units in that epoch.
        width: Latent dimensions.
        most_active: Most active units in any epoch.
        saved: Whether the saved model, that of the best epoch, is collapsed too.
    """

    kind: Literal["whole", "partial"]
    since: int
    epoch: int
    active: int
    width: int
    most_active: int
    saved: bool


def find(active: Mapping[int, float], width: int, best_epoch: int | None = None) -> Collapse | None:
    """Return the collapse that the numbers of active units show, or None.

    Args:
        active: Number of active units by epoch.
        width: Latent dimensions.
        best_epoch: Epoch of the saved model; None if there is none.
    """
    epochs = sorted(active)
    if not width or not epochs or epochs[-1] < MIN_EPOCHS:
        return None
    last = epochs[-1]
    kind = _kind(active[last], width)
    if kind is None:
        return None
    since = last
    for epoch in reversed(epochs):
        if (_kind(active[epoch], width) == "whole") if kind == "whole" else _kind(active[epoch], width):
            since = epoch
        else:
            break
    saved = best_epoch is None or best_epoch >= since
    return Collapse(kind, since, last, int(active[last]), width, int(max(active.values())), saved)


def of_run(run: RunRecord, epochs: Mapping[int, Mapping[str, float]]) -> Collapse | None:
    """Return the collapse of a run; None for a healthy one, and for models without a latent distribution.

    Args:
        run: The run.
        epochs: Recorded values by epoch.
    """
    if run.model not in VAE_MODELS:
        return None
    active = {epoch: values["active_units"] for epoch, values in epochs.items() if "active_units" in values}
    return find(active, _width(run), run.best_epoch)


def remark(run: RunRecord, epochs: Mapping[int, Mapping[str, float]]) -> str:
    """Return a short remark such as "posterior collapse since epoch 4", or an empty text."""
    found = of_run(run, epochs)
    if found is None:
        return ""
    return f"{'partial ' if found.kind == 'partial' else ''}posterior collapse since epoch {found.since}"


def sentence(run: RunRecord, epochs: Mapping[int, Mapping[str, float]]) -> str:
    """Return what happened, what it means and what to try, or an empty text."""
    found = of_run(run, epochs)
    if found is None:
        return ""
    if found.kind == "whole":
        text = (
            f"Posterior collapse since epoch {found.since}: none of the {found.width} latent dimensions is active, so "
            "the decoder ignores the user's code and every user gets nearly the same list."
        )
    else:
        text = (
            f"Partial posterior collapse since epoch {found.since}: {found.active} of {found.width} latent dimensions "
            "are active."
        )
    if found.most_active > max(2 * found.active, found.active + 1):
        text += f" Up to {found.most_active} were active before."
    if not found.saved:
        text += f" The saved model, of epoch {run.best_epoch}, is from before."
    return f"{text} {_advice(run.model, run.config, found)}"


def _kind(active: float, width: int) -> Literal["whole", "partial"] | None:
    if active < 1:
        return "whole"
    return "partial" if active < PARTIAL_SHARE * width else None


def _width(run: RunRecord) -> int:
    width = run.config.get("latent", 0)
    return width if isinstance(width, int) else 0


def _advice(model: str, config: Mapping[str, Any], found: Collapse) -> str:
    if model == "recvae":
        change = f"Try a lower gamma (now {config.get('gamma', 0):g})"
    else:
        slower = "a larger anneal_users" if model == "svae" else "a slower annealing (reach_cap_at)"
        change = f"Try a lower beta_cap (now {config.get('beta_cap', 0):g}) or {slower}"
    narrower = "; if the ranking is as good, a narrower latent layer would do" if found.kind == "partial" else ""
    return f"{change}{narrower}."
