"""What the coming days look like, from schedules, durations and limits."""

import gc
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhbackupd.core import forecast as module
from lhbackupd.core.cluster import Replica, Setting, Volume
from lhbackupd.core.durations import Durations, Ended
from lhbackupd.core.forecast import forecast
from lhbackupd.core.model import Detached, Limits, Outcome, Phase, Policy
from lhbackupd.core.outlook import Forecast, Miss, Outlook, Planned, always_open

from .examples import T0, attached, detached, nodes, run

NOON = T0 + timedelta(hours=10)
NIGHTLY = Policy(name="nightly", cron="0 2 * * *")
HOURLY = Policy(name="hourly", cron="0 * * * *")
DAY = timedelta(days=1)
NAMES = ("node-1", "node-2", "node-3")


def volume(name: str, *homes: str, **changes: Any) -> Volume:
    return detached(name=name, replicas=tuple(Replica(name=home, node=home) for home in homes or NAMES), **changes)


def lasting(**seconds: float) -> Durations:
    """What runs of volumes take, under any of the policies here."""
    return Durations.of(
        Ended(
            policy=policy,
            volume=name,
            outcome=Outcome.COMPLETED,
            started_at=T0,
            finished_at=T0 + timedelta(seconds=each),
        )
        for name, each in seconds.items()
        for policy in ("nightly", "hourly")
    )


def outlook(*volumes: Volume, policy: Policy = NIGHTLY, **changes: Any) -> Outlook:
    known: dict[str, Any] = {"at": NOON, "policies": {policy.name: policy}, "limits": Limits(), "nodes": nodes(*NAMES)}
    known |= {"schedules": [(policy.name, each.name) for each in volumes], "setting": Setting.ALLOWED}
    return Outlook(**(known | {"volumes": {each.name: each for each in volumes}} | changes))


def night(hours: float = 0.0) -> datetime:
    """So many hours after the first night's 02:00."""
    return T0 + DAY + timedelta(hours=hours)


def at(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)


def test_every_due_time_is_a_run_on_its_node_for_as_long_as_such_runs_take() -> None:
    found = forecast(outlook(volume("db", "node-2"), durations=lasting(db=90)), NOON + 2 * DAY)
    plan = Planned(
        policy="nightly", volume="db", due=night(), start=night(), end=at(night(), 90), node="node-2", target="default"
    )
    assert found.runs[0] == plan
    assert [each.start for each in found.runs] == [night(), night(24)]
    assert (found.at, found.until, found.whole) == (NOON, NOON + 2 * DAY, True)
    assert (found.nodes, found.targets, found.peak, found.misses) == ({"node-2": 1}, {"default": 1}, 1, ())


def test_limits_put_runs_in_line_and_peaks_show_it() -> None:
    volumes = [volume(name, "node-1") for name in "abc"]
    found = forecast(outlook(*volumes, volume("d", "node-2"), durations=lasting(a=10, b=30, c=20, d=1)), NOON + DAY)
    assert [(each.volume, each.start) for each in found.runs] == [
        ("b", night()),
        ("d", night()),
        ("c", at(night(), 30)),
        ("a", at(night(), 50)),
    ]
    assert (found.nodes, found.targets, found.peak) == ({"node-1": 1, "node-2": 1}, {"default": 2}, 2)


def test_a_run_that_is_not_done_when_the_next_is_due_overruns_it_and_that_one_is_skipped() -> None:
    found = forecast(outlook(volume("db"), policy=HOURLY, durations=lasting(db=9000)), NOON + timedelta(hours=4))
    first, skipped, again, last = found.runs[0], found.runs[2], found.runs[3], found.runs[1]
    assert (first.due, first.overruns) == (NOON + timedelta(hours=1), NOON + timedelta(hours=2))
    assert {skipped.outcome, again.outcome} == {Outcome.SKIPPED}
    assert "not done by then" in skipped.reason
    assert (last.due, last.overruns) == (NOON + timedelta(hours=4), None)


@pytest.mark.parametrize(
    ("changes", "setting", "outcome", "words"),
    [
        ({}, Setting.FORBIDDEN, Outcome.SUSPENDED, "is false"),
        ({"standby": True}, Setting.ALLOWED, Outcome.REFUSED, "standby"),
        ({}, Setting.UNREAD, None, "cannot be read"),
    ],
)
def test_what_would_not_run_says_why(changes: Any, setting: Setting, outcome: Outcome | None, words: str) -> None:
    words = words.replace("cannot", "can")
    found = forecast(outlook(volume("db", **changes), setting=setting), NOON + DAY)
    (plan,) = found.runs
    assert (plan.start, plan.end, plan.outcome) == (None, None, outcome)
    assert words in plan.reason


def test_attached_volumes_and_policies_that_do_not_ask_need_no_setting() -> None:
    live, always = attached(name="live"), replace(NIGHTLY, detached=Detached.ALWAYS)
    assert forecast(outlook(live, setting=Setting.FORBIDDEN), NOON + DAY).runs[0].node == "node-1"
    assert forecast(outlook(volume("db"), policy=always, setting=Setting.UNREAD), NOON + DAY).runs[0].start


def test_a_volume_that_is_not_listed_or_can_go_nowhere_waits() -> None:
    missing = forecast(outlook(schedules=[("nightly", "gone")]), NOON + DAY)
    assert missing.runs[0].reason == "waits until Longhorn lists the volume again"
    dark = forecast(outlook(volume("db"), nodes={}), NOON + DAY)
    assert dark.runs[0].reason == "waits: no node is Ready (none is known)"


def test_what_runs_and_waits_already_is_part_of_it() -> None:
    active = run(
        Phase.BACKING_UP, id="x", volume="a", node="node-1", started_at=NOON - timedelta(seconds=10), due=night(-24)
    )
    waiting = run(id="y", volume="b", due=NOON)
    later = run(id="z", volume="c", due=NOON, not_before=NOON + timedelta(hours=1))
    gone = run(id="g", volume="d", policy="former", due=NOON)
    given = outlook(
        *(volume(name, "node-1") for name in "abcd"),
        active=[active],
        waiting=[waiting, later, gone],
        durations=lasting(a=60, b=5, c=5),
    )
    plans = {each.volume: each for each in forecast(given, NOON + timedelta(hours=2)).runs}
    assert (plans["a"].start, plans["a"].end) == (active.started_at, at(NOON, 50))
    assert plans["b"].start == at(NOON, 50)
    assert plans["c"].start == NOON + timedelta(hours=1)
    assert (plans["d"].outcome, plans["d"].reason) == (Outcome.GONE, "its policy is no longer configured")
    assert {name: plan.end for name, plan in plans.items() if plan.end} == {
        "a": at(NOON, 50),
        "b": at(NOON, 55),
        "c": at(NOON + timedelta(hours=1), 5),
    }


def test_a_run_that_takes_longer_than_expected_is_half_done() -> None:
    active = run(Phase.BACKING_UP, id="x", volume="a", node="node-1", started_at=NOON - timedelta(seconds=100))
    given = outlook(volume("a"), active=[active], durations=lasting(a=60))
    assert forecast(given, night()).runs[0].end == at(NOON, 100)


def test_a_stuck_run_keeps_its_volume_and_no_place() -> None:
    stuck = run(
        Phase.DETACHING, id="x", volume="a", node="node-1", stuck=True, started_at=NOON, reason="not given back"
    )
    again = run(id="y", volume="a", policy="hourly", due=NOON)
    free = run(id="z", volume="b", due=NOON)
    given = outlook(
        volume("a", "node-1"),
        volume("b", "node-1"),
        policies={"nightly": NIGHTLY, "hourly": HOURLY},
        active=[stuck],
        waiting=[again, free],
        durations=lasting(a=5, b=5),
    )
    assert [run.end for run in forecast(given, NOON).runs if run.volume == "b"] == [at(NOON, 5)]
    plans = {each.policy: each for each in forecast(given, NOON + timedelta(hours=1)).runs if each.volume == "a"}
    assert (plans["nightly"].end, plans["nightly"].reason) == (None, "not given back")
    assert plans["hourly"].start is None


WITH_RPO = replace(NIGHTLY, rpo=timedelta(hours=26))


def test_an_rpo_that_is_met_is_no_matter() -> None:
    given = outlook(volume("db"), policy=WITH_RPO, exposed={("nightly", "db"): night(-24)}, durations=lasting(db=600))
    assert forecast(given, NOON + 7 * DAY).misses == ()


def test_an_rpo_that_passes_before_the_run_has_ended_is_missed_until_then() -> None:
    given = outlook(
        volume("db"), policy=WITH_RPO, exposed={("nightly", "db"): night(-24)}, durations=lasting(db=3 * 3600)
    )
    first, *rest = forecast(given, NOON + 2 * DAY).misses
    assert first == Miss(policy="nightly", volume="db", at=night(2), until=night(3))
    assert [miss.at for miss in rest] == [night(26)]


def test_an_rpo_of_a_volume_that_no_run_backs_up_is_missed_for_good_and_one_that_is_violated_is_so_now() -> None:
    given = outlook(volume("db"), policy=WITH_RPO, setting=Setting.FORBIDDEN)
    assert forecast(given, NOON + 2 * DAY).misses == (
        Miss(policy="nightly", volume="db", at=NOON + timedelta(hours=26), until=None),
    )
    given = replace(given, exposed={("nightly", "db"): NOON - 9 * DAY})
    assert forecast(given, NOON + DAY).misses[0].at == NOON - 9 * DAY + timedelta(hours=26)


def test_an_rpo_that_is_violated_while_the_last_run_still_goes_ends_with_that() -> None:
    given = outlook(
        volume("db"), policy=WITH_RPO, exposed={("nightly", "db"): night(-24)}, durations=lasting(db=5 * 3600)
    )
    (miss,) = forecast(given, night(3)).misses
    assert (miss.at, miss.until) == (night(2), night(5))
    assert forecast(given, night(1)).misses == ()


def test_what_one_policy_has_not_backed_up_for_long_breaks_no_promise_of_another() -> None:
    both = {"nightly": WITH_RPO, "hourly": HOURLY}
    given = outlook(
        volume("db"), policies=both, schedules=[("nightly", "db"), ("hourly", "db")], durations=lasting(db=60)
    )
    known = {("nightly", "db"): night(-24), ("hourly", "db"): NOON - 90 * DAY}
    assert forecast(replace(given, exposed=known), NOON + 2 * DAY).misses == ()


def opens_at_three(_policy: Policy, moment: datetime) -> datetime:
    """From 03:00 to 03:01 every night."""
    today = moment.replace(hour=3, minute=0, second=0, microsecond=0)
    if moment < today:
        return today
    return moment if moment < today + timedelta(minutes=1) else today + DAY


def test_runs_wait_for_their_window_and_what_has_not_begun_when_it_closes_is_put_off() -> None:
    volumes = [volume(name, "node-1") for name in "abc"]
    given = outlook(*volumes, durations=lasting(a=40, b=40, c=40), opens=opens_at_three)
    found = forecast(given, NOON + 2 * DAY)
    nights = [(each.volume, each.start, each.put_off) for each in found.runs if each.start]
    assert nights[:3] == [
        ("a", night(1), False),
        ("b", at(night(1), 40), False),
        ("c", night(25), True),
    ]
    assert next(each for each in found.runs if each.volume == "c").overruns == night(24)


def test_volumes_may_have_due_times_of_their_own() -> None:
    def spread(_policy: Policy, name: str, after: datetime) -> datetime:
        return max(after, night()) + timedelta(hours=1 if name == "a" else 2)

    found = forecast(outlook(volume("a"), volume("b"), due=spread), night(2))
    assert [(each.volume, each.due) for each in found.runs][:2] == [("a", night(1)), ("a", night(2))]


def test_a_plan_of_too_many_runs_ends_earlier_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 24)
    found = forecast(outlook(volume("db"), policy=HOURLY), NOON + 7 * DAY)
    assert not found.whole
    assert found.until <= NOON + timedelta(hours=25)
    assert len(found.runs) == 24


def overlapping(found: Forecast, key: str) -> Counter[str]:
    """Most runs at once, by a field of theirs, counted from the plan itself."""
    moments = [(each.start, 1, getattr(each, key)) for each in found.runs if each.start]
    moments += [(each.end, -1, getattr(each, key)) for each in found.runs if each.end]
    now, most = Counter[str](), Counter[str]()
    for _, change, name in sorted(moments):
        now[name] += change
        most[name] = max(most[name], now[name])
    return most


@settings(max_examples=50)
@given(
    seconds=st.lists(st.integers(1, 7200), min_size=1, max_size=20),
    limits=st.builds(Limits, cluster=st.integers(1, 4), per_node=st.integers(1, 2), per_target=st.integers(1, 4)),
    policy=st.sampled_from([NIGHTLY, HOURLY, WITH_RPO]),
)
def test_no_plan_breaks_a_limit_and_each_due_time_is_accounted_for(
    seconds: list[int], limits: Limits, policy: Policy
) -> None:
    volumes = [volume(f"v{index}", NAMES[index % 3], NAMES[index % 2]) for index in range(len(seconds))]
    known = lasting(**{f"v{index}": each for index, each in enumerate(seconds)})
    found = forecast(outlook(*volumes, policy=policy, limits=limits, durations=known), NOON + 2 * DAY)
    assert all(count <= limits.per_node for count in overlapping(found, "node").values())
    assert all(count <= min(limits.per_target, limits.cluster) for count in overlapping(found, "target").values())
    assert overlapping(found, "target") == Counter(found.targets)
    assert overlapping(found, "node") == Counter(found.nodes)
    dues = Counter((each.volume, each.due) for each in found.runs)
    assert set(dues.values()) == {1}
    assert len(dues) == len(volumes) * (48 if policy is HOURLY else 2)


def test_the_plan_is_what_admission_does() -> None:
    """A queue as it stands goes in the order in which the daemon would let it in."""
    runs = [run(id=name, volume=name, due=NOON) for name in "abcd"]
    given = outlook(
        *(volume(each.volume) for each in runs),
        waiting=runs,
        limits=Limits(cluster=1),
        durations=lasting(a=10, b=40, c=20, d=30),
    )
    assert [run.volume for run in forecast(given, NOON + timedelta(hours=1)).runs] == ["b", "d", "c", "a"]


BOTH = {"nightly": NIGHTLY, "hourly": HOURLY}


@settings(max_examples=100)
@given(data=st.data())
def test_the_next_run_alone_is_what_the_whole_forecast_says_of_it(data: st.DataObject) -> None:
    """Whatever is active, stuck, waiting, barred or behind a window."""
    names = [f"v{index}" for index in range(data.draw(st.integers(1, 8)))]
    volumes = [
        volume(name, NAMES[index % 3], NAMES[index % 2], standby=data.draw(st.integers(0, 9)) == 0)
        for index, name in enumerate(names)
    ]
    known = lasting(**{name: data.draw(st.integers(1, 4000)) for name in names})
    keys = [(policy, name) for policy in BOTH for name in names]
    going = data.draw(st.lists(st.sampled_from(keys), unique_by=lambda key: key[1]))
    waiting = data.draw(st.lists(st.sampled_from([key for key in keys if key not in going] or keys), unique=True))
    given = outlook(
        *volumes,
        policies=BOTH,
        schedules=keys,
        active=[
            run(
                Phase.BACKING_UP,
                id=f"a-{key}",
                policy=key[0],
                volume=key[1],
                due=NOON,
                started_at=NOON,
                stuck=data.draw(st.booleans()),
                reason="so",
            )
            for key in going
        ],
        waiting=[run(id=f"w-{key}", policy=key[0], volume=key[1], due=NOON) for key in waiting if key not in going],
        durations=known,
        limits=Limits(cluster=data.draw(st.integers(1, 4)), per_node=data.draw(st.integers(1, 2))),
        opens=data.draw(st.sampled_from([always_open, opens_at_three])),
    )
    key = data.draw(st.sampled_from(keys))
    alone = forecast(given, NOON + DAY, nexts=[key])
    whole = [each for each in forecast(given, NOON + DAY).runs if (each.policy, each.volume) == key]
    assert first(alone.runs) == first(whole)
    assert {(each.policy, each.volume) for each in alone.runs} <= {key}
    assert alone.misses == ()


def first(runs: Iterable[Planned]) -> Planned | None:
    """The first that is not skipped, but for what comes of it later."""
    found = next((each for each in runs if each.outcome is not Outcome.SKIPPED), None)
    return found and replace(found, overruns=None, put_off=False)


def counted(given: Outlook) -> tuple[Outlook, Counter[str]]:
    """The same, and how often it is asked what; each run that lines up asks when its policy's window opens."""
    asked = Counter[str]()

    def opens(policy: Policy, moment: datetime) -> datetime:
        asked["opens"] += 1
        return given.opens(policy, moment)

    return replace(given, opens=opens), asked


def test_the_next_run_of_one_volume_is_played_no_further_than_to_its_beginning() -> None:
    soon, later = ("hourly", "soon"), [("nightly", f"v{index}") for index in range(200)]
    given = outlook(volume("soon"), *(volume(name) for _, name in later), policies=BOTH, schedules=[soon, *later])
    near, asked = counted(given)
    assert forecast(near, NOON + DAY, nexts=[soon]).runs[0].start == NOON + timedelta(hours=1)
    alone = asked.total()
    few, asked = counted(replace(given, schedules=[soon]))
    forecast(few, NOON + DAY, nexts=[soon])
    assert alone == asked.total()
    whole, asked = counted(given)
    forecast(whole, NOON + DAY)
    assert asked.total() > 100 * alone


def test_what_goes_on_already_needs_no_playing() -> None:
    active = run(Phase.BACKING_UP, id="x", volume="a", node="node-1", started_at=NOON)
    seen, asked = counted(outlook(volume("a"), volume("b"), active=[active]))
    assert forecast(seen, NOON + DAY, nexts=[("nightly", "a")]).runs[0].end == at(NOON, 13)
    assert not asked


def test_nobody_plays_on_for_a_run_that_can_never_begin() -> None:
    stuck = run(Phase.DETACHING, id="x", volume="a", stuck=True, started_at=NOON, reason="not given back")
    given = outlook(volume("a"), volume("b"), volume("c", standby=True), policies=BOTH, active=[stuck])
    seen, asked = counted(replace(given, schedules=[("nightly", "c"), ("hourly", "a"), ("hourly", "b")]))
    found = forecast(seen, NOON + 7 * DAY, nexts=[("nightly", "c"), ("hourly", "a")]).runs
    assert [(each.volume, each.start, each.outcome) for each in found if each.outcome is not Outcome.SKIPPED] == [
        ("a", None, None),
        ("c", None, Outcome.REFUSED),
    ]
    assert asked.total() < 100, "a night, not a week"


def test_a_forecast_leaves_nothing_behind_that_only_a_garbage_collection_takes_away() -> None:
    seen = outlook(volume("a"), volume("b"), policy=HOURLY)
    gc.collect()
    gc.disable()
    try:
        forecast(seen, T0 + DAY)
        forecast(seen, T0 + DAY, nexts=[("hourly", "a")])
        assert gc.collect() == 0
    finally:
        gc.enable()
