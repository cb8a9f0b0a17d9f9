"""What the process asks of its interpreter."""

import asyncio
import gc
import sys
import weakref
from collections.abc import Callable

import pytest

from lhbackupd.interpreter import LATEST, LOOK, TURN, WHOLE, considerate, tidy
from tests.rig import Rig


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_much_that_is_made_sets_off_no_full_collection() -> None:
    full = []

    def collecting(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            full.append(info)

    before = gc.get_threshold()
    with considerate():
        gc.collect()
        gc.callbacks.append(collecting)
        try:
            held = [[number] for number in range(20 * before[0] * before[1])]
        finally:
            gc.callbacks.remove(collecting)
    assert held
    assert full == []
    assert gc.get_threshold() == before


def test_young_rings_go_without_one() -> None:
    with considerate():
        gone = weakref.ref(Ring())
        held = [[number] for number in range(2 * gc.get_threshold()[0])]
    assert held
    assert gone() is None


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("quiet", "after"),
    [(lambda _: True, WHOLE), (lambda age: age > WHOLE + 3600, WHOLE + 3600), (lambda _: False, LATEST)],
)
async def test_once_a_day_everything_is_walked_through_when_it_is_quiet(
    rig: Rig, quiet: Callable[[float], bool], after: float
) -> None:
    begun, stop, gone = rig.clock.monotonic(), asyncio.Event(), list[float]()
    with considerate():
        ring = Ring()
        gc.collect(1)  # it is no longer young
        weakref.finalize(ring, lambda: gone.append(rig.clock.monotonic() - begun))
        del ring
        task = asyncio.create_task(tidy(stop, clock=rig.clock, quiet=lambda: quiet(rig.clock.monotonic() - begun)))
        await rig.clock.sleep(LATEST + 2 * LOOK)
        stop.set()
        await task
    assert gone == [pytest.approx(after, abs=2 * LOOK)]


def test_a_thread_that_computes_keeps_the_loop_waiting_for_a_millisecond_only() -> None:
    before = sys.getswitchinterval()
    with considerate():
        assert sys.getswitchinterval() == pytest.approx(TURN)
    assert sys.getswitchinterval() == before
