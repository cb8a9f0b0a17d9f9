"""Those who tell people outside, put together from a configuration."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from lhbackupd.assembly import Engine
from lhbackupd.clock import Clock
from lhbackupd.config import Config, Notify
from lhbackupd.config.secrets import read_ping_url
from lhbackupd.core.protection import Protection
from lhbackupd.engine.intake import Offload
from lhbackupd.surface.notify import Notifier, Pinger, post
from lhbackupd.surface.notify.aside import Aside
from lhbackupd.surface.notify.letter import Letter
from lhbackupd.surface.notify.notifier import Habits
from lhbackupd.surface.notify.outbox import Undelivered
from lhbackupd.surface.notify.pinger import Call, call
from lhbackupd.surface.report import Report


def refused(notify: Notify) -> tuple[str, ...]:
    """The channels that Apprise does not take, one line each, without their URLs."""
    return tuple(
        f"{notify.urls_file}: line {channel.line} ({channel.name}): Apprise does not take this URL; "
        "see https://appriseit.com for how it is written"
        for channel in notify.channels()
        if not post.takes(channel.url)
    )


def senders(notify: Notify) -> dict[str, Callable[[Letter], Awaitable[None]]]:
    """What sends a letter to each channel, by name. Raises ValueError."""

    def sender(name: str) -> Callable[[Letter], Awaitable[None]]:
        aside = Aside(name=f"notify {name}")

        async def sent(letter: Letter) -> None:
            await aside(partial(post.send, partial(notify.url, name), letter))

        return sent

    return {channel.name: sender(channel.name) for channel in notify.channels()}


def messengers(
    config: Config,
    engine: Engine,
    *,
    report: Callable[[], Report],
    count: Callable[[str, str, int], None],
    clock: Clock,
    offload: Offload,
    log: FilteringBoundLogger,
) -> tuple[Notifier | Pinger, ...]:
    """Who listens to the engine for people outside; nobody for channels if there are none."""
    keeper = engine.keeper

    def protections() -> Iterable[Protection]:
        schedules = engine.scheduler.schedules
        return [word for key, word in keeper.books.protections.items() if key in schedules]

    pinger = Pinger(
        policies=lambda: keeper.rules.policies,
        protections=protections,
        unfinished=keeper.unfinished,
        send=_pinging(),
        count=count,
        clock=clock,
        log=log,
    )
    channels = senders(config.notify)
    if not channels:
        return (pinger,)
    notify = config.notify
    notifier = Notifier(
        habits=Habits(
            instance=config.instance,
            digest=notify.digest,
            timezone=notify.timezone,
            every=notify.every.total_seconds(),
        ),
        channels=channels,
        report=report,
        policies=lambda: keeper.rules.policies,
        aside=asyncio.to_thread,
        journal=engine.journal,
        offload=offload,
        count=count,
        clock=clock,
        log=log,
    )
    return notifier, pinger


def _pinging() -> Callable[[str, Path, Call], Awaitable[None]]:
    """What makes the calls, each policy's in a thread of its own."""
    threads: dict[str, Aside] = {}

    async def send(policy: str, file: Path, what: Call) -> None:
        def make() -> None:
            try:
                url = read_ping_url(file)
            except ValueError as error:
                raise Undelivered(f"{file} is not {error}") from None
            call(url, what)

        await threads.setdefault(policy, Aside(name=f"ping {policy}"))(make)

    return send
