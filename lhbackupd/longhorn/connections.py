"""Connections to Longhorn, a few: the only module that knows httpx.

Who asks waits for a connection that nobody has, and takes the one that was used last. httpx's transports are used
without its client, each for one connection: the client looks through all connections of its pool for each request, with
a system call for each of them, and does more that an API does not need, which was more than half of what a request
cost. Redirects are not followed, cookies not kept, the environment's proxies and .netrc not used.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping

import httpx

#: failures before anything of the request was sent
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
FAILURES = (httpx.RequestError, httpx.InvalidURL, TimeoutError, OSError)

Transport = httpx.AsyncBaseTransport

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "lhbackupd"}
_ONE = httpx.Limits(max_connections=1)


class Connections:
    """At most `count` of them; none is made before the first request, and a given `transport` stands for all.

    `patience` is seconds in which one is to be had; how long an answer may take is for who asks to say.
    """

    def __init__(self, *, count: int, tls: ssl.SSLContext, patience: float, transport: Transport | None = None) -> None:
        self._all = tuple(
            transport or httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=_ONE) for _ in range(count)
        )
        #: those that nobody has; what was used last is at the end
        self._free = list(self._all)
        #: one for each of them: in a queue of them a newcomer would pass those who wait
        self._places = asyncio.Semaphore(count)
        self._patience = patience
        self._extensions = {"timeout": httpx.Timeout(None, connect=patience).as_dict()}

    async def aclose(self) -> None:
        """Close all connections; they are of no use afterwards."""
        for connection in dict.fromkeys(self._all):
            await connection.aclose()

    @contextlib.asynccontextmanager
    async def answer(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a request, whose body is to be read in the block. Raises what is in FAILURES."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no request of ours has ended in time") from None
        connection = self._free.pop()
        try:
            request = httpx.Request(
                method, url, headers={**_HEADERS, **headers}, content=content, extensions=self._extensions
            )
            came = await connection.handle_async_request(request)
            try:
                yield came
            finally:
                await came.aclose()
        finally:
            self._free.append(connection)
            self._places.release()
