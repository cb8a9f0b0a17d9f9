"""Everybody but the daemon, over the same HTTP: admin, Kubernetes, pods, other clients of Longhorn; and the auditor.

Longhorn's own API does what it can; pods, writes and faults go through the simulated cluster's side API, which also
shows its ledger. A small client of its own, so that the demo does not ask the daemon's client about the daemon.
"""

import asyncio
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: seconds of real time that one request may take
_TIMEOUT = 10.0
_REFUSED = 300


class OutsideError(Exception):
    """The simulated cluster refused something that the script asks for; the text is its answer."""


class Outside:
    """Calls the simulated cluster at a port of the loopback interface."""

    def __init__(self, *, port: int) -> None:
        self._port = port
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outside")

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON that comes back, or None; raises OutsideError for a refusal, OSError where nobody answers."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._call, method, path, body)

    def _call(self, method: str, path: str, body: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Connection": "close"})
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        if answer.status >= _REFUSED:
            raise OutsideError(f"{method} {path}: {answer.status} {raw.decode(errors='replace')[:256]}")
        return json.loads(raw) if raw.strip() else None

    def close(self) -> None:
        """Wait for the request that is under way, and take no more."""
        self._worker.shutdown(cancel_futures=True)
