"""How many requests are under way at once, and what a request costs besides its answer."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import httpx
import pytest

from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.errors import Unreachable
from tests.longhorn.replay import answer, client

VOLUME = answer("103")


class Crowd:
    """Answers when it is told to, and counts who is there."""

    def __init__(self) -> None:
        self.here = self.most = self.came = 0
        self.open = asyncio.Event()

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.came += 1
        self.here += 1
        self.most = max(self.most, self.here)
        await self.open.wait()
        await asyncio.sleep(0)
        self.here -= 1
        return httpx.Response(200, content=VOLUME)


async def test_no_more_requests_are_under_way_than_there_may_be_connections() -> None:
    crowd = Crowd()
    longhorn = client(crowd, max_connections=4)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(longhorn.volume("rec-a")) for _ in range(100)]
        await asyncio.sleep(0)
        while crowd.here < 4:  # noqa: ASYNC110 -- nothing to wait for tells
            await asyncio.sleep(0)
        crowd.open.set()
    assert all(task.result() for task in asked)
    assert (crowd.most, crowd.came) == (4, 100)


@pytest.mark.looptime
async def test_a_request_that_no_place_got_free_for_was_not_sent() -> None:
    crowd = Crowd()
    longhorn = client(crowd, max_connections=1, timeout=30.0)
    first = asyncio.create_task(longhorn.volume("rec-a"))
    await asyncio.sleep(1)
    with pytest.raises(Unreachable) as caught:
        await longhorn.detach("rec-a", "bk-1")
    assert not caught.value.ambiguous
    assert crowd.came == 1
    crowd.open.set()
    assert await first, "whoever has its place keeps it"


class Server:
    """Answers over real connections, and counts them and the requests that came over them."""

    def __init__(self, *, last: bool = False) -> None:
        self.connections = self.requests = 0
        #: whether each answer is the last one of its connection
        self._last = last
        #: answers wait for it
        self.go = asyncio.Event()
        self.go.set()
        self.asked, self.hung_up = asyncio.Event(), asyncio.Event()
        self._open = asyncio.TaskGroup()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                self.asked.set()
                await self.go.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(VOLUME) + VOLUME)
                await writer.drain()
                if self._last:
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.hung_up.set()

    @contextlib.asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Longhorn]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        longhorn = Longhorn(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", **options)
        async with server, self._open:
            yield longhorn
            await longhorn.aclose()


async def test_requests_one_after_another_share_a_connection() -> None:
    server = Server()
    async with server.client() as longhorn:
        for _ in range(10):
            assert await longhorn.volume("rec-a")
    assert (server.connections, server.requests) == (1, 10)


async def test_requests_at_once_share_as_many_connections_as_there_may_be() -> None:
    server = Server()
    async with server.client(max_connections=4) as longhorn, asyncio.TaskGroup() as tasks:
        for _ in range(40):
            tasks.create_task(longhorn.volume("rec-a"))
    assert (server.connections, server.requests) == (4, 40)


async def test_a_connection_that_longhorn_has_closed_is_made_anew() -> None:
    server = Server(last=True)
    async with server.client(max_connections=1) as longhorn:
        for _ in range(3):
            assert await longhorn.volume("rec-a")
            await server.hung_up.wait()
            server.hung_up.clear()
    assert (server.connections, server.requests) == (3, 3)


async def test_whoever_no_longer_waits_for_an_answer_leaves_nothing_of_it_to_the_next() -> None:
    server = Server()
    server.go.clear()
    async with server.client(max_connections=1) as longhorn:
        leaving = asyncio.create_task(longhorn.snapshots("rec-a"))
        await server.asked.wait()
        leaving.cancel()
        await asyncio.wait([leaving])
        server.go.set()
        assert await longhorn.volume("rec-a")
    assert leaving.cancelled()
    assert (server.connections, server.requests) == (2, 2)


class Finder:
    """Notes what is looked for on the disk, and finds nothing."""

    def __init__(self) -> None:
        self.sought: list[str] = []

    def find_spec(self, name: str, _path: Any = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        self.sought.append(name)
        return None


async def test_a_request_looks_for_no_module_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    finder = Finder()
    async with Server().client() as longhorn:
        await longhorn.volume("rec-a")
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
        await longhorn.volume("rec-a")
    assert finder.sought == []
