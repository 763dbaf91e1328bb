"""recdash presets: list, show, save, export, import and remove presets of settings."""

from __future__ import annotations

import argparse
import json
from typing import Any

from recdash.cli.common import add_command, file_path, print_json, print_message, print_output


def add(commands: Any) -> None:
    """Add the command and its subcommands to the parser."""
    parser = add_command(commands, "presets", _list)
    parser.set_defaults(model=None, own=False)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    one = add_command(actions, "list", _list, "list the presets of all models", is_subcommand=True)
    one.add_argument("--model", metavar="MODEL", help="presets of one model")
    one.add_argument("--own", action="store_true", help="only your own presets")
    one = add_command(actions, "show", _show, "show what a preset changes and where it comes from", is_subcommand=True)
    one.add_argument("name", metavar="NAME")
    one.add_argument("--model", metavar="MODEL", help="of one model; by default of every model that has it")
    one = add_command(
        actions, "save", _save, "save the best settings of a study, or those of a run", is_subcommand=True
    )
    one.add_argument("name", metavar="NAME")
    one.add_argument("--study", metavar="STUDY", help="study whose best settings to save")
    one.add_argument("--run", dest="run_id", metavar="RUN", help="run whose settings to save")
    one = add_command(actions, "remove", _remove, "remove one of your own presets", is_subcommand=True)
    one.add_argument("name", metavar="NAME")
    one.add_argument("--model", metavar="MODEL", help="of one model; by default of every model that has it")
    one = add_command(actions, "export", _export, "write one of your own presets to a JSON file", is_subcommand=True)
    one.add_argument("name", metavar="NAME")
    one.add_argument("--to", required=True, type=file_path, metavar="FILE", help="file to write")
    one.add_argument("--model", metavar="MODEL", help="model, if several have a preset of this name")
    one = add_command(actions, "import", _import, "save a preset from an exported JSON file", is_subcommand=True)
    one.add_argument("file", type=file_path, metavar="FILE")
    one.add_argument("--name", metavar="NAME", help="another name")


def _list(options: argparse.Namespace) -> int:
    from recdash.services import presets  # lazy: SQLAlchemy

    found = presets.presets(options.model, own_only=options.own)
    if options.json:
        print_json({"presets": [one.to_dict() for one in found]})
    else:
        from recdash.reporting.table_format import plain_table  # lazy: tabulate

        rows = [["Model", "Preset", "From", "Trials"]]
        for one in found:
            origin = one.provenance.get("dataset", "your own") if one.is_own else "recdash"
            rows.append([one.model, one.name, origin, str(one.provenance.get("trials", "-"))])
        print_output(
            plain_table(rows) if found else "No own preset yet. Save one: recdash tune ... --save-preset NAME."
        )
    for one in found:
        if one.problem:
            print_message(one.problem)
    return 0


def _show(options: argparse.Namespace) -> int:
    from recdash.services import presets  # lazy: SQLAlchemy

    models = [options.model] if options.model else presets.models_with(options.name)
    found = [presets.info(model, options.name) for model in models]
    if options.json:
        print_json({"presets": [one.to_dict() for one in found]})
    for one in found:
        if one.problem:
            print_message(one.problem)
        elif not options.json:
            plain = one.to_dict()
            settings = ", ".join(f"{name} {json.dumps(value)}" for name, value in plain["settings"].items())
            print_output(f"{one.model} {one.name}: {settings or 'depends on the size of the data'}")
            for name, value in plain["provenance"].items():
                print_output(f"  {name}: {value if isinstance(value, str) else json.dumps(value)}")
    return 1 if any(one.problem for one in found) else 0


def _save(options: argparse.Namespace) -> int:
    from recdash.errors import UsageError  # lazy: start-up time
    from recdash.services import presets, runs  # lazy: SQLAlchemy

    if (options.study is None) == (options.run_id is None):
        raise UsageError("presets save: name either --study STUDY or --run RUN.")
    if options.study is not None:
        saved = presets.save_from_study(options.study, options.name)
    else:
        saved = presets.save_from_run(runs.find(options.run_id).id, options.name)
    if options.json:
        print_json({"presets": [presets.info(saved.model, saved.name).to_dict()]})
    print_message(f"Saved preset {saved.name} of {saved.model}.")
    return 0


def _remove(options: argparse.Namespace) -> int:
    from recdash.services import presets  # lazy: SQLAlchemy

    removed = presets.remove(options.name, options.model)
    if options.json:
        print_json({"removed": [{"model": model, "name": options.name} for model in removed]})
    print_message(f"Removed preset {options.name} of {', '.join(removed)}.")
    return 0


def _export(options: argparse.Namespace) -> int:
    from recdash.services import presets  # lazy: SQLAlchemy

    path = presets.export(options.name, options.to, options.model)
    if options.json:
        print_json({"file": str(path)})
    print_message(f"Wrote {path}.")
    return 0


def _import(options: argparse.Namespace) -> int:
    from recdash.services import presets  # lazy: SQLAlchemy

    saved = presets.import_file(options.file, options.name)
    if options.json:
        print_json({"presets": [presets.info(saved.model, saved.name).to_dict()]})
    print_message(f"Saved preset {saved.name} of {saved.model}.")
    return 0
