"""Answers of megabytes: ten thousand volumes are 7 MB of JSON, as much for Prometheus, and 75 MB in Longhorn's list.

To hand that to the connection in one go holds up the loop, 7 MB for 50 ms, so it is handed over in pieces.
"""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

#: bytes that are handed over before others have the loop again
PIECE = 2**17


class Long(Response):
    """An answer that may be long; its length is said before it, as of any other."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self.body) <= PIECE:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(self.body), PIECE):
            await send({"type": "http.response.body", "body": self.body[start : start + PIECE], "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})
