"""`lhbackupd run` as a process, and its control socket."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lhbackupd.cli.door import ask
from lhbackupd.surface.control import Left
from lhbackupd.surface.report import Report
from tests.cli.test_doctor import config


@contextmanager
def running(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "lhbackupd", "run", "--config", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def logged(process: subprocess.Popen[str], action: str) -> Any:
    """The first line of an action; blocks until it comes, or the process ends."""
    assert process.stdout is not None
    for line in process.stdout:
        if (entry := json.loads(line)).get("action") == action:
            return entry
    raise AssertionError(f"it never logged {action}: {process.stderr.read() if process.stderr else ''}")


def test_the_daemon_answers_on_its_socket_under_its_own_loop_and_takes_it_away(tmp_path: Path) -> None:
    door = tmp_path / "control.sock"
    with running(config(tmp_path)) as process:
        logged(process, "control.on")
        assert stat.S_IMODE(door.stat().st_mode) == 0o660
        assert ask(door, "GET", "/v1/status", Report, timeout=20)[1].daemon.instance == "lhbackupd"
        _, left = ask(door, "POST", "/v1/leave", Left, timeout=20)
        assert (left.given_back, left.remaining) == ((), ())
        assert ask(door, "GET", "/v1/status", Report, timeout=20)[1].daemon.unready[0].startswith("left: ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not door.exists()


def test_without_the_sockets_directory_it_says_so_in_one_line_and_runs(tmp_path: Path) -> None:
    path = config(tmp_path)
    path.write_text(path.read_text().replace("/control.sock", "/missing/control.sock"))
    with running(path) as process:
        assert "there is no directory" in logged(process, "control.off")["event"]
        logged(process, "longhorn.lost")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_what_a_configuration_hardly_means_is_logged_at_start_and_with_a_reload(tmp_path: Path) -> None:
    path = config(tmp_path)
    with path.open("a") as file:
        file.write('\n[[policy]]\nname = "noon"\ncron = "0 12 * * *"\nwindow = ["22:00-06:00"]\n')
    with running(path) as process:
        assert 'policy "noon": no due time of cron' in logged(process, "config.advice")["event"]
        logged(process, "longhorn.lost")
        process.send_signal(signal.SIGHUP)
        assert 'policy "noon": no due time of cron' in logged(process, "config.advice")["event"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_configuration_that_takes_long_to_read_again_keeps_nobody_from_an_answer(tmp_path: Path) -> None:
    path = config(tmp_path)
    text = path.read_text()
    with running(path) as process:
        logged(process, "control.on")
        path.unlink()
        os.mkfifo(path)
        process.send_signal(signal.SIGHUP)
        with path.open("w") as file:  # it is open when the daemon has begun to read, and has nothing to read yet
            assert ask(tmp_path / "control.sock", "GET", "/v1/status", Report, timeout=20)
            file.write(text)
        logged(process, "reloaded")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("what", ["missing", "file"])
def test_it_does_not_start_where_it_can_have_no_journal_and_says_what_to_make(tmp_path: Path, what: str) -> None:
    path = config(tmp_path)
    path.write_text(path.read_text().replace("/state.db", "/place/state.db"))
    if what == "file":
        (tmp_path / "place").touch()
    with running(path) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith(f"lhbackupd cannot start: journal {tmp_path}/place/state.db cannot be opened: ")
    assert f"make {tmp_path}/place a directory in which the user that runs lhbackupd may write" in line
    assert "Errno" not in line


@pytest.mark.parametrize("what", ["listener", "file"])
def test_it_does_not_start_where_somebody_elses_is_in_the_way(tmp_path: Path, what: str) -> None:
    path, door = config(tmp_path), tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        if what == "listener":
            other.bind(str(door))
            other.listen()
        else:
            door.touch()
        with running(path) as process:
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith("lhbackupd cannot start: ")
    assert str(door) in line
    assert door.exists()
