"""The command line: options, JSON documents, exit statuses."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recdash import paths
from recdash.cli import main as cli
from recdash.cli.main import main
from recdash.runs import process_env
from recdash.runs.states import State
from recdash.services import launch, runs, training_requests

SMALL = ["--set", "hidden=", "--set", "latent=8", "--set", "batch_size=40", "--epochs", "3"]


@pytest.fixture
def call(capsys):
    """Run a command line here; gives exit status, standard output and standard error."""

    def do(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(list(arguments))
        out, err = capsys.readouterr()
        return status, out, err

    return do


@pytest.fixture
def document(call):
    """Run a command line that must succeed with exactly one JSON document on standard output."""

    def do(*arguments: str):
        status, out, err = call(*arguments, "--json")
        lines = [line for line in out.splitlines() if not line.startswith("20")]  # logs of workers in this process
        assert status == 0, err
        assert len(lines) == 1
        return json.loads(lines[0])

    return do


def test_the_version_is_the_packages(call) -> None:
    import recdash

    assert call("--version") == (0, f"recdash {recdash.__version__}\n", "")


def test_without_arguments_the_commands_are_listed(call) -> None:
    status, out, err = call()
    assert status == 2 and out == ""
    assert all(f"\n  {name} " in err for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_help_text(call, name: str) -> None:
    status, out, _ = call(name, "--help")
    assert status == 0 and out.startswith(f"usage: recdash {name}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tarin"], "Did you mean 'train'"),
        (["report", "--out", "r.pdf"], ".html, .md, .tex"),
        (["tune", "ease"], "--dataset is missing"),
        (["--weird"], "unrecognized arguments"),
        (["train"], "the following arguments are required"),
        (["train", "ease"], "--dataset"),
        (["train", "eese", "--dataset", "toy"], "Did you mean 'ease'"),
        (["train", "ease", "--dataset", "toy", "--set", "l2"], "is not NAME=VALUE"),
        (["train", "ease", "--dataset", "toy", "--set", "l3=1"], "Known: l2, dropout, relax, precision."),
        (["train", "ease", "--dataset", "toy", "--seed", "x"], "--seed: 'x' is not a whole number"),
        (["train", "ease", "--data", "toy"], "--dataset"),
        (["train", "ease", "--dataset", "tyo"], "Did you mean 'toy'"),
        (["compare", "--dataset", "toy", "--models", "ease,nope"], "Unknown model: 'nope'"),
        (["compare", "--dataset", "toy", "--seeds", "1,b"], "not a list of integers"),
        (["compare", "--dataset", "toy", "--protocol", "nope"], "Unknown protocol"),
        (["runs", "show", "nobody"], "Unknown run: 'nobody'"),
        (["runs", "halt"], "invalid choice"),
        (["results", "--format", "xml"], "invalid choice"),
        (["curves", "nobody"], "Unknown run"),
        (["recommend", "--pick", "Zorglub", "--dataset", "toy"], "No item matches 'Zorglub'"),
        (["recommend", "--model", "ease", "--run", "x"], "exclude each other"),
        (["recommend", "--pick", "7", "--dataset", "toy", "-k", "0"], "outside [1, 1000]"),
        (["data", "show", "nope"], "Unknown dataset: 'nope'"),
        (["data", "import", "x"], "--csv"),
        (["app", "--port", "99999"], "outside"),
    ],
)
def test_usage_errors_are_one_line_and_status_two(call, waiting, arguments, message) -> None:
    status, out, err = call(*arguments)
    lines = [line for line in err.splitlines() if not line.startswith("Dataset:")]
    assert (status, out, len(lines)) == (2, "", 1), err
    assert message in lines[0] and lines[0].startswith("recdash: ")
    assert runs.list_runs() == []


def test_debug_shows_the_traceback(call, waiting) -> None:
    status, _, err = call("runs", "show", "nobody", "--debug")
    assert status == 2 and "Traceback" in err and "Unknown run" in err


def test_an_unexpected_error_is_one_line(call, waiting, monkeypatch) -> None:
    monkeypatch.setattr(runs, "list_runs", lambda **words: 1 / 0)
    status, out, err = call("runs", "list")
    assert (status, out) == (
        1,
        "",
    ) and err == "recdash: unexpected ZeroDivisionError: division by zero. Add --debug for the traceback.\n"


def test_train_returns_runs_and_results(document, here) -> None:
    found = document("train", "multvae", "ease", "--dataset", "toy", *SMALL)
    assert [run["state"] for run in found["runs"]] == ["finished", "finished"]
    assert {row["run"] for row in found["results"]} == {run["id"] for run in found["runs"]}
    for row in found["results"]:
        value = row["metrics"]["ndcg@100"]
        assert value["low"] <= value["mean"] <= value["high"]
        assert {"model", "dataset", "protocol", "split", "runtime_s"} <= set(row)


def test_compare_trains_what_is_missing_once(document, here) -> None:
    first = document("compare", "--dataset", "toy", "--models", "popularity,ease")
    second = document("compare", "--dataset", "toy", "--models", "popularity,ease")
    assert [run["id"] for run in first["runs"]] == [run["id"] for run in second["runs"]] and len(here) == 2
    assert first["results"] == second["results"]


def test_a_failed_run_is_status_one_and_shows_how_to_start_it_again(call, here, monkeypatch) -> None:
    from recdash.runs.worker import Worker

    monkeypatch.setattr(Worker, "_on_epoch", lambda self, record: 1 / 0)
    status, _, err = call("train", "ease", "--dataset", "toy")
    assert status == 1 and " failed. " in err and "recdash runs retry ease-" in err


def test_detach_returns_at_once(document, waiting) -> None:
    found = document("train", "ease", "--dataset", "toy", "--detach")
    assert [run["state"] for run in found["runs"]] == ["queued"] and found["results"] == []


def test_runs_can_be_listed_shown_renamed_annotated_and_deleted(document, here) -> None:
    document("train", "ease", "--dataset", "toy")
    (listed,) = document("runs", "list")["runs"]
    wanted = ("id", "name", "model", "dataset", "protocol", "state", "epoch", "epochs", "best_epoch", "metrics")
    assert set(wanted) <= set(listed)
    assert document("runs", "rename", listed["id"], "the one")["name"] == "the one"
    assert document("runs", "note", "the one", "keep it")["note"] == "keep it"
    shown = document("runs", "show", listed["id"][:8])
    assert shown["note"] == "keep it" and shown["events"][0]["kind"] == "queued"
    assert document("runs", "delete", listed["id"]) == {"deleted": [listed["id"]]}
    assert document("runs", "list") == {"runs": []}
    assert document("runs") == {"runs": []}


def test_a_queued_run_can_be_stopped_and_resumed(document, waiting) -> None:
    (run,) = document("train", "ease", "--dataset", "toy", "--detach")["runs"]
    assert document("runs", "stop", run["id"])["runs"][0]["state"] == "stopped"
    assert document("runs", "resume", run["id"], "--detach")["runs"][0]["state"] == "queued"


def test_stop_and_delete_of_a_running_run(call, waiting) -> None:
    from recdash.runs import queue
    from recdash.runs.process_id import ProcessId
    from recdash.services.store_access import open_store

    (run,) = launch.train(training_requests.build_requests(["ease"], "toy"))
    queue.claim(open_store(), run.id, ProcessId.mine(), 1)
    status, _, err = call("runs", "delete", run.id)
    assert status == 2 and f"recdash runs stop {run.id}" in err
    status, _, err = call("runs", "stop", run.id)
    assert status == 0 and "stops after saving a checkpoint" in err


def test_results_are_printed_in_every_format(call, document, here) -> None:
    document("compare", "--dataset", "toy", "--models", "popularity,ease")
    rows = document("results", "--dataset", "toy")["results"]
    assert [row["model"] for row in rows] == ["ease", "popularity"]
    assert json.loads(call("results", "--format", "json")[1])["results"] == rows
    table = list(csv.DictReader(io.StringIO(call("results", "--format", "csv")[1])))
    assert float(table[0]["ndcg@100"]) == rows[0]["metrics"]["ndcg@100"]["mean"]
    assert "| EASE " in call("results", "--format", "md")[1]
    assert "\\begin{tabular}" in call("results", "--format", "latex")[1]
    assert "EASE" in call("results", "--metrics", "mrr@10")[1]
    assert document("results", "--dataset", "demo")["results"] == []


def test_incomparable_tables_are_reported_on_standard_error(call, document, here) -> None:
    document("train", "ease", "--dataset", "toy")
    document("train", "ease", "--dataset", "toy", "--split-seed", "5")
    status, out, err = call("results")
    assert status == 0 and out.count("toy, strong, split seed") == 2 and "not comparable" in err
    assert "mean over split seeds 5, 98765" in out, "what was repeated has its means in a table of its own"
    assert document("results")["not_comparable"]


def test_results_report_significance_and_repetitions(call, document, here) -> None:
    found = document("compare", "--dataset", "toy", "--models", "popularity,ease", "--training-seeds", "1,2")
    assert found["over_seeds"][0]["split_seeds"] == [98765]
    found_results = document("results")
    (split,) = found_results["splits"]
    assert split["against_best"]["best"].startswith("ease-") and len(split["against_best"]["standings"]) == 3
    assert split["published"] == [] and split["data"]
    spread = found_results["over_seeds"][0]["rows"][0]["metrics"]["ndcg@100"]
    assert spread["over_splits"] is None and spread["over_trainings"] == 0
    out = call("results")[1]
    assert "not significantly different from the best" in out and "over training seeds within a split" in out
    assert "over training seeds" in call("results", "--format", "md")[1]
    assert len(call("results", "--format", "csv")[1].splitlines()) == 5


def test_the_file_name_decides_the_format_of_a_report(call, document, here, tmp_path) -> None:
    document("compare", "--dataset", "toy", "--models", "popularity,ease")
    html, plain = tmp_path / "r.html", tmp_path / "r.md"
    report = document("report", "--dataset", "toy", "--out", str(html))
    assert report["form"] == "html" and len(report["runs"]) == 2 and html.read_text().startswith("<!doctype html>")
    one = document("report", "--run", report["runs"][0], "--out", str(plain))
    assert one["runs"] == report["runs"][:1] and plain.read_text().startswith("# Recommenders on toy")
    assert call("report", "--out", str(tmp_path / "r.pdf"))[0] == 2
    assert call("report", "--dataset", "demo", "--out", str(html))[0] == 2
    status, _, err = call("report", "--out", str(tmp_path / "nowhere" / "r.html"))
    assert status == 1 and err.count("\n") == 1 and "--out" in err


def test_curves_are_printed_as_json_table_and_csv(call, document, here) -> None:
    (run,) = document("train", "multvae", "--dataset", "toy", *SMALL)["runs"]
    found = document("curves", run["id"])
    assert found["run"] == run["id"] and [epoch for epoch, _ in found["series"]["kl"]] == [1, 2, 3]
    rows = list(csv.DictReader(io.StringIO(call("curves", run["id"], "--format", "csv")[1])))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert call("curves", run["id"])[1].split()[0] == "Epoch"


def test_recommend_names_the_run_it_used(call, document, here) -> None:
    document("compare", "--dataset", "toy", "--models", "popularity,ease")
    words = ["recommend", "--dataset", "toy", "--pick", "Film 4 (1954)", "--pick", "flim 7", "-k", "4"]
    found = document(*words, "--model", "ease")
    assert list(found["recommendations"]) == ["ease"] and len(found["recommendations"]["ease"]) == 4
    assert [pick["id"] for pick in found["picks"]] == ["4", "7"]
    assert found["models"]["ease"]["run"].startswith("ease-")
    assert list(document(*words)["recommendations"]) == ["popularity", "ease"]
    status, out, err = call(*words, "--model", "ease", "--why")
    assert status == 0 and "contribution:" in out and found["models"]["ease"]["run"] in err
    by_run = document("recommend", "--run", found["models"]["ease"]["run"], "--pick", "4", "--pick", "7", "-k", "4")
    assert by_run["recommendations"]["ease"] == found["recommendations"]["ease"]


def test_recommend_works_before_anything_is_trained(document, toy) -> None:
    found = document("recommend", "--dataset", "toy", "--pick", "4")
    assert len(found["recommendations"]["ease"]) == 10 and "no model is trained" in found["models"]["ease"]["note"]


def test_doctor_checks_and_fixes(call, document, toy) -> None:
    found = document("doctor")
    assert found["ok"] and {"Python", "Run store", "Device", "Datasets"} <= {check["what"] for check in found["checks"]}
    assert set(found["checks"][0]) == {"what", "ok", "detail", "mend"}, "fields of the document since 0.1"
    for option in ("--fix", "--mend"):  # --mend was its name until 0.2
        for path in paths.data_dir().glob("recdash.db*"):
            path.unlink()
        paths.data_dir().joinpath("recdash.db").write_bytes(b"broken" * 1000)
        status, out, _ = call("doctor")
        assert status == 1 and "FAIL  Run store" in out and "--fix" in out
        assert call("doctor", option)[0] == 0
        assert call("doctor")[0] == 0
    assert "--mend" not in call("doctor", "--help")[1]


def test_a_broken_store_is_one_line_for_every_command(call, toy) -> None:
    paths.data_dir().joinpath("recdash.db").write_bytes(b"broken" * 1000)
    for words in (["runs", "list"], ["results"], ["train", "ease", "--dataset", "toy"], ["curves", "x"]):
        status, out, err = call(*words)
        assert (status, out, err.count("\n")) == (1, "", 1) and "damaged" in err, words


def test_datasets_can_be_listed_imported_shown_and_removed(call, document, demo_cache, tmp_path) -> None:
    rows = [f"{user},{item},{1 + (user + item) % 5}" for user in range(40) for item in range(user % 5, user % 5 + 9)]
    (tmp_path / "mine.csv").write_text("\n".join(["who,what,stars", *rows]))
    words = ["data", "import", "mine", "--csv", str(tmp_path / "mine.csv")]
    entry = document(*words, "--user", "who", "--item", "what", "--rating", "stars")
    assert (entry["name"], entry["users"], entry["interactions"]) == ("mine", 40, 360)
    assert "mine" in [one["name"] for one in document("data", "list")["datasets"]]
    shown = document("data", "show", "mine")
    assert shown["users"] == 40 and sum(count for _, count in shown["ratings"]) == 360
    assert document("data", "remove", "mine") == {"removed": "mine"}
    assert call("data", "show", "mine")[0] == 2


def test_data_in_use_is_not_removed(call, waiting) -> None:
    (run,) = launch.train(training_requests.build_requests(["ease"], "toy"))
    status, _, err = call("data", "remove", "toy")
    assert status == 2 and run.id in err


def test_a_closed_pipe_is_no_error(toy) -> None:
    words = f"{sys.executable} -m recdash data list | true"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words}"], env=process_env.for_process(), capture_output=True
    )
    assert done.returncode == 0 and done.stderr == b""


def recdash(*words: str, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "recdash", *words]
    return subprocess.run(command, env=process_env.for_process(), capture_output=True, text=True, timeout=120, **more)


def test_the_version_takes_less_than_a_third_of_a_second() -> None:
    best = 9.0
    for _ in range(4):
        started = time.monotonic()
        assert recdash("--version").returncode == 0
        best = min(best, time.monotonic() - started)
    assert best < 0.3


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    probe = "import sys; from recdash.cli.main import main; main(['--version']); main(['train', '--help']);"
    probe += "print([m for m in ('torch', 'pandas', 'scipy', 'numpy', 'sqlalchemy', 'streamlit') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], env=process_env.for_process(), capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_real_processes_train_compare_and_recommend(toy) -> None:
    done = recdash("compare", "--dataset", "toy", "--models", "popularity,ease,multvae", *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {run["state"] for run in found["runs"]} == {"finished"} and len(found["results"]) == 3
    lists = json.loads(recdash("recommend", "--dataset", "toy", "--pick", "Film 4", "--json").stdout)
    assert set(lists["recommendations"]) == {"popularity", "ease", "multvae"}


@pytest.mark.slow
def test_ctrl_c_stops_the_waiting_and_not_the_run(toy) -> None:
    words = ["train", "multvae", "--dataset", "toy", *SMALL[:-1], "100000", "--set", "patience=100000"]
    waiting = subprocess.Popen(
        [sys.executable, "-m", "recdash", *words], env=process_env.for_process(), stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not any(run.epoch for run in runs.list_runs()):
        assert time.monotonic() < end, "it did not begin"
        time.sleep(0.05)
    os.kill(waiting.pid, signal.SIGINT)
    _, err = waiting.communicate(timeout=20)
    (run,) = runs.list_runs()
    assert waiting.returncode == 130 and f"recdash runs stop {run.id}" in err and "Traceback" not in err
    assert run.state is State.RUNNING
    asked = time.monotonic()
    launch.stop(run.id)
    (stopped,) = launch.wait([run.id], timeout=20)
    assert stopped.state is State.STOPPED and time.monotonic() - asked < 3


def test_sigterm_deletes_temporary_files_and_keeps_the_earlier_one(tmp_path: Path) -> None:
    target = tmp_path / "lists.csv"
    target.write_text("earlier")
    code = (
        "import os, pathlib, signal, sys, time\n"
        "from recdash.atomic_files import atomic_writer\n"
        "from recdash.cli.main import exit_on_sigterm\n"
        "exit_on_sigterm()\n"
        "with atomic_writer(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(10)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(target)], timeout=30, check=False)
    assert ended.returncode == 143
    assert [path.name for path in tmp_path.iterdir()] == ["lists.csv"] and target.read_text() == "earlier"
