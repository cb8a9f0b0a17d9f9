"""What the coming days look like: the queue played through, with the daemon's own decisions and no clock.

Time goes from event to event: something is due, a run ends, a window opens. At each the very function that lets runs
in (`admission.hand_out`) is asked, in the same order, with the same claims; eligibility says what would be suspended
or refused. Volumes, nodes, setting and durations are taken to stay as they are, and every run to succeed: this says
what fits into the nights, not what will go wrong in them. A volume counts as written all the time, so that an RPO that
is met here is met.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from .admission import Load, Slot, hand_out
from .cluster import Setting, Volume
from .eligibility import needs_setting, refusal, suspension
from .model import Outcome, Policy, Run
from .order import Queue, claim
from .outlook import Forecast, Miss, Outlook, Planned
from .placement import nowhere, places

#: runs in one forecast; it ends earlier where there would be more
MOST = 20_000

_NEVER = datetime.max.replace(tzinfo=UTC)


def forecast(outlook: Outlook, until: datetime) -> Forecast:
    """Everything that happens from now to `until`."""
    play = _Play(outlook, until)
    play.schedule()
    whole = play.run()
    play.close()
    reached = until if whole else play.now
    return Forecast(
        at=outlook.at,
        until=reached,
        whole=whole,
        runs=tuple(sorted(play.plans.values(), key=lambda one: (one.start or _NEVER, one.due, one.volume, one.policy))),
        nodes=dict(sorted(play.nodes.items())),
        targets=dict(sorted(play.targets.items())),
        peak=play.peak,
        misses=tuple(sorted(play.missed(reached), key=lambda miss: (miss.at, miss.volume, miss.policy))),
    )


def expected_ends(outlook: Outlook) -> dict[str, datetime]:
    """When each waiting or active run is expected to end, by its id, if nothing else comes; some never do."""
    play = _Play(outlook, _NEVER)
    play.run()
    play.close()
    return play.ends


class _Play:
    """A queue that is played through. What is expected of each run is in `plans`, by its id."""

    def __init__(self, outlook: Outlook, until: datetime) -> None:
        self._outlook = outlook
        self._until = until
        self._queue = Queue()
        #: time, ends before all else, a number, and what happens
        self._events: list[tuple[datetime, int, int, Callable[[], None]]] = []
        self._active: dict[str, tuple[Run, datetime]] = {}
        self._unfinished: dict[tuple[str, str], str] = {}
        #: runs in the queue, by policy
        self._queued: Counter[str] = Counter()
        self._exposed = dict(outlook.exposed)
        promised = ((key, outlook.policies[key[0]].rpo) for key in outlook.schedules)
        #: the RPOs, by policy and volume
        self._promised = {key: rpo for key, rpo in promised if rpo is not None}
        self._misses: list[Miss] = []
        self._number = 0
        self.now = outlook.at
        self.plans: dict[str, Planned] = {}
        self.ends: dict[str, datetime] = {}
        self.nodes: Counter[str] = Counter()
        self.targets: Counter[str] = Counter()
        self.peak = 0
        for run in outlook.active:
            self._carry_on(run)
        for run in sorted(outlook.waiting, key=lambda run: (run.due, run.id)):
            self._receive(run)

    def schedule(self) -> None:
        """Let what is due come, and not only what is there."""
        for name, volume in sorted(self._outlook.schedules):
            self._expect(self._outlook.policies[name], volume, self.now)

    def run(self) -> bool:
        """Play to the end, or to where there are too many runs; whether to the end."""
        self._at(self.now, lambda: None)
        while self._events and self._events[0][0] <= self._until:
            if len(self.plans) >= MOST:
                return False
            self.now = self._events[0][0]
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[-1]()
            self._close_windows()
            self._let_in()
        return True

    def close(self) -> None:
        """Let go of what has not happened: it refers to the play, which would stay until garbage is collected."""
        self._events.clear()

    def missed(self, until: datetime) -> Iterator[Miss]:
        """The RPOs that are violated up to `until`."""
        for run, end in self._active.values():
            self._protect(run, end)
        yield from (miss for miss in self._misses if miss.at <= until)
        for key, rpo in self._promised.items():
            if (at := self._since(key) + rpo) <= until:
                yield Miss(policy=key[0], volume=key[1], at=at, until=None)

    def _at(self, when: datetime, happens: Callable[[], None], *, end: bool = False) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, 0 if end else 1, self._number, happens))

    def _expect(self, policy: Policy, volume: str, after: datetime) -> None:
        due = self._outlook.due(policy, volume, after)
        self._at(due, partial(self._fire, policy, volume, due))

    def _fire(self, policy: Policy, volume: str, due: datetime) -> None:
        self._expect(policy, volume, due)
        before = self._unfinished.get((policy.name, volume))
        run = Run(id=f"planned-{self._number:09}", policy=policy.name, volume=volume, due=due, queued_at=due)
        if before is None:
            self._receive(run)
            return
        if self.plans[before].overruns is None:
            self.plans[before] = replace(self.plans[before], overruns=due)
        words = f"the run that was due {self.plans[before].due:%Y-%m-%d %H:%M} UTC is not done by then"
        self.plans[run.id] = replace(_plan(run), outcome=Outcome.SKIPPED, reason=words)

    def _receive(self, run: Run) -> None:
        self.plans[run.id] = _plan(run)
        self._unfinished[run.policy, run.volume] = run.id
        if run.not_before is not None and run.not_before > self.now:
            self._at(run.not_before, partial(self._enter, run))
        else:
            self._enter(run)

    def _enter(self, run: Run) -> None:
        """`run` lines up, or waits for a window, or ends without a place."""
        outlook = self._outlook
        policy, volume = outlook.policies.get(run.policy), outlook.volumes.get(run.volume)
        if policy is not None and (opens := outlook.opens(policy, self.now)) > self.now:
            self._at(opens, partial(self._enter, run))
            return
        outcome, reason = _fate(volume, policy, outlook)
        if reason:
            self.plans[run.id] = replace(self.plans[run.id], outcome=outcome, reason=reason)
            if outcome is not None:
                del self._unfinished[run.policy, run.volume]
            return
        assert volume is not None
        seconds = outlook.durations.expected(run.policy, run.volume)
        asks = claim(run, policy, seconds=seconds, exposed=self._exposed.get((run.policy, run.volume)))
        self._queue.add(run, asks, nodes=places(volume, outlook.nodes), target=volume.backup_target)
        self._queued[run.policy] += 1

    def _close_windows(self) -> None:
        policies = (self._outlook.policies.get(name) for name, count in self._queued.items() if count)
        opens = {policy.name: self._outlook.opens(policy, self.now) for policy in policies if policy is not None}
        closed = {name for name, at in opens.items() if at > self.now}
        for run in self._queue.take_out(closed) if closed else ():
            self._queued[run.policy] -= 1
            self.plans[run.id] = replace(self.plans[run.id], put_off=True)
            self._at(opens[run.policy], partial(self._enter, run))

    def _let_in(self) -> None:
        load = Load()
        for run, end in self._active.values():
            load.hold(run, (end - self.now).total_seconds())
        if load.total < self._outlook.limits.cluster:
            for run, slot in hand_out(self._queue, load, self._outlook.limits, now=self.now):
                self._start(run, slot)
                if load.total >= self._outlook.limits.cluster:
                    break
        self.nodes |= load.nodes
        self.targets |= load.targets
        self.peak = max(self.peak, load.total)

    def _start(self, run: Run, slot: Slot) -> None:
        self._queued[run.policy] -= 1
        run = replace(run, node=slot.node, target=slot.target, started_at=self.now)
        self._go_on(run, self.now + timedelta(seconds=self._outlook.durations.expected(run.policy, run.volume)))

    def _carry_on(self, run: Run) -> None:
        """`run` is going on already; one that is stuck keeps its volume, and nobody knows until when."""
        self._unfinished[run.policy, run.volume] = run.id
        self.plans[run.id] = _plan(run)
        if run.stuck:
            self.plans[run.id] = replace(self.plans[run.id], start=run.started_at, node=run.node, reason=run.reason)
            self._active[run.id] = (run, self.now)
        else:
            self._go_on(run, self.now + timedelta(seconds=self._outlook.durations.left(run, self.now)))

    def _go_on(self, run: Run, end: datetime) -> None:
        self._active[run.id] = (run, end)
        self.plans[run.id] = replace(
            self.plans[run.id], start=run.started_at, end=end, node=run.node, target=run.target
        )
        self._at(end, partial(self._end, run, end), end=True)

    def _end(self, run: Run, end: datetime) -> None:
        del self._active[run.id], self._unfinished[run.policy, run.volume]
        self.ends[run.id] = end
        self._protect(run, end)

    def _since(self, key: tuple[str, str]) -> datetime:
        return self._exposed.get(key, self._outlook.at)

    def _protect(self, run: Run, end: datetime) -> None:
        """When `run` ends, what was written before it began is in a backup of its policy."""
        key = (run.policy, run.volume)
        since, rpo = self._since(key), self._promised.get(key)
        if rpo is not None and since + rpo < end:
            self._misses.append(Miss(policy=run.policy, volume=run.volume, at=since + rpo, until=end))
        self._exposed[key] = max(since, run.started_at or since)


def _plan(run: Run) -> Planned:
    return Planned(policy=run.policy, volume=run.volume, due=run.due)


def _fate(volume: Volume | None, policy: Policy | None, outlook: Outlook) -> tuple[Outcome | None, str]:
    """How a run ends that gets no place, or None and why it waits; without words it lines up."""
    if policy is None:
        return Outcome.GONE, "its policy is no longer configured"
    if volume is None:
        return None, "waits until Longhorn lists the volume again"
    if not volume.attached:
        if needs_setting(policy) and outlook.setting is Setting.UNREAD:
            return None, "waits until Longhorn's setting can be read"
        if why := suspension(policy, outlook.setting):
            return Outcome.SUSPENDED, why
    if no := refusal(volume, policy):
        return Outcome.REFUSED, no.reason
    return None, "" if places(volume, outlook.nodes) else f"waits: {nowhere(volume, outlook.nodes)}"
