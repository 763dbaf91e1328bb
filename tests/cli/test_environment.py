"""Invalid environment variables: one line that names them, from every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from recdash import environment, paths
from recdash.cli.main import main
from recdash.errors import StoreError, UsageError
from recdash.runs import process_env
from recdash.runs.store import Store
from recdash.services import runs, store_access

COMMANDS = {
    "runs": ["runs", "list"],
    "data": ["data", "list"],
    "train": ["train", "popularity", "--dataset", "toy", "--detach"],
    "results": ["results"],
    "doctor": ["doctor"],
}
FOLDERS = ("FILE", "FILE/below", "LOOP/x", "~nobody-of-that-name/x", "x" * 300, "x/" * 3000, "/dev/null/x", "\udcff")
BAD = {
    "RECDASH_DATA_DIR": FOLDERS,
    "RECDASH_CHECKPOINT_DIR": FOLDERS,
    "RECDASH_STORE": (
        "foo", "0", "-1", "1.5", "ten", "ü 💥", "://", "sqlite", "sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:",
        "sqlite://host/path", "sqlite+nodriver:///x", "sqlite+aiosqlite:///x", "SQLITE:///x", "mysql://x",
        "postgresql://nohost:port/db", "postgresql+nodriver://nohost/db", "sqlite:///FOLDER", "sqlite:///FILE/runs.db",
        f"sqlite:///{'x' * 300}", "sqlite:///LOOP",
    ),
    "RECDASH_MAX_RUNS": ("0", "-1", "1.5", "ten", "²", "1e3", "9" * 5000, "ü 💥"),
    "RECDASH_READ_ONLY": ("2", "-1", "1.5", "ten", "maybe", "on off", "ü 💥"),
}  # fmt: skip
CASES = [
    pytest.param(
        variable,
        value,
        command,
        id=f"{variable[8:]}={ascii(value)[:24]}, {command}",
        marks=() if place == 0 or command == "runs" else pytest.mark.slow,
    )
    for variable, values in BAD.items()
    for place, value in enumerate(values)
    for command in COMMANDS
]


def given(value: str, tmp_path: Path) -> str:
    """Replace FILE, FOLDER and LOOP by a real file, folder and loop of links."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir(exist_ok=True)
    if not (tmp_path / "loop").is_symlink():
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("FILE", "FOLDER", "LOOP"):
        value = value.replace(name, str(tmp_path / name.lower()))
    return value


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize(("variable", "value", "command"), CASES)
def test_an_invalid_value_is_one_line_that_names_the_variable(
    variable: str, value: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    value, before = given(value, tmp_path), set(tmp_path.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setenv(variable, value)
        status = main(COMMANDS[command])
    out, err = capsys.readouterr()
    assert status in (1, 2) and "Traceback" not in out + err and "unexpected" not in out + err
    if command == "doctor":
        assert err == "" and any("FAIL" in line for line in out.splitlines()) and variable in out
        assert "Tell the developers" not in out
    else:
        assert out == "" and err.count("\n") == 1 and err.startswith("recdash: ") and variable in err
        assert set(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("variable", [name for name in BAD if name != "RECDASH_STORE"])
def test_help_and_version_work_with_an_invalid_environment(variable: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv(variable, "/dev/null/x")
    assert main(["--version"]) == main(["train", "--help"]) == 0
    assert "usage: recdash train" in capsys.readouterr().out


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_value_is_the_default(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("RECDASH_STORE", "RECDASH_MAX_RUNS", "RECDASH_READ_ONLY"):
        monkeypatch.setenv(variable, value)
    assert [main(COMMANDS[name]) for name in ("runs", "data", "results", "doctor")] == [0] * 4
    assert (paths.data_dir() / "recdash.db").is_file()
    for variable in ("RECDASH_DATA_DIR", "RECDASH_CHECKPOINT_DIR"):
        monkeypatch.setenv(variable, value)
    assert (paths.data_dir(), paths.checkpoint_dir()) == (paths.IMPORT_ROOT / "data", paths.IMPORT_ROOT / "checkpoints")


@pytest.mark.parametrize("value", ["1", "true", "YES", " On ", "y", "T"])
def test_read_only_is_on(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_READ_ONLY", value)
    assert environment.read_only()
    with pytest.raises(UsageError, match="RECDASH_READ_ONLY is set"):
        store_access.refuse_when_read_only("trained")


@pytest.mark.parametrize("value", ["", " ", "0", "false", "NO", "Off", "n", "F"])
def test_read_only_is_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_READ_ONLY", value)
    assert not environment.read_only()
    store_access.refuse_when_read_only("trained")


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("name", ["a b", "ü 💥", "half?", "100%41", "a#b", "0", "-1", "ten"])
def test_folder_names_may_have_any_characters(name: str, tmp_path: Path, monkeypatch, capsys) -> None:
    data, store = tmp_path / name / "data", process_env.for_process()["RECDASH_STORE"]
    assert Store(store).runs() == []
    monkeypatch.setenv("RECDASH_DATA_DIR", str(data))
    assert runs.list_runs() == [] and (data / "recdash.db").is_file()
    monkeypatch.setenv("RECDASH_STORE", process_env.absolute_url(paths.store_url()))
    assert runs.list_runs() == [] and [path.name for path in data.iterdir() if path.suffix == ".db"] == ["recdash.db"]


@pytest.mark.usefixtures("toy")
def test_relative_folders_and_stores_are_made_absolute(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECDASH_DATA_DIR", "here/../data")
    monkeypatch.setenv("RECDASH_STORE", "sqlite:///a?b/../runs.db")
    assert process_env.for_process()["RECDASH_DATA_DIR"] == str(tmp_path / "data")
    assert process_env.for_process()["RECDASH_STORE"].startswith(f"sqlite:///{tmp_path}/a")


def test_a_password_in_an_invalid_url_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_STORE", "postgresql://me:secret@host:port/db")
    with pytest.raises(StoreError) as caught:
        store_access.open_store()
    assert "secret" not in str(caught.value) and "RECDASH_STORE" in str(caught.value)


def test_invalid_database_options_are_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("RECDASH_STORE", f"sqlite:///{tmp_path / 'runs.db'}?timeout=abc")
    assert main(["runs", "list"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "RECDASH_STORE" in err and "unexpected" not in err
