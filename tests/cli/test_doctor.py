"""`doctor`, `adopt` and `leave` as commands: their exit codes, and what they print with nobody there to ask."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lhbackupd.assembly import lock_state
from lhbackupd.cli import main
from lhbackupd.engine.journal import Journal


def config(folder: Path, text: str = "") -> Path:
    """A configuration whose Longhorn is not there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = folder / "config.toml"
    path.write_text(
        f'[longhorn]\nurl = "http://127.0.0.1:{port}"\n[state]\nurl = "sqlite:///{folder}/state.db"\n'
        f'[http]\nlisten = "off"\n[control]\nsocket = "{folder}/control.sock"\n{text}'
    )
    return path


def call(command: str, path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, [command, "--config", str(path), *options])


def journal(folder: Path) -> str:
    made = Journal(url=f"sqlite:///{folder}/state.db")
    made.open()
    made.close()
    return made.origin


def test_a_wrong_configuration_is_findings_and_exit_code_2(tmp_path: Path) -> None:
    answer = call("doctor", config(tmp_path, "[limits]\nper_nod = 1\n"), "--json")
    assert answer.exit_code == 2
    (finding,) = json.loads(answer.output)["findings"]
    assert (finding["check"], finding["level"]) == ("config", "fault")
    assert "per_nod" in finding["text"]


def test_a_longhorn_that_is_not_there_is_exit_code_3_with_all_else_said(tmp_path: Path) -> None:
    origin = journal(tmp_path)
    answer = call("doctor", config(tmp_path), "--json")
    assert answer.exit_code == 3
    document = json.loads(answer.output)
    assert (document["version"], document["worst"]) == (1, "fault")
    assert list(document) == ["version", "at", "worst", "findings"]
    levels = {finding["check"]: finding["level"] for finding in document["findings"]}
    assert levels == {"config": "warning", "journal": "ok", "daemon": "fault", "longhorn": "fault"}
    assert any(origin in finding["text"] for finding in document["findings"])
    for finding in document["findings"]:
        assert list(finding) == ["check", "level", "text", "next"]
        assert bool(finding["next"]) is (finding["level"] != "ok")


def test_the_doctor_makes_no_journal_and_no_lock(tmp_path: Path) -> None:
    path = config(tmp_path)
    answer = call("doctor", path)
    assert "there is no" in answer.output
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_journal_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 1000)
    answer = call("doctor", config(tmp_path))
    assert "cannot be read: file is not a database" in answer.output


def test_without_a_daemon_there_is_nothing_to_adopt_for(tmp_path: Path) -> None:
    answer = call("adopt", config(tmp_path))
    assert answer.exit_code == 3
    assert "no daemon answers at" in answer.output
    assert "lhbackupd leave" in answer.output


def test_leaving_without_longhorn_says_that_nothing_was_done(tmp_path: Path) -> None:
    journal(tmp_path)
    answer = call("leave", config(tmp_path))
    assert answer.exit_code == 3
    assert "nothing was done" in answer.output


def test_leaving_without_a_journal_does_not_guess_what_is_ours(tmp_path: Path) -> None:
    answer = call("leave", config(tmp_path))
    assert answer.exit_code == 1
    assert "cannot be read" in answer.output
    assert not (tmp_path / "state.db").exists()


def test_leaving_beside_a_daemon_that_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    journal(tmp_path)
    with ExitStack() as stack:
        lock_state(f"sqlite:///{tmp_path}/state.db", stack)
        answer = call("leave", config(tmp_path))
    assert answer.exit_code == 1
    assert "gives everything back when it is stopped" in answer.output


@pytest.mark.parametrize("command", ["doctor", "adopt", "leave", "import-jobs"])
def test_every_command_says_its_exit_codes(command: str) -> None:
    answer = CliRunner().invoke(main, [command, "--help"])
    assert "Exit code 0" in answer.output
