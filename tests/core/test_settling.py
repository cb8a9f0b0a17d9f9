"""Volumes that were used and came to rest: what counts as use, what as rest, and from when on."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.cluster import Volume
from lhbackupd.core.model import Policy
from lhbackupd.core.settling import Use, due_on_detach, in_use, watched

from .examples import POLICY, T0, attached, detached, ours, pod_ticket, ticket

MINUTE = timedelta(minutes=1)
WHEN_LEFT = Policy(name="nightly", cron="0 2 * * *", on_detach=10 * MINUTE)
BY_HAND = {"id": "", "kind": "longhorn-api", "frontend_disabled": False}
BACKUP = {"id": "backup-controller-b", "kind": "backup-controller", "frontend_disabled": False}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        (attached(pod_ticket()), True),
        (attached(ticket(**BY_HAND)), True),
        (attached(pod_ticket(kind="share-manager-controller")), True),
        (attached(ticket(id="attachedBy=ui", kind="other-client", frontend_disabled=False)), True),
        (attached(pod_ticket(), ticket(**BACKUP)), True),
        (ours(), False),
        (ours(pod_ticket(satisfied=False)), False),
        (attached(ticket(frontend_disabled=False)), False),
        (attached(ticket(**BACKUP)), False),
        (attached(ticket(id="s", kind="snapshot-controller", frontend_disabled=False)), False),
        (attached(ticket(id="e", kind="volume-eviction-controller", frontend_disabled=False)), False),
        (attached(ticket(id="ui"), frontend_disabled=True), False),
        (attached(pod_ticket(satisfied=False)), False),
        (attached(pod_ticket(), state="attaching"), False),
        (detached(), False),
    ],
)
def test_use_is_by_somebody_who_may_write(volume: Volume, expected: bool) -> None:
    assert in_use(volume) is expected


def test_rest_counts_from_the_first_poll_that_shows_it_after_use() -> None:
    use = watched(None, None, attached(), T0)
    assert use == Use()
    assert due_on_detach(use, WHEN_LEFT) is None
    use = watched(use, attached(), detached(state="detaching"), T0 + MINUTE)
    assert use == Use()
    use = watched(use, detached(state="detaching"), detached(), T0 + 2 * MINUTE)
    assert use == Use(rests_since=T0 + 2 * MINUTE)
    assert watched(use, detached(), detached(), T0 + 9 * MINUTE) == use
    assert due_on_detach(use, WHEN_LEFT) == T0 + 12 * MINUTE


def test_a_volume_that_was_not_seen_in_use_is_not_due() -> None:
    assert watched(None, None, detached(), T0) is None
    assert watched(None, detached(), detached(), T0) is None
    assert watched(None, detached(), ours(), T0) is None
    assert watched(None, ours(), detached(), T0) is None


@pytest.mark.parametrize("meanwhile", [ours(), attached(ticket(**BACKUP)), detached(state="attaching")])
def test_what_is_no_use_neither_ends_a_rest_nor_begins_one(meanwhile: Volume) -> None:
    rest = Use(rests_since=T0)
    assert watched(rest, detached(), meanwhile, T0 + MINUTE) == rest
    assert watched(rest, meanwhile, detached(), T0 + 2 * MINUTE) == rest
    assert watched(Use(), attached(), meanwhile, T0 + MINUTE) == Use()


def test_somebody_who_asks_for_the_volume_keeps_a_rest_from_beginning() -> None:
    asked = detached(tickets=(pod_ticket(satisfied=False),))
    assert watched(Use(), attached(), asked, T0) == Use()


def test_use_ends_a_rest_and_the_next_one_counts_anew() -> None:
    rest = Use(rests_since=T0)
    assert watched(rest, detached(), attached(), T0 + MINUTE) == Use()
    assert watched(Use(), attached(), detached(), T0 + 2 * MINUTE) == Use(rests_since=T0 + 2 * MINUTE)


@pytest.mark.parametrize("use", [None, Use(rests_since=T0 - MINUTE)])
def test_a_pod_that_came_and_went_between_two_polls_was_a_use(use: Use | None) -> None:
    before, left = detached(last_pod_at=T0 - 60 * MINUTE), detached(last_pod_at=T0)
    assert watched(use, before, left, T0) == Use(rests_since=T0)
    assert watched(use, left, left, T0) == use
    assert watched(use, None, left, T0) == use
    assert watched(use, left, detached(last_pod_at=None), T0) == use


def test_a_rest_that_a_clock_ahead_has_left_counts_from_now() -> None:
    ahead = Use(rests_since=T0 + timedelta(days=365))
    assert watched(ahead, detached(), detached(), T0) == Use(rests_since=T0)


def test_a_policy_that_does_not_ask_for_it_has_nothing_due() -> None:
    rest = Use(rests_since=T0)
    assert due_on_detach(rest, POLICY) is None
    assert due_on_detach(rest, None) is None


shows = st.sampled_from([attached(), detached(), ours(), detached(state="detaching"), attached(ticket(**BACKUP))])


@given(st.lists(shows, max_size=30))
def test_what_is_due_is_due_after_use_that_nobody_has_taken_up_since(seen: list[Volume]) -> None:
    use: Use | None = None
    before: Volume | None = None
    used_at: int | None = None
    rested_at: int | None = None
    for index, volume in enumerate(seen):
        use = watched(use, before, volume, T0 + index * MINUTE)
        if in_use(volume):
            used_at, rested_at = index, None
        elif volume == detached() and used_at is not None and rested_at is None:
            rested_at = index
        before = volume
    known: dict[str, Any] = {} if rested_at is None else {"rests_since": T0 + rested_at * MINUTE}
    assert use == (None if used_at is None else Use(**known))
