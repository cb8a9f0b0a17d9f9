import asyncio

from lhbackupd.surface.health import Pulse
from tests.surface.house import StillClock


async def test_a_loop_that_ticks_is_alive_and_one_that_does_not_is_not() -> None:
    clock, stop = StillClock(), asyncio.Event()
    pulse = Pulse(clock=clock)
    clock.turn(31)
    assert pulse.fault() == "the event loop has not ticked for 31 s"
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pulse.run(stop))
        await asyncio.tasks.sleep(0)
        assert pulse.fault() == ""
        stop.set()
