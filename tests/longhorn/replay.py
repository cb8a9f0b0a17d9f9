"""Recorded exchanges as a transport: a request that was not recorded is not answered."""

import json
from pathlib import Path
from typing import Any

import httpx
import respx

from lhbackupd.longhorn.client import Longhorn

RECORDINGS = Path(__file__).parent.parent / "recordings"
URL = "http://longhorn.test:9500"


def recorded(name: str) -> dict[str, Any]:
    """An exchange by the beginning of its file's name, such as `103` or `real-engine/120`."""
    folder, _, number = name.rpartition("/")
    (path,) = (RECORDINGS / (folder or "exchanges")).glob(f"{number}-*.json")
    exchange: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return exchange


def answer(name: str) -> bytes:
    """The body of a recorded answer, as it came over the wire."""
    body = recorded(name)["response"]["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def client(handler: Any, **options: Any) -> Longhorn:
    """A client whose requests end in `handler`."""
    return Longhorn(url=URL, transport=httpx.MockTransport(handler), **options)


def saying(status: int, body: bytes | str = b"", headers: dict[str, str] | None = None, **options: Any) -> Longhorn:
    """A client that gets this answer to everything."""

    async def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=body, headers=headers)

    return client(handler, **options)


def failing(error: Exception, **options: Any) -> Longhorn:
    """A client whose every request ends in this failure."""

    async def handler(_: httpx.Request) -> httpx.Response:
        raise error

    return client(handler, **options)


def replaying(*names: str, path: str | None = None, body: Any = None, **options: Any) -> Longhorn:
    """A client that gets the recorded answers to the recorded requests, or to `path` and `body` instead."""
    router = respx.MockRouter(assert_all_called=False)
    for name in names:
        exchange = recorded(name)
        asked = exchange["request"]
        wanted = body if body is not None else asked["body"]
        matching = {} if wanted is None else {"json": wanted}
        router.request(asked["method"], URL + (path or asked["path"]), **matching).mock(
            httpx.Response(exchange["response"]["status"], content=answer(name))
        )
    return client(router.async_handler, **options)
