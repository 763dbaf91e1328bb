"""recdash recommend: recommendations for liked items, from every trained model or from one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from recdash.cli.common import RUN_HELP, add_command, print_json, print_message, print_output
from recdash.errors import UsageError

if TYPE_CHECKING:
    from recdash.services.recommend import RecommendationList, Recommendations


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "recommend", run)
    parser.add_argument(
        "--pick",
        action="append",
        default=[],
        metavar="TITLE",
        help="liked item: title, id or #id; repeatable",
    )
    parser.add_argument(
        "--model",
        metavar="M",
        help="model; uses its best run on validation among those comparable with its newest run "
        "(default: every trained model)",
    )
    parser.add_argument("--run", dest="run_id", metavar="R", help=f"run to use: {RUN_HELP}")
    parser.add_argument(
        "--dataset", metavar="D", help="dataset (default: of the run, else of the newest finished run, else demo)"
    )
    parser.add_argument("-k", type=int, default=10, metavar="N", help="items per list (default: 10)")
    parser.add_argument("--device", default="cpu", help="device: cpu, cuda, mps, auto (default: cpu)")
    parser.add_argument("--why", action="store_true", help="show explanations: the picks behind each recommendation")


def run(options: argparse.Namespace) -> int:
    """Print the recommendations."""
    from recdash.services import recommend, runs  # lazy: SQLAlchemy

    if options.model and options.run_id:
        raise UsageError("recommend: --model and --run exclude each other. Give one of them.")
    chosen = runs.find(options.run_id) if options.run_id else None
    dataset = options.dataset
    if dataset is None:
        dataset = chosen.dataset if chosen else _default_dataset(options.model)
    found = recommend.recommend(
        dataset,
        options.pick,
        models=[options.model] if options.model else None,
        run_ids=[chosen.id] if chosen else None,
        k=options.k,
        explain=options.why or options.json,
        device=options.device,
    )
    for one in found.lists:
        _introduce(one)
    if options.json:
        print_json(found.to_dict())
    else:
        print_output(_text(found, options.why))
    return 0


def _default_dataset(model: str | None) -> str:
    from recdash.services import runs  # lazy: SQLAlchemy

    trained = [run for run in runs.list_runs(model=model) if run.state.is_finished()]
    dataset = trained[0].dataset if trained else "demo"
    print_message(f"Dataset: {dataset}")
    return dataset


def _introduce(ranked_list: RecommendationList) -> None:
    """Print which run a list comes from, and how it was trained."""
    from recdash.analysis import metric_info  # lazy: numpy
    from recdash.evaluation.selection_metric import selection_metric_of  # lazy: numpy

    run = ranked_list.run
    if run is None:
        print_message(f"{ranked_list.title}: {_note(ranked_list)}")
        return
    selection_metric = selection_metric_of(run.validation)
    best = (
        f"{metric_info.title(selection_metric.name)} {run.validation[selection_metric.name]:.4f} on validation"
        if selection_metric
        else ""
    )
    details = [f"run {run.id}", f"protocol {run.protocol}", f"split seed {run.split_seed}", best, *run.remarks]
    print_message(
        f"{ranked_list.title}: {', '.join(filter(None, details))}"
        + (f" ({_note(ranked_list)})" if ranked_list.note else "")
    )


def _text(recommendations: Recommendations, why: bool) -> str:
    parts = [f"Picks: {', '.join(f'{pick.label} (#{pick.id})' for pick in recommendations.picks) or 'none'}"]
    if recommendations.generated:
        parts[0] += "  (the ratings of this dataset are generated)"
    for one in recommendations.lists:
        lines = [one.title]
        for place in one.items:
            lines.append(f"{place.rank:3d}. {place.item.label}  {place.score:.4g}")
            if why and place.reasons:
                label = {"score drop": "score drop without the pick"}.get(one.reason_kind, one.reason_kind)
                explanation = ", ".join(f"{reason.pick.label} {reason.share:.3g}" for reason in place.reasons[:3])
                lines.append(f"       {label}: {explanation}")
        parts.append("\n".join(lines) if one.items else f"{one.title}\n     {_note(one)}")
    return "\n\n".join(parts)


def _note(ranked_list: RecommendationList) -> str:
    """Return the note of a list; a missing pick is explained by its option."""
    from recdash.services.recommend import NO_PICK_NOTE  # lazy: SQLAlchemy

    return ranked_list.note.replace(NO_PICK_NOTE, "add at least one --pick TITLE")
