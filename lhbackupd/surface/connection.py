"""One connection to the HTTP surface or the control socket: an end for whoever is slow, a place for whoever is not.

uvicorn waits as long as a client likes for a request's head, and for a client that does not read its answer. Here
both have a deadline, and connections are counted: where there are too many, the one that has been without a request
for longest makes way for the newest, so that a probe gets through while somebody holds a thousand connections open.
"""

import asyncio
import socket
import struct
from typing import Any, cast

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

#: connections at once
CONNECTIONS = 64
#: seconds for a request's head to come in whole, and for the client to take what was written
HEAD, STALL = 10.0, 20.0
#: milliseconds after which the kernel gives up a client that takes nothing, or is no more
_UNTAKEN = 20_000


class Connection(H11Protocol):
    """uvicorn's protocol with deadlines and a limit.

    In the request's `client` a unix socket has `uid 0` and the process, where TCP has address and port.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        #: since when it has been without a request, by the loop's time
        self.idle_since = 0.0

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn's type does not say so
        return cycle is None or cycle.response_complete

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._meet(transport.get_extra_info("socket"))
        self._rest()
        if len(self.connections) > CONNECTIONS:
            idle = [one for one in cast("set[Connection]", self.connections) if one.idle]
            min(idle, key=lambda one: one.idle_since, default=self).drop()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.idle and self._head is not None:
            self._head.cancel()

    @override
    def on_response_complete(self) -> None:
        self._rest()
        super().on_response_complete()
        if not self.idle and self._head is not None:  # the next request had come already
            self._head.cancel()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(STALL, self.drop)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """End it at once, whatever has not been sent."""
        self.connections.discard(self)
        self.transport.abort()

    def _rest(self) -> None:
        """No request is under way: the next one has some time to come."""
        if self._head is not None:
            self._head.cancel()
        self.idle_since = self.loop.time()
        self._head = self.loop.call_later(HEAD, self.drop)

    def _meet(self, made: socket.socket | None) -> None:
        """Give up one that takes nothing; who is at the other end of a unix socket is what the kernel says."""
        if made is None:
            return
        if made.family == socket.AF_UNIX:
            pid, uid, _ = struct.unpack("3i", made.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            self.client = (f"uid {uid}", pid)
        elif hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN)
