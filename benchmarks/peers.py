"""Install the libraries that recdash is compared with, each in an environment of its own below `.peers/`.

    python -m benchmarks.peers              all
    python -m benchmarks.peers cornac ...   some

`RECDASH_PEERS` names another folder. Libraries that are not there are skipped by the benchmarks, which say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.common import ROOT

TORCH = "torch==2.13.0"  # installed first, so that all are measured with the same one
PINS: dict[str, tuple[str, ...]] = {
    "cornac": ("cornac==3.0.1",),
    "recpack": ("recpack==0.3.6", "setuptools<81"),
    "recbole": ("recbole==1.2.1", "setuptools<81", "numpy<2", "pandas<3"),
    "lenskit": ("lenskit==2025.8.1",),
    "rectools": ("rectools==0.19.0",),
    "irspack": ("irspack==0.5.1", "jax==0.10.2", "dm-haiku==0.0.17", "optax==0.2.8"),
}


def folder() -> Path:
    """Return where the environments are."""
    return Path(os.environ.get("RECDASH_PEERS", ROOT / ".peers"))


def python_of(library: str) -> Path | None:
    """Return the interpreter of a library's environment, or None if it is not installed."""
    environment = folder() / library
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return python if (environment / ".ready").exists() and python.exists() else None


def install(library: str) -> bool:
    """Create a library's environment; return whether that worked."""
    environment = folder() / library
    shutil.rmtree(environment, ignore_errors=True)
    venv.create(environment, with_pip=True)
    pip = [str(environment / ("Scripts" if os.name == "nt" else "bin") / "python"), "-m", "pip", "install", "--quiet"]
    for packages in ((TORCH,), (TORCH, *PINS[library])):
        if subprocess.run([*pip, *packages], check=False).returncode:
            print(f"{library}: not installed", flush=True)
            return False
    (environment / ".ready").touch()
    print(f"{library}: installed", flush=True)
    return True


def main() -> None:
    """Install what is missing."""
    chosen = sys.argv[1:] or list(PINS)
    unknown = set(chosen) - set(PINS)
    if unknown:
        raise SystemExit(f"Unknown library: {', '.join(sorted(unknown))}. Known: {', '.join(PINS)}.")
    results = [python_of(library) is not None or install(library) for library in chosen]
    raise SystemExit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
