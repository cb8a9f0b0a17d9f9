import asyncio
import threading

from lhbackupd.surface.threads import Threads


async def test_who_asks_does_not_wait_for_what_the_daemon_does_for_itself() -> None:
    threads, gate = Threads(at_once=1), threading.Event()
    try:
        threads.aside(lambda: gate.wait(10))
        own = asyncio.create_task(threads.own(lambda: "later"))
        async with asyncio.timeout(5):
            assert await threads(lambda: "now") == "now"
        assert not own.done()
    finally:
        gate.set()
    assert await own == "later"
