"""Orders as requests: what is answered, what is refused and in which words; nothing is mocked but the network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from lhbackupd.assembly import Engine
from lhbackupd.config import Config
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.surface.asking import LIMIT
from lhbackupd.surface.control import Control, application
from lhbackupd.surface.logs import logger
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

TWO = """
[[policy]]
name = "nightly"
cron = "0 0 29 2 *"
match = { name = ["db", "web"] }
[[policy]]
name = "hourly"
cron = "0 0 29 2 *"
match = { name = ["web"] }
"""


class Asker:
    """Somebody at the control socket."""

    def __init__(self, engine: Engine, rig: Rig) -> None:
        control = Control(
            keeper=engine.keeper, inventory=engine.inventory, origin=engine.origin, clock=rig.clock, log=logger()
        )

        def report() -> Any:
            raise NotImplementedError

        transport = httpx.ASGITransport(application(control=control, report=report), client=("uid 7", 1))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://lhbackupd")

    async def ask(self, route: str, body: object = None, status: int = 200) -> Any:
        answer = await (self.http.get(route) if body is None else self.http.post(route, json=body))
        assert answer.status_code == status, answer.text
        assert answer.json()["version"] == 1
        return answer.json()

    async def refused(self, route: str, body: object, status: int = 409) -> str:
        return str((await self.ask(route, body, status))["error"])


@asynccontextmanager
async def asker(rig: Rig, config: Config) -> AsyncIterator[tuple[Asker, Engine]]:
    async with rig.daemon(config) as engine:
        await rig.until(lambda: engine.inventory.picture.at is not None)
        await rig.clock.sleep(1)
        asks = Asker(engine, rig)
        yield asks, engine
        await asks.http.aclose()


async def test_a_backup_is_made_outside_the_schedule_and_its_run_can_be_followed(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with asker(rig, rig.config(TWO)) as (asks, _):
        (made,) = (await asks.ask("/v1/backup", {"volumes": ["db", "db"]}))["runs"]
        assert made["new"]
        run = made["state"]["run"]
        assert (made["state"]["policy"], made["state"]["phase"]) == ("nightly", "queued")
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        (again,) = (await asks.ask("/v1/backup", {"volumes": ["db"], "policy": "nightly"}))["runs"]
        assert (again["new"], again["state"]["run"], again["state"]["phase"]) == (False, run, "backing-up")
        assert again["state"]["snapshot_holds"]
        await rig.finished(1)
        ended = await asks.ask(f"/v1/runs/{run}")
        assert (ended["finished"], ended["outcome"], ended["cancelled"]) == (True, "completed", False)


async def test_fifty_requests_at_once_are_one_run(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with asker(rig, rig.config(TWO)) as (asks, _):
        async with asyncio.TaskGroup() as tasks:
            sent = [tasks.create_task(asks.ask("/v1/backup", {"volumes": ["db"]})) for _ in range(50)]
        states = [task.result()["runs"][0] for task in sent]
        assert len({state["state"]["run"] for state in states}) == 1
        assert sum(state["new"] for state in states) == 1
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.COMPLETED]


async def test_a_volume_that_was_made_after_the_last_poll_can_be_backed_up_at_once(rig: Rig) -> None:
    async with asker(rig, rig.config(TWO)) as (asks, _):
        await rig.volume("db", data=MIB)
        await asks.ask("/v1/backup", {"volumes": ["db"]})
        await rig.finished(1)


async def test_refusals_name_the_reason_and_what_to_do_and_queue_nothing(rig: Rig) -> None:
    for name in ("db", "web", "lonely"):
        await rig.volume(name, data=MIB)
    async with asker(rig, rig.config(TWO)) as (asks, engine):

        async def refused(*volumes: str, policy: str | None = None, status: int = 409) -> str:
            return await asks.refused("/v1/backup", {"volumes": list(volumes), "policy": policy}, status)

        assert await refused("wep", status=404) == "there is no volume wep; did you mean web?"
        assert await refused("zzzzz", status=404) == "there is no volume zzzzz (there are 3)"
        assert "(hourly, nightly); say which one (--policy)" in (await refused("web")).replace(
            "nightly, hourly", "hourly, nightly"
        )
        lonely = await refused("lonely")
        assert lonely.startswith("volume lonely is covered by no policy")
        assert "widen a policy's match" in lonely
        assert await refused("db", policy="nigthly", status=404) == "there is no policy nigthly; did you mean nightly?"
        other = await refused("db", policy="hourly")
        assert other == "policy hourly does not match volume db, which is covered by nightly"
        await refused("db", "web")
        await refused("db", "nothing", status=404)
        assert not engine.keeper.unfinished(), "all of an order is made, or nothing"
        engine.keeper.stop()
        assert "start it again" in await refused("db")


@pytest.mark.parametrize(
    ("route", "body", "said"),
    [
        ("/v1/backup", {}, "missing required field `volumes`"),
        ("/v1/backup", {"volumes": []}, "length >= 1"),
        ("/v1/backup", {"volumes": ["a" * 300]}, "length <= 253"),
        ("/v1/backup", {"volumes": "db"}, "Expected `array`"),
        ("/v1/backup", {"volumes": ["db"], "force": True}, "unknown field `force`"),
        ("/v1/cancel", {"run": 7}, "Expected `str`"),
        ("/v1/pause", {"policy": "nightly", "seconds": -1}, "> 0"),
        ("/v1/pause", {"seconds": 60}, "missing required field `policy`"),
        ("/v1/resume", [], "Expected `object`"),
    ],
)
async def test_a_body_that_is_not_as_it_should_be_is_refused(rig: Rig, route: str, body: object, said: str) -> None:
    async with asker(rig, rig.config(TWO)) as (asks, engine):
        assert said in await asks.refused(route, body, 400)
        assert not engine.keeper.unfinished()


async def test_a_body_that_is_too_large_or_no_json_is_refused(rig: Rig) -> None:
    async with asker(rig, rig.config(TWO)) as (asks, _):
        await asks.refused("/v1/backup", {"volumes": ["x" * LIMIT]}, 413)
        for raw in (b"{", b"\xff\xfe", b"null"):
            answer = await asks.http.post("/v1/backup", content=raw)
            assert answer.status_code == 400
            assert "not as it should be" in answer.json()["error"]


async def test_while_the_journal_fails_an_order_is_refused(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with asker(rig, rig.config(TWO)) as (asks, engine):
        with engine.journal.engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        for route, body in (("/v1/backup", {"volumes": ["db"]}), ("/v1/pause", {"policy": None})):
            assert "cannot be written" in await asks.refused(route, body, 503)
        assert not engine.keeper.unfinished()
        assert not engine.keeper.orders.pauses
        with engine.journal.engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA query_only=OFF")


# cancel


async def test_a_run_is_called_off_and_again_with_the_same_answer(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 60})
    async with asker(rig, rig.config(TWO)) as (asks, _):
        (made,) = (await asks.ask("/v1/backup", {"volumes": ["db"]}))["runs"]
        order = {"run": made["state"]["run"]}
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        first, second = await asks.ask("/v1/cancel", order), await asks.ask("/v1/cancel", order)
        assert first == second
        assert (first["cancelled"], first["finished"]) == (True, False)
        await rig.finished(1)
        after = await asks.ask("/v1/cancel", order)
        assert (after["finished"], after["outcome"], after["cancelled"]) == (True, "cancelled", True)
    assert rig.outcomes() == [Outcome.CANCELLED]


async def test_a_run_that_is_over_or_unknown_is_refused(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("POST", "/sim/faults", {"kind": "status", "status": 500, "match": {"action": "snapshotCRCreate"}})
    async with asker(rig, rig.config(TWO)) as (asks, _):
        (made,) = (await asks.ask("/v1/backup", {"volumes": ["db"]}))["runs"]
        run = made["state"]["run"]
        await rig.finished(1)
        await rig.clock.sleep(1)
        over = await asks.refused("/v1/cancel", {"run": run})
        assert over.startswith(f"run {run} is over already (failed: ")
        assert over.endswith(f"its next attempt is run {run}-2")
        unknown = await asks.refused("/v1/cancel", {"run": f"{run}-3"}, 404)
        assert unknown.startswith(f"no run {run}-3 is known; did you mean {run}-2?")
        assert (await asks.ask("/v1/cancel", {"run": f"{run}-2"}))["cancelled"]


async def test_a_run_whose_backup_is_completed_cannot_be_called_off(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with asker(rig, rig.config(TWO)) as (asks, _):
        (made,) = (await asks.ask("/v1/backup", {"volumes": ["db"]}))["runs"]
        await rig.until(lambda: rig.phase(Phase.DETACHING))
        text = await asks.refused("/v1/cancel", {"run": made["state"]["run"]})
        assert "gives its volume back, and stays completed" in text
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.COMPLETED]


# pause


async def test_a_policy_is_paused_and_resumed_and_both_can_be_repeated(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    async with asker(rig, rig.config(TWO)) as (asks, engine):
        order = {"policy": "nightly", "seconds": 3600, "reason": "new\n disks"}
        first = await asks.ask("/v1/pause", order)
        again = await asks.ask("/v1/pause", order)
        assert first["pause"]["since"] == again["pause"]["since"]
        assert first["pause"]["by"] == "uid 7"
        assert "by uid 7: new disks; until" in first["words"]
        text = await asks.refused("/v1/backup", {"volumes": ["db"]})
        assert text.startswith("policy nightly is paused since")
        assert "resume it first" in text
        assert [each["policy"] for each in (await asks.ask("/v1/resume", {"policy": "nightly"}))["ended"]] == [
            "nightly"
        ]
        assert (await asks.ask("/v1/resume", {"policy": "nightly"})) == {"version": 1, "ended": [], "still": ""}
        assert not engine.keeper.unfinished()


async def test_a_policy_that_is_resumed_while_all_are_paused_says_so(rig: Rig) -> None:
    async with asker(rig, rig.config(TWO)) as (asks, engine):
        await asks.ask("/v1/pause", {"policy": None})
        await asks.ask("/v1/pause", {"policy": "nightly"})
        answer = await asks.ask("/v1/resume", {"policy": "nightly"})
        assert answer["still"].startswith("every policy is paused since")
        await asks.ask("/v1/pause", {"policy": "nightly"})
        answer = await asks.ask("/v1/resume", {"policy": None})
        assert {each["policy"] for each in answer["ended"]} == {"*", "nightly"}
        assert not engine.keeper.orders.pauses


async def test_a_policy_that_does_not_exist_is_not_paused_and_one_that_is_gone_can_be_resumed(rig: Rig) -> None:
    config = rig.config(TWO)
    async with asker(rig, config) as (asks, _):
        for route in ("/v1/pause", "/v1/resume"):
            text = await asks.refused(route, {"policy": "nightl"}, 404)
            assert text == "there is no policy nightl; did you mean nightly?"
            await asks.refused(route, {"policy": "*"}, 404)
        await asks.ask("/v1/pause", {"policy": "hourly"})
    text = TWO.partition('[[policy]]\nname = "hourly"')[0]
    async with asker(rig, rig.config(text)) as (asks, engine):
        assert [pause.policy for pause in engine.keeper.orders.pauses] == ["hourly"]
        await asks.ask("/v1/resume", {"policy": "hourly"})
        assert not engine.keeper.orders.pauses
