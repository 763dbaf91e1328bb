"""The form of a search: what is searched on which data, how many trials, what it costs, and the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError, UsageError
from recdash.reporting.formatting import escape, plural
from recdash.services import datasets, tuning, tuning_studies
from recdash.services.tuning_studies import MAX_TRIALS
from recdash.settings import DEFAULT_SPLIT_SEED
from recdash.tuning import samplers
from recdash.tuning.pruning import Pruning
from recdash.ui import cache, layout, url_state
from recdash.ui.train import plan_view, request_fields
from recdash.ui.tune import space_fields, study_starts
from recdash.ui.tune.space_fields import SpaceOf
from recdash.ui.widgets import settings_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recdash.services.options import ModelChoice
    from recdash.services.tuning_studies import StudySpec

PRUNING = {
    "median": "Median",
    "halving": "Successive halving",
    "none": "None",
}
_PRUNING_HELP = (
    "Which trials end early, by their validation curves.\n"
    "- **Median**: worse than the median of the other trials at the same epoch.\n"
    "- **Successive halving**: not in the best third of the trials, at epochs that triple.\n"
    "- **None**: every trial trains to its end."
)
SAMPLERS = {"tpe": "TPE", "random": "Random", "grid": "Grid"}
_MOST_NAMED = 3  # models in the label of the start button, and listed in the plan


@dataclass(frozen=True)
class _Choice:
    """What is chosen in the form."""

    models: Sequence[ModelChoice]
    dataset: str
    protocol: str
    preset: str
    trials: int | None
    minutes: float | None
    sampler: str
    pruning: str
    name: str
    epochs: int | None
    split_seed: int
    split: Mapping[str, str]

    @property
    def space_of(self) -> SpaceOf:
        """What the declared search space depends on."""
        return SpaceOf(self.dataset, self.preset, self.protocol, self.split_seed)


def draw() -> None:
    """Draw the form and start what it asks for."""
    left, right = st.columns([5, 3], gap="large")
    with left:
        choice = _fields()
        space_fields.draw(choice.models, choice.space_of)
    with right:
        _cost_and_start(choice)


def _fields() -> _Choice:
    with st.container(horizontal=True, vertical_alignment="top"):
        dataset = request_fields.dataset_field()
        protocol = request_fields.protocol_field(dataset)
    if cache.is_generated(dataset):
        layout.generated_note()
    offered = [model for model in cache.models() if model.task == protocol.task and _has_settings(model, dataset)]
    chosen = request_fields.models_field(offered, ["multvae"])
    if len(chosen) < len(offered):
        names = [model.name for model in offered]
        st.button(
            f"All {len(offered)} models", type="tertiary", icon=":material/select_all:", key="tune_all",
            help="The same number of trials for each model: then the comparison between them is fair",
            on_click=url_state.set_value, args=("model", names),
        )  # fmt: skip
    layout.title(f"Search of {', '.join(model.title for model in chosen) or 'settings'} on {dataset}")
    preset = request_fields.preset_field(chosen, label="Preset of the first trial")
    with st.container(horizontal=True, vertical_alignment="top"):
        trials = st.number_input(
            "Trials per model", 1, MAX_TRIALS, step=5, width=150, value=None, placeholder="no limit",
            help="Each trial is a run of its own. Empty: until the time is over.",
            **url_state.bind("trials", tuning.DEFAULT_TRIALS, read=int),
        )  # fmt: skip
        minutes = st.number_input(
            "Minutes", 1, 100_000, step=10, width=150, value=None, placeholder="no limit",
            help="After this time no trial starts; those that train are finished.",
            **url_state.bind("minutes", None, read=int),
        )  # fmt: skip
        sampler = _sampler()
        pruning = st.selectbox(
            "Pruning", list(PRUNING), format_func=PRUNING.__getitem__, help=_PRUNING_HELP, width=190,
            **url_state.bind("pruning", "median", options=PRUNING),
        )  # fmt: skip
    if not samplers.has_optuna():
        st.caption(
            ":material/info: Optuna is not installed, so TPE is not offered; random and grid search work without it. "
            "To add it: `pip install -r requirements-tune.txt`, then start the app again."
        )
    split = settings_form.split_fields(protocol, datasets.entry(dataset))
    name, epochs, split_seed = _more()
    return _Choice(
        chosen, dataset, protocol.name, preset, trials, minutes, sampler, str(pruning), name, epochs, split_seed, split
    )


def _has_settings(model: ModelChoice, dataset: str) -> bool:
    return bool(tuning.searched_settings(model.name, dataset))


def _sampler() -> str:
    offered = [name for name in SAMPLERS if name != "tpe" or samplers.has_optuna()]
    about = "\n".join(f"- **{SAMPLERS[name]}**: {escape(samplers.SAMPLERS[name])}." for name in offered)
    chosen = st.selectbox(
        "Sampler", offered, format_func=SAMPLERS.__getitem__, width=150,
        help=f"How the settings of a trial are chosen. The first trial always has those of the preset.\n{about}",
        **url_state.bind("sampler", samplers.default_sampler(), options=offered),
    )  # fmt: skip
    return str(chosen)


def _more() -> tuple[str, int | None, int]:
    """Draw what is rarely changed: name of the study, largest number of epochs, seed of the split."""
    with st.expander("More options", icon=":material/more_horiz:"), st.grid(3, min_column_width=170):
        name = st.text_input(
            "Name of the study", placeholder="from model and dataset", max_chars=40,
            help="Letters, digits, dots, dashes and underscores; with several models it is the beginning of the name.",
            **url_state.bind("study_name", ""),
        )  # fmt: skip
        epochs = st.number_input(
            "Largest number of epochs", 1, 10_000, value=None, placeholder="of the preset",
            help="Of models that have epochs", **url_state.bind("most_epochs", None, read=int),
        )  # fmt: skip
        split_seed = st.number_input(
            "Split seed", 0, 2**31 - 1, help="Seed of the split into training, validation and test part",
            **url_state.bind("split_seed", DEFAULT_SPLIT_SEED, read=int),
        )  # fmt: skip
    return name.strip(), epochs, int(split_seed)


def _cost_and_start(choice: _Choice) -> None:
    st.subheader("Cost", anchor=False)
    if environment.read_only():
        st.info("Searching is disabled (RECDASH_READ_ONLY is set).", icon=":material/lock:")
        return
    specs: list[StudySpec] = []
    may_start = False
    try:
        if not choice.models:
            st.caption("Choose at least one model.")
        else:
            specs = _specs(choice)
            may_start = _draw_plan(specs, choice)
    except RecdashError as error:
        specs = []
        st.error(escape(str(error)), icon=":material/error:")
    st.button(
        _start_label(choice) if specs else "Start the search",
        icon=":material/play_arrow:",
        type="primary",
        width="stretch",
        disabled=not may_start,
        key="start_search",
        on_click=study_starts.press,
        args=(specs, choice.minutes),
    )
    st.caption(
        "Trials are compared on the validation part alone. The test part is read once per model, for its best trial; "
        "the result names the number of trials."
    )


def _draw_plan(specs: Sequence[StudySpec], choice: _Choice) -> bool:
    plan = tuning.plan(specs)
    with st.container(border=True, gap="small", key="plan"):
        if choice.trials is None:
            st.markdown(f":material/schedule: **Trials start for {choice.minutes} min**")
        else:
            st.markdown(f":material/schedule: **{escape(plan.text)}**")
            if choice.minutes is not None:
                st.markdown(f":material/timer: No trial starts after {choice.minutes} min")
        if len(specs) > _MOST_NAMED:
            counts = sorted(len(spec.space) for spec in specs)
            st.caption(f"{len(specs)} models, {counts[0]} to {counts[-1]} settings each")
        for model, spec in zip(choice.models, specs, strict=True):
            if len(specs) <= _MOST_NAMED:
                st.caption(space_fields.summary(model, choice.space_of))
            if spec.sampler == "grid" and spec.space:
                n_grid = samplers.grid_size(spec.dimensions)
                st.caption(f"{escape(model.title)}: the grid has {plural(n_grid, 'combination')}")
            if tuning_studies.exists(spec.name):
                st.caption(f":material/info: Study {escape(spec.name)} exists: its trials count, and it goes on.")
    return plan_view.draw_problems(plan.problems)


def _specs(choice: _Choice) -> list[StudySpec]:
    if choice.trials is None and choice.minutes is None:
        raise UsageError("Neither trials nor minutes are limited. Enter the number of trials, for example 20.")
    options = settings_form.parse_split_options(choice.split)
    specs = []
    for model in choice.models:
        space = space_fields.given(model.name, choice.space_of, everything=choice.sampler == "grid")
        if choice.sampler == "grid" and not space:
            raise UsageError(f"{model.title}: no setting is searched. Check one in the search space, or leave it out.")
        specs += tuning.prepare(
            [model.name],
            choice.dataset,
            trials=choice.trials,
            protocol=choice.protocol,
            preset=choice.preset,
            space=space,
            sampler=choice.sampler,
            pruning=Pruning(rule=choice.pruning),
            study=_name(choice, model),
            epochs=choice.epochs,
            split_seed=choice.split_seed,
            options=options,
        )
    return specs


def _name(choice: _Choice, model: ModelChoice) -> str:
    """Return the name of the study of a model: the given one, or the usual one with the first free number."""
    if choice.name:
        return choice.name if len(choice.models) == 1 else f"{choice.name}-{model.name}"
    usual = tuning.default_study_name(model.name, choice.dataset, choice.protocol, choice.split_seed)
    name, number = usual, 1
    while tuning_studies.exists(name):
        number += 1
        name = f"{usual[: 39 - len(str(number))]}-{number}"
    return name


def _start_label(choice: _Choice) -> str:
    """Return the label of the start button: "Start 20 trials of Mult-VAE"."""
    titles = [model.title for model in choice.models]
    more = len(titles) - _MOST_NAMED
    named = ", ".join(titles) if more <= 0 else f"{', '.join(titles[:_MOST_NAMED])} and {more} more"
    amount = f"{choice.minutes} min of trials" if choice.trials is None else plural(choice.trials, "trial")
    return f"Start {amount}{' each' if len(titles) > 1 else ''} of {named}"
