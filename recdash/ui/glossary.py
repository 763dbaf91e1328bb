"""Explanations shown next to numbers: metrics, run states, presets and epoch values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recdash.analysis import metric_info
from recdash.evaluation.selection_metric import selection_metric_of
from recdash.reporting.formatting import escape
from recdash.settings import format_setting

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

STATES = {
    "queued": ("gray", ":material/hourglass_empty:", "Queued; starts automatically."),
    "running": ("blue", ":material/play_arrow:", "Training in a separate process; closing this page does not stop it."),
    "finished": ("green", ":material/check:", "Trained and evaluated on the test users. The record no longer changes."),
    "failed": ("red", ":material/error:", "Ended with the error shown."),
    "stopped": ("orange", ":material/stop:", "Stopped by a user; can be resumed from the last checkpoint."),
    "interrupted": (
        "orange",
        ":material/power_off:",
        "The training process ended unexpectedly; can be resumed from the last checkpoint.",
    ),
}
UNSTABLE = (
    "The loss rose above ten times that of the first epoch. The weights are those of the best validation epoch; "
    "train again with a lower learning rate."
)
PRESETS = {
    "auto": "Settings chosen from the size of the data (default).",
    "paper": "Settings reported in the model's paper.",
    "published": "Settings used for a published table.",
    "tuned": "Settings found by a search on this dataset; the same as auto on others.",
    "fast": "Fewer epochs, for a quick test.",
}
CURVES = {
    "reconstruction": (
        "Reconstruction loss",
        "nats per user",
        "Negative log-likelihood of the input items.",
    ),
    "cosine": ("Cosine", "mean over users", "Cosine between the history of a user and its reconstruction."),
    "kl": (
        "KL divergence",
        "nats per user",
        "Divergence of the latent distribution from the prior: the information that the latent code carries.",
    ),
    "beta": ("Beta", "weight of the KL divergence", "Annealed from 0 to its cap."),
    "loss": ("Loss", "per user", "Objective that the optimiser minimises."),
    "penalty": ("Penalty", "per user", "Regularisation term of the loss."),
    "train_rmse": (
        "Training RMSE",
        "rating units",
        "Root mean squared error on the training ratings.",
    ),
    "decoder_reconstruction": (
        "Reconstruction loss, decoder phase",
        "nats per user",
        "RecVAE alternates between encoder and decoder updates; this is the loss in decoder updates, without dropout.",
    ),
    "weighted_kl": (
        "Weighted KL divergence",
        "nats per user",
        "Contribution of the KL divergence to the loss: times beta, in RecVAE times gamma and the history's length.",
    ),
    "active_units": (
        "Active latent dimensions",
        "dimensions",
        "Dimensions whose mean KL divergence from N(0, 1) is above 0.01 nats. The others carry no information.",
    ),
    "refeeding_loss": (
        "Re-feeding loss",
        "squared rating units per item",
        "Squared difference between DeepRec's output and the output when that is fed back as input.",
    ),
    "lr": ("Learning rate", "step size", "Step size of the optimiser."),
    "examples/s": ("Speed", "users per second", "Training users processed per second."),
}


def metric(name: str) -> str:
    """Return the title of a metric: "ndcg@100" is "NDCG@100", "recall@20" is "Recall@20 (min)"."""
    return metric_info.title(name)


def metric_help(name: str) -> str:
    """Return the definition of a metric in one or two sentences."""
    return metric_info.description(name)


def is_metric(name: str) -> bool:
    """Whether a named epoch value is a validation metric."""
    return name.partition("@")[0] in metric_info.METRICS


def quality(values: Mapping[str, float]) -> str:
    """Return the model-selection metric and its value, such as "NDCG@100 0.4012"; empty if it was not measured."""
    selection_metric = selection_metric_of(values)
    return "" if selection_metric is None else f"{metric(selection_metric.name)} {values[selection_metric.name]:.4f}"


def curve(name: str) -> tuple[str, str, str]:
    """Return title, unit and meaning of a named epoch value."""
    if name in CURVES:
        return CURVES[name]
    known = name.partition("@")[0] in metric_info.METRICS
    return metric(name), "on the validation users" if known else "", metric_help(name)


def state_badge(state: str) -> str:
    """Return the badge of a run state as Markdown."""
    colour, icon, _ = STATES[state]
    return f":{colour}-badge[{icon} {state}]"


def warning_badge(run: RunRecord) -> str:
    """Return the badge of an unstable run as Markdown; empty for other runs."""
    return f":orange-badge[:material/warning: {run.warning}]" if run.warning else ""


def badges(run: RunRecord) -> str:
    """Return the state and warning badges of a run as Markdown."""
    return " ".join(filter(None, (state_badge(run.state), warning_badge(run))))


def badge_help(run: RunRecord) -> str:
    """Return the help text for the badges of a run."""
    return f"{STATES[run.state][2]} {UNSTABLE}" if run.warning else STATES[run.state][2]


def preset_help(presets: tuple[str, ...]) -> str:
    """Return the meaning of presets as a Markdown list."""
    return "\n".join(f"- **{preset}**: {PRESETS.get(preset, '')}" for preset in presets)


def settings_text(settings: dict[str, object]) -> str:
    """Return settings as escaped text: "name = value, ..."."""
    return ", ".join(f"{escape(name)} = {escape(format_setting(value))}" for name, value in settings.items())
