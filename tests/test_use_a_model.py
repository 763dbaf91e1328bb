"""docs/use-a-model.md: every block of code runs, the blocks of Python where no dashboard library can be imported."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from recdash import paths
from recdash.cli.main import main
from tests.run_helpers import here, toy

__all__ = ["here", "toy"]

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "use-a-model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
ABSENT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("streamlit", "sqlalchemy", "altair", "plotly", "pooch", "psutil"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
"""


def test_every_block_is_python_or_commands() -> None:
    assert {kind for kind, _ in BLOCKS} == {"python", "bash"} and len(BLOCKS) > 8
    assert PAGE.count("\n```") == 2 * len(BLOCKS), "a fence without a language"


@pytest.mark.slow
def test_every_block_runs(here: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run first, because a block of Python reads the file that one of them writes."""
    monkeypatch.chdir(tmp_path)
    commands = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
    for command in commands:
        name, *words = shlex.split(command)
        assert name == "recdash" and main(words) == 0, command
    code = ABSENT + f"sys.path.insert(0, {str(ROOT)!r})\n"
    code += "\n".join(textwrap.dedent(block) for kind, block in BLOCKS if kind == "python")
    code += "\nassert 'recdash.runs.store' not in sys.modules and len(for_user) == 20"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "No item matches" in done.stdout and "gives 0." in done.stdout and "\ncontribution\n" in done.stdout
    assert (tmp_path / "models" / "ease" / "checkpoint.json").is_file() and paths.data_dir().is_dir()
