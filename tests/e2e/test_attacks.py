"""The HTTP surface is attacked while a run goes on: the run does not notice, and who has a right to is answered."""

import asyncio
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from lhbackupd.core.model import Outcome, Run
from lhbackupd.surface.changes import LISTENERS
from lhbackupd.surface.connection import CONNECTIONS, HEAD
from tests.e2e import attacks
from tests.e2e.attacks import Attack, ask, head, status
from tests.e2e.harness import SPEED, Daemon, Stage
from tests.e2e.processes import until

#: a run under attack takes at most so many times as long as one that is left in peace
BOUND = 3.0

SILENT = partial(attacks.crowd, raw=b"", count=10 * CONNECTIONS)
SLOW = partial(attacks.crowd, raw=b"GET / HTTP/1.1\r\nX-Slow: ", count=10 * CONNECTIONS)
LISTENING = partial(attacks.crowd, raw=b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n", count=100)


def seconds(run: Run) -> float:
    """Real seconds from its due time to its end."""
    assert run.finished_at
    return (run.finished_at - run.due).total_seconds() / SPEED


def memory(daemon: Daemon) -> int:
    """Kilobytes that the daemon has in memory."""
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def files(daemon: Daemon) -> int:
    """How many files and sockets the daemon has open."""
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


@pytest.mark.parametrize(
    ("attack", "answers"),
    [
        (attacks.path_tricks, {"404", "400"}),
        (attacks.changing_methods, {"405", "400"}),
        (attacks.header_floods, {"400", "405", "200", "cut"}),
        (attacks.oversized_requests, {"200", "405", "cut"}),
        (attacks.hammering, {"200", "503"}),
        (attacks.pipelining, {"sent"}),
        (SILENT, {"opened", "open", "closed"}),
        (SLOW, {"opened", "open", "closed"}),
        (LISTENING, {"opened", "open", "closed"}),
    ],
    ids=["paths", "methods", "headers", "oversized", "hammering", "pipelining", "silent", "slow", "listening"],
)
async def test_a_run_does_not_notice(stage: Stage, attack: Attack, answers: set[str]) -> None:
    await stage.longhorn.slow_backups("db", 60.0)
    daemon = await stage.daemon()
    port = await daemon.port()
    await daemon.due("db")
    (quiet,) = await daemon.finished()
    before = memory(daemon)
    await stage.longhorn.prefill("db", offset=8 * 2**20)

    stop, longest = asyncio.Event(), 0.0
    attacking = asyncio.create_task(attack(port, stop))
    try:
        await daemon.due("db")
        while len(daemon.runs()) < 2 or not all(run.finished for run in daemon.runs()):
            begun = time.perf_counter()
            answer = await ask(port, head("/livez"))
            longest = max(longest, time.perf_counter() - begun)
            assert status(answer) == "200", "a probe was not answered"
            await asyncio.sleep(0.1)
            assert not attacking.done() or attacking.result()
    finally:
        stop.set()
        got = await attacking

    attacked = daemon.runs()[-1]
    print(
        f"\n{dict(got)}: the run took {seconds(attacked):.2f} s, {seconds(quiet):.2f} s in peace; "
        f"a probe at most {longest:.2f} s; memory {before} kB, then {memory(daemon)} kB"
    )
    assert set(got) <= answers
    assert (quiet.outcome, attacked.outcome) == (Outcome.COMPLETED, Outcome.COMPLETED)
    assert seconds(attacked) <= BOUND * seconds(quiet)
    assert memory(daemon) < 2 * before
    records = daemon.process.records()
    assert not [
        line for line in records if line["level"] in {"error", "critical"} or "uvicorn" in line.get("logger", "")
    ]
    assert await daemon.stop() == 0


async def test_of_ten_times_as_many_connections_only_so_many_are_kept(stage: Stage) -> None:
    daemon = await stage.daemon()
    port, stop = await daemon.port(), asyncio.Event()
    got: Counter[str] = Counter()
    holding = asyncio.create_task(SILENT(port, stop, got=got))

    async def opened() -> bool:
        return got["opened"] == 10 * CONNECTIONS

    async def few() -> bool:
        return files(daemon) < CONNECTIONS + 40

    await until("all to be opened", opened)
    # by their number, and not by the deadline for what they do not say
    await until("all but so many to be closed", few, HEAD / 3)
    there = files(daemon)
    assert status(await ask(port, head("/volumes"))) == "200"
    stop.set()
    await holding
    print(f"\n{dict(got)}; {there} files open")
    assert got["opened"] == 10 * CONNECTIONS
    assert got["open"] <= CONNECTIONS


async def test_streams_are_few_and_do_not_hold_up_the_end(stage: Stage) -> None:
    daemon = await stage.daemon()
    port, stop = await daemon.port(), asyncio.Event()
    reader, writer = await attacks.connect(port)
    writer.write(head("/events", "GET"))
    assert b"200 OK" in await reader.readline()
    holding = asyncio.create_task(LISTENING(port, stop))
    while status(await ask(port, head("/events", "HEAD"))) != "503":
        assert not holding.done()
        await asyncio.sleep(0.02)
    begun = time.perf_counter()
    assert await daemon.stop() == 0
    gone = time.perf_counter() - begun
    stop.set()
    got = await holding
    writer.close()
    print(f"\n{LISTENERS} streams: stopped in {gone:.2f} s; {dict(got)}")
    assert gone < 5
    assert got["open"] == 0


async def test_nothing_is_changed_over_tcp(stage: Stage) -> None:
    daemon = await stage.daemon()
    port, done = await daemon.port(), asyncio.Event()
    done.set()
    before = await stage.longhorn.seq()
    got = await attacks.changing_methods(port, done)
    assert got == Counter({"405": got["405"], "400": got["400"]})
    assert got["405"] >= len(attacks.ORDERS) * 8
    assert status(await ask(port, head("/readyz"))) == "200"
    assert daemon.runs() == []
    assert await stage.longhorn.ours(since=before) == []
