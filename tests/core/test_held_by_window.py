"""A run outside its policy's window: it waits, and what has begun goes on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lhbackupd.core.commands import Attach
from lhbackupd.core.machine import decide
from lhbackupd.core.model import Detached, Now, Outcome, Phase, Policy, Run
from lhbackupd.core.moves import opens
from lhbackupd.core.windows import parse_window

from .examples import ORIGIN, POLICY, T0, attached, backup, chain, detached, ours, run, seen

#: T0 is Sunday 02:00 UTC, 03:00 in Berlin
NIGHT = replace(POLICY, timezone="Europe/Berlin", window=(parse_window("22:00-06:00"),))
EVENING, DAWN = timedelta(hours=19), timedelta(hours=3)
MOMENT = timedelta(seconds=1)


def step(before: Run, after: timedelta, policy: Policy = NIGHT, **look: object) -> Run:
    volume = detached() if before.phase in {Phase.QUEUED, Phase.ATTACHING} else ours()
    return decide(before, seen(volume, **look), Now(wall=T0 + after), policy, ORIGIN)[0]


def test_a_run_that_is_due_outside_waits_and_says_until_when() -> None:
    waits = step(run(), DAWN)
    assert waits.phase is Phase.QUEUED
    assert waits.reason == "waits for its window, which opens at 22:00 Europe/Berlin"
    assert step(waits, EVENING - MOMENT).phase is Phase.QUEUED
    assert step(waits, EVENING).phase is Phase.ATTACHING


def test_a_window_that_is_days_away_is_named_with_its_day() -> None:
    weekend = replace(POLICY, window=(parse_window("sat,sun 00:00-02:00"),))
    assert step(run(), timedelta(0), weekend).reason == (
        "waits for its window, which opens on Sat 2026-03-07 at 00:00 UTC"
    )


@pytest.mark.parametrize("after", [timedelta(0), DAWN - MOMENT])
def test_inside_its_window_a_run_starts(after: timedelta) -> None:
    after_, command = decide(run(), seen(detached()), Now(wall=T0 + after), NIGHT, ORIGIN)
    assert after_.phase is Phase.ATTACHING
    assert isinstance(command, Attach)


def test_a_blackout_keeps_a_run_waiting_inside_its_window() -> None:
    shut = replace(NIGHT, blackout=(parse_window("sun 02:30-04:00"),))
    assert step(run(), timedelta(0), shut).reason.endswith("opens at 04:00 Europe/Berlin")
    assert step(run(), timedelta(hours=1), shut).phase is Phase.ATTACHING


def test_what_becomes_of_a_run_is_decided_when_its_window_is_open() -> None:
    never = replace(NIGHT, detached=Detached.NEVER)
    waits = step(run(), DAWN, never)
    assert waits.phase is Phase.QUEUED
    assert step(waits, EVENING, never).outcome is Outcome.SUSPENDED


def test_an_attached_volume_waits_as_well() -> None:
    look = seen(attached())
    assert decide(run(), look, Now(wall=T0 + DAWN), NIGHT, ORIGIN)[0].phase is Phase.QUEUED


def test_a_run_that_had_asked_for_its_volume_goes_on_when_its_window_ends() -> None:
    look = seen(ours())
    assert decide(run(Phase.ATTACHING), look, Now(wall=T0 + DAWN), NIGHT, ORIGIN)[0].phase is Phase.INSPECTING
    look = seen(ours(), chain=chain(head=4096), backups=(backup(),))
    assert decide(run(Phase.INSPECTING), look, Now(wall=T0 + DAWN), NIGHT, ORIGIN)[0].phase is Phase.SNAPSHOTTING


def test_a_run_that_had_not_asked_yet_leaves_and_can_pass() -> None:
    left = step(run(Phase.ATTACHING), DAWN)
    assert (left.phase, left.outcome, left.can_pass) == (Phase.DETACHING, Outcome.INTERRUPTED, True)
    assert left.reason == "came too late for its window, which opens at 22:00 Europe/Berlin again"


def test_a_policy_without_windows_is_always_open() -> None:
    assert opens(POLICY, T0) is None
    assert opens(NIGHT, T0) is None
    assert opens(NIGHT, T0 + DAWN) == T0 + EVENING


def test_a_run_that_a_person_asked_for_does_not_wait_for_the_window() -> None:
    assert step(run(), DAWN).phase is Phase.QUEUED
    assert step(run(manual=True), DAWN).phase is Phase.ATTACHING
