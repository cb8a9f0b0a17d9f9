"""In which order waiting runs are let in, and what becomes of a night by that order."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lhbackupd.core.admission import Load, Slot, admit, hand_out, spare
from lhbackupd.core.cluster import Replica, Volume
from lhbackupd.core.durations import USUAL, Durations, Ended
from lhbackupd.core.model import Limits, Outcome, Phase, Run
from lhbackupd.core.order import Claim, Pressure, Queue, claim

from .examples import POLICY, T0, detached, nodes, run

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAMES = ("node-1", "node-2", "node-3", "node-4", "node-5", "node-6")


@dataclass(frozen=True, slots=True)
class Job:
    """A run of a volume of its own, as the simulation needs it."""

    seconds: float
    homes: tuple[str, ...]
    target: str = "default"
    #: seconds after T0
    asked: float = 0.0
    by: float = 86400.0


@dataclass(frozen=True, slots=True)
class Night:
    """What came of it: when each job began, and when the last one ended."""

    began: tuple[float, ...]
    makespan: float


def night(jobs: list[Job], limits: Limits) -> Night:
    """Every job from its asking to its end, let in by `admit` whenever something happens; breaks on a broken limit."""
    runs = [
        run(id=f"r{index}", volume=f"v{index}", due=T0 + timedelta(seconds=job.asked)) for index, job in enumerate(jobs)
    ]
    volumes: dict[str, Volume] = {
        f"v{index}": detached(
            name=f"v{index}",
            backup_target=job.target,
            replicas=tuple(Replica(name=home, node=home) for home in job.homes),
        )
        for index, job in enumerate(jobs)
    }
    arrivals = sorted(range(len(jobs)), key=lambda index: jobs[index].asked)
    waiting: dict[int, Run] = {}
    active: dict[int, Run] = {}
    ends: list[tuple[float, int]] = []
    began = [-1.0] * len(jobs)
    time = 0.0
    while arrivals or waiting or active:
        while arrivals and jobs[arrivals[0]].asked <= time:
            index = arrivals.pop(0)
            waiting[index] = runs[index]
        now = T0 + timedelta(seconds=time)
        given_out = admit(
            waiting.values(),
            active.values(),
            volumes=volumes,
            nodes=nodes(*NAMES),
            limits=limits,
            claims=claims_of(jobs, runs, (*waiting, *active), {index: end - time for end, index in ends}),
            now=now,
        )
        for index in [index for index in waiting if runs[index].id in given_out.slots]:
            slot = given_out.slots[runs[index].id]
            active[index] = replace(waiting.pop(index), phase=Phase.BACKING_UP, node=slot.node, target=slot.target)
            assert slot.node in jobs[index].homes
            began[index] = time
            heapq.heappush(ends, (time + jobs[index].seconds, index))
        assert len(active) <= limits.cluster
        assert all(count <= limits.per_node for count in Counter(each.node for each in active.values()).values())
        assert all(count <= limits.per_target for count in Counter(each.target for each in active.values()).values())
        assert active or arrivals or not waiting, "somebody waits although nothing is going on"
        time = min([end for end, _ in ends] + [jobs[index].asked for index in arrivals], default=time)
        while ends and ends[0][0] <= time:
            del active[heapq.heappop(ends)[1]]
    return Night(tuple(began), time)


def claims_of(jobs: list[Job], runs: list[Run], known: Iterable[int], left: dict[int, float]) -> dict[str, Claim]:
    return {
        runs[index].id: Claim(
            by=T0 + timedelta(seconds=jobs[index].by),
            seconds=left.get(index, jobs[index].seconds),
            asked=runs[index].due,
        )
        for index in known
    }


def lower_bound(jobs: list[Job], limits: Limits) -> float:
    """What no order can do better than: the longest run; all work by the cluster's places; that of each target by the
    target's; and that of the runs which have to go to some set of nodes by the places of these nodes."""
    bounds = [max(job.seconds for job in jobs), sum(job.seconds for job in jobs) / limits.cluster]
    targets = {job.target for job in jobs}
    bounds += [sum(job.seconds for job in jobs if job.target == one) / limits.per_target for one in targets]
    used = sorted({home for job in jobs for home in job.homes})
    for size in range(1, len(used) + 1):
        for chosen in combinations(used, size):
            inside = sum(job.seconds for job in jobs if set(job.homes) <= set(chosen))
            bounds.append(inside / (limits.per_node * size))
    return max(bounds)


def two_longest(jobs: list[Job]) -> float:
    return sum(sorted((job.seconds for job in jobs), reverse=True)[:2])


SOME_LIMITS = st.builds(Limits, cluster=st.integers(1, 8), per_node=st.integers(1, 3), per_target=st.integers(1, 6))
HOMES = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(lambda homes: tuple(sorted(homes)))
TARGETS = st.sampled_from(["default", "default", "second", "third"])


@settings(max_examples=200)
@given(
    jobs=st.lists(st.builds(Job, st.integers(1, 600).map(float), HOMES, TARGETS), min_size=1, max_size=40),
    limits=SOME_LIMITS,
)
@example(
    # a node with many short runs, and long ones elsewhere: by length alone the node would begin when they are done
    jobs=[Job(1.0, ("node-1",))] * 20 + [Job(2.0, (node,)) for node in NAMES[1:] for _ in range(2)],
    limits=Limits(cluster=2, per_node=1, per_target=6),
)
def test_with_equal_deadlines_all_end_within_the_least_possible_and_the_two_longest(
    jobs: list[Job], limits: Limits
) -> None:
    assert night(jobs, limits).makespan <= lower_bound(jobs, limits) + two_longest(jobs) + 1e-6


@settings(max_examples=15)
@given(
    seconds=st.lists(st.integers(60, 600).map(float), min_size=100, max_size=120),
    homes=st.lists(HOMES, min_size=1, max_size=12),
    targets=st.lists(TARGETS, min_size=1, max_size=5),
    limits=st.builds(Limits, cluster=st.integers(1, 6), per_node=st.integers(1, 2), per_target=st.integers(1, 4)),
)
def test_a_hundred_runs_with_equal_deadlines_take_no_more_than_1_15_of_the_least_possible(
    seconds: list[float], homes: list[tuple[str, ...]], targets: list[str], limits: Limits
) -> None:
    jobs = [Job(s, homes[i % len(homes)], targets[i % len(targets)]) for i, s in enumerate(seconds)]
    assert night(jobs, limits).makespan <= 1.15 * lower_bound(jobs, limits)


@settings(max_examples=100)
@given(
    jobs=st.lists(
        st.builds(
            Job,
            seconds=st.integers(1, 100).map(float),
            homes=HOMES,
            target=TARGETS,
            asked=st.integers(0, 300).map(float),
            by=st.integers(0, 600).map(float),
        ),
        min_size=1,
        max_size=25,
    ),
    limits=SOME_LIMITS,
)
def test_everybody_has_a_turn_and_no_limit_is_broken_whatever_the_deadlines(jobs: list[Job], limits: Limits) -> None:
    assert all(began >= job.asked for began, job in zip(night(jobs, limits).began, jobs, strict=True))


@pytest.mark.parametrize("length", [1.0, 20.0])
def test_a_stream_of_newcomers_keeps_nobody_waiting_past_those_asked_for_before_its_deadline(length: float) -> None:
    """Twice what can be done comes in: large runs where the one that waits is small, small ones where it is large."""
    waits = Job(21.0 - length, ("node-1",), by=40.0)
    times = [index * length / 2 for index in range(int(200 / length))]
    stream = [Job(length, ("node-1",), asked=time, by=time + 40) for time in times]
    began = night([waits, *stream], Limits(cluster=1)).began
    assert began[0] <= sum(job.seconds for job in stream if job.asked <= waits.by)


def test_a_run_that_needs_both_a_node_and_a_target_is_not_passed_by_for_ever_by_those_that_need_one() -> None:
    """Node and target are never free at once, unless the one is kept until the other is."""
    node = [Job(10.0, ("node-1",), "second", asked=t * 10.0, by=t * 10.0 + 60) for t in range(40)]
    target = [Job(10.0, ("node-2",), "default", asked=t * 10.0 + 5, by=t * 10.0 + 65) for t in range(40)]
    both = Job(10.0, ("node-1",), "default", asked=7.0, by=67.0)
    began = night([both, *node, *target], Limits(cluster=4, per_node=1, per_target=1)).began
    assert began[0] <= 67 + 20
    mirrored = Job(10.0, ("node-2",), "second", asked=7.0, by=67.0)
    assert night([mirrored, *node, *target], Limits(cluster=4, per_node=1, per_target=1)).began[0] <= 67 + 20


def test_a_run_that_waits_for_a_busy_node_holds_up_none_for_a_free_one() -> None:
    jobs = [Job(50.0, ("node-1",)), Job(50.0, ("node-1",), by=1.0), Job(5.0, ("node-2",))]
    assert night(jobs, Limits(cluster=4)).began == (50.0, 0.0, 0.0)


def test_a_place_is_kept_for_one_that_is_late_only_while_it_is_the_last() -> None:
    """The late run wants node-1 or node-2 and a target that is full; others may have what is more than one place."""
    limits = Limits(cluster=9, per_node=1, per_target=1)
    long = Job(100.0, ("node-6",), "default", by=0.0)
    late = Job(10.0, ("node-1", "node-2"), "default", by=1.0, asked=1.0)
    others = [Job(500.0, (node,), target, asked=2.0) for node, target in (("node-1", "second"), ("node-2", "third"))]
    began = night([long, late, *others], limits).began
    assert began[1] == 100.0
    assert sorted(began[2:]) == [2.0, 110.0]


def test_the_one_that_is_late_is_named_to_those_who_wait_for_its_place() -> None:
    limits = Limits(cluster=9, per_node=1, per_target=1)
    homes = {"busy": "node-6", "late": "node-1", "other": "node-1", "same": "node-2"}
    volumes = {
        name: detached(
            name=name,
            replicas=(Replica(name="r", node=home),),
            backup_target="second" if name == "other" else "default",
        )
        for name, home in homes.items()
    }
    asks = {name: Claim(by=T0 + timedelta(seconds=s), asked=T0) for name, s in (("late", 1), ("other", 9), ("same", 9))}

    def answer(*active: Run) -> dict[str, str]:
        waiting = [run(id=name, volume=name) for name in ("late", "other", "same")]
        where = nodes(*NAMES)
        given_out = admit(
            waiting, active, volumes=volumes, nodes=where, limits=limits, claims=asks, now=T0 + timedelta(seconds=5)
        )
        return dict(given_out.waits)

    busy = run(Phase.BACKING_UP, id="x", volume="busy", node="node-6", target="default")
    full = answer(busy)
    assert full["late"] == "waits for one of 1 places on backup target default"
    assert full["other"] == (
        "waits for one of 1 places on node-1, the last of which is kept for the late run late (limits.per_node)"
    )
    full = answer(replace(busy, node="node-1", target="second"))
    assert full["late"] == "waits for one of 1 places on node-1 (limits.per_node)"
    assert full["same"] == (
        "waits for one of 1 places on backup target default, the last of which is kept for the late run late"
    )


def test_groups_that_can_have_no_place_are_not_looked_at_unless_one_of_them_may_be_late() -> None:
    """A thousand kinds of runs and one node with a place: only who could go there has to be put in order."""
    limits = Limits(cluster=99, per_node=1, per_target=999)

    def looked_at(limits: Limits, by: float) -> tuple[int, str]:
        queue, load = Queue(), Load()
        for index, homes in enumerate(combinations([f"n{number}" for number in range(12)], 2)):
            asks = Claim(by=T0 + timedelta(seconds=by), asked=T0 - HOUR, seconds=5.0)
            queue.add(run(id=f"r{index}", volume=f"v{index}"), asks, nodes=homes, target="default")
        for number in range(1, 12):
            load.take(run(id=f"a{number}", volume=f"w{number}"), Slot(node=f"n{number}", target="default"))
        seen = list(queue.ordered(Pressure(), limits, spare(load, limits, T0)))
        (given_out,) = hand_out(queue, load, limits, now=T0)
        return len(seen), given_out[1].node

    assert looked_at(limits, by=86400.0) == (11, "n0")
    assert looked_at(limits, by=-1.0) == (11, "n0"), "nothing is kept for the late where targets have room"
    assert looked_at(replace(limits, per_target=99), by=86400.0) == (11, "n0")
    assert looked_at(replace(limits, per_target=99), by=-1.0) == (66, "n0")
    full = replace(limits, per_target=11)
    queue, load = Queue(), Load(targets=Counter(default=11))
    queue.add(run(), Claim(by=T0 + DAY, asked=T0), nodes=("n0",), target="default")
    assert list(queue.ordered(Pressure(), full, spare(load, full, T0))) == []


@settings(max_examples=300)
@given(
    jobs=st.lists(
        st.builds(
            Job,
            seconds=st.integers(1, 20).map(lambda number: number * 6.0),
            homes=HOMES,
            target=TARGETS,
            asked=st.integers(-60, 0).map(float),
            by=st.sampled_from([-30.0, 600.0, 86400.0]),
        ),
        min_size=1,
        max_size=25,
    ),
    limits=SOME_LIMITS,
    ended=st.integers(0, 8),
)
def test_what_comes_free_goes_to_whom_it_would_go_if_all_were_put_in_order_anew(
    jobs: list[Job], limits: Limits, ended: int
) -> None:
    runs = {f"r{index}": run(id=f"r{index}", volume=f"v{index}") for index in range(len(jobs))}
    asks = {
        f"r{index}": Claim(
            by=T0 + timedelta(seconds=job.by), asked=T0 + timedelta(seconds=job.asked), seconds=job.seconds
        )
        for index, job in enumerate(jobs)
    }
    volumes = {
        f"v{index}": detached(
            name=f"v{index}", backup_target=job.target, replicas=tuple(Replica(name=h, node=h) for h in job.homes)
        )
        for index, job in enumerate(jobs)
    }
    where = nodes(*NAMES)
    first = admit(runs.values(), (), volumes=volumes, nodes=where, limits=limits, claims=asks, now=T0)
    goes_on = list(first.slots.items())[ended:]
    active = [replace(runs[one], phase=Phase.BACKING_UP, node=slot.node, target=slot.target) for one, slot in goes_on]
    waiting = [runs[one] for one in first.waits]
    anew = admit(waiting, active, volumes=volumes, nodes=where, limits=limits, claims=asks, now=T0)
    given_out = hand_out(first.left, Load.of(active, asks), limits, now=T0)
    assert {one.id: slot for one, slot in given_out} == anew.slots


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def test_without_an_rpo_a_run_is_to_be_done_when_its_successor_is_due() -> None:
    asks = claim(run(), POLICY, seconds=600)
    assert asks == Claim(by=at(24), seconds=600, asked=at(0))
    assert asks.start == at(24) - timedelta(minutes=10)


def test_with_an_rpo_it_is_to_be_done_before_its_data_is_exposed_for_longer() -> None:
    policy = replace(POLICY, rpo=timedelta(hours=24))
    assert claim(run(), policy, seconds=0).by == at(24)
    assert claim(run(), policy, seconds=0, exposed=at(-20)).by == at(4)


def test_deadlines_that_differ_by_little_count_as_equal() -> None:
    policy = replace(POLICY, rpo=timedelta(hours=24))
    found = {claim(run(), policy, seconds=0, exposed=at(-20) + timedelta(minutes=m)).by for m in (0, 20, 59, 60)}
    assert found == {at(4), at(5)}


def test_what_is_late_already_goes_before_nobody_who_had_to_start_before_it_was_asked_for() -> None:
    policy = replace(POLICY, rpo=timedelta(hours=24))
    assert claim(run(), policy, seconds=600, exposed=at(-2400)).start == at(0)


def test_an_attempt_that_comes_again_lines_up_anew() -> None:
    again = run(attempt=2, queued_at=at(3))
    policy = replace(POLICY, rpo=timedelta(hours=24))
    assert claim(again, policy, seconds=600, exposed=at(-2400)).start == at(3)


def test_a_run_whose_policy_is_gone_is_due_when_it_was() -> None:
    assert claim(run(), None, seconds=1) == Claim(by=T0, seconds=1, asked=T0)


def ended(
    seconds: float, *, policy: str = "nightly", volume: str = "db", outcome: Outcome = Outcome.COMPLETED
) -> Ended:
    return Ended(
        policy=policy,
        volume=volume,
        outcome=outcome,
        started_at=T0,
        finished_at=T0 + timedelta(seconds=seconds),
    )


def test_a_run_is_expected_to_take_what_the_volumes_last_ones_took_in_the_middle() -> None:
    known = Durations.of(ended(seconds) for seconds in (900, 1, 2, 3, 4, 5, 6, 7, 800))
    assert known.expected("nightly", "db") == 5


def test_a_volume_that_is_not_known_takes_what_others_of_its_policy_take_or_of_any_or_the_usual_time() -> None:
    assert Durations().expected("nightly", "db") == USUAL
    known = Durations.of([ended(30), ended(7, policy="hourly")])
    assert known.expected("nightly", "new") == 30
    assert known.expected("weekly", "new") == 30


def test_runs_that_did_not_go_all_the_way_say_nothing() -> None:
    whole = run(outcome=Outcome.UNCHANGED, started_at=T0, finished_at=T0 + timedelta(seconds=4))
    known = Durations.of([ended(300, outcome=Outcome.FAILED), replace(ended(1), started_at=None)])
    assert known.expected("nightly", "db") == USUAL
    known.learn(whole)
    assert known.expected("nightly", "vol") == 4


def test_what_is_expected_may_be_asked_for_while_another_thread_learns() -> None:
    class Learning(dict[tuple[str, str], tuple[float, ...]]):
        """Another run ends after every reading."""

        def __getitem__(self, key: tuple[str, str]) -> tuple[float, ...]:
            found = super().__getitem__(key)
            self[key] = (*found, 7.0)
            return found

        def get(self, key: tuple[str, str], default: object = None) -> object:  # type: ignore[override]
            try:
                return self[key]
            except KeyError:
                return default

    assert Durations(known=Learning({("nightly", "a"): (7.0,)})).expected("nightly", "a") == 7.0
