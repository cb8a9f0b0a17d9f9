"""The demo: as people start it, with lies planted, and its judgement and its looks by themselves."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lhbackupd.cli.demo.board import Board
from lhbackupd.cli.demo.cast import NAMES
from lhbackupd.cli.demo.command import Printer, report
from lhbackupd.cli.demo.evidence import Evidence
from lhbackupd.cli.demo.play import Performance
from lhbackupd.cli.demo.promises import PROMISES
from lhbackupd.cli.demo.script import ACTS, Script
from lhbackupd.cli.demo.show import Glyphs, Lines, View, fit
from lhbackupd.clock import Clock
from lhbackupd.core.model import Outcome
from lhbackupd.engine.events import Moved

REPOSITORY = Path(__file__).parents[2]
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)


def console(width: int = 80, height: int = 24, encoding: str = "utf-8") -> tuple[Console, io.BytesIO]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    return Console(file=file, width=width, height=height, force_terminal=False, highlight=False), raw


def started(folder: Path, **environment: str) -> "subprocess.Popen[bytes]":
    """The command in a process group of its own, in an empty world."""
    for name in ("tmp", "home", "cwd"):
        (folder / name).mkdir()
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    places = {"TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home")}
    return subprocess.Popen(
        [sys.executable, "-m", "lhbackupd", "demo"],
        cwd=folder / "cwd",
        env={**known, **places},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def contents(folder: Path, pattern: str = "*") -> list[Path]:
    return list(folder.glob(pattern))


def assert_nothing_left(folder: Path, group: int) -> None:
    assert contents(folder, "*/*") == []
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_the_demo_keeps_its_promises_within_30_seconds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    began = time.monotonic()
    process = started(tmp_path, FORCE_COLOR="1")
    out, err = process.communicate(timeout=40)
    seconds = time.monotonic() - began
    text = out.decode()
    assert (process.returncode, err.decode()) == (0, ""), text
    assert f"All {len(PROMISES)} promises held" in text
    assert seconds < 30
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert_nothing_left(tmp_path, process.pid)


def test_an_interrupted_demo_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = started(tmp_path)
    assert process.stdout is not None
    while b"inspecting" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(2)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, b"interrupted; nothing is left behind\n")
    assert_nothing_left(tmp_path, process.pid)


@dataclass
class Told:
    """What one performance said: before lies were planted, and after."""

    honest: Evidence
    board: Board
    performance: Performance
    out: io.BytesIO


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told() -> Told:
    """One performance, at the end of which somebody tampers behind the daemon's back."""
    kept: list[tuple[Evidence, Board]] = []

    async def remember(script: Script) -> None:
        kept.append((await script.evidence(), script.board))

    async def a_backup_is_deleted(script: Script) -> None:
        name = next(run.backup for run in script.board.runs.values() if run.volume == "photos" and run.backup)
        await script.longhorn("POST", "backupvolumes/photos?action=backupDelete", {"name": name})
        await script.until(lambda: script.board.happened("backup-deleted", "photos"))

    async def a_ticket_of_ours_is_forgotten(script: Script) -> None:
        body = {
            "hostId": "node-1",
            "disableFrontend": True,
            "attachedBy": "lhbackupd:demo",
            "attacherType": "longhorn-api",
            "attachmentID": "lhbackupd:demo:journal:run:20990101T030000Z",
        }
        await script.longhorn("POST", "volumes/new?action=attach", body)
        await script.until(lambda: script.board.volumes["new"].state == "attached")

    shown, out = console()
    acts = (*ACTS, remember, a_backup_is_deleted, a_ticket_of_ours_is_forgotten)
    performance = Performance(console=shown, live=False, acts=acts, limit=50)
    await performance.play()
    honest, board = kept[0]
    return Told(honest=honest, board=board, performance=performance, out=out)


def test_tampering_behind_the_daemons_back_breaks_just_the_promises_concerned_and_the_exit_code(told: Told) -> None:
    broken = {promise.find.__name__ for promise, finding in told.performance.findings if not finding.held}
    assert broken == {"unchanged", "truth", "given_back"}
    assert report(told.performance, seconds=1) == 1
    assert f"3 of {len(PROMISES)} promises BROKEN" in told.out.getvalue().decode()


def test_an_honest_performance_keeps_every_promise(told: Told) -> None:
    assert [finding.words for finding in (p.find(told.honest) for p in PROMISES) if not finding.held] == []


def without(kind: str, volume: str) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, entries=tuple(x for x in e.entries if (x["kind"], x.get("volume")) != (kind, volume)))


def more(kind: str, volume: str, /, **facts: Any) -> Callable[[Evidence], Evidence]:
    """The ledger with another entry, like the last one of its kind."""

    def doctored(e: Evidence) -> Evidence:
        like = [x for x in e.entries if x["kind"] == kind][-1]
        entry = {**like, "seq": e.entries[-1]["seq"] + 1, "volume": volume, **facts}
        return replace(e, entries=(*e.entries, entry))

    return doctored


def total(volume: str, **facts: Any) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, volumes={**e.volumes, volume: {**e.volumes[volume], **facts}})


def unprotected(volume: str) -> Callable[[Evidence], Evidence]:
    return lambda e: total(volume, truth={**e.volumes[volume]["truth"], "unprotected": True})(e)


def claiming(volume: str, **facts: Any) -> Callable[[Evidence], Evidence]:
    return lambda e: replace(e, runs=tuple(replace(r, **facts) if r.volume == volume else r for r in e.runs))


OURS = "lhbackupd:demo:journal:run:20990101T030000Z"
ATTACHED = {"lastAttachedBy": "lhbackupd:demo", "frontend": False, "node": "node-1"}
BREACHES: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "attached while the setting was off": ("setting", more("ticket-added", "files", id=OURS, seq=1)),
    "setting never turned on": ("setting", lambda e: replace(e, entries=tuple(
        x for x in e.entries if x["kind"] != "setting-changed"))),
    "a backup of the attached volume is missing": ("in_use", lambda e: replace(e, entries=tuple(
        x for x in e.entries if x is not e.of("backup-completed", "db")[0]))),
    "the attached volume got a ticket of ours": ("in_use", more("ticket-added", "db", id=OURS)),
    "two backups for one change": ("changed", more("backup-asked", "files")),
    "changed data is in no backup": ("changed", unprotected("files")),
    "attached once too often": ("changed", more("attached", "files", **ATTACHED)),
    "a snapshot of an unchanged volume": ("unchanged", more("snapshot-created", "photos")),
    "the unchanged volume was not looked at": ("unchanged", without("attached", "photos")),
    "a backup of nothing": ("empty", more("backup-asked", "new")),
    "the failed backup was made twice": ("retried", more("backup-completed", "mail")),
    "nothing failed": ("retried", without("backup-error", "mail")),
    "the pod never ran": ("pod_waits", without("pod-running", "wiki")),
    "the pod was not named": ("pod_waits", claiming("wiki", waiter="")),
    "the pod's data is in no backup": ("pod_kept", unprotected("wiki")),
    "a replica was rebuilt": ("best_effort", more("backup-asked", "scratch", kind="replica-rebuild-started")),
    "attached on the cordoned node": ("best_effort", more("attached", "scratch", **{**ATTACHED, "node": "node-4"})),
    "strict-local elsewhere": ("strict_local", more("attached", "cache", **ATTACHED)),
    "attached against the policy": ("never", more("attached", "archive", **ATTACHED)),
    "suspended was not said": ("never", claiming("archive", outcome=Outcome.COMPLETED)),
    "a frontend was enabled": ("frontends", more("attached", "files", **{**ATTACHED, "frontend": True})),
    "two volumes on one node": ("frontends", lambda e: replace(e, entries=(
        {**e.our_tickets()[0], "id": OURS, "volume": "files"}, {**e.our_tickets()[0], "id": OURS + "2"}, *e.entries))),
    "a claim without a backup": ("truth", claiming("db", backup="backup-dreamt-of")),
    "a backup without a claim": ("truth", more("backup-completed", "db", backup="backup-unheard-of")),
    "a defect": ("truth", lambda e: replace(e, troubles=("KeyError",))),
    "a ticket is left": ("given_back", total("files", tickets=[OURS])),
    "a volume is left attached": ("given_back", total("files", state="attached")),
}  # fmt: skip


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found_in_the_ledger(told: Told, breach: str) -> None:
    name, doctor = BREACHES[breach]
    promise = next(promise for promise in PROMISES if promise.find.__name__ == name)
    assert not promise.find(doctor(told.honest)).held


def test_every_promise_can_be_broken() -> None:
    assert {name for name, _ in BREACHES.values()} == {promise.find.__name__ for promise in PROMISES}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (80, 16), (200, 60)])
def test_the_live_view_fits_the_terminal_and_shows_every_volume(told: Told, width: int, height: int) -> None:
    shown, out = console(width, height)
    shown.print(View(board=told.board, clock=Clock(speed=40), console=shown))
    lines = out.getvalue().decode().splitlines()
    assert len(lines) <= height
    assert max(len(line) for line in lines) <= width
    assert [name for name in NAMES if any(line.startswith(f"{name} ") for line in lines)] == list(NAMES)


def test_a_wait_for_us_is_shown_by_name_while_it_lasts(told: Told) -> None:
    board = Board(hear=lambda *_: None, now=lambda: NOW)
    run = next(run for run in told.honest.runs if run.waiter)
    clock = Clock(speed=40)
    board.tell(Moved(None, replace(run, waiting_since=clock.now() - timedelta(seconds=30))))
    shown, out = console(120, 40)
    shown.print(View(board=board, clock=clock, console=shown))
    assert "pod shop/wiki-0 has waited 3" in out.getvalue().decode()


def test_plain_lines_are_ascii_where_nothing_else_can_be_shown() -> None:
    shown, out = console(width=40, encoding="ascii")
    Lines(console=shown)(NOW, "files", "the end of this reason is a long way off …")
    lines = out.getvalue().decode("ascii").splitlines()
    assert lines[0].startswith("02:00:00  files ")
    assert max(len(line) for line in lines) <= 40
    assert lines[-1].endswith("...")


def test_a_reader_that_goes_away_silences_the_demo_and_does_not_end_it() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as file:
        shown = Printer(file=file)
        shown.print("nobody reads this")
        shown.print("nor this")
        assert shown.quiet


@given(st.text(max_size=200), st.integers(8, 60), st.integers(1, 3))
def test_words_that_do_not_fit_end_in_an_ellipsis(words: str, width: int, lines: int) -> None:
    shown = fit(words, width=width, lines=lines).split("\n")
    assert len(shown) <= lines
    assert max(len(line) for line in shown) <= width
    whole = "".join(words.split())
    assert "".join("".join(shown).split()) == whole or shown[-1].endswith(Glyphs().more)


async def test_a_demo_that_does_not_come_to_an_end_is_ended(tmp_path: Path) -> None:
    async def for_ever(script: Script) -> None:
        await script.until(lambda: False)

    performance = Performance(console=console()[0], live=False, acts=(for_ever,), limit=2, within=tmp_path)
    with pytest.raises(TimeoutError):
        await performance.play()
    assert performance.stuck().startswith("in the act ")
    assert contents(tmp_path) == []
