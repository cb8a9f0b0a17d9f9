"""The rows of the report, each made from one value of the engine and the volume that it is about, if that is known."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from lhbackupd.core.cluster import Volume
from lhbackupd.core.coverage import Cover
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Mode, Policy, Run
from lhbackupd.core.order import Claim, rank
from lhbackupd.core.pausing import Pause
from lhbackupd.core.protection import Protection
from lhbackupd.core.rpo import Judgement, Rpo, turns_at
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
from lhbackupd.surface.standing import WORST_FIRST, Standing, overdue, standing, waits_for, why


class Given(NamedTuple):
    """What a row about a volume under a policy is made from, but for the time and its run."""

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
    #: Longhorn's own that back it up as well
    jobs: tuple[str, ...]


#: when an unfinished run began, and before when it does not begin; None without one
Going = tuple[datetime | None, datetime | None] | None


class Made(NamedTuple):
    """A row, and what it was made from: it is the same again if that is, from `since` on and before `until`.

    Of its run a row shows only what the run does to the verdict on the policy's RPO.
    """

    given: Given
    going: Going
    judged: Judgement
    since: datetime
    until: datetime
    #: its place in the report: worst first
    place: tuple[int, str, str]
    row: CoveredVolume


@dataclass(frozen=True, slots=True)
class Times:
    """The time of a report, and when triggers fire around it: many volumes share one, and to find out takes long."""

    now: datetime
    #: when each fires next
    upcoming: Mapping[CronTrigger, datetime]
    _before_last: dict[CronTrigger, datetime] = field(default_factory=dict)

    def before_last(self, trigger: CronTrigger) -> datetime:
        """When it fired last but one."""
        if (found := self._before_last.get(trigger)) is None:
            found = self._before_last[trigger] = trigger.due_before_last(self.now)
        return found

    def next_due(self, given: Given) -> datetime:
        """When a volume is due next: by its trigger, or sooner because it was detached."""
        upcoming = self.upcoming[given.trigger]
        return upcoming if given.detached is None else min(given.detached, upcoming)


class Asking(NamedTuple):
    """What a row about a run that waits is made from, but for the time."""

    run: Run
    #: None where Longhorn has not listed it
    volume: Volume | None
    #: what is known of its exposure
    known: Exposure | None
    #: None where it is no longer configured
    policy: Policy | None


class Queued(NamedTuple):
    """The row of a run that waits, and what it was made from."""

    given: Asking
    #: its place in the report: those that have to start soonest first
    place: tuple[object, ...]
    row: WaitingRun


def covered(key: Key, given: Given, going: Going, judged: Judgement, times: Times) -> Made:
    """A volume under a policy, which stands to the policy's RPO as was `judged`."""
    policy, volume, now = given.policy, given.volume, times.now
    word = given.word or Protection(policy=key[0], volume=key[1])
    mode, rpo = (policy.mode, policy.rpo) if policy else (Mode.ACTIVE, None)
    # a shadow protects nothing, so that nothing hangs on it
    known = None if mode is Mode.SHADOW else given.known
    objective = words.objective(judged, rpo)
    missed = judged.misses_at is not None and judged.misses_at <= now
    beyond = objective if missed else overdue(word, times.before_last(given.trigger), known)
    stands = standing(word, beyond=bool(beyond), mode=mode)
    due, turn = times.next_due(given), turns_at(known, rpo, now, known.took if known else 0.0)
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
    place = (WORST_FIRST.index(stands), word.volume, word.policy)
    return Made(given, going, judged, now, min(due, turn) if turn else due, place, row)


def objectives(policies: Iterable[Policy], volumes: Iterable[CoveredVolume]) -> tuple[PolicyObjective, ...]:
    """How the volumes of each active policy stand to its RPO."""
    by_policy: dict[str, list[CoveredVolume]] = defaultdict(list)
    for row in volumes:
        by_policy[row.policy].append(row)
    return tuple(_objective(policy, by_policy[policy.name]) for policy in policies if policy.mode is Mode.ACTIVE)


def _objective(policy: Policy, volumes: list[CoveredVolume]) -> PolicyObjective:
    if policy.rpo is None:
        return PolicyObjective(policy=policy.name, rpo=None)
    count = Counter(map(attrgetter("rpo"), volumes))
    exposed = ((row.unprotected_since, row.volume) for row in volumes if row.unprotected_since)
    since, worst = min(exposed, default=(None, ""))
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


def waiting(given: Asking, claim: Claim, now: datetime) -> Queued:
    """A run in the queue, with what it asks of the order."""
    run, volume = given.run, given.volume
    row = WaitingRun(
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
    return Queued(given, (claim.start, *rank(run, claim.seconds)), row)


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
