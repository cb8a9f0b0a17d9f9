import asyncio
import signal
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lhbackupd.surface.server import HEAD, ListenError, serve


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


class Up:
    """A server that is up, and its port."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> None:
        app = Starlette(routes=[Route("/", hello)])
        await serve(app, host=host, port=port, started=self.port.set_result, stop=self.stop)


@pytest.fixture
async def up() -> AsyncIterator[Up]:
    made = Up()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.serve())
        await made.port
        yield made
        made.stop.set()


async def get(port: int, host: str = "127.0.0.1") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://{host}:{port}/")


async def test_it_says_its_port_once_it_can_be_connected_to(up: Up) -> None:
    answer = await get(await up.port)
    assert answer.text == "hello"
    assert "Server" not in answer.headers


async def test_it_ends_when_it_is_told_to_and_gives_its_port_back() -> None:
    up = Up()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(up.serve())
        port = await up.port
        up.stop.set()
    with pytest.raises(httpx.ConnectError):
        await get(port)


async def test_it_leaves_signals_to_the_daemon() -> None:
    up, watched = Up(), (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in watched]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(up.serve())
        await get(await up.port)
        assert [signal.getsignal(number) for number in watched] == before
        up.stop.set()


async def test_a_port_in_use_is_one_line(up: Up) -> None:
    port = await up.port
    with pytest.raises(ListenError) as caught:
        await Up().serve(port=port)
    assert str(caught.value).startswith(f"cannot listen on 127.0.0.1:{port} (http.listen): ")
    assert "in use" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("host", "port"), [("256.1.1.1", 0), ("fe80::zz", 80), ("x" * 70, 80), ("192.0.2.1", 0)])
async def test_an_address_that_cannot_be_had_is_one_line(host: str, port: int) -> None:
    with pytest.raises(ListenError, match=r"^cannot listen on .* \(http\.listen\): ") as caught:
        await Up().serve(host=host, port=port)
    assert "\n" not in str(caught.value)


async def test_a_head_that_does_not_end_is_refused(up: Up) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", await up.port)
    writer.write(b"GET / HTTP/1.1\r\nX-Much: " + b"x" * (2 * HEAD))
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()
    await writer.wait_closed()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_ipv6_addresses_will_do() -> None:
    up = Up()
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(up.serve(host="::1"))
        assert (await get(await up.port, host="[::1]")).text == "hello"
        up.stop.set()
