"""What the coming days look like: the queue played through, with the daemon's own decisions and no clock.

Time goes from event to event: something is due, a run ends, a window opens. At each the very function that lets runs
in (`admission.hand_out`) is asked, in the same order, with the same claims; eligibility says what would be suspended
or refused. Volumes, nodes, setting and durations are taken to stay as they are, and every run to succeed: this says
what fits into the nights, not what will go wrong in them. A volume counts as written all the time, so that an RPO that
is met here is met.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from .admission import Load, Slot, hand_out
from .course import Course, fate
from .model import Outcome, Policy, Run
from .order import Pressure, Queue, claim
from .outlook import Forecast, Miss, Outlook, Planned
from .placement import places

#: runs in one forecast; it ends earlier where there would be more
MOST = 20_000

_NEVER = datetime.max.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def forecast(outlook: Outlook, until: datetime, *, nexts: Collection[tuple[str, str]] | None = None) -> Forecast:
    """Everything that happens from now to `until`.

    With `nexts`, names of policy and volume, only the next run of each of these is asked for: nothing else is said, and
    the forecast ends as soon as each of them has begun or is known not to.
    """
    play = _Play(outlook, until, nexts)
    play.schedule()
    whole = play.run()
    play.close()
    reached = until if whole else play.now
    return Forecast(
        at=outlook.at,
        until=reached,
        whole=whole,
        runs=tuple(sorted(play.planned(), key=lambda one: (one.start or _NEVER, one.due, one.volume, one.policy))),
        nodes=dict(sorted(play.nodes.items())),
        targets=dict(sorted(play.targets.items())),
        peak=play.peak,
        misses=tuple(sorted(play.missed(reached), key=lambda miss: (miss.at, miss.volume, miss.policy))),
    )


class _Play:
    """A queue that is played through."""

    def __init__(self, outlook: Outlook, until: datetime, nexts: Collection[tuple[str, str]] | None) -> None:
        self._outlook = outlook
        self._until = until
        self._nexts = None if nexts is None else frozenset(nexts)
        #: those of `_nexts` whose next run has neither begun nor is known not to
        self._open = set(nexts or ())
        self._queue = Queue()
        #: time, ends before all else, a number, and what happens
        self._events: list[tuple[datetime, int, int, Callable[[], None]]] = []
        self._number = 0
        #: by the run's id, in the order in which they came
        self._courses: dict[str, Course] = {}
        #: those that go on, in the order in which they began, and what they take
        self._active: dict[str, Course] = {}
        self._load = Load()
        #: sums of when those on a node or target end, in microseconds: exact, so that nothing adds up in a long play
        self._node_ends: Counter[str] = Counter()
        self._target_ends: Counter[str] = Counter()
        self._unfinished: dict[tuple[str, str], Course] = {}
        #: runs in the queue, by policy
        self._queued: Counter[str] = Counter()
        self._exposed = dict(outlook.exposed)
        promised = ((key, outlook.policies[key[0]].rpo) for key in outlook.schedules)
        #: the RPOs, by policy and volume
        self._promised = {key: rpo for key, rpo in promised if rpo is not None}
        self._misses: list[Miss] = []
        self.now = outlook.at
        self.nodes: Counter[str] = Counter()
        self.targets: Counter[str] = Counter()
        self.peak = 0
        for run in outlook.active:
            self._carry_on(run)
        for run in sorted(outlook.waiting, key=lambda run: (run.due, run.id)):
            self._receive(run)

    def schedule(self) -> None:
        """Let what is due come, and not only what is there."""
        for name, volume in () if self._answered else sorted(self._outlook.schedules):
            self._expect(self._outlook.policies[name], volume, self.now)

    def run(self) -> bool:
        """Play to the end, or to where there are too many runs; whether to the end."""
        self._at(self.now, self._count)
        while self._events and self._events[0][0] <= self._until and not self._answered:
            if len(self._courses) >= MOST:
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

    def planned(self) -> Iterator[Planned]:
        """What is expected of the runs that are asked for."""
        for course in self._courses.values():
            if self._nexts is None or (course.run.policy, course.run.volume) in self._nexts:
                yield course.planned()

    def missed(self, until: datetime) -> Iterator[Miss]:
        """The RPOs that are violated up to `until`, if they are asked for."""
        if self._nexts is not None:
            return
        for course in self._active.values():
            self._protect(course, course.end or self._outlook.at)
        yield from (miss for miss in self._misses if miss.at <= until)
        for key, rpo in self._promised.items():
            if (at := self._since(key) + rpo) <= until:
                yield Miss(policy=key[0], volume=key[1], at=at, until=None)

    @property
    def _answered(self) -> bool:
        return self._nexts is not None and not self._open

    def _at(self, when: datetime, happens: Callable[[], None], *, end: bool = False) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, 0 if end else 1, self._number, happens))

    def _expect(self, policy: Policy, volume: str, after: datetime) -> None:
        due = self._outlook.due(policy, volume, after)
        if due <= self._until:
            self._at(due, partial(self._fire, policy, volume, due))

    def _fire(self, policy: Policy, volume: str, due: datetime) -> None:
        self._expect(policy, volume, due)
        self._number += 1
        run = Run(id=f"planned-{self._number:09}", policy=policy.name, volume=volume, due=due, queued_at=due)
        before = self._unfinished.get((policy.name, volume))
        if before is None:
            self._receive(run)
            return
        before.overruns = before.overruns or due
        words = f"the run that was due {before.run.due:%Y-%m-%d %H:%M} UTC is not done by then"
        self._courses[run.id] = Course(run, outcome=Outcome.SKIPPED, reason=words)

    def _receive(self, run: Run) -> None:
        course = self._courses[run.id] = self._unfinished[run.policy, run.volume] = Course(run)
        if run.not_before is not None and run.not_before > self.now:
            self._at(run.not_before, partial(self._enter, course))
        else:
            self._enter(course)

    def _enter(self, course: Course) -> None:
        """A run lines up, or waits for a window, or ends without a place."""
        outlook, run = self._outlook, course.run
        key = (run.policy, run.volume)
        policy, volume = outlook.policies.get(run.policy), outlook.volumes.get(run.volume)
        if policy is not None and (opens := outlook.opens(policy, self.now)) > self.now:
            self._at(opens, partial(self._enter, course))
            return
        where = places(volume, outlook.nodes) if volume is not None else ()
        course.outcome, course.reason = fate(volume, policy, outlook, where)
        if course.reason:
            self._open.discard(key)
            if course.outcome is not None:
                del self._unfinished[key]
            return
        assert volume is not None
        if (holder := self._load.volumes.get(run.volume)) and self._active[holder].run.stuck:
            self._open.discard(key)
        seconds = outlook.durations.expected(run.policy, run.volume)
        asks = claim(run, policy, seconds=seconds, exposed=self._exposed.get(key))
        self._queue.add(run, asks, nodes=where, target=volume.backup_target)
        self._queued[run.policy] += 1

    def _close_windows(self) -> None:
        policies = (self._outlook.policies.get(name) for name, count in self._queued.items() if count)
        opens = {policy.name: self._outlook.opens(policy, self.now) for policy in policies if policy is not None}
        closed = {name for name, at in opens.items() if at > self.now}
        for run in self._queue.take_out(closed) if closed else ():
            self._queued[run.policy] -= 1
            self._courses[run.id].put_off = True
            self._at(opens[run.policy], partial(self._enter, self._courses[run.id]))

    def _let_in(self) -> None:
        load, limits = self._load, self._outlook.limits
        if load.total >= limits.cluster or not self._queue:
            return
        load.pressure = Pressure()
        past = self._since_start(self.now)
        for counts, ends, seconds in (
            (load.nodes, self._node_ends, load.pressure.nodes),
            (load.targets, self._target_ends, load.pressure.targets),
        ):
            for name, count in counts.items():
                if count:
                    seconds[name] = (ends[name] - count * past) / 1e6
        for run, slot in hand_out(self._queue, load, limits, now=self.now):
            self._start(run, slot)
        self._count()

    def _count(self) -> None:
        self.nodes |= self._load.nodes
        self.targets |= self._load.targets
        self.peak = max(self.peak, self._load.total)

    def _start(self, run: Run, slot: Slot) -> None:
        self._queued[run.policy] -= 1
        course = self._courses[run.id]
        course.start, course.slot = self.now, slot
        self._go_on(course, self._outlook.durations.expected(run.policy, run.volume))

    def _carry_on(self, run: Run) -> None:
        """`run` is going on already; one that is stuck keeps its volume, and nobody knows until when."""
        slot = Slot(node=run.node, target=run.target)
        course = Course(run, start=run.started_at, slot=slot)
        self._courses[run.id] = self._unfinished[run.policy, run.volume] = course
        self._load.take(run, slot)
        if run.stuck:
            course.slot, course.reason = replace(slot, target=""), run.reason
            self._active[run.id] = course
            self._open.discard((run.policy, run.volume))
        else:
            self._go_on(course, self._outlook.durations.left(run, self.now))

    def _go_on(self, course: Course, seconds: float) -> None:
        course.end = self.now + timedelta(seconds=seconds)
        self._active[course.run.id] = course
        self._tell_end(course, 1)
        self._open.discard((course.run.policy, course.run.volume))
        self._at(course.end, partial(self._end, course, course.end), end=True)

    def _end(self, course: Course, end: datetime) -> None:
        run = course.run
        del self._active[run.id], self._unfinished[run.policy, run.volume]
        self._load.give_back(run, course.slot)
        self._tell_end(course, -1)
        self._protect(course, end)

    def _since_start(self, moment: datetime) -> int:
        return (moment - self._outlook.at) // _MICROSECOND

    def _tell_end(self, course: Course, sign: int) -> None:
        assert course.end is not None
        ends = sign * self._since_start(course.end)
        self._node_ends[course.slot.node] += ends
        self._target_ends[course.slot.target] += ends

    def _since(self, key: tuple[str, str]) -> datetime:
        return self._exposed.get(key, self._outlook.at)

    def _protect(self, course: Course, end: datetime) -> None:
        """When a run ends, what was written before it began is in a backup of its policy."""
        key = (course.run.policy, course.run.volume)
        since, rpo = self._since(key), self._promised.get(key)
        if rpo is not None and since + rpo < end:
            self._misses.append(Miss(policy=key[0], volume=key[1], at=since + rpo, until=end))
        self._exposed[key] = max(since, course.start or since)
