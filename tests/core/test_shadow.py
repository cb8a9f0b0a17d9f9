"""What a policy that touches nothing says it would have done."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lhbackupd.core.cluster import BackupProgress, Chain, Setting, Target, Volume
from lhbackupd.core.commands import Detach, Seen, View
from lhbackupd.core.machine import decide, views
from lhbackupd.core.model import Mode, Outcome, Phase, Run
from lhbackupd.core.protection import after
from lhbackupd.core.recurring import MADE_BY_JOB
from lhbackupd.core.retry import Retry, successor

from .examples import ORIGIN, POLICY, T0, at, attached, backup, chain, detached, ours, run, seen

SHADOW = replace(POLICY, mode=Mode.SHADOW)
NATIVE = backup("native-1", "s1", labels={MADE_BY_JOB: "daily"})
DAILY = "its newest backup is native-1 of 2026-03-01 01:01:00 UTC, by Longhorn's recurring job daily"
LOOKING = run(Phase.INSPECTING, ticket="")


def one(before: Run, look: Seen, *, idle: float = 0.0) -> Run:
    """What a shadow makes of a look; there never is a command."""
    found, command = decide(before, look, at(idle=idle), SHADOW, ORIGIN)
    assert command is None
    return found


def ends(before: Run, look: Seen) -> str:
    found = one(before, look)
    assert (found.phase, found.outcome, found.ticket) == (Phase.FINISHED, Outcome.SHADOWED, "")
    assert found.protected_until is None
    assert not found.snapshot
    return found.reason


def test_a_detached_volume_would_be_attached_to_the_node_that_admission_gives() -> None:
    looking = one(run(), seen(detached()))
    assert (looking.phase, looking.node, looking.ticket) == (Phase.INSPECTING, "node-1", "")
    assert looking.started_at == T0
    assert views(looking, detached()) == {View.BACKUPS}
    words = "would attach it to node-1, and back up what is new there; "
    assert ends(looking, seen(detached(), backups=(NATIVE,))) == words + DAILY
    assert ends(looking, seen(detached(), backups=())) == words + "it has no backup"
    dateless = replace(NATIVE, created=None, snapshot_created=None, labels={})
    assert ends(looking, seen(detached(), backups=(dateless,))) == words + "its newest backup is native-1"


def test_backups_that_cannot_be_read_are_waited_for() -> None:
    assert one(LOOKING, seen(detached())).reason == "waits for its backups to be read"
    late = one(LOOKING, seen(detached()), idle=301)
    assert (late.phase, late.outcome) == (Phase.FINISHED, Outcome.FAILED)


def test_an_attached_volume_is_looked_into() -> None:
    looking = one(run(), seen(attached()))
    assert looking.phase is Phase.INSPECTING
    look = seen(attached(), chain=chain(("s1", 10), head=4096), backups=(NATIVE,))
    words = "attached and in use: 4096 bytes since backup native-1, and what its file system has not written yet"
    assert ends(looking, look) == f"would back up 4096 bytes: {words}; {DAILY}"


def test_new_is_what_nobodys_backup_holds() -> None:
    quiet = attached(frontend_disabled=True)
    assert ends(LOOKING, seen(quiet, chain=chain(("s1", 10)), backups=(NATIVE,))) == (
        f"would end unchanged: backup native-1 holds all there is; {DAILY}"
    )
    others = (replace(NATIVE, volume="other"), replace(NATIVE, target="second"))
    reason = ends(LOOKING, seen(quiet, chain=chain(("s1", 10)), backups=others))
    assert reason.startswith("would back up 10 bytes: no completed backup of it yet: 10 bytes; snapshot s1 holds all")


@pytest.mark.parametrize(
    ("volume", "setting", "said"),
    [
        (detached(), Setting.FORBIDDEN, "would end suspended: detached, and Longhorn's setting"),
        (attached(standby=True), Setting.ALLOWED, "would end refused: it is a standby"),
    ],
)
def test_what_an_active_policy_would_not_do_is_said(volume: Volume, setting: Setting, said: str) -> None:
    assert ends(run(), seen(volume, setting=setting)).startswith(said)


def test_what_an_active_policy_would_wait_for_a_shadow_waits_for_without_a_place() -> None:
    away = Target(name="default", available=False, message="gone")
    waits = one(run(), seen(detached(), target=away))
    assert (waits.phase, waits.reason) == (Phase.QUEUED, "waits: backup target default is not available: gone")
    assert one(run(), seen(detached(), slot=None)) == run()


def test_a_backup_of_somebody_else_is_not_waited_for_with_a_place() -> None:
    busy = attached(backups=(BackupProgress(name="b9", snapshot="s9", state="InProgress", progress=3),))
    assert ends(LOOKING, seen(busy)).startswith("would wait for backup b9")


def test_a_chain_that_was_not_read_is_waited_for() -> None:
    assert one(LOOKING, seen(attached(), backups=())).phase is Phase.INSPECTING
    assert (
        one(LOOKING, seen(attached(), backups=(), chain=Chain({}))).reason == "waits for its volume head to be listed"
    )


def test_a_daemon_that_stops_and_a_volume_that_is_gone_end_it_as_any_run() -> None:
    assert one(LOOKING, seen(detached(), stopping=True)).outcome is Outcome.INTERRUPTED
    assert one(LOOKING, seen(None)).outcome is Outcome.GONE


@pytest.mark.parametrize("phase", [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING])
def test_what_was_begun_before_the_policy_became_a_shadow_is_given_back(phase: Phase) -> None:
    begun = run(phase)
    found, command = decide(begun, seen(ours()), at(), SHADOW, ORIGIN)
    assert (found.phase, found.outcome) == (Phase.DETACHING, Outcome.SHADOWED)
    assert command == Detach(ticket=begun.ticket)


def test_a_backup_that_runs_when_the_policy_becomes_a_shadow_is_seen_to_its_end() -> None:
    begun = run(Phase.BACKING_UP, backup="b1", asked_at=T0)
    going = ours(backups=(BackupProgress(name="b1", snapshot="lhbackupd-r1", state="InProgress", progress=3),))
    found, _ = decide(begun, seen(going), at(), SHADOW, ORIGIN)
    assert found.phase is Phase.BACKING_UP


def test_a_shadow_is_neither_tried_again_nor_a_word_of_protection() -> None:
    ended = one(LOOKING, seen(detached(), backups=(NATIVE,)))
    assert successor(ended, at(), Retry(), T0 + timedelta(days=1)) is None
    word = after(None, ended)
    assert (word.last_outcome, word.protected_until, word.last_success) == (Outcome.SHADOWED, None, None)
    assert word.failures == 0
