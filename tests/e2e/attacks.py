"""What hostile clients do to the HTTP surface: raw bytes over real sockets, again and again until told to stop.

Each attack returns what it got, as counts by answer, so that a test sees that it was an attack at all.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

Attack = Callable[[int, asyncio.Event], Awaitable[Counter[str]]]

#: no file of the machine, no other page, no other host
PATHS = (
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2fetc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/volumes/..%2f..%2fetc%2fpasswd",
    "/volumes/%00",
    "/volumes/%0d%0aSet-Cookie:%20a=b",
    "/page.css/../page.py",
    "/pages/routes.py",
    "//evil.example/",
    "/volumes//",
    "/\\..\\..\\etc\\passwd",
    "/%c0%ae%c0%ae/",
    "/%ff%fe",
    "/events/../v1/leave",
    "/v1/status",
    "/" + "a" * 8000,
    "/volumes/" + "%2e" * 2000,
    "*",
)
METHODS = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X" * 200)
ORDERS = ("/v1/adopt", "/v1/leave", "/v1/backup", "/v1/pause", "/", "/metrics", "/volumes/db", "/events")


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def ask(port: int, raw: bytes, *, seconds: float = 20.0) -> bytes:
    """Send raw bytes, and read to the end of the connection; b"" where it was cut."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await connect(port)
            try:
                writer.write(raw)
                return await reader.read()
            finally:
                writer.transport.abort()
    except OSError:
        return b""


def head(path: str = "/", method: str = "GET", *more: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *more, "", "")).encode("latin-1")


def status(answer: bytes) -> str:
    """Its status code, or what there is instead."""
    words = answer.split(b" ", 2)
    return words[1].decode() if len(words) > 1 else "cut"


async def again(attack: Callable[[], Awaitable[Counter[str]]], stop: asyncio.Event) -> Counter[str]:
    """Do it once, and again until `stop`."""
    got: Counter[str] = Counter()
    while True:
        got += await attack()
        if stop.is_set():
            return got
        await asyncio.sleep(0)


async def path_tricks(port: int, stop: asyncio.Event) -> Counter[str]:
    async def once() -> Counter[str]:
        got: Counter[str] = Counter()
        for path in (*PATHS, "http://evil.example/etc/passwd"):
            answer = await ask(port, head(path))
            assert b"root:" not in answer
            assert b"Set-Cookie" not in answer.partition(b"\r\n\r\n")[0]
            assert b"\r\nlocation:" not in answer.lower()
            got[status(answer)] += 1
        return got

    return await again(once, stop)


async def changing_methods(port: int, stop: asyncio.Event) -> Counter[str]:
    async def once() -> Counter[str]:
        got: Counter[str] = Counter()
        for path in ORDERS:
            for method in METHODS:
                body = b'{"volumes": ["db"], "policy": "once"}'
                answer = await ask(port, head(path, method, f"Content-Length: {len(body)}") + body)
                got[status(answer)] += 1
        return got

    return await again(once, stop)


async def header_floods(port: int, stop: asyncio.Event) -> Counter[str]:
    line = b"X-Much: " + b"x" * 100 + b"\r\n"
    floods = (
        b"GET / HTTP/1.1\r\nHost: x\r\n" + line * 20_000,
        b"GET / HTTP/1.1\r\nX-Much: " + b"x" * 2_000_000,
        b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    )

    async def once() -> Counter[str]:
        return Counter([status(await ask(port, flood)) for flood in floods])

    return await again(once, stop)


async def oversized_requests(port: int, stop: asyncio.Event) -> Counter[str]:
    """Ten gigabytes are announced, and sent for as long as somebody takes them."""

    async def send(method: str, how: str) -> str:
        reader, writer = await connect(port)
        writer.write(f"{method} / HTTP/1.1\r\nHost: x\r\n{how}\r\n\r\n".encode())
        sent = 0
        try:
            while sent < 64 * 2**20:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
                sent += 65536
        except OSError:
            with contextlib.suppress(OSError):
                return status(await reader.read())
            return "cut"
        else:
            return "swallowed"
        finally:
            writer.transport.abort()

    async def once() -> Counter[str]:
        kinds = [(m, h) for m in ("GET", "POST") for h in ("Content-Length: 10737418240", "Transfer-Encoding: chunked")]
        return Counter([await send(*kind) for kind in kinds])

    return await again(once, stop)


async def crowd(
    port: int, stop: asyncio.Event, *, raw: bytes, count: int, got: Counter[str] | None = None
) -> Counter[str]:
    """Many connections that say a little, and are held open; `got` can be watched meanwhile."""
    got = Counter() if got is None else got

    async def one() -> None:
        with contextlib.suppress(OSError):
            reader, writer = await connect(port)
            writer.write(raw)
            got["opened"] += 1
            waiting = asyncio.create_task(stop.wait())
            reading = asyncio.create_task(reader.read())
            await asyncio.wait({waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
            got["closed" if reading.done() else "open"] += 1
            for task in (waiting, reading):
                task.cancel()
            await asyncio.wait({waiting, reading})
            writer.transport.abort()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(one())
            await asyncio.sleep(0.001)
    return got


async def hammering(port: int, stop: asyncio.Event) -> Counter[str]:
    """Costly answers, by many, without a pause."""
    got: Counter[str] = Counter()

    async def one(path: str) -> None:
        while not stop.is_set():
            got[status(await ask(port, head(path)))] += 1

    async with asyncio.TaskGroup() as tasks:
        for path in ("/", "/metrics", "/status.json", "/volumes", "/volumes/db", "/runs?outcome=failed") * 8:
            tasks.create_task(one(path))
    return got


async def pipelining(port: int, stop: asyncio.Event) -> Counter[str]:
    """A thousand requests in one go, by somebody who reads nothing."""

    async def once() -> Counter[str]:
        _, writer = await connect(port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)
        writer.transport.abort()
        return Counter({"sent": 1000})

    return await again(once, stop)
