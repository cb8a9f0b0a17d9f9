"""The composition root: builds everything the daemon consists of, starts it, and stops it in order.

Read `Daemon.run` from top to bottom: that is what starts, and in which order it ends. Stopping does not abort a backup
that runs in Longhorn: our ticket is given back where Longhorn's own holds the volume, and the next start carries on.
"""

import asyncio
import fcntl
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from lhbackupd.clock import Clock
from lhbackupd.config import Config, ConfigFault
from lhbackupd.core.model import Origin, Run
from lhbackupd.engine.events import Polled, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.inventory import Inventory, Picture
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.keeper import TURN, Keeper, Rules
from lhbackupd.engine.scheduler import Scheduler
from lhbackupd.longhorn.client import Exchange, Longhorn
from lhbackupd.longhorn.gateway import Gateway
from lhbackupd.surface.logs import LogListener
from lhbackupd.surface.systemd import Systemd

T = TypeVar("T")

_log = structlog.get_logger("lhbackupd")

#: seconds of real time that volumes have to be given back at the end
GRACE = 240.0
#: how often finished runs older than the history are dropped
_PRUNE_EVERY = timedelta(hours=1)


class AlreadyRunning(Exception):  # noqa: N818 -- says what is the case
    """Another lhbackupd uses the same journal."""


class Worker:
    """One thread for all that blocks: journal and job store are only ever touched from here, in order."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    async def __call__(self, function: Callable[..., T], /, *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *arguments))

    def close(self) -> None:
        self._pool.shutdown()


def lock_state(url: str, stack: ExitStack) -> None:
    """Keep a second daemon on this host away from the journal; raises AlreadyRunning."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return
    lock = stack.enter_context(Path(f"{parsed.database}.lock").open("a"))  # noqa: SIM115 -- held until the end
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning(f"another lhbackupd uses the journal {parsed.database}; stop it first") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts that move, put together."""

    journal: Journal
    scheduler: Scheduler
    inventory: Inventory
    keeper: Keeper
    longhorn: Longhorn


def rules_of(config: Config) -> Rules:
    """What of a configuration can be changed by a reload."""
    return Rules(policies={p.name: p for p in config.policies}, limits=config.limits, retry=config.retry)


def connect(config: Config, *, clock: Clock, observe: Callable[[Exchange], None] | None = None) -> Longhorn:
    """A client for the configured Longhorn. Raises ValueError and OSError for what cannot be used."""
    section = config.longhorn
    return Longhorn(
        url=section.url,
        timeout=max(1.0, section.timeout.total_seconds() / clock.speed),
        token_file=section.token_file,
        username=section.username or "",
        password_file=section.password_file,
        ca_file=section.ca_file,
        client_cert=section.client_cert,
        client_key=section.client_key,
        observe=observe,
    )


async def assemble(config: Config, *, clock: Clock, longhorn: Longhorn, offload: Offload, tell: Tell) -> Engine:
    """Open the journal and build the engine on it. Raises JournalError where the journal cannot be used."""
    journal = Journal(url=config.state.url)
    await offload(journal.open)
    scheduler = Scheduler(engine=journal.engine, now=clock.now)
    await offload(scheduler.start)
    origin = Origin(instance=config.instance, journal=journal.origin)
    keeper: Keeper

    def polled(before: Picture, after: Picture) -> None:
        tell(Polled(before, after))
        keeper.wake()

    inventory = Inventory(longhorn=longhorn, clock=clock, period=config.longhorn.poll.total_seconds(), told=polled)
    keeper = Keeper(
        rules=rules_of(config),
        origin=origin,
        clock=clock,
        journal=journal,
        scheduler=scheduler,
        inventory=inventory,
        gateway=Gateway(longhorn=longhorn, origin=origin),
        offload=offload,
        tell=tell,
    )
    return Engine(journal=journal, scheduler=scheduler, inventory=inventory, keeper=keeper, longhorn=longhorn)


async def serve(config: Config, *, clock: Clock, reread: Callable[[], Config]) -> int:
    """Run the daemon until SIGTERM or SIGINT; returns the exit code: 1 if a volume may still be attached by us.

    SIGHUP calls `reread`, and puts policies, limits and retries of what it returns in force; if it raises ConfigFault,
    the old ones stay. Raises JournalError, AlreadyRunning, ValueError and OSError where the daemon cannot start.
    """
    stop, hup, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, hup)):
        loop.add_signal_handler(number, event.set)
    systemd, worker = Systemd(), Worker()
    with ExitStack() as stack:
        lock_state(config.state.url, stack)
        stack.callback(worker.close)
        longhorn = connect(config, clock=clock)
        engine = await assemble(config, clock=clock, longhorn=longhorn, offload=worker, tell=LogListener(_log))
        keeper = engine.keeper
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(keeper.run(), name="keeper")
            tasks.create_task(engine.inventory.run(stop), name="inventory")
            tasks.create_task(_reload(hup, done, keeper, reread, systemd), name="reload")
            tasks.create_task(systemd.watch(lambda: alive(keeper, clock), done), name="watchdog")
            systemd.tell(READY="1")
            await stop.wait()
            systemd.tell(STOPPING="1")
            keeper.stop()
            left = await _give_back(keeping, keeper)
            done.set()
        await longhorn.aclose()
        await worker(engine.journal.close)
    return _farewell(left)


def alive(keeper: Keeper, clock: Clock) -> bool:
    """Whether the keeper's loop turns: what liveness, readiness and the watchdog go by."""
    return clock.monotonic() - keeper.turned < 3 * TURN


async def _reload(
    hup: asyncio.Event, done: asyncio.Event, keeper: Keeper, reread: Callable[[], Config], systemd: Systemd
) -> None:
    while not done.is_set():
        waits = [asyncio.create_task(event.wait()) for event in (hup, done)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        if not hup.is_set():
            continue
        hup.clear()
        systemd.tell(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))
        try:
            keeper.rules = rules_of(reread())
            keeper.wake()
            _log.info("policies reloaded", action="reloaded", policies=sorted(keeper.rules.policies))
        except ConfigFault as error:
            for fault in error.faults:
                _log.error(f"the old policies stay in force: {fault}", action="reload-failed")
        systemd.tell(READY="1")


async def _give_back(keeping: asyncio.Task[None], keeper: Keeper) -> tuple[Run, ...]:
    """Wait until all volumes are given back, at most GRACE; the runs whose volumes Longhorn did not confirm."""
    try:
        async with asyncio.timeout(GRACE):
            await asyncio.shield(keeping)
    except TimeoutError:
        left = tuple(run for run in keeper.active.values() if run.ticket)
        keeping.cancel()
        return left
    return ()


def _farewell(left: tuple[Run, ...]) -> int:
    """The last log line, and the exit code."""
    if not left:
        _log.info("stopped: no volume is held by us", action="stopped")
        return 0
    names = ", ".join(f"{run.volume} (ticket {run.ticket})" for run in left)
    _log.error(
        f"stopped after {GRACE:.0f} s, and Longhorn has not confirmed that it took back {names}; "
        "the journal keeps them, and the next start gives them back",
        action="stopped",
    )
    return 1
