"""Only comparable runs share a table, and the differences between tables are listed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recdash.analysis import groups, seeds
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State

PRINTS = st.sampled_from(["aaaa", "bbbb", ""])
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["ease", "multvae", "popularity"]),
            "dataset": st.sampled_from(["ml-1m", "demo", "/somewhere/ml-1m"]),
            "protocol": st.sampled_from(["strong", "strong-temporal"]),
            "split_seed": st.integers(1, 3),
            "seed": st.integers(0, 2),
            "split_fingerprint": PRINTS,
            "dataset_fingerprint": st.sampled_from(["d1", "d2"]),
        }
    ),
    max_size=14,
)


def record(number: int, **fields: Any) -> RunRecord:
    usual = {"state": State.FINISHED, "preset": "auto", "settings": {}, "device": "cpu", "name": "run"}
    value = 0.1 + number / 100
    words = {"metrics": {"ndcg@100": value}, "created": float(number), "runtime_s": 1.0}
    return RunRecord(id=f"{fields['model']}-{number:08x}", **usual, **words, **fields)


def alike(run: RunRecord) -> tuple[str, str, str]:
    return run.protocol, run.dataset_fingerprint, run.split_fingerprint


@given(RUNS)
def test_two_runs_of_different_protocol_data_or_split_never_share_a_table(drawn: list[dict[str, Any]]) -> None:
    runs = [record(number, **fields) for number, fields in enumerate(drawn)]
    found = groups.group_runs(runs)
    assert sorted(row.run.id for group in found for row in group.rows) == sorted(run.id for run in runs)
    for group in found:
        assert len({alike(row.run) for row in group.rows}) == 1
        assert group.split_fingerprint or len(group.rows) == 1, "an unknown split is comparable with nothing"
    tables = [alike(group.rows[0].run) for group in found if group.split_fingerprint]
    assert len(tables) == len(set(tables)), "and what is comparable is not torn apart"


@given(RUNS)
def test_several_tables_always_come_with_a_reason(drawn: list[dict[str, Any]]) -> None:
    found = groups.group_runs([record(number, **fields) for number, fields in enumerate(drawn)])
    said = groups.why_not_comparable(found)
    assert bool(said) == (len(found) > 1)
    assert all("\n" not in sentence and sentence.endswith(".") for sentence in said)


@given(RUNS)
def test_means_over_seeds_share_a_table_only_on_the_very_same_splits(drawn: list[dict[str, Any]]) -> None:
    found = groups.group_runs([record(number, **fields) for number, fields in enumerate(drawn)])
    home = {row.run.id: group for group in found for row in group.rows}
    for table in seeds.seed_tables(found):
        for row in table.rows:
            splits = {home[run_id].split_fingerprint for run_id in row.run_ids}
            assert splits == set(table.split_fingerprints) and "" not in splits
            assert {home[run_id].protocol for run_id in row.run_ids} == {table.protocol}
            assert len({home[run_id].dataset_fingerprint for run_id in row.run_ids}) == 1


def test_what_differs_is_named() -> None:
    usual = {"model": "ease", "dataset": "ml-1m", "protocol": "strong", "split_seed": 1, "seed": 0}
    usual |= {"split_fingerprint": "aaaa", "dataset_fingerprint": "d1"}

    def said(**other: Any) -> str:
        return " ".join(
            groups.why_not_comparable(groups.group_runs([record(0, **usual), record(1, **{**usual, **other})]))
        )

    assert said() == ""
    assert said(split_fingerprint="bbbb", protocol="strong-temporal") == (
        "The runs use different protocols: strong, strong-temporal."
    )
    assert "different split seeds: 1, 7" in said(split_fingerprint="bbbb", split_seed=7)
    assert "different datasets: ml-1m, demo" in said(split_fingerprint="bbbb", dataset="demo", dataset_fingerprint="d2")
    assert "data fingerprints d1, d2" in said(split_fingerprint="bbbb", dataset_fingerprint="d2")
    assert "data fingerprints d1, d2" in said(dataset_fingerprint="d2"), "even where the split looks the same"
    assert "split fingerprints aaaa, bbbb" in said(split_fingerprint="bbbb")
    assert "split fingerprints aaaa, unknown" in said(split_fingerprint="")
