"""The git state of a checkout, which a run records, and everything that may be wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recdash.runs import run_environment


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def test_commit_branch_and_changes_of_a_checkout(checkout: Path) -> None:
    assert run_environment.git_state(checkout) is None, "there is no commit yet"
    (checkout / "file").write_text("a")
    git(checkout, "add", "file")
    git(checkout, "commit", "-qm", "first")
    commit = git(checkout, "rev-parse", "HEAD").strip()
    assert run_environment.git_state(checkout) == {"commit": commit, "branch": "main", "dirty": False}
    (checkout / "new").write_text("untracked files do not count")
    assert run_environment.git_state(checkout)["dirty"] is False
    (checkout / "file").write_text("b")
    assert run_environment.git_state(checkout)["dirty"] is True
    git(checkout, "checkout", "-q", "--detach")
    assert run_environment.git_state(checkout)["branch"] == ""


def test_without_a_repository_git_or_time_there_is_no_git_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_environment.git_state(tmp_path) is None
    (tmp_path / ".git").write_text("gitdir: nowhere")
    assert run_environment.git_state(tmp_path) is None, "git refuses it"
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert run_environment.git_state(tmp_path) is None, "git is not installed"
    (programs / "git").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    (programs / "git").chmod(0o755)
    monkeypatch.setattr(run_environment, "GIT_SECONDS", 0.2)
    started = time.monotonic()
    assert run_environment.git_state(tmp_path) is None, "git hangs"
    assert time.monotonic() - started < 10


def test_platform_and_host_are_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_environment.paths, "IS_CHECKOUT", False)
    found = run_environment.run_environment()
    assert found.keys() == {"platform", "host"} and all(found.values())
