"""Told once, its end told only after that, and nothing said of what nobody knows."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.notices import FORGET, SETTLES, Key, Kind, Memory, News, look

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DB = Key(kind=Kind.FAILURE, policy="nightly", volume="db")
BARE = Key(kind=Kind.UNCOVERED, volume="new")
MINUTE = timedelta(minutes=1)


def seen(memory: Memory, *troubles: Key, well: tuple[Key, ...] = (), now: datetime = NOON, **no: Kind) -> News:
    """A look of somebody who wants to hear of everything, but for the kinds in `no`."""
    return look(memory, troubles=troubles, well=well, wants=lambda kind, _policy: kind not in no.values(), now=now)


def test_a_trouble_is_told_once_and_its_end_once() -> None:
    first = seen(Memory(), DB)
    again = seen(first.memory, DB, now=NOON + MINUTE)
    over = seen(again.memory, well=(DB,), now=NOON + 2 * MINUTE)
    quiet = seen(over.memory, well=(DB,), now=NOON + 3 * MINUTE)
    assert [(n.began, n.ended) for n in (first, again, over, quiet)] == [((DB,), ()), ((), ()), ((), (DB,)), ((), ())]
    assert quiet.memory == Memory()


def test_what_is_well_from_the_start_is_no_news() -> None:
    assert seen(Memory(), well=(DB,)) == News(memory=Memory())


def test_an_uncovered_volume_is_told_after_it_has_lasted_for_a_while() -> None:
    first = seen(Memory(), BARE)
    early = seen(first.memory, BARE, now=NOON + MINUTE)
    told = seen(early.memory, BARE, now=NOON + SETTLES[Kind.UNCOVERED])
    assert [n.began for n in (first, early, told)] == [(), (), (BARE,)]


def test_one_that_is_covered_within_that_time_is_never_told() -> None:
    first = seen(Memory(), BARE)
    covered = seen(first.memory, well=(BARE,), now=NOON + MINUTE)
    later = seen(covered.memory, BARE, now=NOON + 3 * MINUTE)
    assert (covered.ended, later.began) == ((), ())


def test_what_nobody_wants_to_hear_of_is_neither_told_nor_is_its_end() -> None:
    failure = seen(Memory(), DB, no=Kind.FAILURE)
    assert failure == News(memory=Memory())
    told = seen(Memory(), DB)
    over = seen(told.memory, well=(DB,), no=Kind.RECOVERY)
    assert (over.ended, over.dropped, over.memory.told) == ((), (DB,), {})


def test_what_is_unknown_stays_told_for_a_day_and_is_forgotten_then() -> None:
    told = seen(Memory(), DB).memory
    unknown = seen(told, now=NOON + MINUTE)
    assert unknown.memory.told == {DB: NOON}
    assert seen(unknown.memory, DB, now=NOON + 2 * MINUTE).began == ()
    gone = seen(unknown.memory, now=NOON + MINUTE + FORGET)
    assert (gone.ended, gone.dropped, gone.memory) == ((), (DB,), Memory())


KEYS = st.sampled_from([DB, BARE, Key(kind=Kind.RPO, policy="nightly", volume="db")])
STATES = st.sampled_from(["trouble", "well", "unknown"])
LOOKS = st.lists(
    st.tuples(st.dictionaries(KEYS, STATES), st.booleans(), st.integers(min_value=0, max_value=200)), max_size=30
)


@given(LOOKS)
def test_beginnings_and_ends_take_turns_also_across_restarts(looks: list[tuple[dict[Key, str], bool, int]]) -> None:
    memory, now, open_ = Memory(), NOON, set[Key]()
    for states, restart, minutes in looks:
        now += timedelta(minutes=minutes)
        if restart:
            memory = Memory(told=memory.told)
        troubles = [key for key, state in states.items() if state == "trouble"]
        news = look(
            memory,
            troubles=troubles,
            well={key for key, state in states.items() if state == "well"},
            wants=lambda _kind, _policy: True,
            now=now,
        )
        memory = news.memory
        assert not open_ & set(news.began)
        assert set(news.began) <= set(troubles)
        open_ |= set(news.began)
        assert set(news.ended) | set(news.dropped) <= open_
        assert all(states.get(key) == "well" for key in news.ended)
        open_ -= set(news.ended) | set(news.dropped)
        assert open_ == set(memory.told)
        assert not {key for key in troubles if key.kind not in SETTLES} - open_
