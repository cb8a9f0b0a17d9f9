"""Receivers that behave: one in virtual time, and one that is a real HTTP server on loopback."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from lhbackupd.surface.notify.letter import Letter
from lhbackupd.surface.notify.outbox import Undelivered


@dataclass
class Inbox:
    """Takes letters, unless it is down."""

    now: Callable[[], Any]
    letters: list[Letter] = field(default_factory=list)
    times: list[Any] = field(default_factory=list)
    tries: int = 0
    down: bool = False

    async def __call__(self, letter: Letter) -> None:
        self.tries += 1
        if self.down:
            raise Undelivered("the service answered 503")
        self.letters.append(letter)
        self.times.append(self.now())

    @property
    def titles(self) -> list[str]:
        return [letter.title.partition(": ")[2] for letter in self.letters]


@dataclass
class Service:
    """What a real server has got, and how it answers."""

    port: int
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    #: status of the next answers; 200 after them; None answers nothing until the end
    answers: list[int | None] = field(default_factory=list)
    end: threading.Event = field(default_factory=threading.Event)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The bodies of JSON that were taken."""
        return [json.loads(body) for _, _, body in self.calls]


@contextmanager
def service() -> Iterator[Service]:
    """A server on loopback, until the block is left."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status = known.answers.pop(0) if known.answers else 200
            if status is None:
                known.end.wait(20)
                return
            if status < 300:
                known.calls.append((self.command, self.path, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _answer  # noqa: N815 -- http.server's names

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known = Service(port=server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        known.end.set()
        server.shutdown()
        server.server_close()
        thread.join()
