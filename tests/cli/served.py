"""A daemon's HTTP surface on a port of its own, for commands that ask it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import ASGIApp

from lhbackupd.surface.server import serve
from tests.cli.test_doctor import config


@contextmanager
def served(app: ASGIApp, folder: Path, *, port: int = 0) -> Iterator[Path]:
    """Serve `app`, on any port or on this one; gives the configuration of a daemon that listens there."""
    ports: list[int] = []
    listening, stopping = threading.Event(), threading.Event()

    def started(port: int) -> None:
        ports.append(port)
        listening.set()

    async def run() -> None:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(app, host="127.0.0.1", port=port, started=started, stop=stop))
            await asyncio.to_thread(stopping.wait)
            stop.set()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert listening.wait(10)
        path = config(folder)
        path.write_text(path.read_text().replace('listen = "off"', f'listen = "127.0.0.1:{ports[0]}"'))
        yield path
    finally:
        stopping.set()
        thread.join()
