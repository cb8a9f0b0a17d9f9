"""What polls have shown of a volume's past: which attach was ours, what changed, and what cannot be known."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from lhbackupd.core.cluster import Pod, Replica
from lhbackupd.core.evidence import OVERLAP, Rest, Trail, at_rest, attaches_seen, rested

from .examples import T0, attached, detached, ours, pod_ticket

#: when our ticket got the volume, by Longhorn's clock, which is an hour ahead
GOT = T0 + timedelta(hours=1)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def seen(trail: Trail, seconds: float, *, busy: bool = False, **marks: float) -> Trail:
    """A look at the events, which show attaches so many seconds after ours."""
    shown = {name: GOT + timedelta(seconds=second) for name, second in marks.items()}
    return attaches_seen(trail, shown, at(seconds), ours=[GOT], busy=busy)


def rest(**changes: object) -> Rest:
    found = at_rest(detached(**{"actual_size": 4096, **changes}))
    assert found is not None
    return found


def test_an_attach_at_the_time_of_our_ticket_is_ours_whatever_our_own_clock_says() -> None:
    trail = seen(Trail(), 10, first=0.0)
    assert (trail.ours, trail.shown, trail.touched) == (GOT, at(10), None)
    assert trail == seen(trail, 25, first=0.0)


@pytest.mark.parametrize("second", [3.0, 5.0, 3600.0, -3.0, -1800.0])
def test_an_attach_at_another_time_is_somebody_elses(second: float) -> None:
    trail = seen(seen(Trail(), 10, first=0.0), 25, first=0.0, other=second)
    assert trail.touched == at(25)
    assert "somebody has attached it" in trail.words


def test_an_event_that_goes_on_counting_is_another_attach() -> None:
    """Longhorn's events of equal text are one: the count goes up, and the time moves on."""
    trail = seen(seen(Trail(), 10, count_1=0.0), 25, count_2=60.0)
    assert trail.touched == at(25)


def test_an_attach_that_shows_while_our_run_goes_on_is_judged_when_that_is_over() -> None:
    early = attaches_seen(Trail(), {"a": GOT}, at(1), ours=[], busy=True)
    assert (early.touched, early.ours, early.marks) == (None, None, ())
    assert seen(early, 16, a=0.0).ours == GOT
    stranger = seen(early, 16, busy=True, a=0.0, other=40.0)
    assert (stranger.ours, stranger.touched) == (GOT, None)
    assert seen(stranger, 31, a=0.0, other=40.0).touched == at(31)


def test_an_older_attach_of_ours_does_not_take_the_place_of_a_newer_one() -> None:
    both = attaches_seen(seen(Trail(), 10, new=0.0), {"new": GOT, "old": GOT}, at(25), ours=[GOT], busy=False)
    assert (both.ours, both.shown) == (GOT, at(10))


def test_events_that_are_forgotten_after_their_life_say_nothing() -> None:
    trail = seen(Trail(), 10, first=0.0)
    late = OVERLAP.total_seconds() + 11
    assert seen(trail, late).touched is None
    assert seen(trail, late).marks == ()


def test_our_own_attach_forgotten_too_soon_says_that_others_may_be_as_well() -> None:
    trail = seen(Trail(), 10, first=0.0)
    gone = seen(trail, 100)
    assert gone.touched == at(100)
    assert "forgotten too soon" in gone.words
    assert seen(trail, 100, first=0.0).touched is None


def test_a_volume_is_at_rest_while_nobody_has_it_or_wants_it() -> None:
    assert at_rest(attached()) is None
    assert at_rest(ours()) is None
    assert at_rest(detached(tickets=(pod_ticket(satisfied=False),))) is None
    assert at_rest(detached()) is not None


def test_a_volume_that_goes_on_showing_the_same_leaves_its_trail_as_it_was() -> None:
    trail = rested(Trail(), rest(), at(0), ours=False)
    assert trail.touched is None
    assert rested(trail, rest(), at(15), ours=False) is trail


CHANGES = {
    "actual_size": {"actual_size": 8192},
    "size": {"size": 1 << 31},
    "last_pod_at": {"last_pod_at": T0},
    "pods": {"pods": (Pod(name="web-0", status="Running"),)},
    "robustness": {"robustness": "faulted"},
    "replicas": {"replicas": (Replica(name="vol-r-1", node="node-1", failed=True),)},
    "created": {"created": T0},
    "backup_target": {"backup_target": "other"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_at_rest_is_a_sign_and_named(name: str) -> None:
    trail = rested(rested(Trail(), rest(), at(0), ours=False), rest(**CHANGES[name]), at(15), ours=False)
    assert trail.touched == at(15)
    assert name.replace("_", " ") in trail.words


@pytest.mark.parametrize("name", CHANGES)
def test_what_an_attach_of_ours_changes_is_no_sign_and_what_a_pod_changes_is(name: str) -> None:
    trail = rested(rested(Trail(), rest(), at(0), ours=False), rest(**CHANGES[name]), at(15), ours=True)
    assert (trail.touched is None) is (name in {"actual_size", "robustness", "replicas"})
    assert trail.rest == rest(**CHANGES[name])


def test_a_newer_backup_is_no_sign_and_the_newest_one_gone_is() -> None:
    none, old, new = rest(), rest(last_backup_at=at(-60)), rest(last_backup_at=at(-5))
    for before, after, sign in ((none, old, False), (old, new, False), (new, old, True), (old, none, True)):
        trail = rested(Trail(rest=before), after, at(15), ours=False)
        assert (trail.touched is not None) is sign, (before.last_backup_at, after.last_backup_at)


def test_a_newer_backup_hides_no_other_change() -> None:
    after = replace(rest(last_backup_at=at(-5)), pods=("web-0 Running",))
    assert rested(Trail(rest=rest()), after, at(15), ours=True).touched == at(15)
