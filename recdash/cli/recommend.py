"""recdash recommend: recommendations for a taste from trained models, or for all users of a dataset."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from recdash.cli.common import RUN_HELP, add_command, file_path, print_json, print_message, print_output
from recdash.errors import UsageError

if TYPE_CHECKING:
    from recdash.recommend.ranked_list import ListOptions
    from recdash.runs.run_records import RunRecord
    from recdash.services.recommend import RecommendationList, Recommendations
    from recdash.services.taste_input import TasteInput

MAX_ROWS_LISTED = 5  # of a file of ratings, in a message
MAX_REASONS = 3  # of an item, with --why


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "recommend", run)
    taste = parser.add_argument_group("taste")
    taste.add_argument(
        "--pick",
        dest="marked",
        action="append",
        default=[],
        type=lambda text: (text, "like"),
        metavar="TITLE",
        help="liked item: title, id or #id; repeatable",
    )
    taste.add_argument(
        "--dislike",
        dest="marked",
        action="append",
        type=lambda text: (text, "dislike"),
        metavar="TITLE",
        help="disliked item; never recommended, and a low rating for models that read ratings; repeatable",
    )
    taste.add_argument(
        "--rate",
        dest="marked",
        action="append",
        type=_rated,
        metavar="TITLE=STARS",
        help="rated item, for example Heat=4.5; repeatable",
    )
    taste.add_argument("--profile", metavar="NAME", help="saved taste")
    taste.add_argument(
        "--from-csv",
        type=file_path,
        metavar="FILE",
        help="ratings exported by Letterboxd, IMDb, MovieLens or recdash, as CSV or zip",
    )
    models = parser.add_argument_group("models")
    models.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="M",
        help="model; uses its best run on validation among those comparable with its newest run; repeatable, or "
        "separated by commas (default: every trained model)",
    )
    models.add_argument(
        "--run", dest="runs", action="append", default=[], metavar="R", help=f"run to use: {RUN_HELP}; repeatable"
    )
    models.add_argument(
        "--dataset", metavar="D", help="dataset (default: of the run, else of the newest finished run, else demo)"
    )
    models.add_argument("--device", default="cpu", help="device: cpu, cuda, mps, auto (default: cpu)")
    lists = parser.add_argument_group("lists")
    lists.add_argument("-k", type=int, default=10, metavar="N", help="items per list (default: 10)")
    lists.add_argument("--why", action="store_true", help="show explanations: the picks behind each recommendation")
    lists.add_argument(
        "--genre", dest="genres", action="append", default=[], metavar="G", help="only items of this genre; repeatable"
    )
    lists.add_argument("--years", metavar="Y..Z", help="only items of these years, for example 1990..1999 or ..1960")
    lists.add_argument(
        "--adventure",
        type=float,
        default=0.0,
        metavar="A",
        help="from -1 (mainstream) to 1 (adventurous); 0 is the model's own order (default: 0)",
    )
    everyone = parser.add_argument_group("all users")
    everyone.add_argument(
        "--all-users",
        action="store_true",
        help="write a list for every user of the dataset to --output, in place of printing lists",
    )
    everyone.add_argument(
        "--output",
        type=file_path,
        metavar="FILE",
        help="file ending in .parquet or .csv with the columns user, rank, item, score, run",
    )


def run(options: argparse.Namespace) -> int:
    """Print recommendations for a taste, or write those for all users."""
    from recdash.services import runs  # lazy: SQLAlchemy

    if options.model and options.runs:
        raise UsageError("recommend: --model and --run exclude each other. Give one of them.")
    _check_all_users(options)
    models = ",".join(options.model) if options.model else None
    chosen = [one for reference in options.runs for one in _find_runs(reference, runs.find)]
    run_ids = [one.id for one in chosen] if chosen else None
    dataset = options.dataset
    if dataset is None:
        dataset = chosen[0].dataset if chosen else _default_dataset(models)
    if options.all_users:
        return _write_all_users(options, dataset, models, run_ids)
    return _print_lists(options, dataset, models, run_ids)


def _print_lists(options: argparse.Namespace, dataset: str, models: str | None, run_ids: list[str] | None) -> int:
    from recdash.services import recommend, taste_input  # lazy: SQLAlchemy

    given = taste_input.read_taste(dataset, options.marked, profile=options.profile, file=options.from_csv)
    _report_import(given)
    found = recommend.recommend(
        dataset,
        models=models,
        run_ids=run_ids,
        k=options.k,
        explain=options.why or options.json,
        device=options.device,
        taste=given.taste,
        options=_list_options(options, dataset),
    )
    for one in found.lists:
        _introduce(one)
    if options.json:
        print_json(found.to_dict() | given.import_to_dict())
    else:
        print_output(_text(found, options.why))
    return 0


def _write_all_users(options: argparse.Namespace, dataset: str, models: str | None, run_ids: list[str] | None) -> int:
    from recdash.services import all_users  # lazy: SQLAlchemy

    chosen = all_users.runs_to_use(dataset, models, run_ids)
    with _user_progress() as progress:
        lists = all_users.write_all_users(chosen, options.output, k=options.k, device=options.device, progress=progress)
    for one in lists:
        without = f", {one.users_without:,} without one: nothing to read" if one.users_without else ""
        note = f" ({one.note})" if one.note else ""
        print_message(f"{one.run.name} (run {one.run.id}): {one.users:,} users with a list{without}{note}")
    rows = sum(one.rows for one in lists)
    if options.json:
        written = [
            {"id": one.run.id, "model": one.run.model, "users": one.users, "users_without": one.users_without,
             "rows": one.rows, "note": one.note}
            for one in lists
        ]  # fmt: skip
        document = {"output": str(options.output.absolute()), "dataset": chosen[0].dataset, "rows": rows}
        print_json({**document, "columns": list(all_users.COLUMNS), "runs": written})
    else:
        print_output(f"Wrote {rows:,} rows to {options.output}.")
    return 0


def _check_all_users(options: argparse.Namespace) -> None:
    if not options.all_users:
        if options.output is not None:
            raise UsageError("recommend: --output needs --all-users. Add it, or redirect the output of --json.")
        return
    if options.output is None:
        raise UsageError("recommend: --all-users needs --output FILE.parquet or FILE.csv.")
    excluded = {
        "--pick, --dislike and --rate": options.marked,
        "--profile": options.profile,
        "--from-csv": options.from_csv,
        "--why": options.why,
        "--genre": options.genres,
        "--years": options.years,
        "--adventure": options.adventure,
    }
    for names, given in excluded.items():
        if given or given == "":
            raise UsageError(f"recommend: --all-users reads the users of the dataset. Leave out {names}.")


def _find_runs(reference: str, find: Callable[[str], RunRecord]) -> list[RunRecord]:
    """Return the run that a text names, or those of a list separated by commas; names may contain commas."""
    try:
        return [find(reference)]
    except UsageError:
        parts = [part.strip() for part in reference.split(",") if part.strip()]
        if len(parts) < 2:
            raise
        return [find(part) for part in parts]


def _default_dataset(models: str | None) -> str:
    from recdash.services import runs  # lazy: SQLAlchemy
    from recdash.settings import name_list  # lazy: with the services

    names = None if models is None else name_list(models)
    datasets = dict.fromkeys(
        run.dataset for run in runs.list_runs() if run.state.is_finished() and (names is None or run.model in names)
    )  # newest run first
    dataset = next(filter(_is_available, datasets), "demo")
    print_message(f"Dataset: {dataset}")
    return dataset


def _is_available(dataset: str) -> bool:
    """Return whether the dataset of a run is still there."""
    from recdash.data import dataset_registry  # lazy: numpy

    try:
        return dataset_registry.name_of(dataset) == dataset
    except UsageError:
        return False


def _list_options(options: argparse.Namespace, dataset: str) -> ListOptions:
    from recdash.recommend.item_filter import ItemFilter  # lazy: numpy
    from recdash.recommend.ranked_list import ListOptions  # lazy: torch
    from recdash.services import taste_input  # lazy: SQLAlchemy

    first, last = (None, None) if options.years is None else _years(options.years)
    genres = taste_input.known_genres(dataset, options.genres) if options.genres else ()
    return ListOptions(
        filter=ItemFilter(genres=genres, year_from=first, year_to=last),
        adventure=options.adventure,
    )


def _years(text: str) -> tuple[int | None, int | None]:
    first, dots, last = text.partition("..")
    try:
        start, end = (int(part) if part.strip() else None for part in (first, last if dots else first))
    except ValueError:
        start = end = None
    if start is None and end is None:
        raise UsageError(f"recommend: --years {text!r} is no range of years. Example: --years 1990..1999")
    return start, end


def _rated(text: str) -> tuple[str, float]:
    title, equals, stars = text.rpartition("=")
    try:
        return title, float(stars if equals else "")
    except ValueError:
        raise UsageError(f'recommend: --rate {text!r} is not TITLE=STARS. Example: --rate "Heat=4.5"') from None


@contextmanager
def _user_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a callback of (lists done, lists in total); it draws a bar on a terminal and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from tqdm import tqdm  # lazy: tqdm

    with tqdm(desc="Recommending", unit=" users", unit_scale=True, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def _report_import(given: TasteInput) -> None:
    """Print what was understood of a file of ratings, and what was not used of it and of a saved taste."""
    _print_rows("No longer in this dataset", [item.label for item in given.missing], ", ")
    found = given.imported
    if found is None:
        return
    print_message(f"{found.source}: {found.summary}.")
    for note in found.notes:
        print_message(note)
    choose = [
        f"{one.row.label}: {', '.join(f'{item.label} (#{item.id})' for item in one.candidates[:MAX_ROWS_LISTED])}"
        for one in found.ambiguous
    ]
    _print_rows("Not used, choose with --pick or --rate", choose, "; ")
    _print_rows("Not in this dataset", [one.row.label for one in found.unmatched], ", ")
    _print_rows("Unreadable", [f"{one.place} ({one.problem})" for one in found.bad_rows], ", ")


def _print_rows(title: str, rows: Sequence[str], separator: str) -> None:
    if rows:
        more = f" and {len(rows) - MAX_ROWS_LISTED:,} more" if len(rows) > MAX_ROWS_LISTED else ""
        print_message(f"  {title}: {separator.join(rows[:MAX_ROWS_LISTED])}{more}")


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
    parts = [_taste_text(recommendations)]
    for one in recommendations.lists:
        lines = [one.title]
        for place in one.items:
            lines.append(f"{place.rank:3d}. {place.item.label}  {place.score:.4g}")
            if why and place.because:
                label = {"score drop": "score drop without the pick"}.get(one.reason_kind, one.reason_kind)
                explanation = ", ".join(
                    f"{reason.pick.label} {reason.share:.3g}" for reason in place.because[:MAX_REASONS]
                )
                lines.append(f"       {label}: {explanation}")
        parts.append("\n".join(lines) if one.items else f"{one.title}\n     {_note(one)}")
    return "\n\n".join(parts)


def _taste_text(recommendations: Recommendations) -> str:
    """Return the taste as one line for likes, and one each for ratings and dislikes if there are any."""
    by_kind: dict[str, list[str]] = {"Picks": [], "Rated": [], "Disliked": []}
    for item, mark in recommendations.taste:
        kind = {"like": "Picks", "dislike": "Disliked"}.get(str(mark), "Rated")
        stars = f" {mark:g}" if not isinstance(mark, str) else ""
        by_kind[kind].append(f"{item.label} (#{item.id}){stars}")
    generated = "  (the ratings of this dataset are generated)" if recommendations.generated else ""
    lines = [
        f"{kind}: {', '.join(entries[:20]) or 'none'}{f' and {len(entries) - 20:,} more' if len(entries) > 20 else ''}"
        for kind, entries in by_kind.items()
        if entries or (kind == "Picks" and not by_kind["Rated"])
    ]
    return "\n".join([f"{lines[0]}{generated}", *lines[1:]])


def _note(ranked_list: RecommendationList) -> str:
    """Return the note of a list; a missing pick is explained by its option."""
    from recdash.services.recommend import NO_PICK_NOTE  # lazy: SQLAlchemy

    return ranked_list.note.replace(NO_PICK_NOTE, "add at least one --pick TITLE")
