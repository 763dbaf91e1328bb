"""What every test may use: real data where there is some, and folders of its own for everything that is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["RECDASH_DEVICE"] = "cpu"  # what "auto" means in tests, also in processes that they start


def pytest_sessionstart() -> None:
    """Make the fake GPU known to PyTorch before its first backward pass (tests/devices/fake_gpu.py)."""
    import torch

    if not torch.cuda.is_available():
        from tests.devices import fake_gpu

        fake_gpu.register()


SLOW, GPU = pytest.mark.slow, pytest.mark.gpu


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every folder that recdash writes to below tmp_path, and forget a store set outside."""
    monkeypatch.setenv("RECDASH_DATA_DIR", str(tmp_path / "recdash-data"))
    monkeypatch.setenv("RECDASH_CHECKPOINT_DIR", str(tmp_path / "recdash-checkpoints"))
    for variable in (
        "RECDASH_STORE",
        "RECDASH_READ_ONLY",
        "RECDASH_MAX_RUNS",
        "RECDASH_RUNS_PER_GPU",
        "RECDASH_CUDA_GRAPHS",
        "RECDASH_RAY_ADDRESS",
    ):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "recdash-data"


@pytest.fixture(scope="session")
def demo_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo dataset, generated once for all tests."""
    from recdash.data import dataset_registry

    home = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(home))
        dataset_registry.available()
    return home / "cache"


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy dataset, saved once for all tests."""
    from tests.toy_data import toy_dataset

    folder = tmp_path_factory.mktemp("toy") / "toy"
    toy_dataset().save(folder)
    return folder


@pytest.fixture
def demo_kept(demo_cache: Path, own_folders: Path) -> None:
    """Put the demo into this test's data folder, where it loads at once."""
    shutil.copytree(demo_cache, own_folders / "cache", dirs_exist_ok=True)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder with real MovieLens data that RECDASH_TEST_DATA names; without it the test is skipped."""
    named = os.environ.get("RECDASH_TEST_DATA", "")
    if not named or not Path(named).is_dir():
        pytest.skip("RECDASH_TEST_DATA names no folder with real MovieLens data")
    return Path(named)


def _on(kind: str) -> Iterator[str]:
    if kind == "cpu":
        yield "cpu"
    elif kind == "fake":
        from tests.devices import fake_gpu

        with fake_gpu.installed():
            yield "cuda"
    else:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no NVIDIA GPU on this machine")
        yield "cuda"


@pytest.fixture(params=["cpu", pytest.param("fake", marks=SLOW), pytest.param("cuda", marks=GPU)])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """The CPU, a fake GPU (see tests/devices/fake_gpu.py), and an NVIDIA GPU where there is one."""
    yield from _on(request.param)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=GPU)])
def real_device(request: pytest.FixtureRequest) -> Iterator[str]:
    """The CPU, and an NVIDIA GPU where there is one."""
    yield from _on(request.param)


@pytest.fixture(params=["fake", pytest.param("cuda", marks=GPU)])
def gpu(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fake GPU, and an NVIDIA GPU where there is one."""
    yield from _on(request.param)
