import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from lhbackupd.surface.kept import KEEP, Kept


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
