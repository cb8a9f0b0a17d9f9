"""Pruning by order, and adopting what a lost journal's daemon has made."""

import pytest

from lhbackupd.core.model import Outcome
from lhbackupd.core.naming import LABEL_ORIGIN
from lhbackupd.engine.events import Ordered, Pruned
from tests.engine import promises
from tests.rig import MIB, Rig
from tests.surface.test_control import ticket
from tests.surface.test_orders import asker

pytestmark = pytest.mark.looptime


async def three_backups(rig: Rig) -> None:
    """Of three runs, under a policy that keeps all."""
    await rig.volume("db", data=MIB)
    async with rig.daemon(rig.config()):
        for number in range(3):
            await rig.until(lambda n=number: rig.outcomes().count(Outcome.COMPLETED) > n, 900)  # type: ignore[misc]
            await rig.clock.sleep(30)
            await rig.call("POST", "/sim/volumes/db/prefill", {"bytes": MIB, "offset": (number + 1) * 2 * MIB})
    assert len(await rig.backups("db")) == 3


async def test_an_order_deletes_what_no_rule_keeps_and_says_why(rig: Rig) -> None:
    await three_backups(rig)
    async with asker(rig, rig.config(cron='"0 0 29 2 *"', keep="{ last = 1 }")) as (asks, _):
        for body in ({"policy": "oftn"}, {"volume": "bd"}):
            assert "did you mean" in await asks.refused("/v1/prune", body, 404)
        answer = await asks.ask("/v1/prune", {"policy": "often", "volume": "db"})
        assert answer["looked_at"] == 1
        assert answer["faults"] == []
        assert [one["why"] for one in answer["deleted"]] == ["last 1: 2 are newer", "last 1: 1 are newer"]
        await rig.clock.sleep(10)
        (left,) = await rig.backups("db")
        assert left["name"] not in {one["backup"] for one in answer["deleted"]}
        assert (await asks.ask("/v1/prune", {}))["deleted"] == []
    told = [event for event in rig.events if isinstance(event, Pruned)]
    assert [(event.policy, event.volume, len(event.deleted)) for event in told] == [("often", "db", 2)]
    assert [event.by for event in rig.events if isinstance(event, Ordered) and event.order == "prune"] == ["uid 7"] * 2


async def test_what_cannot_be_deleted_is_told(rig: Rig) -> None:
    await three_backups(rig)
    async with asker(rig, rig.config(cron='"0 0 29 2 *"', keep="{ last = 1 }")) as (asks, _):
        fault = {"kind": "status", "status": 500, "times": 1, "match": {"action": "backupDelete"}}
        await rig.call("POST", "/sim/faults", fault)
        answer = await asks.ask("/v1/prune", {})
        assert answer["deleted"] == []
        assert answer["faults"][0].startswith("db: ")
        assert len(await rig.backups("db")) == 3


async def test_while_clocks_disagree_nothing_is_deleted(rig: Rig) -> None:
    await three_backups(rig)
    async with asker(rig, rig.config(cron='"0 0 29 2 *"', keep="{ last = 1 }")) as (asks, _):
        rig.clock.set_by = 3600.0
        assert "clocks disagree" in await asks.refused("/v1/prune", {})
    assert len(await rig.backups("db")) == 3


async def test_a_lost_journals_backups_are_left_alone_until_they_are_adopted(rig: Rig) -> None:
    await three_backups(rig)
    lost = {backup["labels"][LABEL_ORIGIN] for backup in await rig.backups("db")}.pop()
    for file in rig.folder.glob("state.db*"):
        file.unlink()
    config = rig.config(cron='"0 0 29 2 *"', keep="{ last = 2 }")
    async with asker(rig, config) as (asks, engine):
        assert engine.origin.journal != lost
        assert (await asks.ask("/v1/prune", {}))["deleted"] == []
        own = await asks.refused("/v1/adopt-origin", {"origin": engine.origin.journal})
        assert "this daemon's own origin" in own
        await asks.refused("/v1/adopt-origin", {"origin": "no such thing"}, 400)
        first = await asks.ask("/v1/adopt-origin", {"origin": lost})
        assert first == await asks.ask("/v1/adopt-origin", {"origin": lost})
        assert first["adopted"] == [lost]
    async with asker(rig, config) as (asks, engine):
        assert engine.keeper.orders.origin.adopted == {lost}, "it holds after a restart"
        answer = await asks.ask("/v1/prune", {})
        assert len(answer["deleted"]) == 1
        before = len(rig.runs())
        await asks.ask("/v1/backup", {"volumes": ["db"]})
        (*_, run) = await rig.finished(before + 1)
        assert run.outcome is Outcome.COMPLETED
        assert run.new_bytes == MIB, "compared with the newest backup of the lost journal"
        await rig.clock.sleep(5)
        await asks.ask("/v1/backup", {"volumes": ["db"]})
        (*_, run) = await rig.finished(before + 2)
        assert run.outcome is Outcome.UNCHANGED
    assert [event.facts for event in rig.events if isinstance(event, Ordered) and event.order == "adopt"] == [
        {"origin": lost}
    ]
    await promises.hold(rig)
    assert len(await rig.backups("db")) == 2


async def test_the_origin_of_a_daemon_that_may_be_alive_is_not_adopted(rig: Rig) -> None:
    await rig.volume("db")
    await ticket(rig, "db", minutes=10, journal="5eed0001", instance="other-site")
    async with asker(rig, rig.config(cron='"0 0 29 2 *"')) as (asks, engine):
        await rig.until(lambda: bool(engine.keeper.housekeeper.leases))
        text = await asks.refused("/v1/adopt-origin", {"origin": "5eed0001"})
        assert text.startswith("a daemon with journal 5eed0001 may be alive")
        await rig.clock.sleep(660)
        await asks.ask("/v1/adopt-origin", {"origin": "5eed0001"})
