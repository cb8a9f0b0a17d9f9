"""What a look at a volume says of writing."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lhbackupd.core.cluster import Pod, Volume
from lhbackupd.core.signs import Look, Sign, Window, anew, look, set_back
from tests.core.examples import T0, attached, detached, pod_ticket, ticket

POLL = timedelta(seconds=15)
WINDOW = Window(after=T0, until=T0 + POLL)
NOW = T0 + timedelta(seconds=7)


def first(volume: Volume) -> Look:
    """The look before, at which nothing had happened yet."""
    return look(None, volume, Window(after=None, until=T0), ours=False)[0]


def then(before: Volume | Look, now: Volume, *, ours: bool = False) -> tuple[Look, tuple[Sign, ...]]:
    return look(before if isinstance(before, Look) else first(before), now, WINDOW, ours=ours)


def in_use(since: datetime | None = NOW, **changes: Any) -> Volume:
    return attached(tickets=(pod_ticket(since=since),), **changes)


def test_a_volume_that_lies_there_as_it_did_shows_no_sign_and_is_the_same_look() -> None:
    before = first(detached(actual_size=5, pods=(Pod(name="a", status="Succeeded"),)))
    after, signs = then(before, detached(actual_size=5, pods=(Pod(name="a", status="Succeeded"),)))
    assert after is before
    assert not signs


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (NOW, NOW),
        (None, T0),
        # by a clock that is not ours: no further than the looks allow
        (T0 - timedelta(hours=1), T0),
        (T0 + timedelta(hours=1), T0),
    ],
)
def test_use_begins_when_the_ticket_says_between_the_two_looks(said: datetime | None, expected: datetime) -> None:
    after, (sign,) = then(detached(), in_use(said))
    assert (sign.since, sign.certain) == (expected, True)
    assert sign.words == "attached read-write by csi-attacher on node-2"
    assert after.use == sign


def test_of_a_volume_not_seen_before_the_ticket_is_believed_if_it_is_not_ahead() -> None:
    window = Window(after=None, until=T0)
    for said, expected in ((T0 - POLL, T0 - POLL), (NOW, T0), (None, T0)):
        assert look(None, in_use(said), window, ours=False)[1][0].since == expected


def test_use_that_goes_on_began_when_it_began_and_that_of_another_holder_when_that_one_did() -> None:
    before = look(None, in_use(T0 - POLL), Window(after=None, until=T0), ours=False)[0]
    assert then(before, in_use(T0 - POLL))[1][0].since == T0 - POLL
    assert then(before, in_use(None))[1][0].since == T0 - POLL
    assert then(before, in_use(NOW))[1][0].since == NOW


def test_use_stays_while_the_volume_is_on_its_way_out_and_ends_with_it() -> None:
    before, _ = then(detached(), in_use())
    leaving, signs = then(before, detached(state="detaching"))
    assert leaving.use == before.use
    assert signs == (before.use,)
    assert then(leaving, detached())[0].use is None


def test_our_own_ticket_and_those_of_longhorns_copies_are_no_sign() -> None:
    for harmless in (ticket(), pod_ticket(kind="backup-controller"), pod_ticket(kind="snapshot-controller")):
        after, signs = then(detached(), attached(tickets=(harmless,)))
        assert (after.use, after.held, signs) == (None, True, ())
        assert not then(after, detached(state="detaching"))[1]


def test_our_ticket_with_the_frontend_enabled_is_somebody_elses() -> None:
    (sign,) = then(detached(), attached(tickets=(ticket(frontend_disabled=False),)))[1]
    assert sign.certain


def test_maintenance_is_an_uncertain_sign_and_becomes_a_certain_one_with_the_frontend() -> None:
    repair = ticket(id="repair", since=NOW)
    before, (sign,) = then(detached(), attached(tickets=(repair,)))
    assert not sign.certain
    assert "frontend disabled" in sign.words
    (sign,) = then(before, attached(tickets=(repair, pod_ticket(since=NOW))))[1]
    assert (sign.certain, sign.since) == (True, NOW)


def test_a_volume_that_is_leaving_although_nobody_was_seen_to_have_it_was_in_use_between_the_looks() -> None:
    for volume in (detached(state="detaching"), attached(tickets=())):
        (sign,) = then(detached(), volume)[1]
        assert (sign.since, sign.certain) == (T0, True)
    (sign,) = look(None, detached(state="detaching"), Window(after=None, until=NOW), ours=False)[1]
    assert sign.since == NOW


def test_a_volume_that_is_leaving_after_a_run_of_ours_was_ours() -> None:
    after, signs = then(detached(), detached(state="detaching"), ours=True)
    assert (after.held, signs) == (True, ())
    assert not then(after, detached(state="detaching"))[1]


def test_a_volume_that_somebody_is_about_to_get_is_not_in_use_nor_held() -> None:
    pending = pod_ticket(satisfied=False)
    after, signs = then(detached(), detached(state="attaching", tickets=(pending,)))
    assert (after.use, after.held, signs) == (None, False, ())
    assert then(after, detached(state="detaching"))[1], "it had it between the looks"
    ours = then(detached(), detached(state="attaching", tickets=(ticket(satisfied=False),)))[0]
    assert ours.held


def test_growth_and_a_new_size_are_signs_since_the_look_before() -> None:
    grown = then(detached(actual_size=5), detached(actual_size=9))[1]
    assert [(sign.since, sign.certain, sign.words) for sign in grown] == [(T0, True, "it grew by 4 bytes")]
    (sign,) = then(detached(), detached(size=2 << 30))[1]
    assert sign.words == f"its size changed from {1 << 30} to {2 << 30} bytes"
    assert not then(detached(actual_size=9), detached(actual_size=5))[1], "a purge"


def test_what_longhorn_learns_of_the_size_while_we_hold_the_volume_is_no_sign() -> None:
    assert not then(detached(), detached(actual_size=9), ours=True)[1]
    held = then(detached(), attached(tickets=(ticket(),), actual_size=9))[0]
    assert not then(held, detached(actual_size=10))[1]


def test_growth_of_a_volume_in_use_is_told_by_the_use() -> None:
    before = first(in_use())
    assert [sign.words for sign in then(before, detached(actual_size=9, tickets=()))[1]] == []
    (sign,) = then(detached(), in_use(actual_size=9))[1]
    assert sign.words.startswith("attached read-write")


GONE = T0 + timedelta(seconds=9)


@pytest.mark.parametrize(
    ("before", "now", "uncertain"),
    [
        ((), (Pod(name="a", status="Running"),), True),
        ((), (Pod(name="a", status="Pending"),), False),
        ((Pod(name="a", status="Pending"),), (Pod(name="a", status="Succeeded"),), True),
        # a pod that had run already, and is only deleted now
        ((Pod(name="a", status="Succeeded"),), (Pod(name="a", status="Succeeded"),), False),
    ],
)
def test_a_pod_that_came_and_went_is_an_uncertain_sign(
    before: tuple[Pod, ...], now: tuple[Pod, ...], uncertain: bool
) -> None:
    signs = then(detached(pods=before), detached(pods=now))[1]
    assert [sign.certain for sign in signs] == [False] * uncertain


def test_a_pod_that_is_gone_says_when() -> None:
    after, (sign,) = then(detached(), detached(pods=(Pod(name="a", status="Pending"),), last_pod_at=GONE))
    assert (sign.certain, sign.ended) == (False, GONE)
    assert not then(after, detached(pods=(Pod(name="a", status="Pending"),), last_pod_at=GONE))[1]


def test_a_volume_made_anew_is_compared_with_nothing() -> None:
    before = first(detached(created=T0))
    other = detached(created=NOW, actual_size=9)
    assert anew(before, other)
    assert not anew(before, replace(other, created=None))
    assert not anew(replace(before, created=None), other)
    assert then(before, other) == (look(None, other, WINDOW, ours=False))


def test_a_second_first_look_has_no_traces() -> None:
    assert not look(first(detached()), detached(actual_size=9), Window(after=None, until=NOW), ours=False)[1]


def test_a_clock_that_was_set_back_takes_the_beginning_of_a_use_with_it() -> None:
    _, (sign,) = then(detached(), in_use())
    before = look(first(detached()), in_use(), WINDOW, ours=False)[0]
    assert before.use == sign
    assert set_back(before, POLL).use == replace(sign, since=sign.since - POLL)
    assert set_back(first(detached()), POLL) == first(detached())
