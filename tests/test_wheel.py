"""A wheel built from this tree works outside of it: training, reports and the dashboard."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("recdash", "pages", ".streamlit", "data/demo", "benchmarks/results")
FILES = ("app.py", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "CHANGELOG.md")
pytestmark = pytest.mark.slow


class Installation:
    """A virtual environment with the wheel, and an empty home folder."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        own = {"HOME": str(home), "XDG_DATA_HOME": str(home / "share"), "RECDASH_MAX_RUNS": "1"}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RECDASH_", "PYTHON"))}
        self.environment = inherited | own

    def command(self, *arguments: str) -> list[str]:
        return [str(self.folder / "bin" / arguments[0]), *arguments[1:]]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory):
    source, wheels = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copyfile(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    options = ["--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *options, "--no-build-isolation", "-w", wheels, source], check=True)
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    (wheel,) = wheels.glob("recdash-*.whl")
    subprocess.run([*pip, "--python", str(folder / "bin" / "python"), "install", *options, wheel], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # Everything but recdash comes from the environment that runs the tests.
    (site / "dependencies.pth").write_text(str(Path(pytest.__file__).parent.parent))
    installation = Installation(folder, tmp_path_factory.mktemp("home"))
    yield installation
    for process in psutil.process_iter():  # the supervisor waits for a minute after the last run
        try:
            if process.exe() and any(str(folder) in part for part in process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


def test_the_package_and_its_files_come_from_the_wheel(installed: Installation) -> None:
    report = "import json, recdash; from recdash import paths\n"
    report += "places = [paths.RESOURCES, paths.data_dir(), paths.checkpoint_dir()]\n"
    report += "print(json.dumps([recdash.__version__, recdash.__file__, *map(str, places)]))"
    version, package, resources, data, checkpoints = json.loads(installed.run("python", "-c", report))
    assert installed.run("recdash", "--version") == f"recdash {version}\n"
    assert package.startswith(str(installed.folder)) and resources.startswith(str(installed.folder))
    home = installed.home / "share" / "recdash"
    assert (data, checkpoints) == (str(home / "data"), str(home / "checkpoints"))


def test_an_installed_recdash_trains_reports_and_recommends(installed: Installation) -> None:
    train = ["recdash", "train", "popularity", "multvae", "--dataset", "demo", "--epochs", "2", "--json"]
    trained = json.loads(installed.run(*train))
    assert [run["state"] for run in trained["runs"]] == ["finished", "finished"]
    for run in trained["runs"]:
        assert (installed.home / "share" / "recdash" / "checkpoints" / run["id"]).is_dir()
    for name in ("report.html", "report.md", "report.tex"):
        installed.run("recdash", "report", "--dataset", "demo", "--out", name)
        assert "Mult-VAE" in (installed.home / name).read_text(encoding="utf-8")
    picks = json.loads(installed.run("recdash", "recommend", "--dataset", "demo", "--pick", "Heat", "--json"))
    assert set(picks["recommendations"]) == {"popularity", "multvae"}
    installed.run("recdash", "doctor")


def test_every_page_of_an_installed_dashboard_opens(installed: Installation) -> None:
    visit = "from streamlit.testing.v1 import AppTest; from recdash import paths\n"
    visit += "app = AppTest.from_file(str(paths.RESOURCES / 'app.py'), default_timeout=60).run()\n"
    visit += "for page in sorted((paths.RESOURCES / 'pages').glob('*.py')):\n"
    visit += "    app.switch_page(f'pages/{page.name}').run()\n"
    visit += "    assert not app.exception and not app.error and app.title[0].value, page\n"
    visit += "    print(page.stem)\n"
    pages = installed.run("python", "-c", visit).split()
    assert pages == sorted(path.stem for path in (ROOT / "pages").glob("*.py"))


def test_recdash_app_serves_the_installed_dashboard(installed: Installation) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = subprocess.Popen(
        installed.command("recdash", "app", "--port", str(port)),
        cwd=installed.home,
        env=installed.environment | {"STREAMLIT_SERVER_HEADLESS": "true"},
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 60
        while True:
            assert app.poll() is None and time.monotonic() < end, "the dashboard did not start"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as response:
                    assert response.read() == b"ok"
                    break
            except OSError:
                time.sleep(0.2)
    finally:
        os.killpg(app.pid, signal.SIGTERM)
        app.wait(timeout=20)
