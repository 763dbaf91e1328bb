"""Where a run was trained: the checkout's git state, the platform and the host."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from pathlib import Path
from typing import Any

from recdash import paths

GIT_SECONDS = 2.0  # a repository on a slow disk must not hold up a training


def run_environment() -> dict[str, Any]:
    """Return what `recdash.devices.versions` and `machine_info` do not tell.

    Returns:
        `platform` (with the version of the system), `host`, and `git` if recdash runs from a git checkout.
    """
    found: dict[str, Any] = {"platform": platform.platform(), "host": socket.gethostname()}
    git = git_state(paths.IMPORT_ROOT) if paths.IS_CHECKOUT else None
    return found if git is None else {**found, "git": git}


def git_state(checkout: Path) -> dict[str, Any] | None:
    """Return the git state of a checkout.

    Args:
        checkout: Its top folder.

    Returns:
        `commit`, `branch` ("" if none is checked out) and `dirty` (whether tracked files differ from the commit); None
        if it is no repository, has no commit, or git is missing, refuses or takes longer than 2 seconds.
    """
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        # Without optional locks git does not write its index, which another git command could be using.
        environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=GIT_SECONDS, env=environment, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.decode(errors="replace").splitlines()
    header = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# ") and " " in line[2:])
    commit, branch = header.get("branch.oid", ""), header.get("branch.head", "")
    if not commit or commit.startswith("("):  # "(initial)"
        return None
    dirty = any(not line.startswith("#") for line in lines)
    return {"commit": commit, "branch": "" if branch.startswith("(") else branch, "dirty": dirty}
