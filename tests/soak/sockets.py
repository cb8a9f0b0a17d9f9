"""A poll of the simulated Longhorn over real sockets, while virtual time stands still.

Server and client live on a loop of their own in a thread. Whoever asks waits without letting its own loop run, so that
nobody else touches the cluster meanwhile.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from lhbackupd.clock import Clock
from lhbackupd.engine.inventory import Inventory, Picture
from lhbackupd.longhorn.api import Api
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.simulator.cluster import Cluster
from lhbackupd.simulator.server import serve


@dataclass(frozen=True, slots=True)
class Standing:
    """A clock that stands, in whichever thread it is asked; only waiting takes time."""

    wall: datetime
    seconds: float
    sleep, wait, speed = Clock.sleep, Clock.wait, 1.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def spent(self) -> float:
        return 0.0


def poll(cluster: Cluster) -> Picture:
    """What a daemon sees that polls this cluster over HTTP right now."""
    moving = cluster.clock
    cluster.clock = standing = Standing(moving.now(), moving.monotonic())
    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _poll(cluster, standing)).result()
    finally:
        cluster.clock = moving


async def _poll(cluster: Cluster, clock: Standing) -> Picture:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(cluster, ready=port.set_result, stop=stop))
        longhorn = Longhorn(url=f"http://127.0.0.1:{await port}", timeout=120.0)
        inventory = Inventory(
            longhorn=Api(longhorn=longhorn),
            clock=clock,  # type: ignore[arg-type]
            period=60.0,
            told=lambda _before, _after: None,
        )
        await inventory.poll()
        await longhorn.aclose()
        stop.set()
    return inventory.picture
