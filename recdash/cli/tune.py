"""recdash tune: search for the settings of models on validation data, and evaluate the best ones once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recdash.cli.common import add_command, file_path, parse_settings, print_json, print_message, print_output
from recdash.cli.main import INTERRUPTED
from recdash.cli.progress import Progress, ProgressDisplay, progress_display
from recdash.cli.train import add_split_options, report_time_ties, split_options
from recdash.settings import name_list

if TYPE_CHECKING:
    from recdash.services.tuning import Study, StudyPlan
    from recdash.services.tuning_driver import Progress as DriveProgress
    from recdash.services.tuning_studies import StudySpec


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = add_command(commands, "tune", run)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="models to tune, each with a study of its own")
    parser.add_argument("--models", dest="listed", metavar="A,B,C", help="the same as a list; all: every model")
    parser.add_argument("--dataset", metavar="NAME", help="installed dataset, or path of a file or folder")
    parser.add_argument("--trials", type=int, metavar="N", help="trials of each study in all (default: 20)")
    parser.add_argument("--minutes", type=float, metavar="M", help="time after which no further trial starts")
    parser.add_argument("--protocol", metavar="P", help="split and evaluation protocol (default: that of each model)")
    parser.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="values to search: learning_rate=log:1e-4..1e-2, dropout=0.2..0.8, latent=choice:64,100,200, or "
        "latent=off to leave it out; repeatable (default: the space of each model)",
    )
    parser.add_argument(
        "--space-file", type=file_path, metavar="FILE", help="the whole space, in the form of RecBole's hyper.test"
    )
    parser.add_argument(
        "--sampler", metavar="S", help="tpe (Optuna), random or grid (default: tpe, or random without Optuna)"
    )
    parser.add_argument(
        "--pruning", metavar="RULE", help="which trials end early: median, halving or none (default: median)"
    )
    parser.add_argument("--workers", type=int, metavar="K", help="trials at once (default: RECDASH_MAX_RUNS)")
    parser.add_argument("--study", metavar="NAME", help="name of the study (default: made from model and dataset)")
    parser.add_argument("--preset", default="auto", help="preset of the first trial and base of all (default: auto)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="setting that is not searched; repeatable"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="maximum number of epochs of a trial")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the trainings (default: 0)")
    add_split_options(parser)
    parser.add_argument("--device", default="auto", metavar="D", help="device: auto, cpu, cuda, mps (default: auto)")
    parser.add_argument(
        "--save-preset", nargs="?", const="", metavar="NAME", help="save the best settings (default: STUDY-tuned)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the search space and the cost, start nothing")
    parser.add_argument(
        "--force", action="store_true", help="start even if memory or disk space will probably not suffice"
    )
    parser.add_argument("--detach", action="store_true", help="return at once and search in the background")
    parser.add_argument("--list", action="store_true", help="list the studies")
    parser.add_argument("--show", metavar="STUDY", help="show the trials of a study")
    parser.add_argument("--stop", metavar="STUDY", help="stop a study; the same command continues it")
    parser.add_argument("--remove", metavar="STUDY", help="forget a study; its runs stay")


def run(options: argparse.Namespace) -> int:
    """Search, or do what one of the options about existing studies asks for."""
    from recdash.errors import UsageError  # lazy: start-up time
    from recdash.services import tuning  # lazy: SQLAlchemy

    if options.list:
        return _list(tuning.studies(), options)
    if options.show:
        return _report([tuning.study(options.show)], options, trials=True)
    if options.stop:
        tuning.stop(options.stop)
        print_message(f"Asked study {options.stop} to stop.")
        return 0
    if options.remove:
        tuning.remove(options.remove)
        print_message(f"Removed study {options.remove}. Its runs stay: recdash runs list.")
        return 0
    if options.dataset is None:
        raise UsageError("tune: --dataset is missing. Example: recdash tune recvae --dataset demo --trials 20.")
    specs = _specs(options)
    report_time_ties([_request(spec) for spec in specs])
    cost = tuning.plan(specs, options.workers)
    _print_spaces(specs)
    print_message(f"Cost: {_cost_text(cost, options)}.")
    if options.dry_run:
        if options.json:
            print_json({"studies": [spec.to_dict() for spec in specs], "plan": cost.to_dict()})
        for problem in cost.problems:
            print_message(problem.text)
        return 2 if cost.problems and not options.force else 0
    tuning.refuse(cost, force=options.force)
    names = [spec.name for spec in tuning.create(specs)]
    if options.detach:
        tuning.start(names, workers=options.workers, minutes=options.minutes)
        print_message(f"Searching in the background. Follow it: recdash tune --show {names[0]}")
        return 0
    interrupted = _drive(names, options)
    found = [tuning.study(name) for name in names]
    status = _report(found, options, trials=len(found) == 1)
    if interrupted:
        print_message("Stopped. The same command continues; no trial is lost.")
        return INTERRUPTED
    _save_presets(found, options)
    return status


def _specs(options: argparse.Namespace) -> list[StudySpec]:
    from recdash.errors import UsageError  # lazy: start-up time
    from recdash.services import compare, tuning  # lazy: SQLAlchemy
    from recdash.tuning import search_space  # lazy: start-up time
    from recdash.tuning.pruning import RULES, Pruning  # lazy: start-up time

    models = [*options.models, *name_list(options.listed or "")]
    if not models:
        raise UsageError("tune: name at least one model, or --models all. Example: recdash tune ease --dataset demo.")
    if "all" in models:
        excluded = compare.excluded_models(options.protocol, options.dataset, split_options(options))
        models = [model for model in compare.models_for(options.protocol) if model not in excluded]
        for reason in excluded.values():
            print_message(f"Skipped: {reason}")
    if options.pruning is not None and options.pruning not in RULES:
        raise UsageError(f"Unknown pruning rule: {options.pruning!r}. Known: {', '.join(RULES)}.")
    if options.minutes is not None and not options.minutes > 0:
        raise UsageError(f"--minutes {options.minutes:g} is no time. Example: --minutes 30.")
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers {options.workers} is no number of trials. Example: --workers 2.")
    space = {} if options.space_file is None else search_space.read_file(options.space_file)
    space |= search_space.parse_options(options.space)
    trials = options.trials if options.trials is not None or options.minutes is not None else tuning.DEFAULT_TRIALS
    return tuning.prepare(
        models,
        options.dataset,
        trials=trials,
        protocol=options.protocol,
        preset=options.preset,
        settings=parse_settings(options.set),
        space=space,
        replace_space=options.space_file is not None,
        sampler=options.sampler,
        pruning=None if options.pruning is None else Pruning(options.pruning),
        study=options.study,
        epochs=options.epochs,
        seed=options.seed,
        split_seed=options.split_seed,
        device=options.device,
        options=split_options(options),
    )


def _cost_text(cost: StudyPlan, options: argparse.Namespace) -> str:
    if options.minutes is None:
        return cost.text
    limit = f"no trial starts after {options.minutes:g} min"
    if options.trials is not None:
        return f"{cost.text}; {limit}"
    likely = "" if not cost.seconds else f", about {max(1, round(cost.trials * 60 * options.minutes / cost.seconds))}"
    return f"as many trials as the time allows{likely}; {limit}"


def _request(spec: StudySpec) -> Any:
    from recdash.services import tuning_driver  # lazy: SQLAlchemy

    return tuning_driver.trial_request(spec, 0, tuning_driver.preset_params(spec))


def _print_spaces(specs: Sequence[StudySpec]) -> None:
    for spec in specs:
        space = "  ".join(f"{name}={text}" for name, text in spec.space.items())
        print_message(f"{spec.name} ({spec.sampler}): {space or 'no setting to search, the preset alone is trained'}")


def _drive(names: Sequence[str], options: argparse.Namespace) -> bool:
    """Work on the studies with a progress display; returns whether it was interrupted."""
    from recdash.services import tuning_driver  # lazy: SQLAlchemy

    display = progress_display()
    seconds = None if options.minutes is None else 60 * options.minutes
    driver = tuning_driver.Driver(names, workers=options.workers, seconds=seconds)
    try:
        driver.run(lambda current: _show(display, current))
    finally:
        display.close()
    return driver.interrupted


def _show(display: ProgressDisplay, current: Sequence[DriveProgress]) -> None:
    for one in current:
        for trial in one.trials:
            best = "" if trial.value is None else f", {one.spec.metric.name} {trial.value:.4f}"
            ended = f"{best}" if trial.is_ended else ""
            display.show(
                Progress(
                    key=f"{one.spec.name}/{trial.number}",
                    title=f"{one.spec.name} {trial.number + 1}/{one.spec.trials}",
                    status=f"{one.spec.name}  trial {trial.number}  {trial.state}{ended}",
                    epoch=trial.epoch,
                    epochs=trial.epochs or 1,
                    note=f" {trial.state}{best}",
                    is_done=trial.is_ended,
                )
            )


def _report(found: Sequence[Study], options: argparse.Namespace, *, trials: bool) -> int:
    """Print the studies; returns the exit status: 1 if one has no complete trial."""
    if options.json:
        print_json({"studies": [one.to_dict() for one in found]})
    else:
        for one in found:
            print_output(_text(one, trials))
    return 0 if all(one.best is not None for one in found) else 1


def _text(found: Study, trials: bool) -> str:
    from recdash.reporting.table_format import plain_table  # lazy: tabulate
    from recdash.settings import format_setting  # lazy: start-up time

    lines = []
    names = list(found.spec.space)
    if trials and found.trials:
        rows = [["Trial", found.metric.name, "Epoch", "State", *names, "Run"]]
        for trial in found.trials:
            value = "-" if trial.value is None else f"{trial.value:.4f}"
            settings = [format_setting(trial.params[name]) if name in trial.params else "-" for name in names]
            mark = "*" if found.best is not None and trial.number == found.best.number else ""
            run = trial.run.id if trial.run else trial.error
            rows.append([f"{trial.number}{mark}", value, str(trial.epoch), trial.state, *settings, run])
        lines += [plain_table(rows), ""]
    return "\n".join([*lines, *sentences(found)])


def sentences(found: Study) -> list[str]:
    """Return what a study found, in sentences."""
    from recdash.reporting.formatting import plural  # lazy: start-up time

    spec, best, first, metric = found.spec, found.best, found.of_preset, found.metric.name
    if best is None:
        return [f"{spec.name}: {plural(found.n_tried, 'trial')}, none of them complete."]
    against = ""
    if first is not None and first.value is not None and first.number != best.number:
        against = f" (preset {spec.preset}: {first.value:.4f})"
    which = f"preset {spec.preset} itself" if best.number == 0 else f"trial {best.number}"
    lines = [
        f"{spec.name}: best of {plural(found.n_tried, 'trial')} on validation is {which}, "
        f"{metric} {best.value:.4f}{against}."
    ]
    if found.winner is not None:
        test = found.winner.metrics.get(metric)
        figure = "" if test is None else f": {metric} {test:.4f}"
        lines.append(f"Its model on the test part, read once{figure}. Run {found.winner.id}.")
    share = ", ".join(f"{name} {part:.0%}" for name, part in _importances(found).items() if part >= 0.01)
    return [*lines, *([f"Importance of the settings: {share}."] if share else [])]


def _importances(found: Study) -> dict[str, float]:
    from recdash.services import tuning  # lazy: SQLAlchemy

    return tuning.importances(found)


def _save_presets(found: Sequence[Study], options: argparse.Namespace) -> None:
    from recdash.services import tuning  # lazy: SQLAlchemy

    for one in found:
        if options.save_preset is not None and one.best is not None:
            saved = tuning.save_preset(one.spec.name, options.save_preset or None)
            command = f"recdash train {saved.model} --dataset {one.spec.dataset} --preset {saved.name}"
            print_message(f"Saved preset {saved.name} of {saved.model}. Use it: {command}")


def _list(found: Sequence[Study], options: argparse.Namespace) -> int:
    if options.json:
        print_json({"studies": [one.to_dict() for one in found]})
        return 0
    from recdash.reporting.table_format import plain_table  # lazy: tabulate

    rows = [["Study", "Model", "Dataset", "Protocol", "Trials", "State", "Best"]]
    for one in found:
        best = "-" if one.best is None or one.best.value is None else f"{one.metric.name} {one.best.value:.4f}"
        count = f"{one.n_tried} of {one.spec.trials}"
        rows.append([one.spec.name, one.spec.model, one.spec.dataset, one.spec.protocol, count, one.state, best])
    print_output(plain_table(rows) if found else "No study yet. Start one: recdash tune MODEL --dataset NAME.")
    return 0
