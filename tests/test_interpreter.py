"""What the process asks of its interpreter."""

import gc
import sys
import weakref

import pytest

from lhbackupd import interpreter
from lhbackupd.interpreter import TURN, considerate


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def walked(thing: object) -> bool:
    """Whether a garbage collection walks through it."""
    return any(found is thing for found in gc.get_objects())


def test_what_has_outlived_a_full_collection_is_not_walked_through_again() -> None:
    with considerate():
        held = [Ring()]
        assert walked(held)
        gc.collect()
        assert not walked(held)
    assert walked(held), "in the end all is as before"


def test_a_younger_collection_leaves_what_is_new_where_it_is() -> None:
    with considerate():
        held = [Ring()]
        gc.collect(1)
        assert walked(held)


def test_one_collection_a_day_walks_through_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    with considerate():
        ring = Ring()
        gone = weakref.ref(ring)
        gc.collect()
        del ring
        gc.collect()
        assert gone() is not None
        monkeypatch.setattr(interpreter, "WHOLE", 0.0)
        gc.collect()
        assert gone() is None


def test_a_thread_that_computes_keeps_the_loop_waiting_for_a_millisecond_only() -> None:
    before = sys.getswitchinterval()
    with considerate():
        assert sys.getswitchinterval() == pytest.approx(TURN)
    assert sys.getswitchinterval() == before


def test_much_that_is_made_and_let_go_sets_off_no_full_collection() -> None:
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
