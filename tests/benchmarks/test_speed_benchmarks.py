"""What the benchmarks compute from their measurements, and that a worker answers; the measurements are not repeated."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import check, contenders, formulas, goals, gpu, gpu_checks, peers, quality, report, scaling, speed
from benchmarks.generated_data import ML_20M, Shape, interactions, split_of
from benchmarks.gpu_limit import HandWrittenUpdate
from benchmarks.workers import split_file
from benchmarks.works import QUALITY, WORKS, Work
from recdash.evaluation.evaluator import evaluate
from recdash.splits import Split
from recdash.training.fit import fit
from tests.toy_data import toy_split


def toy() -> Split:
    split = toy_split()
    assert isinstance(split, Split)
    return split


def test_a_ratio_is_that_of_one_round_and_the_fastest_library_has_the_smallest_median() -> None:
    seconds = {"recdash": [1.0, 2.0], "cornac": [4.0, 6.0], "recbole": [3.0, 8.0], "plain": [1.0, 1.0]}
    found = speed.ratios(seconds)["recdash"]
    assert found["cornac"] == {"median": 3.5, "min": 3.0, "max": 4.0}
    assert found["fastest"] == found["cornac"] | {"name": "cornac"}  # median 5, recbole's is 5.5


def test_the_plain_loop_stands_in_where_no_library_is_installed() -> None:
    assert speed.ratios({"recdash": [1.0], "plain": [2.0]})["recdash"]["fastest"]["median"] == 2.0
    assert speed.ratios({"recdash": [1.0]}) == {}


def test_absent_libraries_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "folder", lambda: tmp_path)
    present, absent = contenders.names(("cornac", "recbole"), plain=True, has_precision=False)
    assert present == ["recdash", "plain"]
    assert absent == ["cornac", "recbole"]


def test_every_library_has_a_worker_and_pins() -> None:
    libraries = {name for work in WORKS.values() for name in work.libraries} | {
        rival for _, rival, _ in QUALITY.values()
    }
    assert libraries <= set(peers.PINS)
    for library in peers.PINS:
        assert (contenders.WORKERS / f"{library}_worker.py").exists()


def test_goals_are_of_works_that_are_measured() -> None:
    for kind in ("bfloat16", "float32"):
        assert set(goals.RATIOS[kind]) | set(goals.SECONDS[kind]) | set(goals.PEAK_MIB) <= set(WORKS)
        assert set(goals.QUALITY[kind]) <= set(QUALITY)


def test_a_split_file_gives_the_split_again(tmp_path: Path) -> None:
    split, path = toy(), tmp_path / "split.npz"
    split_file.save(path, contenders.matrices_of(split))
    again = split_file.load(path)
    assert (again["train"] != split.train.matrix()).nnz == 0
    assert (again["test_held_out"] != split.test.held_out.matrix()).nnz == 0


def test_scores_of_a_library_are_evaluated_as_our_own() -> None:
    split = toy()
    model = fit("ease", split)
    scores = np.asarray(model.score(split.part("validation").fold_in))
    expected = evaluate(model, split, "validation", metric_names=("ndcg@100",)).mean["ndcg@100"]
    assert quality.ndcg_of_scores(scores, split) == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_workers_of_recdash_and_of_the_plain_loop_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "folder", lambda: tmp_path)
    path = tmp_path / "split.npz"
    split_file.save(path, contenders.matrices_of(toy()))
    sizes: dict[str, Any] = {"latent": 4, "batch_size": 50, "learning_rate": 1e-3}
    work = Work("tiny", "multdae", sizes, sizes, ("cornac",), epochs=2, rounds=1, has_precision=False)
    found = speed.measure(work, path, tmp_path)
    assert set(found["seconds"]) == {"recdash", "plain"}
    assert found["skipped"] == {"cornac": "not installed"}
    assert found["ratios"]["recdash"]["fastest"]["median"] > 0
    assert found["facts"]["recdash"]["peak_mib"] > 50


def results_folder(tmp_path: Path, ratio: float, rivals: tuple[str, ...] = ("cornac",), mib: float = 500) -> Path:
    ratios: dict[str, Any] = {name: {"median": ratio, "min": ratio, "max": ratio} for name in (*rivals, "fastest")}
    ratios["fastest"]["name"] = rivals[0]
    found = {
        "ratios": {"recdash": ratios},
        "seconds": {"recdash": {"median": 1.0}},
        "facts": {"recdash": {"peak_mib": mib}},
    }
    (tmp_path / "speed_float32.json").write_text(json.dumps({"multvae": found}))
    return tmp_path


@pytest.mark.parametrize(
    ("ratio", "rivals", "mib", "n_failed", "n_skipped"),
    [
        (2.0, ("cornac",), 500, 0, 0),
        (1.75, ("cornac",), 500, 0, 0),  # within 15 %
        (1.6, ("cornac",), 500, 1, 0),
        (1.6, ("cornac", "recbole"), 500, 0, 1),  # against another rival: not comparable
        (2.0, ("cornac",), 600, 1, 0),
    ],
)
def test_a_ratio_below_its_tolerance_fails(
    tmp_path: Path, ratio: float, rivals: tuple[str, ...], mib: float, n_failed: int, n_skipped: int
) -> None:
    measured = check.figures("float32", results_folder(tmp_path, ratio, rivals, mib))
    baseline = {
        "multvae/recdash/ratio": {"value": 2.0, "rivals": ["cornac"]},
        "multvae/recdash/peak MiB": {"value": 500},
    }
    tolerances = json.loads(check.BASELINE.read_text())["tolerances"]
    failed, skipped = check.worse(measured, baseline, tolerances)
    assert (len(failed), len(skipped)) == (n_failed, n_skipped)


def test_a_goal_that_is_not_reached_is_named(tmp_path: Path) -> None:
    assert check.missed("float32", check.figures("float32", results_folder(tmp_path, 2.1)))
    assert not check.missed("float32", check.figures("float32", results_folder(tmp_path, 2.3)))


def test_the_exponent_is_the_slope_of_the_logarithms() -> None:
    assert formulas.exponent([1, 2, 4], [3, 24, 192]) == pytest.approx(3)


def test_the_formula_of_mult_vae_is_linear_in_users_and_nearly_so_in_items() -> None:
    shapes = scaling.AXES["users"]
    users = formulas.exponent([shape.users for shape in shapes], [formulas.multvae_flops(shape) for shape in shapes])
    assert users == pytest.approx(1, abs=1e-3)
    # the count: 4 nnz h + U (6 I h + 18 h K), 600 and 200 wide
    assert formulas.multvae_flops(Shape(10, 100, 50)) == 4 * 50 * 600 + 10 * (6 * 100 * 600 + 18 * 600 * 200)


def test_generated_data_have_about_the_asked_shape_and_every_held_out_user_has_both_parts() -> None:
    shape = ML_20M.scaled(users=1 / 100, items=1 / 10)
    matrix = interactions(shape)
    assert matrix.shape == (shape.users, shape.items)
    assert 0.4 * shape.positives < matrix.nnz <= 1.1 * shape.positives
    split = split_of(matrix, 50)
    assert len(split.train) == shape.users - 100
    assert np.all(np.diff(split.test.held_out.indptr) > 0)


def test_limits_are_asserted_and_written_after_each_part(tmp_path: Path) -> None:
    checks = gpu_checks.Checks(tmp_path / "gpu.json", "cpu", tiny=False)
    with checks.part("first"):
        checks.value("fast", 0.1, at_most=0.2)
        checks.value("slow", 0.3, at_most=0.2)
        checks.value("missing", None, at_most=0.2)
    with checks.part("second"):
        raise RuntimeError("no card")
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["values"]["fast"]["ok"] and not written["values"]["slow"]["ok"]
    assert checks.failed == ["second", "slow", "missing"]


def test_the_hand_written_update_learns_without_a_card() -> None:
    update = HandWrittenUpdate(interactions(Shape(80, 40, 800)), 20, "cpu", hidden=8, latent=4)
    update.epochs(1)
    first = update.mean_loss
    update.epochs(20)
    assert math.isfinite(first) and update.mean_loss < first


def test_parts_of_the_card_run_on_the_processor(tmp_path: Path) -> None:
    assert gpu.main(["ml20m_closed", "to_quality", "quality", "--device", "cpu", "--tiny", "--out", str(tmp_path)]) == 0
    values = json.loads((tmp_path / "gpu.json").read_text())["values"]
    assert set(values) == {"ml20m/ease/fit", "ml20m/itemknn/fit"}


@pytest.mark.slow
def test_all_parts_of_the_card_run_on_the_processor(tmp_path: Path) -> None:
    parts = [part for part in gpu.PARTS if part != "profile"]
    assert gpu.main([*parts, "--device", "cpu", "--tiny", "--out", str(tmp_path)]) == 0
    values = json.loads((tmp_path / "gpu.json").read_text())["values"]
    assert set(goals.GPU) <= set(values)


def test_tables_name_what_was_not_measured_and_show_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert all("not measured" in make() for make in report.TABLES.values())
    results_folder(tmp_path, 2.1)
    row = next(line for line in report.works().splitlines() if line.startswith("| Mult-VAE epoch"))
    assert row.split(" | ")[1:] == ["not measured", "5x", "2.10x (2.10 to 2.10) cornac; 1.00 s", "2.2x |"]
