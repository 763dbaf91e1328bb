"""recdash runs export and import on the command line."""

from __future__ import annotations

import builtins
import io
import json
import sys

import pytest

from recdash.cli.common import print_json
from recdash.cli.main import main
from tests.run_helpers import Runs


@pytest.fixture
def run_id(store) -> str:
    return Runs(store).finished()


def test_export_then_import_elsewhere(run_id, tmp_path, monkeypatch, capsys) -> None:
    assert main(["runs", "export", run_id[:12], "--to", str(tmp_path / "out"), "--format", "csv", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["runs"] == [run_id] and "1 run with 5 epochs written to" in printed.err
    monkeypatch.setenv("RECDASH_STORE", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.setenv("RECDASH_CHECKPOINT_DIR", str(tmp_path / "other"))
    (tmp_path / "a.csv").write_text("step,loss\n1,2\n")
    paths = [str(tmp_path / "out"), str(tmp_path / "a.csv")]
    for dry_run, word in ((["--dry-run"], "can be imported"), ([], "imported")):
        assert main(["runs", "import", *paths, "--json", *dry_run]) == 0
        printed = capsys.readouterr()
        first, second = json.loads(printed.out)["imports"]
        assert first["runs"][0]["id"] == run_id and second["points"] == 1
        assert f"1 run with 30 points {word}" in printed.err
    assert main(["runs", "list", "--json"]) == 0
    assert {run["model"] for run in json.loads(capsys.readouterr().out)["runs"]} == {"multvae", "external"}


def test_json_is_printed_whatever_the_terminal_can_show(monkeypatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    document = {"name": "\udcff \N{GRINNING FACE} \xe9"}
    print_json(document)
    sys.stdout.flush()
    assert json.loads(written.getvalue()) == document


def test_errors_are_one_line(run_id, tmp_path, capsys) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x")
    for command, status, expected in (
        (["export", "--to", str(tmp_path / "other")], 2, "holds other files, such as mine.txt"),
        (["export", "nobody", "--to", str(tmp_path / "out")], 2, "Unknown run: 'nobody'"),
        (["export"], 2, "--to"),
        (["export", "--to", str(tmp_path / "out"), "--format", "mlflow", "--with-weights"], 2, "--with-weights cannot"),
        (["import", str(tmp_path / "other")], 1, "neither an export of runs nor a TensorBoard log folder"),
        (["import", str(tmp_path / "other" / "mine.txt")], 1, "mine.txt: no rows below the heading"),
    ):
        assert main(["runs", *command]) == status
        printed = capsys.readouterr()
        assert expected in printed.err and printed.err.count("\n") == 1 and printed.out == ""


@pytest.mark.parametrize(
    ("file_format", "package"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow-skinny alembic")]
)
def test_a_missing_extra_is_named(run_id, tmp_path, monkeypatch, capsys, file_format, package) -> None:
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == file_format:
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["runs", "export", "--to", str(tmp_path / "out"), "--format", file_format]) == 2
    assert f"pip install {package}" in capsys.readouterr().err and not (tmp_path / "out").exists()
