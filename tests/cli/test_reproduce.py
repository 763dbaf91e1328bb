"""`recdash reproduce`: arguments, documents, exit statuses, and a stop that loses nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recdash import paths
from recdash.cli.main import main
from tests.toy_data import toy_dataset

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(toy: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run the command in this process, with its result in the test's folder."""

    def do(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["reproduce", *arguments, "--out", str(tmp_path / "result.json")])
        out, err = capsys.readouterr()
        return status, out, err

    return do


@pytest.fixture
def ml_1m(toy: str) -> None:
    """The toy data under the name of the table's dataset."""
    replace(toy_dataset(), name="ml-1m").save(paths.data_dir() / "sets" / "ml-1m")


def test_missing_data_is_an_error_of_one_line(call: Call) -> None:
    status, out, err = call()
    assert (status, out) == (1, "")
    assert err.count("\n") == 1 and "recdash data get ml-1m" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "metarek"], "Did you mean 'metarec'?"),
        (["--models", "esae"], "Known: autorec"),
        (["--epochs", "0"], "Give 1 or more"),
    ],
)
def test_usage_errors_are_one_line(call: Call, ml_1m: None, arguments: list[str], message: str) -> None:
    status, _, err = call(*arguments)
    assert status == 2 and message in err and err.count("\n") == 1


def test_json_is_one_document_with_the_promised_columns(call: Call, ml_1m: None, tmp_path: Path) -> None:
    status, out, err = call("--models", "ease", "--json")
    assert status == 0 and "EASE" in err
    found = json.loads(out)
    assert out.count("\n") == 1
    row = next(row for row in found["rows"] if (row["model"], row["metric"]) == ("ease", "ndcg@100"))
    assert {"model", "metric", "published", "as_published", "corrected", "common", "what_was_wrong"} <= set(row)
    assert json.loads((tmp_path / "result.json").read_text())["rows"] == found["rows"]


def test_the_table_has_a_note_for_each_number(call: Call, ml_1m: None) -> None:
    status, out, _ = call("--models", "ease,bias")
    assert status == 0
    assert re.search(r"Published +As published, recomputed +Corrected +Common", out)
    assert "EASE, ndcg@100: Movies that a user had already rated" in out
    assert "differs from the published 0.2561 by more than 0.006" in out  # the toy data is not MovieLens
    assert "Not computed yet: popularity, popularity-common, multvae-as-published" in out


def test_a_rehearsal_is_marked(call: Call, ml_1m: None) -> None:
    status, out, _ = call("--table", "vae20m", "--models", "popularity")
    assert status == 0 and "Trial run on ml-1m" in out


def test_the_output_has_the_provenance_of_the_values(call: Call, ml_1m: None) -> None:
    _, out, _ = call("--models", "popularity")
    assert "Computed values:\n- All cells: 20" in out and f"torch {torch.__version__}" in out


def test_without_a_file_the_result_goes_to_the_data_folder_and_the_delivered_one_stays_byte_for_byte(
    ml_1m: None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = paths.RESOURCES / "benchmarks" / "results"
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("reproduce_*.json")}
    assert main(["reproduce", "--models", "popularity", "--json"]) == 0
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("reproduce_*.json")}
    found = json.loads((paths.data_dir() / "reproduce" / "metarec.json").read_text())
    assert found == json.loads(capsys.readouterr().out) and "popularity" in found["cells"]


def test_an_output_file_with_other_content_is_refused_in_one_line_and_unchanged(
    call: Call, ml_1m: None, tmp_path: Path
) -> None:
    (tmp_path / "result.json").write_text("my notes")
    status, out, err = call("--models", "popularity")
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert "result.json holds no reproduced table. It is not overwritten: name another file with --out." in err
    assert (tmp_path / "result.json").read_text() == "my notes"


@pytest.mark.slow
def test_a_signal_stops_it_with_its_state_saved(ml_1m: None, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "recdash", "reproduce", "--models", "svae", "--out", str(tmp_path / "out.json")]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
    folder = paths.data_dir() / "reproduce"
    deadline = time.monotonic() + 120
    while not list(folder.glob("metarec-*/svae.epochs.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130, message
    assert "Stopped; finished work is saved" in message and "Traceback" not in message
    (state,) = folder.glob("metarec-*/svae.training")
    epochs = len((state.parent / "svae.epochs.jsonl").read_text().splitlines())
    assert epochs >= 1 and (state / "checkpoint.json").is_file()
    position = json.loads((state / "checkpoint.json").read_text())["position"]
    assert position["epoch"] >= epochs - 1
