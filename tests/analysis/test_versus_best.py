"""Significance of differences to the best run, and warnings about too few users."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recdash.analysis import groups, versus_best
from recdash.evaluation.rating_metrics import pooled_errors
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.services import compare, results

PRINTS = {"split_fingerprint": "aaaa", "dataset_fingerprint": "d1"}


def group_of(values: dict[str, np.ndarray], metric: str = "ndcg@100", kept: bool = True) -> Any:
    """A table of made-up runs, each with the per-user values given; `kept` False leaves the folders empty."""
    runs = []
    for number, (name, per_user) in enumerate(values.items()):
        run_id = f"ease-{hash((name, per_user.tobytes())) % 16**8:08x}"
        if kept:
            folder = RunFolder(run_id)
            folder.make()
            folder.write_per_user({metric: per_user}, np.zeros((0, 100), np.int32))
        mean = float(np.nanmean(per_user.astype(np.float32)))
        runs.append(
            RunRecord(
                id=run_id, name=name, model="ease", dataset="d", protocol="strong", state=State.FINISHED, preset="auto",
                settings={}, seed=number, split_seed=1, device="cpu", metrics={metric: mean}, **PRINTS,
            )
        )  # fmt: skip
    (group,) = groups.group_runs(runs)
    return group


def named(group: Any, verdict: versus_best.BestComparison) -> dict[str, versus_best.DifferenceToBest]:
    names = {row.run.id: row.run.name for row in group.rows}
    return {names[run_id]: difference for run_id, difference in verdict.differences.items()}


def taste(users: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).beta(2, 3, users)


def test_a_clear_difference_is_significant_and_a_chance_one_is_not() -> None:
    best, noise = taste(), np.random.default_rng(1).normal(0, 0.1, 400)
    group = group_of({"best": best, "as good": best + noise - noise.mean() - 0.001, "worse": best - 0.05 + noise / 10})
    found = versus_best.compare_with_best(group, "ndcg@100")
    assert found is not None and found.note == ""
    differences = named(group, found)
    assert set(differences) == {"as good", "worse"}
    assert differences["as good"].not_significant and not differences["worse"].not_significant
    assert differences["worse"].difference == pytest.approx(-0.05, abs=0.002)
    assert differences["worse"].low < differences["worse"].difference < differences["worse"].high < 0
    assert found.not_different_from_best(found.best)


def test_many_comparisons_ask_for_more_than_one() -> None:
    """A difference that one comparison finds is no longer found among thirty: that is Holm's correction."""
    best = taste(300)
    rng = np.random.default_rng(6)
    noise = rng.normal(0, 0.1, 300)
    near = best + noise - noise.mean() - 0.013  # 2.25 standard errors away: p about .02
    alone = group_of({"best": best, "near": near})
    found = versus_best.compare_with_best(alone, "ndcg@100")
    assert found is not None and not named(alone, found)["near"].not_significant
    others = {f"equal {n}": best + (one := rng.normal(0, 0.1, 300)) - one.mean() - 0.0005 for n in range(30)}
    many = group_of({"best": best, "near": near, **others})
    found = versus_best.compare_with_best(many, "ndcg@100")
    assert found is not None and named(many, found)["near"].not_significant


def test_too_few_users_give_a_warning() -> None:
    few = taste(30)
    group = group_of({"best": few, "other": few - 0.02 + np.random.default_rng(1).normal(0, 0.1, 30)})
    found = versus_best.compare_with_best(group, "ndcg@100")
    assert found is not None and found.users == 30
    assert found.note.startswith("With only 30 test users, NDCG@100 differences below about 0.0")
    alone = versus_best.compare_with_best(group_of({"best": few}), "ndcg@100")
    assert alone is not None and alone.note.startswith("With only 30 test users") and alone.differences == {}


def test_many_users_can_still_be_too_few_for_noisy_values() -> None:
    rng = np.random.default_rng(2)
    group = group_of({"one": (rng.random(500) < 0.3) * 1.0, "two": (rng.random(500) < 0.29) * 1.0})
    found = versus_best.compare_with_best(group, "ndcg@100")
    assert found is not None and "With only 500 test users" in found.note


def test_runs_without_per_user_values_are_named_and_nothing_breaks() -> None:
    group = group_of({"best": taste(), "other": taste() - 0.1})
    folder = RunFolder(group.rows[1].run.id)
    (folder.path / "per_user.npz").unlink()
    found = versus_best.compare_with_best(group, "ndcg@100")
    assert found is not None and found.differences == {} and group.rows[1].run.id in found.note
    nothing = group_of({"best": taste(seed=5), "other": taste(seed=6)}, kept=False)
    assert versus_best.compare_with_best(nothing, "ndcg@100") is None
    (folder.path / "per_user.npz").write_bytes(b"not a zip")


def test_what_has_no_direction_has_no_best(here) -> None:
    compare.start(compare.requests("toy", ["ease", "popularity"]))
    (group,) = results.groups()
    assert set(versus_best.compare_with_best_by_metric(group, ["coverage@100", "novelty@10", "recall@20"])) == {
        "recall@20"
    }


def test_pooled_errors_are_compared_as_they_are_pooled(here) -> None:
    compare.start(compare.requests("toy", ["bias"], protocol="ratings-90"))
    worse = compare.requests("toy", ["bias"], protocol="ratings-90", settings={"variant": "global"})
    compare.start(worse)
    (group,) = results.groups()
    for metric in ("rmse", "mae"):
        found = versus_best.compare_with_best(group, metric)
        assert found is not None
        (difference,) = found.differences.values()
        means = [row.metrics[metric].mean for row in group.rows]
        assert difference.difference == pytest.approx(max(means) - min(means), abs=1e-6)
        assert difference.low < difference.difference < difference.high
    sums = versus_best.per_user_sums(group.rows[0].run.id, "rmse")
    assert sums is not None and sums.values()[0] == pytest.approx(group.rows[0].metrics["rmse"].mean, rel=1e-6)
    assert set(pooled_errors(np.ones(3))) == {"rmse", "mae"}


def test_the_table_marks_the_best_and_its_ties() -> None:
    best, noise = taste(50), np.random.default_rng(1).normal(0, 0.1, 50)
    group = group_of({"best": best, "as good": best + noise - noise.mean() - 0.001, "worse": best - 0.05 + noise / 10})
    plain = results.export([group], "table", ["ndcg@100"]).splitlines()
    marks = [[sign for sign in "*≈" if f" {sign} " in line] for line in plain[3:6]]
    assert marks == [["*"], ["≈"], []], plain
    assert "paired bootstrap" in "\n".join(plain) and "With only 50 test users" in "\n".join(plain)
    rows = [line for line in results.export([group], "md", ["ndcg@100"]).splitlines() if line.startswith("|")]
    assert [line.count("**") // 2 + 10 * line.count("≈") for line in rows[2:]] == [1, 10, 0]
    latex = results.export([group], "latex", ["ndcg@100"])
    assert latex.count(r"\textbf{") == 1 and latex.count(r"$^{\approx}$") == 1


def test_every_recall_names_its_divisor(here) -> None:
    compare.start(compare.requests("toy", ["ease"]))
    found = results.groups()
    both = ["recall@20", "recall_all@20"]
    for form, names in (("table", both), ("md", ["Recall@20"] * 2), ("latex", ["Recall@20"] * 2)):
        text = results.export(found, form, both)
        assert f"{names[0]} (min)" in text and f"{names[1]} (all)" in text
        assert "divides the hits by the smaller of k and the number of held-out items" in text
    assert "divides the hits" not in results.export(found, "table", ["ndcg@100"])


def test_a_comparison_is_plain_values(here) -> None:
    import json

    compare.start(compare.requests("toy", ["ease", "popularity"]))
    found = versus_best.compare_with_best(results.groups()[0], "ndcg@100")
    assert found is not None
    document = json.loads(json.dumps(found.to_dict()))
    assert document["best"].startswith("ease-") and len(document["standings"]) == 1


def test_higher_and_lower_are_never_confused() -> None:
    better, worse = taste() * 0.5, taste() * 0.5 + 0.2
    group = group_of({"better": better, "worse": worse}, "macro_rmse")
    group = SimpleNamespace(**{**vars(group), "task": "rating"})
    found = versus_best.compare_with_best(group, "macro_rmse")
    assert found is not None
    assert next(row.run.name for row in group.rows if row.run.id == found.best) == "better"


def test_comparing_needs_no_pytorch() -> None:
    """`recdash results` and the first page answer before PyTorch would be imported."""
    import subprocess
    import sys

    probe = (
        "import sys; from recdash.analysis import reference_figures, seeds, versus_best; "
        "from recdash.reporting import tables; from recdash.services import results; "
    )
    probe += "print([name for name in ('torch', 'streamlit') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
