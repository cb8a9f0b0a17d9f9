"""Many volumes: what is done with those of which there is nothing new. Counted, not timed."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from lhbackupd.assembly import rules_of
from lhbackupd.core import coverage
from lhbackupd.core.audit import Loss
from lhbackupd.core.model import Outcome, Run
from lhbackupd.core.pausing import Pause
from lhbackupd.engine import intake, lobby, watch
from lhbackupd.engine.events import BackupLost, Moved, Polled
from lhbackupd.engine.slices import SLICE, sliced
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

MANY = 40
JOB = {"name": "nightly", "task": "backup", "cron": "0 2 * * *", "retain": 3, "concurrency": 1, "groups": ["gold"]}
ACTION = "recurringJobList"
ASKED = f"POST /v1/volumes/*?action={ACTION}"


async def many(rig: Rig, count: int = MANY) -> None:
    await rig.call("POST", "/sim/volumes", {"count": count, "prefix": "vol-", "replicas": 2, "size": str(64 * MIB)})


async def names(rig: Rig) -> list[str]:
    return [volume["name"] for volume in (await rig.call("GET", "/v1/volumes"))["data"]]


def places(count: int) -> str:
    """A policy that is due at 02:00, and so many places in the cluster, on each node and each backup target."""
    limits = "".join(f"{name} = {count}\n" for name in ("cluster", "per_node", "per_target"))
    return f'[limits]\n{limits}[[policy]]\nname = "often"\ncron = "0 2 * * *"\n'


async def poll(rig: Rig, count: int = 1) -> None:
    await rig.clock.sleep(15 * count + 1)


async def requests(rig: Rig) -> Counter[str]:
    return Counter((await rig.call("GET", "/sim/requests"))["requests"])


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The volumes whose looks were compared."""
    names: list[str] = []
    look: Callable[..., Any] = watch.look

    def noted(former: Any, volume: Any, *rest: Any, **more: Any) -> Any:
        names.append(volume.name)
        return look(former, volume, *rest, **more)

    monkeypatch.setattr(watch, "look", noted)
    return names


async def test_a_volume_is_folded_only_when_it_is_not_as_it_was(rig: Rig, folded: list[str]) -> None:
    await many(rig)
    async with rig.daemon(rig.config(cron='"0 12 * * *"')) as engine:
        await poll(rig, 3)
        assert len(engine.keeper.watch.exposures) == MANY
        folded.clear()
        await poll(rig, 4)
        assert folded == []
        name = next(iter(engine.inventory.picture.volumes))
        await rig.call("POST", "/sim/pods", {"name": "pod", "namespace": "shop", "volume": name, "node": "node-1"})
        await poll(rig, 2)
        assert set(folded) == {name}
        exposed = engine.keeper.watch.exposures["often", name]
        assert exposed.since is not None


@pytest.mark.parametrize(("cost", "apart"), [(0.1, 15), (2.0, 72), (100.0, 120)])
async def test_the_more_processor_time_a_poll_takes_the_rarer_they_come(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, cost: float, apart: int
) -> None:
    monkeypatch.setattr(rig.clock, "spent", count(0.0, cost).__next__)  # asked for before and after each
    async with rig.daemon(rig.config()) as engine:
        await poll(rig)
        before = (await requests(rig))["GET /v1/volumes"]
        await rig.clock.sleep(1200)
        assert (await requests(rig))["GET /v1/volumes"] - before == pytest.approx(1200 / apart, abs=3)
        assert engine.inventory.picture.cost == pytest.approx(cost)


@pytest.fixture
def matched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The volumes with which the policies were matched, for schedules and for coverage."""
    names: list[str] = []
    covering: Callable[..., Any] = intake.covering

    def noted(policies: Any, volume: Any, groups: Any) -> Any:
        names.append(volume.name)
        return covering(policies, volume, groups)

    monkeypatch.setattr(intake, "covering", noted)
    monkeypatch.setattr(coverage, "covering", noted)
    return names


async def test_policies_are_matched_with_a_volume_only_when_it_is_not_as_it_was(rig: Rig, matched: list[str]) -> None:
    await many(rig)
    config = '[[policy]]\nname = "one"\ncron = "0 12 * * *"\nmatch = {{ namespace = ["{}"] }}\n'
    async with rig.daemon(rig.config(config.format("shop"))) as engine:
        await poll(rig, 3)
        assert set(engine.keeper.coverage.covers.volumes) == set(await names(rig))
        matched.clear()
        name = next(iter(engine.inventory.picture.volumes))
        await rig.call("POST", "/sim/pods", {"name": "pod", "namespace": "shop", "volume": name, "node": "node-1"})
        await poll(rig, 2)
        assert set(matched) == {name}
        assert set(engine.scheduler.schedules) == {("one", name)}
        engine.keeper.rules = rules_of(rig.config(config.format("sh*")))
        engine.keeper.wake()
        await poll(rig)
        assert set(matched) == set(await names(rig)), "another policy may be for any of them"
        await rig.call("DELETE", f"/v1/volumes/{name}")
        await poll(rig, 2)
        assert engine.scheduler.schedules == {}
        assert name not in engine.keeper.coverage.covers.volumes


async def test_a_policy_that_a_reload_leaves_as_it_was_stays_the_same_object(rig: Rig) -> None:
    config = '[[policy]]\nname = "{}"\ncron = "0 {} * * *"\nmatch = {{ name = ["vol-*"] }}\n'
    before = rules_of(rig.config(config.format("first", 12) + config.format("second", 12)))
    read = rules_of(rig.config(config.format("first", 12) + config.format("second", 13)))
    after = read.following(before)
    assert after == read
    assert after.policies["first"] is before.policies["first"]
    assert after.policies["second"] is read.policies["second"]


async def test_a_schedule_that_comes_later_is_known_of_though_its_volume_lies_there_as_it_did(rig: Rig) -> None:
    await many(rig)
    config = '[[policy]]\nname = "{}"\ncron = "0 12 * * *"\nmatch = {{ name = ["vol-*"] }}\n'
    async with rig.daemon(rig.config(config.format("first"))) as engine:
        await poll(rig, 3)
        assert len(engine.keeper.watch.exposures) == MANY
        engine.keeper.rules = rules_of(rig.config(config.format("first") + config.format("second")))
        engine.keeper.wake()
        await rig.until(lambda: len(engine.scheduler.schedules) == 2 * MANY)
        engine.keeper.watch.exposed()  # as a page asks between two polls
        await poll(rig)
        assert engine.keeper.watch.exposures.keys() == engine.scheduler.schedules.keys()


async def test_a_poll_that_shows_what_the_last_one_showed_has_nothing_worked_out_anew(rig: Rig) -> None:
    await many(rig)
    async with rig.daemon(rig.config(cron='"0 12 * * *"')) as engine:
        await poll(rig, 2)
        before, covers = engine.inventory.picture, engine.keeper.coverage.covers
        await poll(rig, 2)
        after = engine.inventory.picture
        assert after.at != before.at
        assert after.volumes is before.volumes
        assert engine.keeper.coverage.covers is covers


async def test_groups_that_are_not_known_are_asked_for_in_one_poll_where_longhorn_is_quick(rig: Rig) -> None:
    await many(rig, 120)
    await rig.call("POST", "/v1/recurringjobs", JOB)
    async with rig.daemon(rig.config(match='{ name = ["x"] }')) as engine:
        await rig.until(lambda: engine.inventory.picture.at is not None)
        assert len(engine.inventory.picture.groups) == 120
        known, before = engine.inventory.picture.groups, await requests(rig)
        await poll(rig)
        assert (await requests(rig))[ASKED] - before[ASKED] == 50, "those that are known are asked for in turn"
        assert engine.inventory.picture.groups is known


async def test_a_slow_longhorn_is_asked_for_fewer_groups_at_a_time(rig: Rig) -> None:
    await many(rig, 120)
    await rig.call("POST", "/v1/recurringjobs", JOB)
    await rig.call("POST", "/sim/faults", {"kind": "delay", "seconds": 1.0, "match": {"action": ACTION}})
    async with rig.daemon(rig.config(match='{ name = ["x"] }')) as engine:
        await rig.until(lambda: engine.inventory.picture.at is not None)
        assert len(engine.inventory.picture.groups) == 16, "eight at once, for two seconds"
        await rig.until(lambda: len(engine.inventory.picture.groups) == 120)


async def test_a_long_walk_lets_others_have_the_loop_after_every_slice() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(other())
    seen = [item async for item in sliced(range(4 * SLICE))]
    running.cancel()
    assert seen == list(range(4 * SLICE))
    assert turns == 4


async def test_others_have_the_loop_while_the_watch_folds_in_the_moves_of_many_runs(rig: Rig) -> None:
    await rig.volume("vol-a")
    async with rig.daemon(rig.config(cron='"0 12 * * *"')) as engine:
        watching, key = engine.keeper.watch, ("often", "vol-a")
        await rig.until(lambda: key in watching.exposures)
        now = rig.clock.now()
        for number in range(4 * SLICE):
            watching.heard(Moved(None, Run(id=str(number), policy="often", volume="vol-a", due=now, queued_at=now)))
        loss = Loss(policy="often", volume="vol-a", backup="backup-1", left="", until=None)
        watching.heard(BackupLost(loss))
        turns = 0
        while watching.exposures[key].sign != loss.words:
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 4


async def test_others_have_the_loop_while_many_runs_begin_that_have_a_place_at_once(rig: Rig) -> None:
    await many(rig)
    async with rig.daemon(rig.config(places(MANY))) as engine:
        await rig.until(lambda: len(engine.scheduler.schedules) == MANY)
        now = rig.clock.now()
        await engine.keeper.orders.pause(Pause(policy="often", since=now, until=now + timedelta(days=1), by="me"))
        await rig.until(lambda: len(engine.keeper.waiting) == MANY)
        await engine.keeper.orders.resume({"often"}, "me")
        engine.keeper.wake()
        most = begun = 0
        while begun < MANY:
            await asyncio.sleep(0)
            most, begun = max(most, len(engine.keeper.active) - begun), len(engine.keeper.active)
        assert most == SLICE


async def test_a_volume_that_made_no_sense_and_is_gone_loses_its_schedule_though_no_other_has_changed(rig: Rig) -> None:
    config = rig.config(cron='"0 12 * * *"')
    for name in ("vol-a", "vol-b"):
        await rig.volume(name)
    async with rig.daemon(config) as engine:
        await rig.until(lambda: len(engine.scheduler.schedules) == 2)
    await rig.call("POST", "/sim/volumes/vol-b/faults", {"size": "much"})
    async with rig.daemon(config) as engine:
        await poll(rig, 2)
        assert set(engine.inventory.picture.broken) == {"vol-b"}
        assert ("often", "vol-b") in engine.scheduler.schedules
        await rig.call("DELETE", "/v1/volumes/vol-b")
        await rig.until(lambda: not engine.inventory.picture.broken)
        await poll(rig)
        assert list(engine.scheduler.schedules) == [("often", "vol-a")]


async def test_an_end_has_only_those_decided_on_who_get_its_place(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that wait are swept when they come and with the clock, not with every end, and say what they wait for."""
    seconds: Counter[int] = Counter()
    decide: Callable[..., Any] = lobby.decide

    def noted(*given: Any) -> Any:
        seconds[int(rig.clock.monotonic())] += 1
        return decide(*given)

    monkeypatch.setattr(lobby, "decide", noted)
    await many(rig)
    for number, name in enumerate(await names(rig)):  # each ends in a second of its own
        await rig.call("POST", f"/sim/volumes/{name}/timing", {"backup": 5 + number % 8})
        await rig.call("POST", f"/sim/volumes/{name}/prefill", {"bytes": MIB})
    cluster = 8
    async with rig.daemon(rig.config(places(cluster))) as engine:
        await rig.until(lambda: rig.outcomes() != [])
        began = rig.clock.monotonic()
        while len(rig.runs()) < MANY:
            await rig.clock.sleep(0.5)
            words = {run.reason for run in engine.keeper.waiting.values()}
            assert words <= {f"waits for one of {cluster} places in the cluster (limits.cluster)"}
        took = rig.clock.monotonic() - began
    assert set(rig.outcomes()) == {Outcome.COMPLETED}
    sweeps = sum(count > cluster for second, count in seconds.items() if second > began)
    assert sweeps <= took / lobby.OLD * 2 + 1, "polls, and turns in which nothing else has happened"


async def test_of_many_volumes_a_twentieth_is_asked_for_its_groups_with_each_poll(rig: Rig) -> None:
    await many(rig, 1200)
    await rig.call("POST", "/v1/recurringjobs", JOB)
    async with rig.daemon(rig.config(match='{ name = ["x"] }')) as engine:
        await rig.until(lambda: len(engine.inventory.picture.groups) == 1200)
        before = await requests(rig)
        await poll(rig)
        assert (await requests(rig))[ASKED] - before[ASKED] == 60


async def test_volumes_that_are_gone_are_looked_for_by_name_and_not_in_a_list_for_each(rig: Rig) -> None:
    await many(rig)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: len(engine.scheduler.schedules) == MANY)
        now = rig.clock.now()
        await engine.keeper.orders.pause(Pause(policy="often", since=now, until=now + timedelta(days=1), by="me"))
        await rig.until(lambda: len(engine.keeper.waiting) == MANY)
        before = await requests(rig)
        for name in await names(rig):
            await rig.call("DELETE", f"/v1/volumes/{name}")
        polls = sum(isinstance(event, Polled) for event in rig.events)
        await rig.until(lambda: not engine.keeper.waiting)
        polls = sum(isinstance(event, Polled) for event in rig.events) - polls
        assert (await requests(rig))["GET /v1/volumes"] - before["GET /v1/volumes"] <= polls + 1  # and ours by `names`
    assert rig.outcomes() == [Outcome.GONE] * MANY
