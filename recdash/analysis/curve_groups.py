"""Which learning curves may share a chart: curves of comparable runs, and losses of one objective."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recdash.evaluation.selection_metric import SELECTION_METRICS
from recdash.models import registry
from recdash.runs.run_records import RunRecord
from recdash.settings import settings_of

LOSSES = ("loss", "reconstruction", "decoder_reconstruction", "penalty")  # in units of a model's objective
_OF_EVERY_TRAINING = ("lr", "examples/s")


@dataclass(frozen=True)
class CurveGroup:
    """Runs whose curves of one value may share a chart.

    Attributes:
        value: Name of the epoch value, such as "ndcg@100".
        data: Data, protocol and split of the runs, as text; "all data" if several share the chart.
        objective: What a loss measures, such as "multinomial log-likelihood"; empty for other values.
        run_ids: The runs, in order.
    """

    value: str
    data: str
    objective: str
    run_ids: tuple[str, ...]

    @property
    def key(self) -> str:
        """Identifies the chart among those of the same runs."""
        return "|".join((self.value, self.data, self.objective))


def curve_groups(
    runs: Sequence[RunRecord],
    values: Iterable[str],
    recorded: Mapping[str, Collection[str]],
    *,
    separate_data: bool = True,
) -> list[CurveGroup]:
    """Return the charts for some values of some runs: by data first, then in the order of the values.

    Curves of different data, protocols or splits get charts of their own, unless `separate_data` is off. Losses of
    different objectives never share one. Imported curves of other programs, whose data are unknown, join every chart
    of their metrics; their losses, whose objective is unknown, join none.

    Args:
        runs: The runs.
        values: Names of epoch values.
        recorded: Names of the values that each run has recorded, by run id. A run without any, which waits for its
            first epoch, belongs to the charts of the values that its model usually records.
        separate_data: Whether data, protocols and splits are kept apart.
    """
    own = [run for run in runs if run.model in registry.names()]
    external = [run for run in runs if run.model not in registry.names()]  # curves that another program recorded
    groups = _groups(own, values, recorded, separate_data)
    joined = []
    for group in groups:
        guests = tuple(run.id for run in external if group.value not in LOSSES and group.value in recorded[run.id])
        joined.append(replace(group, run_ids=(*group.run_ids, *guests)))
    known = {group.value for group in groups if group.value not in LOSSES}
    alone = _groups(external, [name for name in values if name not in known], recorded, separate_data)
    return [*joined, *alone]


def _groups(
    runs: Sequence[RunRecord], values: Iterable[str], recorded: Mapping[str, Collection[str]], separate_data: bool
) -> list[CurveGroup]:
    data = data_labels(runs)
    if not separate_data:
        data = dict.fromkeys(data, "" if len(set(data.values())) == 1 else "all data")
    names = list(dict.fromkeys(values))
    groups: dict[tuple[str, str, str], list[str]] = {}
    for label in dict.fromkeys(data.values()):
        members = [run for run in runs if data[run.id] == label]
        found: dict[tuple[str, str, str], list[str]] = {}
        for name in names:
            for run in members:
                if name in (recorded.get(run.id) or usual_values(run.model)):
                    found.setdefault((label, name, objective(run, name)), []).append(run.id)
        groups |= _further_objectives_last(found)
    return [CurveGroup(name, label, measured, tuple(ids)) for (label, name, measured), ids in groups.items()]


def has_curves(run: RunRecord) -> bool:
    """Return whether a run has or will have epochs; models that are solved in one step have none."""
    if run.epochs is not None:
        return run.epochs > 1
    return run.model not in registry.names() or _has_epochs(run.model)


def _has_epochs(model: str) -> bool:
    return any(setting.name == "epochs" for setting in settings_of(registry.model_class(model).config_class))


def usual_values(model: str) -> tuple[str, ...]:
    """Return the values that a model records in every epoch, for a run that has not finished its first one."""
    if model not in registry.names():
        return ()
    model_class = registry.model_class(model)
    settings = {setting.name for setting in settings_of(model_class.config_class)}
    selection_metric = SELECTION_METRICS[model_class.task].name
    if model_class.task == "rating":
        return ("loss", "train_rmse", selection_metric, "mae", *_OF_EVERY_TRAINING)
    parts: tuple[str, ...] = getattr(model_class, "parts_of_loss", ())
    of_training = _OF_EVERY_TRAINING if parts else ("examples/s",)  # what alternates has no learning rate
    latent = ("kl", "weighted_kl", "active_units") if settings & {"beta_cap", "gamma"} else ()
    schedule = ("beta",) if "beta_cap" in settings else ()
    return (
        "loss",
        *parts,
        *latent,
        *schedule,
        selection_metric,
        "recall@20",
        "recall@50",
        *of_training,
    )


def data_labels(runs: Sequence[RunRecord]) -> dict[str, str]:
    """Return what each run's curves were measured on, by run id: as short as the runs differ."""
    contents: dict[str, set[str]] = {}
    for run in runs:
        contents.setdefault(Path(run.dataset).name, set()).add(run.dataset_fingerprint)
    parts = {run.id: _data_parts(run, len(contents[Path(run.dataset).name]) > 1) for run in runs}
    differing = [len({one[place] for one in parts.values()}) > 1 for place in range(4)]
    labels = {}
    for run_id, (dataset, protocol, seed, options) in parts.items():
        shown = [dataset, protocol] if differing[1] or not any(differing) else [dataset]
        shown += [f"split seed {seed}"] * differing[2] + [options or "default split"] * differing[3]
        labels[run_id] = ", ".join(shown)
    return labels


def objective(run: RunRecord, value: str) -> str:
    """Return what a value in units of the objective measures for a run; empty for other values."""
    if value not in LOSSES or run.model not in registry.names():
        return ""
    return registry.model_class(run.model).objective_of({**run.settings, **run.config})


def _data_parts(run: RunRecord, has_versions: bool) -> tuple[str, str, str, str]:
    """Return dataset, protocol, split seed and split options; a dataset whose content changed has its fingerprint."""
    name = Path(run.dataset).name + (f" ({run.dataset_fingerprint[:6] or 'unknown'})" if has_versions else "")
    options = ""
    if run.options:
        from recdash.splits.split_options import describe_options  # lazy: pandas

        options = describe_options(run.options)
    return name, run.protocol, str(run.split_seed), options


def _further_objectives_last(
    groups: Mapping[tuple[str, str, str], list[str]],
) -> dict[tuple[str, str, str], list[str]]:
    """Return the charts with one per value first, that of the most runs, and those of other objectives at the end."""
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    first = {name: key for key, _ in reversed(ordered) for name in [key[1]]}
    at_front = list(dict.fromkeys(first[key[1]] for key in groups))
    return {key: groups[key] for key in [*at_front, *(key for key in groups if key not in at_front)]}
