"""Serves the HTTP surface with uvicorn, inside a loop and a process that are somebody else's.

uvicorn alone would take over the process's signals, exit the process where a port is taken, and log by itself. Here it
does none of that. Its limits keep a careless or hostile client from using up the daemon that it looks at.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from lhbackupd.surface.connection import CONNECTIONS, Connection

#: bytes of a request's head; seconds that a connection stays after an answer
HEAD = 16 * 2**10
IDLE = 5
#: seconds that requests have to end when it stops
GRACE = 2


class ListenError(Exception):
    """The address cannot be listened on; the text says which one and why."""


class Server(uvicorn.Server):
    """uvicorn's server that leaves signals alone, and says when it listens."""

    def __init__(self, config: uvicorn.Config, *, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._listens = started

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listens()


async def serve(app: ASGIApp, *, host: str, port: int, started: Callable[[int], None], stop: asyncio.Event) -> None:
    """Serve `app` until `stop`. `port` 0 takes any free one; `started` is told the port once it can be connected to.

    `host` is an address or a name, "" all addresses. Raises ListenError if the address cannot be had.
    """
    listener = await _listen(host, port)
    await attend(app, listener, started=lambda: started(listener.getsockname()[1]), stop=stop)


async def attend(app: ASGIApp, listener: socket.socket, *, started: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve `app` on a bound socket, and close that at the end; `started` is told once it can be connected to."""
    with contextlib.closing(listener):
        server = Server(_config(app), started=started)
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(_stop(server, stop))
            await server.serve(sockets=[listener])
            stopping.cancel()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        # requests of connections that are gone may still be under way; connections have their own limit
        limit_concurrency=2 * CONNECTIONS,
        h11_max_incomplete_event_size=HEAD,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
    )


async def _stop(server: Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


async def _listen(host: str, port: int) -> socket.socket:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, *_, address = found[0]
        both = family == socket.AF_INET6 and host in {"", "::"} and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, dualstack_ipv6=both)
    except (OSError, UnicodeError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        shown = f"[{host}]" if ":" in host else host
        raise ListenError(f"cannot listen on {shown}:{port} (http.listen): {why}") from error
