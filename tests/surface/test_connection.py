"""Deadlines of single connections, made short here; what many connections do is attacked in tests/e2e."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lhbackupd.surface import connection
from lhbackupd.surface.server import serve

MUCH = 16 * 2**20


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server whose deadlines are 0.3 s, with an answer that is late and one that is long."""
    monkeypatch.setattr(connection, "HEAD", 0.3)
    monkeypatch.setattr(connection, "STALL", 0.3)
    monkeypatch.setattr(connection, "CONNECTIONS", 3)

    async def hello(_: Request) -> Response:
        return PlainTextResponse("hello")

    async def late(_: Request) -> Response:
        await asyncio.sleep(1.0)
        return PlainTextResponse("late")

    async def long(_: Request) -> Response:
        return PlainTextResponse("x" * MUCH)

    app = Starlette(routes=[Route("/", hello), Route("/late", late), Route("/long", long)])
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(app, host="127.0.0.1", port=0, started=listening.set_result, stop=stop))
        yield await listening
        stop.set()


async def send(port: int, raw: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    return reader, writer


async def rest(reader: asyncio.StreamReader, seconds: float = 5) -> bytes:
    """What comes until the connection ends, which it has to."""
    async with asyncio.timeout(seconds):
        try:
            return await reader.read()
        except ConnectionError:
            return b"cut"


GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("raw", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(port: int, raw: bytes) -> None:
    reader, writer = await send(port, raw)
    assert await rest(reader) in {b"", b"cut"}
    writer.close()


async def test_a_head_that_comes_byte_by_byte_is_not_waited_for(port: int) -> None:
    reader, writer = await send(port, b"")
    ended = asyncio.create_task(rest(reader))
    for byte in GET % b"/" * 3:
        if ended.done():
            break
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)
    assert ended.done()
    assert await ended in {b"", b"cut"}
    writer.close()


async def test_a_second_request_has_its_own_deadline(port: int) -> None:
    reader, writer = await send(port, GET % b"/")
    for _ in range(4):
        assert b"hello" in await reader.readuntil(b"hello")
        await asyncio.sleep(0.2)
        writer.write(GET % b"/")
    await reader.readuntil(b"hello")
    assert await rest(reader) in {b"", b"cut"}
    writer.close()


async def test_an_answer_may_take_its_time(port: int) -> None:
    reader, writer = await send(port, GET % b"/late")
    assert await reader.readuntil(b"late")
    writer.close()


async def test_who_does_not_take_the_answer_is_dropped(port: int) -> None:
    reader, writer = await send(port, GET % b"/long")
    await asyncio.sleep(1.0)
    got = await rest(reader)
    assert len(got) < MUCH
    writer.close()


async def test_who_takes_the_answer_gets_all_of_it(port: int) -> None:
    reader, writer = await send(port, GET % b"/long")
    got = await rest(reader)
    assert got.endswith(b"x" * MUCH)
    writer.close()


async def test_the_one_that_waits_longest_makes_way_and_never_one_that_is_answered(port: int) -> None:
    busy = await send(port, GET % b"/late")
    await asyncio.sleep(0.05)
    idle = [await send(port, b"") for _ in range(2)]
    newest = await send(port, GET % b"/")
    assert await newest[0].readuntil(b"hello")
    async with asyncio.timeout(0.2):
        assert await idle[0][0].read() == b""
    assert await busy[0].readuntil(b"late")
    for _, writer in (busy, *idle, newest):
        writer.close()


async def test_a_newcomer_is_refused_where_all_are_being_answered(port: int) -> None:
    busy = [await send(port, GET % b"/late") for _ in range(3)]
    await asyncio.sleep(0.1)
    reader, writer = await send(port, b"")
    assert await rest(reader, 0.2) in {b"", b"cut"}
    for found, _ in busy:
        assert await found.readuntil(b"late")
    for _, found_writer in (*busy, (reader, writer)):
        found_writer.close()
