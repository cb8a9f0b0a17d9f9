"""What threads show is made while the loop goes on: what it changes meanwhile must not keep them from it.

A collection may come with whatever allocates, and with it another thread's turn. So everything that can grow does so
with each collection here, and there are as many as possible.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Outcome
from lhbackupd.engine.closeup import CloseUp
from lhbackupd.surface.explain import explain
from lhbackupd.surface.plan import plan
from tests.surface.house import TODAY, House, ended, queued, running, volume

#: more than the interpreter keeps small tuples for
MANY = 2_100


@contextmanager
def growing(*tables: dict[Any, Any]) -> Iterator[Callable[[], int]]:
    """Each of `tables` grows by an entry with every collection; gives how often that was."""
    numbers, grown, before = count(), 0, gc.get_threshold()

    def grow(phase: str, _: object) -> None:
        nonlocal grown
        if phase == "start":
            grown += 1
            for table in tables:
                key, value = next(iter(table.items()))
                fresh = f"grown-{next(numbers)}"
                table[fresh if isinstance(key, str) else (key[0], fresh)] = value

    gc.callbacks.append(grow)
    gc.set_threshold(1, 10**9)
    try:
        yield lambda: grown
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(grow)


MAKES: dict[str, Callable[[House], object]] = {
    "report": House.report,
    "explanation": lambda house: explain(house.sources, "pvc-a", CloseUp()),
    "plan": lambda house: plan(house.sources, timedelta(hours=1)),
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
@pytest.mark.parametrize("watched", [True, False], ids=["watched", "not yet watched"])
def test_it_is_made_though_all_that_it_is_made_from_grows(
    house: House, make: Callable[[House], object], *, watched: bool
) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"))
    house.settle()
    house.knows(ended("pvc-a", Outcome.COMPLETED))
    keeper = house.keeper
    for number in range(MANY):
        name = f"gone-{number}"
        keeper.books.protections["nightly", name] = keeper.books.protections["nightly", "pvc-a"]
        if watched:
            house.exposed(Exposure(policy="nightly", volume=name, born=TODAY))
    for number in range(30):
        keeper.waiting[f"w{number}"], keeper.active[f"a{number}"] = queued("pvc-b"), running("pvc-a")
    tables = [keeper.books.protections, keeper.waiting, keeper.active]
    with growing(*tables, *([keeper.watch.exposures] if watched else [])) as grown:
        make(house)
    assert grown() > 0
