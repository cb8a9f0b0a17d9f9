import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from lhbackupd.surface.kept import KEEP, Kept, Recalled
from lhbackupd.surface.threads import Busy


class Costly:
    """Takes so many seconds, by a clock that it turns itself."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.made = seconds, 100.0, 0

    def __call__(self) -> int:
        self.now += self.seconds
        self.made += 1
        return self.made


def test_what_is_costly_takes_at_most_a_fifth_of_the_time() -> None:
    costly = Costly(0.5)
    kept = Kept(costly, clock=lambda: costly.now)
    begun = costly.now
    while costly.now < begun + 100:
        kept()
        costly.now += 0.01
    assert costly.made * costly.seconds / (costly.now - begun) <= 1 / (1 + KEEP) + 0.01


def test_what_costs_nothing_is_always_new() -> None:
    ticks = count()
    numbers: Iterator[int] = count(1)
    kept = Kept(lambda: next(numbers), clock=lambda: float(next(ticks)) * 0.0)
    assert [kept(), kept(), kept()] == [1, 2, 3]


def test_who_comes_meanwhile_gets_the_same() -> None:
    gate, made = threading.Event(), 0

    def make() -> int:
        nonlocal made
        gate.wait(5)
        made += 1
        return made

    times = iter([0.0, 10.0, *[11.0] * 20])
    kept = Kept(make, clock=lambda: next(times))
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(kept) for _ in range(8)]
        gate.set()
        assert [one.result(5) for one in asked] == [1] * 8


def test_a_defect_is_not_kept() -> None:
    answers = iter([ZeroDivisionError(), 7])

    def make() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kept = Kept(make)
    with pytest.raises(ZeroDivisionError):
        kept()
    assert kept() == 7


async def test_an_answer_is_recalled_for_its_time_and_asked_for_once_by_many() -> None:
    now, asked = 0.0, list[str]()

    async def ask(key: str) -> str:
        asked.append(key)
        await asyncio.sleep(0.01)
        return f"{key}{len(asked)}"

    recalled = Recalled(ask, seconds=10, clock=lambda: now, most=2)
    async with asyncio.TaskGroup() as tasks:
        many = [tasks.create_task(recalled("a")) for _ in range(5)]
    assert {one.result() for one in many} == {"a1"}
    now = 9.0
    assert await recalled("a") == "a1"
    now = 10.0
    assert await recalled("a") == "a2"
    assert [await recalled(key) for key in "bcbc"] == ["b3", "c4", "b3", "c4"]
    assert await recalled("a") == "a5", "only so many are recalled"


async def test_what_fails_is_asked_for_again_and_too_many_are_refused() -> None:
    opened = asyncio.Event()

    async def ask(_: int) -> int:
        await opened.wait()
        raise ZeroDivisionError

    recalled = Recalled(ask, seconds=10)
    waiting = [asyncio.create_task(recalled(number)) for number in range(9)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await recalled(0)
    opened.set()
    for one in waiting:
        with pytest.raises(ZeroDivisionError):
            await one
