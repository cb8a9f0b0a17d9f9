"""The stage: a simulated cluster behind real HTTP and the real daemon in front of it, in one process, on one clock.

All of it lives in one temporary directory and on one port of the loopback interface that the system chooses, and is
gone when the block is left, however that comes about.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lhbackupd.assembly import Engine, Worker, assemble, connect
from lhbackupd.cli.demo.cast import CONFIG, NODES
from lhbackupd.clock import Clock
from lhbackupd.config import load
from lhbackupd.engine.events import Tell
from lhbackupd.simulator.cluster import Cluster
from lhbackupd.simulator.server import serve

#: seconds of real time for the server to let go of its connections
_GRACE = 2.0


@asynccontextmanager
async def cluster(clock: Clock) -> AsyncIterator[int]:
    """A simulated cluster that is served until the block is left; its port."""
    stop = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(Cluster(clock, nodes=NODES), ready=port.set_result, stop=stop))
    try:
        either: set[asyncio.Future[Any]] = {serving, port}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield await port
    finally:
        stop.set()
        await asyncio.wait({serving}, timeout=_GRACE)


@asynccontextmanager
async def daemon(clock: Clock, *, folder: Path, port: int, tell: Tell) -> AsyncIterator[Engine]:
    """The daemon as `lhbackupd run` has it; it gives everything back when the block is left."""
    path = folder / "config.toml"
    await asyncio.to_thread(path.write_text, CONFIG.format(port=port, folder=folder))
    config = load(path, {})
    worker, longhorn, stop = Worker("journal"), connect(config, clock=clock), asyncio.Event()
    try:
        engine = await assemble(config, clock=clock, longhorn=longhorn, offload=worker, tell=tell)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(engine.inventory.run(stop), name="inventory")
                tasks.create_task(engine.audit.run(stop), name="audit")
                tasks.create_task(engine.keeper.run(), name="keeper")
                yield engine
                stop.set()
                engine.keeper.stop()
        finally:
            await worker(engine.journal.close)
    finally:
        await longhorn.aclose()
        worker.close()
