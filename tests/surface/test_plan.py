"""The plan and what is said of one volume: made from a daemon's state, and asked for over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from lhbackupd.core.cluster import Node, Replica, Setting, Volume
from lhbackupd.core.durations import Durations, Ended
from lhbackupd.core.model import Mode, Outcome
from lhbackupd.core.windows import parse_window
from lhbackupd.engine.closeup import CloseUp
from lhbackupd.surface.explain import explain
from lhbackupd.surface.explanation import Explanation
from lhbackupd.surface.plan import Plan, outlook, plan, read_span
from lhbackupd.surface.web import HEADERS
from tests.surface.house import NIGHTLY, NOON, TODAY, House, ended, queued, running, volume
from tests.surface.shown import web

DAY = timedelta(days=1)


def placed(name: str, **fields: Any) -> Volume:
    return volume(name, replicas=(Replica(name="r", node="node-1"),), **fields)


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web(house).app), base_url="http://lhbackupd") as made:
        yield made


def test_a_plan_is_made_from_schedules_queue_and_history(house: House) -> None:
    house.has(placed("pvc-a"), placed("pvc-b"), placed("pvc-c"))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    house.keeper.books.durations = Durations.of(
        Ended(policy="nightly", volume="pvc-a", outcome=Outcome.COMPLETED, started_at=NOON, finished_at=NOON + s)
        for s in (timedelta(seconds=90),)
    )
    house.keeper.active["x"] = running("pvc-b", started_at=NOON - timedelta(seconds=30), target="default")
    house.keeper.waiting["y"] = queued("pvc-c")
    made = plan(house.sources, DAY)
    assert [(run.volume, run.due, run.end) for run in made.runs[:2]] == [
        ("pvc-b", TODAY, NOON + timedelta(seconds=60)),
        ("pvc-c", TODAY, NOON + timedelta(seconds=150)),
    ]
    assert {run.due for run in made.runs[2:]} == {TODAY + DAY}
    assert (made.cluster.most, made.cluster.limit) == (1, 4)
    assert [(peak.name, peak.most, peak.limit) for peak in made.nodes] == [("node-1", 1, 1)]
    assert [(peak.name, peak.most, peak.limit) for peak in made.targets] == [("default", 1, 4)]
    assert (made.overruns, made.put_off, made.misses, made.whole) == (0, 0, (), True)
    assert outlook(house.sources).exposed == {("nightly", "pvc-a"): TODAY}


def test_runs_are_planned_for_when_their_window_opens(house: House) -> None:
    house.has(placed("pvc-a"), policy=replace(NIGHTLY, window=(parse_window("03:00-04:00"),)))
    (run,) = plan(house.sources, DAY).runs
    assert (run.due, run.start) == (TODAY + DAY, TODAY + DAY + timedelta(hours=1))


def test_a_shadow_takes_no_place_in_the_plan(house: House) -> None:
    house.has(placed("pvc-a"), policy=replace(NIGHTLY, mode=Mode.SHADOW))
    house.keeper.waiting["y"] = queued("pvc-a")
    assert plan(house.sources, DAY).runs == ()


def test_a_plan_survives_json(house: House) -> None:
    house.has(placed("pvc-a"), policy=replace(NIGHTLY, rpo=timedelta(hours=2)))
    made = plan(house.sources, 2 * DAY)
    assert made.misses
    raw = msgspec.json.encode(made)
    assert msgspec.json.decode(raw, type=Plan) == made
    assert msgspec.json.decode(raw)["version"] == 1


def test_what_is_forbidden_now_is_planned_as_suspended(house: House) -> None:
    house.has(placed("pvc-a"))
    house.look(setting=Setting.FORBIDDEN)
    assert [run.outcome for run in plan(house.sources, DAY).runs] == [Outcome.SUSPENDED]


def test_schedules_of_a_policy_that_a_reload_took_away_are_left_out(house: House) -> None:
    house.has(placed("pvc-a"))
    house.keeper.rules = replace(house.keeper.rules, policies={})
    assert plan(house.sources, DAY).runs == ()


@pytest.mark.parametrize("text", ["1h", "7d", "1d12h", "31d"])
def test_a_plan_reaches_from_an_hour_to_a_month(text: str) -> None:
    assert timedelta(hours=1) <= read_span(text) <= timedelta(days=31)


async def test_the_plan_comes_as_json_for_as_long_as_is_asked(client: httpx.AsyncClient, house: House) -> None:
    house.has(placed("pvc-a"))
    answer = await client.get("/plan.json?next=1d")
    assert answer.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(answer.content, type=Plan) == plan(house.sources, DAY)
    week = msgspec.json.decode((await client.get("/plan.json")).content, type=Plan)
    assert week.until - week.at == 7 * DAY


@pytest.mark.parametrize("text", ["", "59m", "32d", "7 d", "-7d", "7", "9" * 400 + "d", "1h%0d%0aX: y", "<script>"])
async def test_any_other_span_is_refused_in_one_line(client: httpx.AsyncClient, text: str) -> None:
    answer = await client.get(f"/plan.json?next={text}")
    assert answer.status_code == 400
    assert answer.text.startswith("next is not a duration such as ")
    assert answer.text.endswith("from 1h to 31d\n")
    assert answer.text.count("\n") == 1
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


async def test_nothing_can_be_changed_there(client: httpx.AsyncClient) -> None:
    assert (await client.post("/plan.json")).status_code == 405


def test_nodes_that_are_not_ready_are_planned_around(house: House) -> None:
    house.has(placed("pvc-a"))
    house.look(nodes={"node-1": Node(name="node-1", ready=False), "node-2": Node(name="node-2", ready=True)})
    assert [run.node for run in plan(house.sources, DAY).runs] == ["node-2"]


async def test_a_volume_is_explained_as_json(client: httpx.AsyncClient, house: House) -> None:
    house.has(placed("pvc-a"))
    answer = await client.get("/explain/pvc-a.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(answer.content, type=Explanation) == explain(house.sources, "pvc-a", CloseUp(backups=()))


async def test_a_volume_that_is_not_there_is_a_404_that_names_those_like_it(
    client: httpx.AsyncClient, house: House
) -> None:
    house.has(placed("pvc-a"), placed("pvc-b"), placed("other"))
    answer = await client.get("/explain/pvc-c.json")
    assert (answer.status_code, answer.text) == (404, "there is no volume pvc-c; do you mean pvc-b or pvc-a?\n")
    assert (await client.get("/explain/zzz.json")).text == "there is no volume zzz\n"
    assert (await client.get("/explain/the.json")).text == "there is no volume the; do you mean other?\n"


@pytest.mark.parametrize("name", ["PVC", "a%0a", "%3Cb%3E", "a" * 254, "-a", "%2e%2e", "ä"])
async def test_what_is_no_name_of_a_volume_is_a_404_in_one_line(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/explain/{name}.json")
    assert (answer.status_code, answer.text) == (404, "that is no name of a Longhorn volume\n")
