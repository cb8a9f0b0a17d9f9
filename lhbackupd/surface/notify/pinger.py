"""Pings, from whose silence somebody outside notices that backups are not made, or that we are gone.

A policy's URL is called as healthchecks.io and its like have it: URL/start when its runs begin, URL when all have ended
and no volume of it fails, URL/fail with the names of those that do.
"""

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from structlog.typing import FilteringBoundLogger

from lhbackupd import __version__
from lhbackupd.clock import Clock
from lhbackupd.core.model import Mode, Phase, Policy, Run
from lhbackupd.core.protection import Protection
from lhbackupd.engine.events import Event, Moved
from lhbackupd.surface.notify.letter import SHOWN, plain
from lhbackupd.surface.notify.outbox import Outbox, Undelivered, sending
from lhbackupd.surface.notify.rounds import Ping, Rounds
from lhbackupd.surface.notify.sight import fails

#: seconds that a call may take to connect, and between two parts of its answer
_TIMEOUT = 10.0
#: pings of one policy that wait at most: those of yesterday are of no use
_LIMIT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A ping to be made."""

    ping: Ping
    #: what is said with it
    body: str = ""


def call(url: str, what: Call) -> None:
    """Make a ping. Blocks. Raises Undelivered."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{what.ping}" if what.ping else parts.path
    request = urllib.request.Request(  # noqa: S310 -- the scheme was checked when the file was read
        parts._replace(path=path).geturl(),
        data=what.body.encode() if what.body else None,
        headers={"User-Agent": f"lhbackupd/{__version__}", "Content-Type": "text/plain; charset=utf-8"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 -- as above
            answer.read(1024)
    except urllib.error.HTTPError as error:
        error.close()
        raise Undelivered(f"the service answered {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        # no text of it: it may hold the URL
        kind = type(getattr(error, "reason", error)).__name__
        raise Undelivered(f"no connection to the service, or it was cut ({kind})") from None


class Pinger:
    """Listens to the engine's events, and pings for policies that want it."""

    def __init__(
        self,
        *,
        policies: Callable[[], Mapping[str, Policy]],
        protections: Callable[[], Iterable[Protection]],
        unfinished: Callable[[], Iterable[Run]],
        send: Callable[[str, Path, Call], Awaitable[None]],
        count: Callable[[str, str, int], None],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        """`send` makes a call for a policy, by the URL in a file, and raises Undelivered."""
        self._policies = policies
        self._protections = protections
        self._unfinished = unfinished
        self._send = send
        self._count = count
        self._clock = clock
        self._log = log
        self._rounds = Rounds(begun=self._begun, verdict=self._verdict)
        self._boxes: dict[str, Outbox[Call]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def __call__(self, event: Event) -> None:
        """Follow a run, and ping if it begins a round of its policy, or ends one."""
        if not isinstance(event, Moved):
            return
        name = event.after.policy
        ping = self._rounds.moved(event.after)
        if ping is not None and self._file(name) is not None:
            self._box(name).put(Call(ping=ping, body=self._failing(name) if ping is Ping.FAIL else ""))

    async def run(self, done: asyncio.Event) -> None:
        """Ping until `done`."""
        async with sending(self._boxes.values()) as tasks:
            self._tasks = tasks
            await done.wait()
            self._tasks = None

    def _file(self, policy: str) -> Path | None:
        known = self._policies().get(policy)
        # a shadow makes no backups, and a success of it would be taken for one
        return known.ping_url_file if known and known.mode is Mode.ACTIVE else None

    def _box(self, policy: str) -> Outbox[Call]:
        if policy not in self._boxes:
            box = self._boxes[policy] = Outbox(
                name=f"ping:{policy}",
                send=self._sender(policy),
                together=lambda _: 1,
                delivered=_nothing_more,
                count=self._count,
                clock=self._clock,
                log=self._log,
                limit=_LIMIT,
            )
            if self._tasks is not None:
                self._tasks.create_task(box.run())
        return self._boxes[policy]

    def _sender(self, policy: str) -> Callable[[Sequence[Call]], Awaitable[None]]:
        async def sent(calls: Sequence[Call]) -> None:
            file = self._file(policy)
            if file is not None:  # else a reload has ended it
                await self._send(policy, file, calls[0])

        return sent

    def _begun(self) -> list[Run]:
        """The runs that the journal held, but for those that failed before and wait for their time."""
        failing = {
            (word.policy, word.volume) for word in self._protections() if fails(word.last_outcome, word.failures)
        }
        return [
            run
            for run in self._unfinished()
            if run.phase is not Phase.QUEUED or run.attempt == 1 or (run.policy, run.volume) not in failing
        ]

    def _verdict(self, policy: str) -> Ping:
        return Ping.FAIL if self._failing(policy) else Ping.SUCCESS

    def _failing(self, policy: str) -> str:
        names = [
            plain(word.volume)
            for word in self._protections()
            if word.policy == policy and fails(word.last_outcome, word.failures)
        ]
        if not names:
            return ""
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"backups fail: {', '.join(sorted(names)[:SHOWN])}{more}"


async def _nothing_more(_calls: Sequence[Call]) -> None:
    pass
