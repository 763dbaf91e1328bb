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
        help="model; its best comparable run by validation is used (default: every trained model)",
    )
    parser.add_argument("--run", dest="run_id", metavar="R", help=f"run to use: {RUN_HELP}")
    parser.add_argument(
        "--dataset", metavar="D", help="dataset (default: of the run, else of the newest finished run, else demo)"
    )
    parser.add_argument("-k", type=int, default=10, metavar="N", help="items per list (default: 10)")
    parser.add_argument("--device", default="cpu", help="device: cpu, cuda, mps, auto (default: cpu)")
    parser.add_argument("--why", action="store_true", help="show the picks behind each recommendation")


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

    trained = [run for run in runs.listing(model=model) if run.state.is_finished()]
    dataset = trained[0].dataset if trained else "demo"
    print_message(f"Dataset: {dataset}")
    return dataset


def _introduce(one: RecommendationList) -> None:
    """Print which run a list comes from, and how it was trained."""
    from recdash.analysis import metric_info  # lazy: numpy
    from recdash.evaluation.criterion import criterion_of  # lazy: numpy

    run = one.run
    if run is None:
        print_message(f"{one.title}: {one.note}")
        return
    criterion = criterion_of(run.validation)
    best = (
        f"{metric_info.title(criterion.metric)} {run.validation[criterion.metric]:.4f} on validation"
        if criterion
        else ""
    )
    details = [f"run {run.id}", f"protocol {run.protocol}", f"split seed {run.split_seed}", best, *run.remarks]
    print_message(f"{one.title}: {', '.join(filter(None, details))}" + (f" ({one.note})" if one.note else ""))


def _text(found: Recommendations, why: bool) -> str:
    parts = [f"Picks: {', '.join(f'{pick.label} (#{pick.id})' for pick in found.picks) or 'none'}"]
    if found.generated:
        parts[0] += "  (the ratings of this dataset are generated)"
    for one in found.lists:
        lines = [one.title]
        for place in one.items:
            lines.append(f"{place.rank:3d}. {place.item.label}  {place.score:.4g}")
            if why and place.reasons:
                because = ", ".join(f"{reason.pick.label} {reason.share:+.3g}" for reason in place.reasons[:3])
                lines.append(f"       {one.reason_kind}: {because}")
        parts.append("\n".join(lines) if one.items else f"{one.title}\n     {one.note}")
    return "\n\n".join(parts)
