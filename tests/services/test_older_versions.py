"""A store and a dataset that version 0.1 wrote still open, and its runs report the rule that ordered ties.

tests/golden/version-0.1 has two runs under `strong-temporal` on 880 interactions in two days for each user.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from recdash import paths
from recdash.analysis import groups
from recdash.cli.main import main
from recdash.data.dataset import Dataset
from recdash.errors import StoreError
from recdash.reporting import render
from recdash.runs import database, queue, schema
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import Request
from recdash.runs.store import Store
from recdash.services import (
    compare,
    curves,
    datasets,
    launch,
    report,
    results,
    tie_warnings,
    trained_runs,
    training_requests,
)
from recdash.services import runs as service
from recdash.training import fit
from tests.toy_data import toy_split

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "version-0.1"
OLD = "ties in time were ordered by item id, as in versions before 0.2"
EASE = "ease-9c497a03"


@pytest.fixture
def store_file(here: list[str]) -> Iterator[Path]:
    """The store of version 0.1, with its dataset at the default location."""
    tie_warnings._tied_share.cache_clear()
    file = paths.data_dir() / "recdash.db"
    with sqlite3.connect(file) as connection:
        connection.executescript((GOLDEN / "runs.sql").read_text(encoding="utf-8"))
    connection.close()
    (paths.data_dir() / "sets" / "tied").mkdir(parents=True)
    shutil.copy(GOLDEN / "dataset.npz", paths.data_dir() / "sets" / "tied")
    yield file
    tie_warnings._tied_share.cache_clear()


def test_the_store_migrates_and_loses_nothing(store_file: Path) -> None:
    store = Store(paths.store_url())
    ease, popularity = (store.run(run_id) for run_id in (EASE, "popularity-73fe8547"))
    assert ease.options == popularity.options == {}
    assert (ease.metrics["ndcg@10"], ease.settings, len(store.epochs([ease.id]))) == (0.20171541856012914, {}, 1)
    with store.database.read() as connection:
        assert schema.version_of(connection) == schema.VERSION
        found = {column["name"] for column in inspect(connection).get_columns("runs")}
    assert found == {column.name for column in schema.runs.columns}
    assert Store(paths.store_url()).run(EASE) == ease, "a second visit changes nothing"


def test_a_store_of_the_first_schema_without_write_permission_can_be_read(
    store_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store_file.read_bytes()
    monkeypatch.setattr(database, "_can_write", lambda path: False)
    store = Store(paths.store_url())
    assert {run.id for run in store.runs()} == {EASE, "popularity-73fe8547"} and store.run(EASE).options == {}
    with pytest.raises(StoreError, match="cannot be written"):
        queue.enqueue(store, [Request(model="ease", dataset="tied")])
    assert store_file.read_bytes() == before


def test_old_runs_answer_requests_without_options_as_before(store_file: Path) -> None:
    wanted = compare.requests("tied", ["ease", "popularity"], protocol="strong-temporal")
    assert [run.id for run in compare.find_runs(wanted).runs if run is not None] == [EASE, "popularity-73fe8547"]
    assert [request.request_hash for request in wanted] == [
        service.find(run_id).request_hash for run_id in (EASE, "popularity-73fe8547")
    ]


def test_a_dataset_of_the_first_format_opens_and_reports_its_ties(store_file: Path) -> None:
    data = Dataset.load(store_file.parent / "sets" / "tied")
    assert (len(data), data.tied_share, data.ticks, data.feedback) == (880, 1.0, 1, "events")
    assert datasets.entry("tied").tied_share == 1.0
    assert any(
        "ordered ties in time (100% of the interactions) by item id" in note for note in datasets.entry("tied").notes
    )


def test_old_runs_report_the_rule_that_ordered_ties(store_file: Path) -> None:
    run = service.find(EASE)
    assert OLD in run.remarks and any(OLD in text for text in run.to_dict()["warnings"])
    (listed,) = (one for one in service.list_runs(dataset="tied") if one.id == EASE)
    assert listed.remarks == run.remarks == curves.curves(EASE).run.remarks
    RunFolder(EASE).make()
    fit("popularity", toy_split()).save(RunFolder(EASE).best)  # any weights, so that it can recommend
    assert [one.remarks for one in trained_runs.trained_runs("tied")] == [run.remarks]
    (group,) = results.groups(dataset="tied")
    assert {row.run.id for row in group.rows} == {EASE, "popularity-73fe8547"}
    assert OLD in results.export([group], "table") and OLD in results.export([group], "md")
    assert all(OLD in row.to_dict()["remarks"] for row in group.rows)
    for form in ("html", "md", "latex"):
        assert OLD in render.render(report.create(dataset="tied"), form)


def test_old_and_new_runs_share_no_table_and_the_rule_is_named_as_the_reason(store_file: Path) -> None:
    launch.train(training_requests.build_requests("popularity", "tied", protocol="strong-temporal"))
    found = results.groups(dataset="tied")
    assert len(found) == 2
    assert {group.facts["ties"] for group in found} == {"item", "random"}
    assert f"In the older runs on tied, strong-temporal, {OLD}." in groups.why_not_comparable(found)


def test_means_over_seeds_mix_no_rules(store_file: Path) -> None:
    from recdash.analysis import seeds

    for split_seed in (1, 2):
        launch.train(
            training_requests.build_requests("ease", "tied", protocol="strong-temporal", split_seed=split_seed)
        )
    (table,) = seeds.seed_tables(results.groups(dataset="tied"))
    assert table.split_seeds == (1, 2)


def test_the_command_line_reports_the_rule(store_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "show", EASE]) == 0
    assert OLD in capsys.readouterr().out
    assert main(["results", "--dataset", "tied"]) == 0
    assert "tied, strong-temporal, split seed 98765: 100% of the interactions" in capsys.readouterr().err
    assert main(["results", "--dataset", "tied", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert OLD in document["splits"][0]["warning"] and OLD in document["results"][0]["remarks"]


def test_nothing_is_reported_when_the_dataset_is_missing_or_different(store_file: Path) -> None:
    home = store_file.parent / "sets" / "tied"
    shutil.rmtree(home)
    assert OLD not in service.find(EASE).remarks
    from tests.splits.test_event_order import days_of

    days_of(1).save(home)
    assert OLD not in service.find(EASE).remarks
