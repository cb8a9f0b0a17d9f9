"""The engine, put together from a configuration: journal, scheduler, inventory and keeper around one Longhorn."""

import asyncio
import fcntl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from lhbackupd.clock import Clock
from lhbackupd.config import Config
from lhbackupd.core.model import Origin
from lhbackupd.engine.audit import Audit
from lhbackupd.engine.events import JournalReplaced, Polled, Tell, to_all
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.inventory import Inventory, Picture
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.keeper import Keeper
from lhbackupd.engine.rules import Rules
from lhbackupd.engine.scheduler import Scheduler
from lhbackupd.engine.wreck import put_aside
from lhbackupd.longhorn.api import Api
from lhbackupd.longhorn.client import CONNECTIONS, Longhorn
from lhbackupd.longhorn.gateway import Gateway
from lhbackupd.longhorn.request import Exchange

T = TypeVar("T")


class AlreadyRunning(Exception):  # noqa: N818 -- says what is the case
    """Another lhbackupd uses the same journal."""


class Worker:
    """One thread, in which things are done in order."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def __call__(self, function: Callable[..., T], /, *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *arguments))

    def close(self) -> None:
        self._pool.shutdown()


def lock_state(url: str, stack: ExitStack) -> None:
    """Keep a second daemon on this host away from the journal; raises AlreadyRunning, and JournalError."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return
    path = Path(f"{parsed.database}.lock")
    try:
        lock = stack.enter_context(path.open("a"))  # held until the end
    except OSError as error:
        raise JournalError(
            f"journal {parsed.database} cannot be opened: {path}: {error.strerror}; make {path.parent} a directory in "
            "which the user that runs lhbackupd may write, or name another one by state.url"
        ) from error
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
    origin: Origin
    audit: Audit


def rules_of(config: Config) -> Rules:
    """What of a configuration can be changed by a reload."""
    policies = {policy.name: policy for policy in config.policies}
    return Rules(policies=policies, limits=config.limits, retry=config.retry, excludes=config.excludes)


class Unusable(Exception):  # noqa: N818 -- says what is the case
    """What the configuration names is there, and of no use; the text says what it is."""


def connect(
    config: Config,
    *,
    clock: Clock,
    observe: Callable[[Exchange], None] | None = None,
    connections: int = CONNECTIONS,
    offload: Offload = asyncio.to_thread,
) -> Longhorn:
    """A client for the configured Longhorn; long answers are read in `offload`. Raises Unusable."""
    section = config.longhorn
    try:
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
            max_connections=connections,
            offload=offload,
        )
    except (OSError, ValueError) as error:
        raise Unusable(f"longhorn.ca_file, client_cert or client_key cannot be used: {error}") from error


async def assemble(
    config: Config,
    *,
    clock: Clock,
    longhorn: Longhorn,
    offload: Offload,
    compute: Offload = asyncio.to_thread,
    tell: Tell,
) -> Engine:
    """Open the journal and build the engine on it; a damaged journal is put aside, and a new one made.

    `offload` is the worker that alone touches the journal; `compute` is for what only takes long: no move of a run has
    to wait for that to be written down.

    Raises JournalError, or OSError, where the journal cannot be used.
    """
    wreck = await offload(put_aside, config.state.url, clock.now())
    journal = Journal(url=config.state.url)
    await offload(journal.open)
    if wreck is not None:
        tell(JournalReplaced(wreck))
    scheduler = Scheduler(engine=journal.engine, now=clock.now)
    await offload(scheduler.start)
    origin = Origin(instance=config.instance, journal=journal.origin, lease=config.longhorn.lease)
    keeper: Keeper

    def polled(before: Picture, after: Picture) -> None:
        tell(Polled(before, after))
        keeper.polled(before, after)

    api = Api(longhorn=longhorn)
    inventory = Inventory(
        longhorn=api,
        clock=clock,
        period=config.longhorn.poll.total_seconds(),
        told=polled,
        expected={volume for _, volume in scheduler.schedules},
    )
    keeper = Keeper(
        rules=rules_of(config),
        origin=origin,
        clock=clock,
        journal=journal,
        scheduler=scheduler,
        inventory=inventory,
        gateway=Gateway(longhorn=api, origin=origin),
        offload=offload,
        compute=compute,
        tell=tell,
    )
    audit = Audit(
        longhorn=api,
        inventory=inventory,
        books=keeper.books,
        orders=keeper.orders,
        clock=clock,
        offload=offload,
        tell=to_all((tell, keeper.watch.heard)),
    )
    return Engine(
        audit=audit,
        journal=journal,
        scheduler=scheduler,
        inventory=inventory,
        keeper=keeper,
        longhorn=longhorn,
        origin=origin,
    )
