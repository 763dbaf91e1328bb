"""recdash recommend: lists for somebody's picks, from every trained model or from one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from recdash.cli.common import answer, answer_json, command, say
from recdash.errors import UsageError

if TYPE_CHECKING:
    from recdash.services.recommend import Answer, Suggestions

HELP = "recommend for somebody who likes the picks"


def add(commands: Any) -> None:
    """Declare the command."""
    parser = command(commands, "recommend", run, HELP)
    parser.add_argument(
        "--pick",
        action="append",
        default=[],
        metavar="TITLE",
        help="something that is liked: a title, an id or #id; repeatable",
    )
    parser.add_argument(
        "--model", metavar="M", help="its best run by validation, among comparable runs (default: every trained model)"
    )
    parser.add_argument("--run", dest="run_id", metavar="R", help="exactly this run")
    parser.add_argument(
        "--dataset", metavar="D", help="default: that of the run, else of the newest finished run, else demo"
    )
    parser.add_argument("-k", type=int, default=10, metavar="N", help="length of the lists (default 10)")
    parser.add_argument("--device", default="cpu", help="where the models compute: cpu, cuda, mps, auto (default cpu)")
    parser.add_argument("--why", action="store_true", help="say which pick led to what")


def run(options: argparse.Namespace) -> int:
    """Print the lists."""
    from recdash.services import recommend, runs

    if options.model and options.run_id:
        raise UsageError("recommend: --model and --run exclude each other. Name one of them.")
    chosen = runs.find(options.run_id) if options.run_id else None
    dataset = options.dataset
    if dataset is None:
        dataset = chosen.dataset if chosen else _usual_dataset(options.model)
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
        answer_json(found.to_dict())
    else:
        answer(_text(found, options.why))
    return 0


def _usual_dataset(model: str | None) -> str:
    from recdash.services import runs

    trained = [run for run in runs.listing(model=model) if run.state.is_finished()]
    dataset = trained[0].dataset if trained else "demo"
    say(f"Data set: {dataset}")
    return dataset


def _introduce(one: Suggestions) -> None:
    """Say which run a list comes from, and how it was trained."""
    from recdash.analysis import metric_info
    from recdash.evaluation.criterion import criterion_of

    run = one.run
    if run is None:
        say(f"{one.title}: {one.note}")
        return
    criterion = criterion_of(run.validation)
    best = (
        f"{metric_info.title(criterion.metric)} {run.validation[criterion.metric]:.4f} on validation"
        if criterion
        else ""
    )
    told = [f"run {run.id}", f"protocol {run.protocol}", f"split seed {run.split_seed}", best, *run.remarks]
    say(f"{one.title}: {', '.join(filter(None, told))}" + (f" ({one.note})" if one.note else ""))


def _text(found: Answer, why: bool) -> str:
    parts = [f"Picks: {', '.join(f'{pick.label} (#{pick.id})' for pick in found.picks) or 'none'}"]
    if found.generated:
        parts[0] += "  (the tastes behind this data are generated)"
    for one in found.lists:
        lines = [one.title]
        for place in one.items:
            lines.append(f"{place.rank:3d}. {place.item.label}  {place.score:.4g}")
            if why and place.reasons:
                because = ", ".join(f"{reason.pick.label} {reason.share:+.3g}" for reason in place.reasons[:3])
                lines.append(f"       {one.reasons_are}: {because}")
        parts.append("\n".join(lines) if one.items else f"{one.title}\n     {one.note}")
    return "\n\n".join(parts)
