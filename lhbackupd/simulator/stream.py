"""Websocket streams: whole collections, sent when they changed.

All streams share one event channel as they do in Longhorn's manager: every change wakes only one of them, in
turn, so with several connections each may show an old view. A message is cut into frames where Go's library
cuts it, and there is a ping every 15 s. A period in the path (`/v1/ws/2s/volumes`) is the shortest time
between messages.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from lhbackupd.simulator import api_cluster, targets, wire
from lhbackupd.simulator.cluster import Cluster
from lhbackupd.simulator.volumewire import Cache
from lhbackupd.simulator.world import World

PERIOD = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST = 15.0  #: seconds; a longer period is cut to it
PING = 15.0  #: seconds
LOOK = 0.1  #: seconds between looks at the cluster
BUFFER = 4096  #: bytes of a frame
UNBUFFERED = 2 * (BUFFER + 14)  #: bytes from which a message is one frame and an empty last one

Listing = Callable[[World, str], list[Any]]
LISTS: dict[str, tuple[str, Listing]] = {
    "nodes": ("node", api_cluster.node_data),
    "settings": (
        "setting",
        lambda w, b: [wire.setting(b, name, value) for name, value in w.settings.items()],
    ),
    "engineimages": ("engineImage", api_cluster.engine_image_data),
    "backingimages": ("backingImage", lambda w, b: []),  # noqa: ARG005
    "orphans": ("orphan", lambda w, b: []),  # noqa: ARG005
    "systembackups": ("systemBackup", lambda w, b: []),  # noqa: ARG005
    "systemrestores": ("systemRestore", lambda w, b: []),  # noqa: ARG005
    "events": ("event", api_cluster.event_data),
    "backups": ("backup", lambda w, b: [wire.backup(b, backup) for _, backup in sorted(w.backups().items())]),
    "backupvolumes": (
        "backupVolume",
        lambda w, b: [wire.backup_volume(w, b, bv) for bv in targets.backup_volumes(w).values()],
    ),
    "backuptargets": ("backupTarget", lambda w, b: [wire.target(b, target) for target in w.targets.values()]),
    "recurringjobs": ("recurringJob", lambda w, b: [wire.job(b, job) for _, job in sorted(w.jobs.items())]),
    "volumeattachments": (
        "volumeAttachment",
        lambda w, b: [wire.volume_attachment(b, volume) for volume in w.volumes.values()],
    ),
}


@dataclass(slots=True, eq=False)
class Stream:
    """One connection."""

    kind: str
    period: float
    base: str
    path: str
    woken: bool = True
    last: bytes = b""
    next_at: float = 0.0
    next_ping: float = 0.0


@dataclass(slots=True)
class Hub:
    """The event channel that all streams share, one queue per kind of resource."""

    waiting: dict[str, deque[Stream]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def join(self, world: World, stream: Stream) -> None:
        """A connection begins to listen."""
        self.seen.setdefault(stream.kind, world.changes.get(stream.kind, 0))
        self.waiting.setdefault(stream.kind, deque()).append(stream)

    def leave(self, stream: Stream) -> None:
        """A connection ends."""
        self.waiting[stream.kind].remove(stream)

    def deliver(self, world: World, kind: str) -> None:
        """Give each new change to one connection, in turn."""
        queue = self.waiting[kind]
        count = world.changes.get(kind, 0)
        for _ in range(min(count - self.seen.get(kind, 0), len(queue))):
            queue[0].woken = True
            queue.rotate(-1)
        self.seen[kind] = count


def parse_path(path: str) -> tuple[str, float] | None:
    """Kind and period of `/v1/ws/…`, or None."""
    parts = path.removeprefix("/v1/ws/").strip("/").split("/")
    period = 0.0
    if len(parts) == 2:  # noqa: PLR2004
        match = PERIOD.fullmatch(parts[0])
        if not match:
            return None
        period = min(LONGEST, float(match[1]) * SECONDS[match[2]])
    if len(parts) > 2 or (parts[-1] != "volumes" and parts[-1] not in LISTS):  # noqa: PLR2004
        return None
    return parts[-1], period


def frames(payload: bytes) -> list[tuple[bytes, bool]]:
    """The pieces of one message and whether each is the last."""
    if len(payload) > UNBUFFERED:
        return [(payload, False), (b"", True)]
    pieces = [payload[at : at + BUFFER] for at in range(0, len(payload), BUFFER)] or [b""]
    return [(piece, number == len(pieces) - 1) for number, piece in enumerate(pieces)]


class Streams:
    """The ASGI application of `/v1/ws`."""

    def __init__(self, cluster: Cluster, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache
        self._hub = Hub()
        self._encoder = msgspec.json.Encoder()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Accept or refuse a connection and serve it until the client goes."""
        await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        wanted = parse_path(scope["path"])
        if wanted is None:
            await self._refuse(send)
            return
        host = headers.get("x-forwarded-host", headers.get("host", ""))
        base = f"{headers.get('x-forwarded-proto', 'http')}://{host}"
        stream = Stream(wanted[0], wanted[1], base, scope["path"])
        await send({"type": "websocket.accept"})
        self._hub.join(self._cluster.world, stream)
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await self._serve(stream, scope, send, gone)
        finally:
            self._hub.leave(stream)
            gone.cancel()

    async def _refuse(self, send: Send) -> None:
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
        await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"404 page not found\n"})

    async def _serve(self, stream: Stream, scope: Scope, send: Send, gone: asyncio.Task[None]) -> None:
        clock = self._cluster.clock
        stream.next_ping = clock.monotonic() + PING
        while not gone.done():
            self._cluster.advance()
            self._hub.deliver(self._cluster.world, stream.kind)
            now = clock.monotonic()
            if stream.woken and now >= stream.next_at:
                stream.woken = False
                stream.next_at = now + stream.period
                payload = self.listing(stream)
                if payload != stream.last:
                    stream.last = payload
                    await _write(scope, send, payload)
            if now >= stream.next_ping:
                stream.next_ping += PING
                _ping(scope)
            await clock.sleep(LOOK)

    def listing(self, stream: Stream) -> bytes:
        """The collection as it is now, with the newline that Go's encoder adds."""
        world, base = self._cluster.world, stream.base
        here = f"{base}{stream.path}"
        if stream.kind == "volumes":
            body = self._cache.volumes(base)
            return body.replace(f'"self":"{base}/v1/volumes"}}'.encode(), f'"self":"{here}"}}'.encode(), 1) + b"\n"
        kind, data = LISTS[stream.kind]
        return self._encoder.encode(wire.collection(here, kind, data(world, base))) + b"\n"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _write(scope: Scope, send: Send, payload: bytes) -> None:
    protocol = scope.get("simulator.protocol")
    conn = getattr(protocol, "conn", None)
    if conn is None:
        await send({"type": "websocket.send", "text": payload.decode()})
        return
    for number, (piece, last) in enumerate(frames(payload)):
        if number == 0:
            conn.send_text(piece, fin=last)
        else:
            conn.send_continuation(piece, fin=last)
    protocol.transport.write(b"".join(conn.data_to_send()))  # type: ignore[union-attr]


def _ping(scope: Scope) -> None:
    protocol = scope.get("simulator.protocol")
    conn = getattr(protocol, "conn", None)
    if conn is not None:
        conn.send_ping(b"")
        protocol.transport.write(b"".join(conn.data_to_send()))  # type: ignore[union-attr]
