"""The rows of the report, each made from one value of the engine and the volume that it is about, if that is known."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from lhbackupd.core.cluster import Volume
from lhbackupd.core.coverage import Cover
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Mode, Policy, Run
from lhbackupd.core.pausing import Pause
from lhbackupd.core.protection import Protection
from lhbackupd.core.rpo import UNASKED, Judgement, Rpo, turns_at
from lhbackupd.engine.scheduler import Key
from lhbackupd.engine.trigger import CronTrigger
from lhbackupd.surface import words
from lhbackupd.surface.report import (
    CoveredVolume,
    FinishedRun,
    PausedPolicy,
    PolicyObjective,
    RunningRun,
    UncoveredVolume,
    WaitingRun,
)
from lhbackupd.surface.standing import Standing, overdue, standing, waits_for, why


class Given(NamedTuple):
    """What a row about a volume under a policy is made from, but for the time."""

    #: the last word on it; None where no run has finished yet
    word: Protection | None
    #: None where Longhorn has not listed it
    volume: Volume | None
    #: what is known of its exposure
    known: Exposure | None
    #: None where it is no longer configured
    policy: Policy | None
    trigger: CronTrigger
    #: when it is due because it was detached
    detached: datetime | None
    #: when its unfinished run began, and before when it does not begin; None without one
    going: tuple[datetime | None, datetime | None] | None
    #: Longhorn's own that back it up as well
    jobs: tuple[str, ...]


class Made(NamedTuple):
    """A row, and what it was made from: it is the same again if that is, from `since` on and before `until`."""

    given: Given
    since: datetime
    until: datetime
    row: CoveredVolume


#: how a volume stands to its policy's RPO, when it is due next
_Verdict = Callable[[datetime], Judgement]


def covered(
    key: Key, given: Given, *, now: datetime, upcoming: datetime, before_last: datetime, verdict: _Verdict
) -> Made:
    """A volume under a policy. Its trigger fires next at `upcoming`, and fired last but one at `before_last`."""
    policy, volume = given.policy, given.volume
    word = given.word or Protection(policy=key[0], volume=key[1])
    due = min(given.detached or upcoming, upcoming)
    mode, rpo = (policy.mode, policy.rpo) if policy else (Mode.ACTIVE, None)
    # a shadow protects nothing, so that nothing hangs on it
    known = None if mode is Mode.SHADOW else given.known
    judged = UNASKED if mode is Mode.SHADOW else verdict(due)
    objective = words.objective(judged, rpo)
    missed = judged.misses_at is not None and judged.misses_at <= now
    beyond = objective if missed else overdue(word, before_last, known)
    stands = standing(word, beyond=bool(beyond), mode=mode)
    turn = turns_at(known, rpo, now, known.took if known else 0.0)
    row = CoveredVolume(
        policy=word.policy,
        volume=word.volume,
        pvc=volume.pvc if volume else "",
        pvc_namespace=volume.pvc_namespace if volume else "",
        standing=stands,
        protection=words.protection(word, late=bool(beyond) or stands is Standing.SHADOW),
        reason=why(word, beyond=beyond),
        last_run=word.last_run,
        last_outcome=word.last_outcome,
        last_at=word.last_at,
        last_success=word.last_success,
        last_check=word.last_check,
        protected_until=word.protected_until,
        unprotected_since=known.unprotected_since if known else None,
        exposure=words.exposure(known) if known else "",
        rpo=judged.state,
        objective=objective,
        misses_rpo_at=judged.misses_at,
        unprotected_bytes=word.unprotected_bytes,
        failures=word.failures,
        lost=word.lost,
        hidden=word.hidden,
        next_due=due,
        jobs=given.jobs,
    )
    return Made(given, now, min(due, turn) if turn else due, row)


def objectives(policies: Iterable[Policy], volumes: Iterable[CoveredVolume]) -> tuple[PolicyObjective, ...]:
    """How the volumes of each active policy stand to its RPO."""
    by_policy: dict[str, list[CoveredVolume]] = defaultdict(list)
    for row in volumes:
        by_policy[row.policy].append(row)
    return tuple(_objective(policy, by_policy[policy.name]) for policy in policies if policy.mode is Mode.ACTIVE)


def _objective(policy: Policy, volumes: list[CoveredVolume]) -> PolicyObjective:
    if policy.rpo is None:
        return PolicyObjective(policy=policy.name, rpo=None)
    count = Counter(row.rpo for row in volumes)
    since, worst = min(
        ((row.unprotected_since, row.volume) for row in volumes if row.unprotected_since), default=(None, "")
    )
    return PolicyObjective(
        policy=policy.name,
        rpo=policy.rpo.total_seconds(),
        compliant=count[Rpo.COMPLIANT],
        at_risk=count[Rpo.AT_RISK],
        violated=count[Rpo.VIOLATED],
        uncertain=count[Rpo.UNCERTAIN],
        worst=worst,
        since=since,
    )


def uncovered(name: str, volume: Volume | None, cover: Cover, reason: str) -> UncoveredVolume:
    """A volume that no policy backs up."""
    return UncoveredVolume(
        volume=name,
        pvc=volume.pvc if volume else "",
        pvc_namespace=volume.pvc_namespace if volume else "",
        reason=reason,
        cover=cover,
    )


def running(run: Run, volume: Volume | None) -> RunningRun:
    """A run that is going on."""
    start = run.started_at or run.queued_at
    return RunningRun(
        id=run.id,
        policy=run.policy,
        volume=run.volume,
        pvc=volume.pvc if volume else "",
        pvc_namespace=volume.pvc_namespace if volume else "",
        due=run.due,
        attempt=run.attempt,
        phase=run.phase,
        since=run.entered.get(run.phase.value, start),
        reason=f"called off; {run.reason}" if run.cancelled and run.outcome is None else run.reason,
        outcome=run.outcome,
        node=run.node,
        target=run.target,
        progress=run.progress,
        # the ticket is asked for in the moment in which the run starts
        ticket_since=start if run.ticket and not run.finished else None,
        waiter=run.waiter if run.waiting_since else "",
        waiting_since=run.waiting_since,
    )


def waiting(run: Run, volume: Volume | None, now: datetime) -> WaitingRun:
    """A run in the queue."""
    return WaitingRun(
        id=run.id,
        policy=run.policy,
        volume=run.volume,
        pvc=volume.pvc if volume else "",
        pvc_namespace=volume.pvc_namespace if volume else "",
        due=run.due,
        queued_at=run.queued_at,
        attempt=run.attempt,
        waits_for=waits_for(run, now),
        reason=run.reason,
        not_before=run.not_before,
    )


def paused(pause: Pause, now: datetime) -> PausedPolicy:
    """A pause that holds."""
    return PausedPolicy(
        policy=pause.policy,
        since=pause.since,
        until=pause.until,
        overdue=pause.overdue(now),
        by=pause.by,
        reason=pause.reason,
        words=pause.words(now),
    )


def finished(run: Run) -> FinishedRun:
    """A run that has ended."""
    return FinishedRun(
        id=run.id,
        policy=run.policy,
        volume=run.volume,
        due=run.due,
        attempt=run.attempt,
        outcome=run.outcome,
        reason=run.reason,
        started_at=run.started_at,
        finished_at=run.finished_at,
        node=run.node,
        backup=run.backup,
        new_bytes=run.new_bytes,
        waiter=run.waiter,
        waited=words.waited(run),
    )
