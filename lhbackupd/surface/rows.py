"""The rows of the report, each made from one value of the engine and the volume that it is about, if that is known."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from lhbackupd.core.cluster import Volume
from lhbackupd.core.coverage import Cover
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Mode, Policy, Run
from lhbackupd.core.pausing import Pause
from lhbackupd.core.protection import Protection
from lhbackupd.core.rpo import Judgement, Rpo
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
    """What a row about a volume under a policy is made from."""

    #: the last word on it
    word: Protection
    #: None where Longhorn has not listed it
    volume: Volume | None
    #: what is known of its exposure
    known: Exposure | None
    verdict: Judgement
    #: whether its RPO is missed by now
    missed: bool
    rpo: timedelta | None
    due_before_last: datetime
    next_due: datetime | None
    mode: Mode = Mode.ACTIVE
    #: Longhorn's own that back it up as well
    jobs: tuple[str, ...] = ()


def covered(given: Given) -> CoveredVolume:
    """A volume under a policy."""
    word, volume, known, verdict = given.word, given.volume, given.known, given.verdict
    objective = words.objective(verdict, given.rpo)
    beyond = objective if given.missed else overdue(word, given.due_before_last, known)
    stands = standing(word, beyond=bool(beyond), mode=given.mode)
    return CoveredVolume(
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
        rpo=verdict.state,
        objective=objective,
        misses_rpo_at=verdict.misses_at,
        unprotected_bytes=word.unprotected_bytes,
        failures=word.failures,
        lost=word.lost,
        hidden=word.hidden,
        next_due=given.next_due,
        jobs=given.jobs,
    )


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
