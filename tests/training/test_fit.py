"""`fit`: names, presets, settings, devices; and the core without the dashboard's packages."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
import torch

import recdash
from recdash import devices
from recdash.errors import UsageError
from recdash.models import registry
from recdash.models.base import auto_batch_size
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from tests.toy_data import toy_dataset, toy_split


def test_a_setting_given_by_name_wins_over_the_preset() -> None:
    split = toy_split()
    assert registry.configure("ease", split.shape, "paper", {"l2": 7.0}).to_dict()["l2"] == 7.0
    model = recdash.fit("multdae", split, preset="fast", epochs=1, latent=5)
    assert (model.config.latent, model.config.epochs) == (5, 1)


def test_unknown_names_list_the_known_ones() -> None:
    split = toy_split()
    with pytest.raises(UsageError, match="Did you mean 'multvae'"):
        recdash.fit("multvea", split)
    with pytest.raises(UsageError, match="Did you mean 'dropout'"):
        recdash.fit("multvae", split, dropuot=0.3)
    with pytest.raises(UsageError, match="Known: auto"):
        recdash.fit("multvae", split, preset="best")


def test_all_problems_of_a_config_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        recdash.fit("multvae", toy_split(), dropout=1.3, latent=0, epochs=2.5)
    for part in (
        "dropout = 1.3 is outside [0, 0.99]",
        "latent = 0 is outside [1",
        "epochs = 2.5 is not a whole number",
    ):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    model = recdash.fit(
        "multdae",
        toy_split(),
        seed=np.uint32(3),  # type: ignore[arg-type]
        epochs=np.int64(1),
        dropout=np.float32(0.25),
        hidden=[np.int64(8)],
    )
    assert (model.config.epochs, model.config.dropout, model.config.hidden) == (1, 0.25, (8,))
    assert json.loads(json.dumps(model.record))["seed"] == 3


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "a", None])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(UsageError, match=r"seed = .* is not a whole number from 0 to 4294967295"):
        recdash.fit("popularity", toy_split(), seed=seed)
    with pytest.raises(UsageError, match=r"seed = .* is not a whole number from 0 to 4294967295"):
        recdash.make_split(toy_dataset(), seed=seed)


def test_a_config_survives_json() -> None:
    for name in registry.names():
        config = registry.configure(name, DataShape(5000, 3000, 10**5))
        assert type(config).from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("users", "least", "most"), [(700, 25, 50), (4534, 25, 50), (40_000, 25, 50), (116_677, 25, 120)]
)
def test_auto_gives_25_to_50_updates_an_epoch_while_batches_fit_in_memory(users: int, least: int, most: int) -> None:
    updates = -(-users // auto_batch_size(DataShape(users, 3000, 10**6)))
    assert least <= updates <= most


def test_a_device_that_is_not_here_is_refused() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="no device 'cuda'"):
            recdash.fit("popularity", toy_split(), device="cuda")
    with pytest.raises(UsageError, match="Unknown device: 'abacus'"):
        recdash.fit("popularity", toy_split(), device="abacus")


def test_lower_precision_is_chosen_only_where_it_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for native, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(devices, "has_native_bfloat16", lambda device, native=native: native)
        assert devices.matmul_dtype(cpu, "auto") == dtype
    assert devices.matmul_dtype(cpu, "float32") == torch.float32


def test_bfloat16_ranks_as_well_as_float32() -> None:
    split = toy_split()
    small = {"latent": 16, "batch_size": 25, "learning_rate": 0.01, "epochs": 20}
    low, high = (
        recdash.evaluate(recdash.fit("multdae", split, precision=p, **small), split).mean["ndcg@10"]
        for p in ("bfloat16", "float32")
    )
    assert low > 0.97 * high


def test_no_tensor_larger_than_one_batch_of_logits_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    split = toy_split()
    seen: list[int] = []
    original = Batch.of.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Batch, "of", classmethod(lambda cls, h, *a, **k: (seen.append(len(h)), original(cls, h, *a, **k))[1])
    )
    model = recdash.fit("multvae", split, epochs=1, batch_size=32, latent=4)
    recdash.evaluate(model, split)
    assert max(seen) <= max(32, 512)
    assert len(split.train) > 32


CORE = """
    import sys
    ABSENT = ("streamlit", "sqlalchemy", "altair", "plotly", "rapidfuzz", "pooch", "psutil", "pyarrow")
    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ABSENT:
                raise ImportError(name)
    sys.meta_path.insert(0, Absent())
    sys.path.insert(0, ".")
    import recdash
    from tests.toy_data import toy_split
    split = toy_split()
    model = recdash.fit("multvae", split, epochs=2, latent=4)
    report = recdash.evaluate(model, split)
    assert 0 < report.mean["ndcg@100"] < 1
    print([r.title for r in model.recommend(["Film 3"], k=3)])
"""


@pytest.mark.slow
def test_the_core_trains_where_the_dashboards_packages_cannot_be_imported() -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(CORE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Film" in done.stdout


def test_importing_recdash_costs_next_to_nothing() -> None:
    code = "import time; s = time.perf_counter(); import recdash; print(time.perf_counter() - s)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.3
    heavy = {"torch", "pandas", "numpy", "scipy", "sqlalchemy"}
    listed = f"import sys, recdash; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
