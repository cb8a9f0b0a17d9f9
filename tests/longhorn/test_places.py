"""How many requests are under way at once, and what a request costs besides its answer."""

import asyncio
import contextlib
import sys
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


class Finder:
    """Notes what is looked for on the disk, and finds nothing."""

    def __init__(self) -> None:
        self.sought: list[str] = []

    def find_spec(self, name: str, _path: Any = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        self.sought.append(name)
        return None


async def test_a_request_looks_for_no_module_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(VOLUME) + VOLUME)
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    longhorn = Longhorn(url=f"http://127.0.0.1:{port}")
    finder = Finder()
    try:
        await longhorn.volume("rec-a")
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
        await longhorn.volume("rec-a")
    finally:
        await longhorn.aclose()
        await gone.wait()
        server.close()
    assert finder.sought == []
