"""Adds the dashboard, the demo catalogue and the delivered results to the wheel; all else is in pyproject.toml.

In the repository `app.py`, `pages/` and the rest stay at the top level, where Streamlit and readers expect them. A
wheel holds them as `recdash/bundle/`, which `recdash.paths.RESOURCES` names.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
BUNDLED = (
    "app.py",
    ".streamlit/config.toml",
    "pages/*.py",
    "data/demo/films.csv",
    "benchmarks/results/reproduce_*.json",
)


class BuildWithDashboard(build_py):
    """Copies BUNDLED below `recdash/bundle/`."""

    def run(self) -> None:
        """Build the package, then add the files."""
        super().run()
        if self.editable_mode:  # an editable install reads the files where they are
            return
        for pattern in BUNDLED:
            found = sorted(ROOT.glob(pattern))
            if not found:
                raise FileNotFoundError(f"{pattern}: no such file in {ROOT}. Add it, or remove it from BUNDLED.")
            for path in found:
                target = Path(self.build_lib) / "recdash" / "bundle" / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


setup(cmdclass={"build_py": BuildWithDashboard})
