"""Since when data may be unprotected: every rule, and a little model of the truth that the claims are held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.cluster import Pod, Volume
from lhbackupd.core.exposure import (
    Exposure,
    begin,
    bring_back,
    found,
    held_until,
    holds_data,
    ran,
    set_back,
    shown,
    unwatched,
)
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.protection import Protection
from lhbackupd.core.signs import Look, Sign, Window, look
from tests.core.examples import T0, attached, detached, pod_ticket, run

HOUR = timedelta(hours=1)
S = timedelta(seconds=1)
BORN = T0 - 100 * HOUR
CLEAR = Exposure(policy="nightly", volume="vol", born=BORN, clear=T0)
NEW = replace(CLEAR, clear=None)


def sign(since: datetime, *, certain: bool = True, ended: datetime | None = None) -> Sign:
    return Sign(since=since, certain=certain, words="attached", ended=ended)


def word(**fields: Any) -> Protection:
    return Protection(policy="nightly", volume="vol", **fields)


def test_a_new_volume_with_data_is_exposed_since_it_was_made_or_since_it_was_first_seen() -> None:
    made = begin("nightly", detached(created=BORN, actual_size=1), T0, None)
    assert (made.since, made.certain) == (BORN, True)
    assert made.sign == "never backed up: it was made then, and it holds data"
    for created in (None, T0 + HOUR):  # not said, or by a clock that is ahead
        seen = begin("nightly", detached(created=created, actual_size=1), T0, None)
        assert (seen.since, seen.born) == (T0, T0)
        assert "first seen then" in seen.sign


@pytest.mark.parametrize(
    "shows",
    [{"actual_size": 1}, {"origin_data": "image"}, {"last_pod_at": T0}, {"pods": (Pod(name="a", status="Pending"),)}],
)
def test_what_a_volume_shows_of_data(shows: dict[str, Any]) -> None:
    assert holds_data(detached(**shows))
    assert not holds_data(detached())


def test_a_new_volume_without_any_is_uncertain_until_it_was_inspected_and_exposed_with_the_first_sign() -> None:
    fresh = begin("nightly", detached(created=BORN), T0, word(last_outcome=Outcome.FAILED))
    assert (fresh.since, fresh.doubt, fresh.certain) == (None, BORN, False)
    used = shown(fresh, sign(T0))
    assert (used.since, used.sign) == (BORN, "never backed up, and attached")


def test_a_volume_that_was_not_watched_is_in_doubt_since_its_last_inspection() -> None:
    old = begin("nightly", detached(created=BORN), T0 + HOUR, word(protected_until=T0))
    assert (old.clear, old.since, old.doubt) == (T0, None, T0)
    assert begin("nightly", detached(), T0, word(protected_until=T0 + HOUR)).clear == T0
    known = begin("nightly", detached(created=BORN), T0 + HOUR, word(protected_until=T0, unprotected_bytes=5))
    assert (known.since, known.sign) == (T0, "an inspection found 5 bytes that no backup holds")


def test_the_last_word_on_a_volume_that_was_deleted_is_none_on_the_one_that_was_made_anew() -> None:
    anew = begin("nightly", detached(created=T0, actual_size=1), T0 + HOUR, word(protected_until=T0 - HOUR))
    assert (anew.clear, anew.since) == (None, T0)


def test_a_sign_begins_exposure_and_a_later_one_changes_nothing() -> None:
    first = shown(CLEAR, sign(T0 + HOUR))
    assert (first.since, first.sign, first.unprotected_since) == (T0 + HOUR, "attached", T0 + HOUR)
    assert shown(first, sign(T0 + 2 * HOUR)) == first
    assert shown(first, sign(T0 + 2 * HOUR, certain=False)) == first
    assert shown(first, sign(T0)).since == T0


def test_nothing_is_exposed_that_the_last_backup_holds() -> None:
    assert shown(CLEAR, sign(T0 - HOUR)).since == T0
    assert shown(CLEAR, sign(T0 - HOUR, ended=T0)) == CLEAR
    assert shown(CLEAR, sign(T0 - HOUR, ended=T0 + S)).since == T0


def test_an_uncertain_sign_is_a_doubt() -> None:
    known = shown(CLEAR, sign(T0 + HOUR, certain=False))
    assert (known.since, known.doubt, known.certain) == (None, T0 + HOUR, False)
    both = shown(known, sign(T0 + 2 * HOUR))
    assert (both.since, both.unprotected_since, both.certain) == (T0 + 2 * HOUR, T0 + HOUR, False)
    assert shown(both, sign(T0)).certain


def test_a_time_in_which_nobody_looked_is_a_doubt_where_nothing_was_exposed_before() -> None:
    known = unwatched(CLEAR, T0 + HOUR, "the daemon was down")
    assert (known.doubt, known.why) == (T0 + HOUR, "the daemon was down")
    assert unwatched(known, T0 + 2 * HOUR, "again") == known
    assert unwatched(CLEAR, T0 - HOUR, "x").doubt == T0
    exposed = shown(CLEAR, sign(T0 + HOUR))
    assert unwatched(exposed, T0 + 2 * HOUR, "x") == exposed


def test_an_inspection_that_finds_data_dates_it_from_the_last_one_that_found_none() -> None:
    assert found(CLEAR, 5).since == T0
    assert found(NEW, 5).since == BORN
    exposed = shown(CLEAR, sign(T0 + HOUR))
    assert found(exposed, 5) == exposed


ENTERED: Mapping[str, datetime] = {
    Phase.INSPECTING.value: T0 + HOUR,
    Phase.SNAPSHOTTING.value: T0 + HOUR + 2 * S,
    Phase.BACKING_UP.value: T0 + HOUR + 7 * S,
}


def ended(**fields: Any) -> Run:
    known: dict[str, Any] = {"outcome": Outcome.COMPLETED, "entered": ENTERED, "own_snapshot": True}
    known |= {"protected_until": T0 + HOUR + 4 * S, "started_at": T0 + HOUR, "finished_at": T0 + HOUR + 30 * S}
    return run(Phase.FINISHED, **(known | fields))


def last(use: Sign | None = None, *, held: bool = False) -> Look:
    return Look(created=None, size=1, actual_size=1, use=use, held=held)


def test_a_completed_backup_protects_up_to_its_snapshot() -> None:
    exposed = shown(unwatched(CLEAR, T0 + S, "x"), sign(T0 + 2 * S))
    after = ran(exposed, ended(), last(), T0)
    assert after == replace(CLEAR, clear=T0 + HOUR + 4 * S, took=30.0)
    assert ran(exposed, ended(), None, None) == after


def test_an_unchanged_look_protects_as_of_that_look_and_teaches_nothing_of_how_long_a_backup_takes() -> None:
    unchanged = ended(outcome=Outcome.UNCHANGED, own_snapshot=False, protected_until=T0 + HOUR, started_at=None)
    assert ran(shown(CLEAR, sign(T0)), unchanged, last(), T0) == replace(CLEAR, clear=T0 + HOUR)


def test_who_used_a_volume_before_we_had_it_is_out_and_who_was_seen_with_it_since_has_it() -> None:
    before = sign(T0 + S)
    assert ran(CLEAR, ended(), last(before), T0 + S).since is None
    assert ran(CLEAR, ended(), last(before), None).since is None
    since = sign(T0 + HOUR + 20 * S)
    assert ran(CLEAR, ended(), last(since), T0 + HOUR + 25 * S).since == T0 + HOUR + 20 * S


def test_on_a_volume_that_others_have_attached_exposure_goes_on_from_the_snapshot() -> None:
    live = ended(ticket="")
    assert ran(CLEAR, live, last(sign(T0)), T0).since == T0 + HOUR + 4 * S
    assert ran(CLEAR, live, last(), T0).sign == "attached by others while it was backed up"
    assert ran(CLEAR, live, None, None).since == T0 + HOUR + 4 * S
    assert ran(CLEAR, live, last(held=True), T0).unprotected_since is None
    maintained = ran(CLEAR, live, last(sign(T0, certain=False)), T0)
    assert (maintained.since, maintained.doubt) == (None, T0 + HOUR + 4 * S)


def test_a_run_that_goes_on_to_a_backup_or_ends_without_one_reveals_what_it_found() -> None:
    assert ran(CLEAR, run(Phase.SNAPSHOTTING), None, None).since == T0
    assert ran(CLEAR, run(Phase.BACKING_UP, new_bytes=7), None, None).sign.startswith("an inspection found 7 bytes")
    assert ran(CLEAR, run(Phase.FINISHED, outcome=Outcome.BELOW_THRESHOLD, new_bytes=7), None, None).since == T0
    for quiet in (run(Phase.ATTACHING), run(Phase.FINISHED, outcome=Outcome.SUSPENDED, ticket="")):
        assert ran(CLEAR, quiet, None, None) == CLEAR
    exposed = shown(CLEAR, sign(T0 + HOUR))
    assert ran(exposed, run(Phase.SNAPSHOTTING, new_bytes=7), None, None) == exposed


def test_what_is_found_on_a_volume_in_use_may_be_older_than_its_use() -> None:
    live = run(Phase.SNAPSHOTTING, ticket="", new_bytes=7)
    known = ran(CLEAR, live, None, T0 + HOUR)
    assert (known.since, known.doubt) == (T0 + HOUR, T0)
    assert ran(CLEAR, live, None, None).since == T0
    assert ran(CLEAR, run(Phase.SNAPSHOTTING, ticket=""), None, None) == CLEAR


def test_a_run_that_does_not_say_up_to_when_it_holds_all_is_good_up_to_its_inspection() -> None:
    assert held_until(ended(protected_until=None, own_snapshot=False)) == T0 + HOUR
    assert held_until(ended(protected_until=None)) == T0 + HOUR + 2 * S
    nothing = ended(protected_until=None, entered={})
    assert held_until(nothing) is None
    assert ran(CLEAR, nothing, None, None) == CLEAR


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (4.0, 4.0),
        # whole seconds: a snapshot is no older than our asking for it
        (1.5, 2.0),
        # another clock: the earliest moment that is thinkable
        (-600.0, -600.0),
        (600.0, 2.0),
    ],
)
def test_the_time_of_a_snapshot_is_believed_between_our_question_and_its_being_ready(
    said: float, expected: float
) -> None:
    assert held_until(ended(protected_until=T0 + HOUR + said * S)) == T0 + HOUR + expected * S


def test_a_clock_that_was_set_back_in_the_middle_of_a_run_counts_for_nothing() -> None:
    entered = {**ENTERED, Phase.BACKING_UP.value: T0}
    assert held_until(ended(entered=entered)) == T0


def test_what_was_known_goes_back_with_the_clock() -> None:
    known = unwatched(shown(CLEAR, sign(T0 + 2 * HOUR)), T0 + HOUR, "x")
    back = set_back(known, HOUR)
    assert (back.born, back.clear, back.since, back.doubt) == (BORN - HOUR, T0 - HOUR, T0 + HOUR, T0)
    assert set_back(NEW, HOUR).clear is None


# ---- the truth, and what is claimed of it


@dataclass
class World:
    """One volume: who has it, what was written and is in no backup, and what the watch makes of its looks."""

    now: datetime = T0
    use: datetime | None = None
    #: moments of writing, and whether any look can show traces of it
    written: list[tuple[datetime, bool]] = field(default_factory=list)
    actual: int = 10
    dated: bool = True
    known: Exposure = CLEAR
    last: Look | None = None
    looked: datetime | None = None

    def volume(self) -> Volume:
        if self.use is None:
            return detached(actual_size=self.actual)
        return attached(pod_ticket(since=self.use.replace(microsecond=0) if self.dated else None))

    def look(self) -> None:
        window = Window(after=self.looked, until=self.now)
        self.last, signs = look(self.last, self.volume(), window, ours=False)
        for each in signs:
            self.known = shown(self.known, each)
        self.looked = self.now

    def write(self, *, visible: bool) -> None:
        self.written.append((self.now, visible))

    def back_up(self, *, fails: bool) -> None:
        start = self.now
        alone = self.use is None
        fields: dict[str, Any] = {"ticket": "t" if alone else "", "new_bytes": len(self.written), "started_at": start}
        fields |= {"entered": {"inspecting": start, "snapshotting": start, "backing-up": start + 5 * S}}
        if self.written or not alone:
            self._fold(run(Phase.SNAPSHOTTING, **fields))
        if fails:
            self._fold(run(Phase.FINISHED, outcome=Outcome.FAILED, finished_at=start, **fields))
            return
        snapshot = start + S
        self.written = [each for each in self.written if each[0] > snapshot]
        self.now = start + 20 * S
        done = {"outcome": Outcome.COMPLETED, "own_snapshot": True, "protected_until": snapshot}
        self._fold(run(Phase.FINISHED, finished_at=self.now, **fields, **done))

    def _fold(self, moved: Run) -> None:
        self.known = ran(self.known, moved, self.last, self.looked)
        if moved.outcome is not Outcome.COMPLETED:
            self.check(all_of_it=moved.new_bytes is not None and bool(moved.ticket))

    def check(self, *, all_of_it: bool = False) -> None:
        """The claim is never later than the truth, as far as any look, or an inspection just now, can know it."""
        claim = self.known.unprotected_since
        real = min((when for when, visible in self.written if visible), default=None)
        if real is not None:
            assert claim is not None, "a false green"
            assert claim <= real
        if all_of_it and self.written:
            assert claim is not None, "an inspection reveals what no look shows"
        if claim is not None:
            assert claim >= self.known.floor


STEPS = st.sampled_from(["attach", "write", "detach", "look", "client", "grow", "back up", "fail", "gap", "undated"])


@given(st.lists(st.tuples(STEPS, st.integers(1, 40)), max_size=40))
def test_the_claim_is_never_later_than_the_truth(steps: list[tuple[str, int]]) -> None:
    world = World()
    world.look()
    for step, seconds in steps:
        world.now += seconds * S + timedelta(milliseconds=300)
        match step:
            case "attach" if world.use is None:
                world.use = world.now
                world.look()  # a pod stays for longer than it takes to look
            case "write" if world.use is not None:
                world.write(visible=True)
            case "detach":
                world.use = None
            case "client" if world.use is None:
                world.write(visible=False)
            case "grow" if world.use is None:
                world.write(visible=True)
                world.actual += 1
                world.now += S
                world.look()
            case "back up" | "fail":
                if world.use is None:
                    world.look()
                world.back_up(fails=step == "fail")
            case "gap" if world.use is None:
                since = world.looked or T0
                world.write(visible=True)
                world.now += HOUR
                world.known = unwatched(world.known, since, "the daemon was down")
                world.look()
            case "undated":
                world.dated = not world.dated
            case _:
                world.look()
        world.check()


def test_a_volume_that_was_watched_before_its_policy_was_leaves_no_doubt_after_an_inspection() -> None:
    known = word(protected_until=T0)
    assert begin("nightly", detached(created=BORN), T0 + HOUR, known, watched=T0).unprotected_since is None
    late = begin("nightly", detached(created=BORN), T0 + HOUR, known, watched=T0 + HOUR / 2)
    assert late.unprotected_since == T0


def gone(**fields: Any) -> Run:
    """A run with a ticket that has completed: attached at T0, its snapshot a second later, let go after a minute."""
    entered = {phase.value: T0 + seconds * S for phase, seconds in _STEPS.items()}
    return run(
        Phase.FINISHED, outcome=Outcome.COMPLETED, entered=entered, protected_until=T0 + 2 * S, queued_at=T0, **fields
    )


_STEPS = {Phase.ATTACHING: 0, Phase.INSPECTING: 1, Phase.SNAPSHOTTING: 2, Phase.BACKING_UP: 8, Phase.DETACHING: 60}


@pytest.mark.parametrize(
    ("let_go", "stirred", "doubt"),
    [(False, None, None), (False, 59, None), (False, 60, 60), (True, 7, None), (True, 30, 8), (True, 300, 8)],
)
def test_what_stirs_between_the_end_of_a_ticket_and_that_of_its_run_is_a_doubt_from_the_first_on(
    let_go: bool, stirred: int | None, doubt: int | None
) -> None:
    known = replace(CLEAR, since=T0)
    at = None if stirred is None else T0 + stirred * S
    after = ran(known, gone(let_go=let_go), None, None, stirred=at)
    assert (after.since, after.clear) == (None, T0 + 2 * S)
    assert after.doubt == (None if doubt is None else T0 + doubt * S)


def test_a_run_from_before_another_volume_had_the_name_says_nothing_of_that() -> None:
    other = begin("nightly", detached(created=T0 + 9 * S), T0 + HOUR, word(protected_until=T0 + HOUR), anew=True)
    assert (other.clear, other.doubt, other.anew) == (None, T0 + 9 * S, T0 + HOUR)
    assert ran(other, gone(), None, None) == other
    later = replace(gone(), queued_at=T0 + HOUR)
    assert ran(other, later, None, None).clear == T0 + 2 * S


@pytest.mark.parametrize(
    ("ahead", "then"),
    [
        ({}, {}),
        ({"since": T0 + HOUR}, {"since": T0 - HOUR}),
        ({"doubt": T0 + HOUR}, {"doubt": T0 - HOUR}),
        ({"clear": T0 + HOUR}, {"clear": BORN, "doubt": BORN}),
        ({"clear": T0 + HOUR, "since": T0 + HOUR}, {"clear": BORN, "since": BORN, "doubt": BORN}),
        ({"clear": None, "since": T0 + HOUR}, {"since": BORN}),
        ({"born": T0 + HOUR, "clear": None}, {"born": T0}),
    ],
)
def test_what_a_clock_that_was_ahead_has_noted_is_taken_for_as_early_as_it_can_have_been(
    ahead: dict[str, Any], then: dict[str, Any]
) -> None:
    known = replace(CLEAR, clear=T0 - HOUR)
    back = bring_back(replace(known, **ahead), T0)
    expected = replace(known, **{**ahead, **then})
    assert (back.born, back.clear, back.since, back.doubt) == (
        expected.born,
        expected.clear,
        expected.since,
        expected.doubt,
    )
