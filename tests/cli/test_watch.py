"""`lhbackupd status`, and its `--watch` as a process on a real pseudo-terminal against a real served report."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lhbackupd.core.model import Outcome
from tests.cli.served import served
from tests.cli.test_doctor import call, config
from tests.cli.test_screen import REPOSITORY, environment
from tests.surface.house import TODAY, House, ended, house, queued, running, volume
from tests.surface.shown import web

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07)")
NASTY = "\x1b]0;owned\x07 refused"


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    with house() as made:
        made.has(volume("pvc-a"), volume("pvc-b"))
        made.knows(ended("pvc-a", Outcome.FAILED, NASTY), ended("pvc-b", Outcome.COMPLETED, protected_until=TODAY))
        yield made


def port_of(path: Path) -> int:
    found = re.search(r'listen = "127.0.0.1:(\d+)"', path.read_text())
    assert found
    return int(found[1])


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, *command: str, rows: int, columns: int, **environ: str) -> None:
        self._ours, its = pty.openpty()
        self.resize(rows, columns)
        env = environment(**environ)
        line = [sys.executable, "-m", "lhbackupd", *command]
        self.process = subprocess.Popen(line, stdin=its, stdout=its, stderr=its, env=env, cwd=REPOSITORY)
        os.close(its)
        self.said = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def shows(self, *texts: str) -> str:
        """Wait until one picture has all of `texts`, and return it, without colours."""
        start, end = len(self.said), time.monotonic() + 25
        while time.monotonic() < end:
            pictures = self.said[start:].split("\x1b[H")
            for picture in (_ESCAPES.sub("", one) for one in pictures[1:-1]):
                if all(text in picture for text in texts):
                    return picture
            self._read()
        raise AssertionError(f"it never showed {texts}, but: {_ESCAPES.sub('', self.said[start:])[-3000:]}")

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 1)[0]:
            return True
        with contextlib.suppress(OSError):  # the other end has closed
            part = os.read(self._ours, 65536)
            self.said += part.decode(errors="replace")
            return bool(part)
        return False

    def ended(self, by: signal.Signals) -> int:
        """The exit code after a signal."""
        self.process.send_signal(by)
        while self._read() and self.process.poll() is None:
            pass
        while self._read():
            pass
        return self.process.wait(20)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(20)
        os.close(self._ours)


@contextmanager
def watching(path: Path, *, rows: int = 24, columns: int = 100, **environ: str) -> Iterator[Terminal]:
    made = Terminal("status", "--watch", "--config", str(path), rows=rows, columns=columns, **environ)
    with contextlib.closing(made):
        yield made


def test_runs_and_queue_are_kept_up_to_date(house: House, tmp_path: Path) -> None:
    with served(web(house).app, tmp_path) as path, watching(path) as terminal:
        terminal.shows("1 protected, 0 unprotected, 1 failing", "\\x1b]0;owned\\x07 refused", "running: nothing")
        house.keeper.active["a"] = running("pvc-b", progress=45, reason="uploading")
        house.keeper.waiting["b"] = queued("pvc-a", reason="waits for one of 1 places on node-1 (limits.per_node)")
        terminal.shows("[#########...........]   45 %", "waits for one of 1 places on node-1 (limits.per_node)")
        house.keeper.active["a"] = running("pvc-b", progress=80, reason="uploading")
        terminal.shows("[################....]   80 %")


def test_a_daemon_that_goes_away_is_said_the_view_recovers_and_leaves_the_terminal_as_it_was(
    house: House, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as terminals:
        with served(web(house).app, tmp_path) as path:
            terminal = terminals.enter_context(watching(path))
            terminal.shows("1 failing", "ready; 2026-10-22")
            port = port_of(path)
        picture = terminal.shows("NO ANSWER for", "what is shown is as it was at 2026-10-22 12:00:00 UTC")
        assert "1 failing" in picture
        house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
        with served(web(house).app, tmp_path, port=port):
            picture = terminal.shows("2 protected, 0 unprotected, 0 failing")
            assert "NO ANSWER" not in picture
            assert terminal.ended(signal.SIGINT) == 0
        assert terminal.said.count("\x1b[?1049h") == terminal.said.count("\x1b[?1049l") == 1
        assert terminal.said.rstrip().endswith(("\x1b[?25h", "\x1b[?1049l")), "the cursor is back"
        assert "\x1b]0;owned" not in terminal.said


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_its_exit_code_is_that_of_status_at_that_moment(house: House, tmp_path: Path, by: signal.Signals) -> None:
    with contextlib.ExitStack() as terminals:
        with served(web(house).app, tmp_path) as path:
            failing = terminals.enter_context(watching(path))
            failing.shows("1 failing")
            assert failing.ended(by) == call("status", path).exit_code == 1
        alone = terminals.enter_context(watching(path))
        alone.shows("NO ANSWER for", "does not answer at")
        assert alone.ended(by) == call("status", path).exit_code == 3
        assert alone.said.count("\x1b[?1049l") == 1


def test_a_terminal_that_shrinks_says_what_is_left_out_and_no_color_is_heeded(house: House, tmp_path: Path) -> None:
    house.has(*(volume(f"pvc-{number}") for number in range(30)))
    with served(web(house).app, tmp_path) as path, watching(path, rows=60, NO_COLOR="1") as terminal:
        assert " more" not in terminal.shows("30 unprotected", "shop/29")
        terminal.resize(16, 60)
        picture = terminal.shows("not protected: 31", " more", "…")
        assert max(map(len, picture.splitlines())) <= 60
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.said)


@pytest.mark.parametrize("how", ["pipe", "dumb"])
def test_where_nothing_can_be_drawn_it_is_refused_with_what_to_do(house: House, tmp_path: Path, how: str) -> None:
    path = config(tmp_path)
    path.write_text(path.read_text().replace('listen = "off"', 'listen = "127.0.0.1:9"'))
    if how == "pipe":
        answer = call("status", path, "--watch")
        code, said = answer.exit_code, answer.output
    else:
        with watching(path, TERM="dumb") as terminal:
            code, said = terminal.ended(signal.SIGCONT), terminal.said
    assert code == 2
    assert "take --watch --json, or status without --watch" in said


def test_a_daemon_that_answers_nobody_is_a_matter_of_configuration(tmp_path: Path) -> None:
    for options in ((), ("--watch",), ("--watch", "--json")):
        answer = call("status", config(tmp_path), *options)
        assert (answer.exit_code, answer.output) == (2, 'http.listen is "off": this daemon cannot be asked\n')


def test_json_is_a_line_now_and_after_every_change_and_none_in_between(house: House, tmp_path: Path) -> None:
    with served(web(house).app, tmp_path) as path:
        command = [sys.executable, "-m", "lhbackupd", "status", "--watch", "--json", "--config", str(path)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=REPOSITORY
        ) as process:
            assert process.stdout
            first = json.loads(process.stdout.readline())
            house.clock.turn(3)
            house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
            second = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=20)
    assert (first["version"], first["totals"]["failing"], first["fine"]) == (1, 1, False)
    assert (second["version"], second["totals"]["failing"], second["fine"]) == (1, 0, True)
    assert (rest, errors, process.returncode) == ("", "", 0)


def test_status_says_why_a_volume_is_not_protected_and_which_run_to_cancel(house: House, tmp_path: Path) -> None:
    house.has(volume("pvc-c"))
    house.knows(ended("pvc-c", Outcome.SUSPENDED, "detached, and the setting forbids to attach it"))
    house.keeper.active["a"] = running("pvc-b", progress=45, reason="uploading")
    house.keeper.waiting["b"] = queued("pvc-a", reason="waits for its turn")
    with served(web(house).app, tmp_path) as path:
        answer = call("status", path)
    assert answer.exit_code == 1
    assert "failed: \\x1b]0;owned\\x07 refused" in answer.output
    assert "suspended: detached, and the setting forbids to attach it" in answer.output
    assert "running  pvc-b (nightly): backing-up 45 % uploading (run run-pvc-b)" in answer.output
    assert "waiting  pvc-a (nightly): waits for its turn (run run-pvc-a)" in answer.output
