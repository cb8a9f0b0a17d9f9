import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from lhbackupd.surface.kept import KEEP, LINGER, Kept, Recalled
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


def test_what_lingers_is_given_while_a_new_one_is_made_aside() -> None:
    costly, aside = Costly(0.02), list[Callable[[], object]]()
    kept = Kept(costly, linger=5.0, clock=lambda: costly.now, aside=aside.append)
    assert kept() == 1
    costly.now += KEEP * 0.02
    assert (kept(), costly.made, len(aside)) == (1, 1, 1)
    aside.pop()()
    assert (kept(), costly.made, len(aside)) == (2, 2, 0)
    costly.now += (KEEP + LINGER) * 0.02
    assert (kept(), len(aside)) == (3, 0), "nobody has asked for a long time: that is too old"
    costly.now += KEEP * 0.02
    assert (kept.fresh(), len(aside)) == (4, 0)


def test_how_long_something_lingers_goes_by_the_longest_that_it_ever_took() -> None:
    costly, aside = Costly(0.2), list[Callable[[], object]]()
    kept = Kept(costly, linger=5.0, clock=lambda: costly.now, aside=aside.append)
    assert kept() == 1
    costly.seconds = 0.01
    assert kept.fresh() == 2
    costly.now += 0.2 * LINGER * 0.9
    assert (kept(), len(aside)) == (2, 1), "the next one may take as long as the first"


def test_nothing_lingers_for_longer_than_it_may() -> None:
    costly, aside = Costly(3.0), list[Callable[[], object]]()
    kept = Kept(costly, linger=5.0, clock=lambda: costly.now, aside=aside.append)
    assert kept() == 1
    costly.now += KEEP * 3.0 + 4.9
    assert (kept(), len(aside)) == (1, 1), (
        "however long it took, there is a time to ask for the next before it is too old"
    )
    costly.now += 0.2
    assert (kept(), len(aside)) == (2, 1)


def test_what_is_fresh_shows_all_that_had_happened_when_it_was_asked_for() -> None:
    world, now = ["before"], 0.0

    def make() -> str:
        nonlocal now
        seen = world[0]
        now += 1.0
        return seen

    kept = Kept(make, linger=5.0, clock=lambda: now)
    assert kept() == "before"
    world[0], now = "after", now + 0.1
    assert kept() == "before", "it is kept for four times as long as it took"
    assert (kept.fresh(), kept()) == ("after", "after")


def test_one_new_one_is_made_aside_however_many_ask() -> None:
    costly, aside, begun, gate = Costly(0.1), list[threading.Thread](), threading.Event(), threading.Event()

    def slow() -> int:
        if costly.made:
            begun.set()
            assert gate.wait(5)
        return costly()

    def begin(make: Callable[[], object]) -> None:
        aside.append(threading.Thread(target=make))
        aside[-1].start()

    kept = Kept(slow, linger=5.0, clock=lambda: costly.now, aside=begin)
    assert kept() == 1
    costly.now += KEEP * 0.1
    given = [kept()]
    assert begun.wait(5)
    given += [kept() for _ in range(20)]
    gate.set()
    aside[0].join(5)
    assert (given, len(aside), kept()) == ([1] * 21, 1, 2)


def test_who_comes_meanwhile_gets_the_same() -> None:
    gate, made = threading.Event(), 0

    def make() -> int:
        nonlocal made
        gate.wait(5)
        made += 1
        return made

    kept = Kept(make, clock=lambda: 11.0 if made else 0.0)
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
