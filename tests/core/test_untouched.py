"""A volume is let alone only while everything speaks for it, and never for longer than its policy allows."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.evidence import Evidence, Lookout, Trail, at_rest
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Mode, Outcome, Phase, Policy, Run
from lhbackupd.core.protection import Protection, after
from lhbackupd.core.untouched import FRESH, conceals, doubtful, inspect_by, let_alone, rests_on
from lhbackupd.core.windows import parse_window

from .examples import ORIGIN, POLICY, T0, at, attached, backup, chain, detached, ours, run, seen, ticket

DAY = timedelta(days=1)
POLICY_WEEK = replace(POLICY, no_touch=7 * DAY)
#: the last inspection, and the moment at which its ticket got the volume
CHECKED = T0 - DAY + timedelta(seconds=5)
GOT = CHECKED - timedelta(seconds=4)


def evidence(now: datetime = T0, **changes: object) -> Evidence:
    """Everything speaks for letting it alone."""
    word = Protection(policy="nightly", volume="vol", last_outcome=Outcome.UNCHANGED, last_check=CHECKED,
                      attached_at=GOT, protected_until=CHECKED)  # fmt: skip
    known: dict[str, object] = {
        "word": word,
        "known": Exposure(policy="nightly", volume="vol", born=CHECKED, clear=CHECKED),
        "trail": Trail(rest=at_rest(detached()), ours=GOT, shown=CHECKED),
        "lookout": Lookout(since=CHECKED - DAY, last=now - timedelta(seconds=15)),
    }
    return Evidence(**{**known, **changes})  # type: ignore[arg-type]


def word(**changes: object) -> Protection:
    found = evidence().word
    assert found is not None
    return replace(found, **changes)  # type: ignore[arg-type]


def exposed(**changes: object) -> Exposure:
    found = evidence().known
    assert found is not None
    return replace(found, **changes)  # type: ignore[arg-type]


def spared(policy: Policy = POLICY_WEEK, found: Evidence | None = None, **changes: object) -> str:
    return let_alone(run(**changes), found or evidence(), policy, T0)


def test_a_volume_that_nobody_has_had_is_let_alone_and_the_reason_names_the_evidence() -> None:
    after_, command = decide(run(), seen(detached(), evidence=evidence()), at(), POLICY_WEEK, ORIGIN)
    assert (after_.phase, after_.outcome, command) == (Phase.FINISHED, Outcome.NOT_INSPECTED, None)
    for part in ("no attach but ours in Longhorn's events", "2026-03-01 01:59:45", "2026-02-28 02:00:05", "2026-03-07"):
        assert part in after_.reason
    assert (after_.ticket, after_.protected_until, after_.new_bytes) == ("", None, None)


def test_no_slot_is_needed_to_let_a_volume_alone() -> None:
    looked = seen(detached(), evidence=evidence(), slot=None)
    assert decide(run(), looked, at(), POLICY_WEEK, ORIGIN)[0].outcome is Outcome.NOT_INSPECTED


def test_without_no_touch_each_run_inspects() -> None:
    after_, command = decide(run(), seen(detached(), evidence=evidence()), at(), POLICY, ORIGIN)
    assert (after_.phase, command is not None) == (Phase.ATTACHING, True)
    assert inspect_by(POLICY, word()) is None
    assert rests_on(evidence(), POLICY, T0) == ""


def test_a_volume_that_is_attached_by_now_is_inspected_whatever_the_last_poll_said() -> None:
    after_, _ = decide(run(), seen(attached(), evidence=evidence()), at(), POLICY_WEEK, ORIGIN)
    assert after_.phase is Phase.INSPECTING


def test_a_run_that_a_person_asked_for_inspects() -> None:
    assert spared()
    assert not spared(manual=True)


AGAINST = {
    "no word": (evidence(word=None), "on record"),
    "never inspected": (evidence(word=word(last_check=None)), "on record"),
    "not by an attach of ours": (evidence(word=word(attached_at=None)), "on record"),
    "its last run failed": (evidence(word=word(failures=1)), "its last run failed"),
    "not watched": (evidence(known=None), "nobody has watched it"),
    "a sign": (evidence(known=exposed(since=T0, sign="attached read-write by a pod")), "read-write by a pod"),
    "a doubt": (evidence(known=exposed(doubt=T0, why="Longhorn cannot be polled")), "cannot be polled"),
    "events never read": (evidence(lookout=None), "could not be looked at"),
    "events not read lately": (evidence(T0 - FRESH), "could not be looked at"),
    "events read in the future": (evidence(T0 + timedelta(minutes=1)), "could not be looked at"),
    "a gap": (evidence(lookout=Lookout(since=T0 - timedelta(hours=1), last=T0)), "without a gap only since"),
    "no trail": (evidence(trail=None), "not shown our own attach"),
    "not seen at rest": (evidence(trail=Trail(ours=GOT)), "not shown our own attach"),
    "own attach not shown": (evidence(trail=Trail(rest=at_rest(detached()))), "not shown our own attach"),
    "an older attach shown": (evidence(trail=Trail(rest=at_rest(detached()), ours=GOT - DAY)), "not shown our own"),
    "somebody attached": (
        evidence(trail=Trail(rest=at_rest(detached()), ours=GOT, touched=T0, words="somebody has attached it")),
        "somebody has attached it",
    ),
}


@pytest.mark.parametrize("why", AGAINST)
def test_anything_that_is_unknown_or_speaks_against_it_means_to_inspect(why: str) -> None:
    found, words = AGAINST[why]
    assert words in doubtful(found, T0)
    assert spared(found=found) == ""
    assert decide(run(), seen(detached(), evidence=found), at(), POLICY_WEEK, ORIGIN)[0].phase is Phase.ATTACHING


def test_what_was_seen_before_the_last_inspection_is_settled_by_it() -> None:
    trail = Trail(rest=at_rest(detached()), ours=GOT, touched=CHECKED - timedelta(seconds=1), words="somebody")
    assert spared(found=evidence(trail=trail))


def test_nothing_known_means_to_inspect() -> None:
    assert let_alone(run(), None, POLICY_WEEK, T0) == ""
    assert rests_on(evidence(word=None), POLICY_WEEK, T0) == ""
    assert rests_on(evidence(lookout=None), POLICY_WEEK, T0) == ""


def nights(policy: Policy, volume: str, count: int, *, late: timedelta = timedelta()) -> list[datetime]:
    """When a volume that nobody touches is inspected, of so many nights."""
    checked, found = None, []
    for night in range(count):
        now = T0 + night * DAY + late
        known = evidence(now)
        if checked is not None:
            known = replace(
                known,
                word=word(volume=volume, last_check=checked, attached_at=checked),
                trail=Trail(rest=at_rest(detached()), ours=checked),
                known=exposed(clear=checked),
            )
        due = run(volume=volume, due=T0 + night * DAY)
        if checked is None or not let_alone(due, known, policy, now):
            checked = now + timedelta(seconds=5)
            found.append(checked)
    return found


@given(st.integers(2, 9), st.integers(0, 50), st.integers(0, 3600))
def test_no_two_inspections_are_further_apart_than_no_touch(days: int, number: int, late: int) -> None:
    found = nights(replace(POLICY, no_touch=days * DAY), f"vol-{number}", 40, late=timedelta(seconds=late))
    gaps = [after_ - before for before, after_ in itertools.pairwise(found)]
    assert max(gaps) <= days * DAY
    # nor are there many more than need be: after the first, which comes when it is the volume's turn
    assert len(found) <= 2 + 40 / days


def test_a_no_touch_that_is_no_multiple_of_the_schedule_is_kept_all_the_same() -> None:
    found = nights(replace(POLICY, no_touch=timedelta(hours=60)), "vol", 40)
    assert {after_ - before for before, after_ in itertools.pairwise(found)} <= {DAY, 2 * DAY}


def test_volumes_that_were_all_inspected_in_one_night_are_spread_over_the_nights_after_it() -> None:
    week = [nights(POLICY_WEEK, f"vol-{number}", 8)[1] for number in range(700)]
    counts = [sum(T0 + night * DAY <= moment < T0 + (night + 1) * DAY for moment in week) for night in range(1, 8)]
    assert sum(counts) == 700
    assert max(counts) < 2 * 700 / 7


def test_a_window_that_makes_the_run_after_this_one_too_late_means_to_inspect() -> None:
    policy = replace(POLICY, no_touch=2 * DAY)
    volume = next(
        f"vol-{n}"
        for n in range(99)
        if let_alone(run(volume=f"vol-{n}"), evidence(word=word(volume=f"vol-{n}")), policy, T0)
    )
    late = replace(policy, window=(parse_window("01:30-02:30"), parse_window("sun 00:00-03:00")))
    known = evidence(word=word(volume=volume))
    assert let_alone(run(volume=volume), known, late, T0)
    shut = replace(late, blackout=(parse_window("mon 00:00-12:00"),))
    assert let_alone(run(volume=volume), known, shut, T0) == ""


def test_a_run_that_comes_late_reckons_with_the_next_due_time_from_now() -> None:
    policy = replace(POLICY, no_touch=3 * DAY)
    assert let_alone(run(due=T0 - 3 * DAY), evidence(), policy, T0) == let_alone(run(), evidence(), policy, T0)


def test_what_was_protected_stays_so_as_of_the_last_inspection_and_the_runs_that_let_it_alone_are_counted() -> None:
    first = after(
        word(unprotected_bytes=0),
        Run(
            id="a", policy="nightly", volume="vol", due=T0, queued_at=T0, finished_at=T0, outcome=Outcome.NOT_INSPECTED
        ),
    )
    assert (first.last_check, first.protected_until, first.attached_at) == (CHECKED, CHECKED, GOT)
    assert (first.let_alone, first.last_outcome, first.last_success) == (1, Outcome.NOT_INSPECTED, None)
    looked = Run(
        id="b",
        policy="nightly",
        volume="vol",
        due=T0,
        queued_at=T0,
        finished_at=T0,
        attached_at=T0,
        new_bytes=7,
        hidden=True,
        outcome=Outcome.COMPLETED,
        protected_until=T0,
    )
    second = after(first, looked)
    assert (second.let_alone, second.hidden, second.attached_at) == (0, 1, T0)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.YIELDED, Outcome.BELOW_THRESHOLD, Outcome.CANCELLED])
def test_an_attach_that_did_not_end_in_protection_is_nothing_to_go_by(outcome: Outcome) -> None:
    ended = Run(
        id="b", policy="nightly", volume="vol", due=T0, queued_at=T0, finished_at=T0, attached_at=T0, outcome=outcome
    )
    assert after(word(), ended).attached_at is None


def test_a_run_that_never_had_the_volume_takes_nothing_away() -> None:
    ended = Run(id="b", policy="nightly", volume="vol", due=T0, queued_at=T0, finished_at=T0, outcome=Outcome.SKIPPED)
    assert after(word(), ended).attached_at == GOT


def test_the_run_notes_when_its_ticket_got_the_volume() -> None:
    got = T0 + timedelta(seconds=2)
    after_, _ = decide(
        run(Phase.ATTACHING), seen(attached(ticket(since=got), frontend_disabled=True)), at(3), POLICY, ORIGIN
    )
    assert (after_.phase, after_.attached_at) == (Phase.INSPECTING, got)


def test_data_that_no_sign_had_shown_is_called_hidden_and_backed_up() -> None:
    looked = seen(
        ours(), chain=chain(("s1", 0), head=4096), backups=(backup(),), evidence=evidence(word=word(let_alone=3))
    )
    after_, _ = decide(run(Phase.INSPECTING), looked, at(), POLICY_WEEK, ORIGIN)
    assert (after_.phase, after_.hidden, after_.new_bytes) == (Phase.SNAPSHOTTING, True, 4096)


@pytest.mark.parametrize(
    ("found", "new"),
    [
        (None, 4096),
        (evidence(word=None), 4096),
        (evidence(), 4096),
        (evidence(word=word(let_alone=1)), 0),
        (evidence(word=word(let_alone=1), known=exposed(since=T0, sign="it grew")), 4096),
    ],
    ids=["nothing known", "no word", "was not let alone", "nothing new", "a sign had shown it"],
)
def test_other_data_is_not(found: Evidence | None, new: int) -> None:
    assert not conceals(run(new_bytes=new), found, T0)


def test_a_shadow_says_that_it_would_let_it_alone() -> None:
    shadow = replace(POLICY_WEEK, mode=Mode.SHADOW)
    after_, command = decide(run(), seen(detached(), evidence=evidence()), at(), shadow, ORIGIN)
    assert (after_.outcome, command) == (Outcome.SHADOWED, None)
    assert after_.reason.startswith("would end not-inspected: no attach but ours")


def test_a_volume_whose_backup_is_gone_is_inspected() -> None:
    assert doubtful(evidence(word=word(lost="backup b2 is gone")), T0) == "backup b2 is gone"
