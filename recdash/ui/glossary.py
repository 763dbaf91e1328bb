"""Explanations that stand beside numbers: what a metric, a state, a preset or a column means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recdash.analysis import metric_info
from recdash.evaluation.criterion import criterion_of
from recdash.reporting.formatting import escape

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

STATES = {
    "queued": ("gray", ":material/hourglass_empty:", "Waiting for a free place. It starts by itself."),
    "running": ("blue", ":material/play_arrow:", "Training now, in a process of its own: this page may be closed."),
    "finished": ("green", ":material/check:", "Trained and tested. Its record is never altered."),
    "failed": ("red", ":material/error:", "It ended with an error, which is shown."),
    "stopped": ("orange", ":material/stop:", "Somebody stopped it. It can be resumed from its last checkpoint."),
    "interrupted": ("orange", ":material/power_off:", "Its process died. It can be resumed from its last checkpoint."),
}
UNSTABLE = (
    "A loss rose above ten times that of the first epoch. The weights are those of the best epoch on validation, but "
    "train again with a lower learning rate."
)
PRESETS = {
    "auto": "Fits the size of the data by itself. The default everywhere.",
    "paper": "What the authors of the model report.",
    "published": "What the run behind a public table used.",
    "tuned": "Found by a search on this data set; elsewhere the same as auto.",
    "fast": "Fewer epochs, for a first look.",
}
CURVES = {
    "reconstruction": (
        "Reconstruction loss",
        "nats per user",
        "How badly the items of the input are predicted: negative log-likelihood.",
    ),
    "kl": (
        "KL divergence",
        "nats per user",
        "How far the latent codes are from the prior: what the code says about a user.",
    ),
    "beta": ("Beta", "weight of the KL divergence", "Annealed from 0 to its cap: first reconstruct, then regularise."),
    "loss": ("Loss", "per user", "What the optimiser minimises."),
    "penalty": ("Penalty", "per user", "The share of the loss that keeps weights small."),
    "train_rmse": (
        "RMSE in training",
        "on the training ratings",
        "How well the ratings that were learned from are met.",
    ),
    "decoder_reconstruction": (
        "Reconstruction loss, decoder's passes",
        "nats per user",
        "RecVAE trains its halves in turns; this is the loss without dropout, while the decoder learns.",
    ),
    "weighted_kl": (
        "Weighted KL divergence",
        "nats per user",
        "The KL divergence times gamma and the length of each user's history: what it adds to the loss.",
    ),
    "active_units": (
        "Latent dimensions in use",
        "dimensions",
        "Dimensions whose KL divergence from N(0, 1) is above 0.01 nats on average. The others say nothing.",
    ),
    "refeeding_loss": (
        "Re-feeding loss",
        "squared stars per item",
        "How far DeepRec's output is from what it becomes when fed back in.",
    ),
    "lr": ("Learning rate", "step size", "Step size of the optimiser."),
    "examples/s": ("Speed", "users per second", "Training users seen per second."),
}


def metric(name: str) -> str:
    """Return the title of a metric: "ndcg@100" is "NDCG@100", "recall@20" is "Recall@20 (min)"."""
    return metric_info.title(name)


def metric_help(name: str) -> str:
    """Return what a metric means, in one or two sentences."""
    return metric_info.meaning(name)


def quality(values: Mapping[str, float]) -> str:
    """Return the value by which runs are judged, with its name; empty when there is none."""
    criterion = criterion_of(values)
    return "" if criterion is None else f"{metric(criterion.metric)} {values[criterion.metric]:.4f}"


def curve(name: str) -> tuple[str, str, str]:
    """Return title, unit and meaning of a named value of an epoch."""
    if name in CURVES:
        return CURVES[name]
    known = name.partition("@")[0] in metric_info.METRICS
    return metric(name), "on the validation users" if known else "", metric_help(name)


def state_badge(state: str) -> str:
    """Return a state as Markdown."""
    colour, icon, _ = STATES[state]
    return f":{colour}-badge[{icon} {state}]"


def warning_badge(run: RunRecord) -> str:
    """Return what makes the figures of a run doubtful as Markdown; empty for most runs."""
    return f":orange-badge[:material/warning: {run.warning}]" if run.warning else ""


def badges(run: RunRecord) -> str:
    """Return the state of a run, and what makes its figures doubtful, as Markdown."""
    return " ".join(filter(None, (state_badge(run.state), warning_badge(run))))


def badge_help(run: RunRecord) -> str:
    """Return what the badges of a run mean."""
    return f"{STATES[run.state][2]} {UNSTABLE}" if run.warning else STATES[run.state][2]


def preset_captions(presets: tuple[str, ...]) -> str:
    """Return what the presets are, as a list in Markdown."""
    return "\n".join(f"- **{preset}**: {PRESETS.get(preset, '')}" for preset in presets)


def differs(settings: dict[str, object]) -> str:
    """Return settings that were given by name as inline code, escaped."""
    from recdash.reporting.formatting import setting

    return ", ".join(f"{escape(name)} = {escape(setting(value))}" for name, value in settings.items())
