"""Tickets without a run, tickets of a twin, and tickets that outlive their deadline."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from lhbackupd.core.leases import Claim
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.naming import TicketName
from lhbackupd.engine.events import GaveBack
from tests.engine import promises
from tests.rig import MIB, START, Guillotine, Rig

pytestmark = pytest.mark.looptime


def name(journal: str, *, instance: str = "lhbackupd", minutes: float = 15) -> str:
    deadline = START + timedelta(minutes=minutes)
    return str(TicketName(instance=instance, journal=journal, run="r1", deadline=deadline))


async def put(rig: Rig, volume: str, ticket: str) -> None:
    body = {"id": ticket, "type": "longhorn-api", "node": "node-1", "disableFrontend": True, "attachedBy": "lhbackupd"}
    await rig.call("POST", f"/sim/volumes/{volume}/tickets", {"tickets": [body]})


def given_back(rig: Rig) -> list[tuple[str, Claim]]:
    return [(e.lease.volume, e.lease.claim) for e in rig.events if isinstance(e, GaveBack) and e.fault is None]


async def tickets(rig: Rig, volume: str = "db") -> list[str]:
    return list((await rig.shows(volume))["volumeAttachment"]["attachments"])


async def test_a_ticket_of_our_journal_without_a_run_is_given_back_at_start_and_at_every_poll(rig: Rig) -> None:
    for volume in ("a", "b"):
        await rig.volume(volume, data=MIB)
    config = rig.config(cron='"0 5 * * *"')
    async with rig.daemon(config) as engine:
        journal = engine.origin.journal
    await put(rig, "a", name(journal))
    async with rig.daemon(config):
        await rig.clock.sleep(5)
        assert given_back(rig) == [("a", Claim.ORPHAN)]
        await put(rig, "b", name(journal, minutes=-600))
        await rig.clock.sleep(40)
        assert given_back(rig) == [("a", Claim.ORPHAN), ("b", Claim.ORPHAN)]
        await rig.clock.sleep(10)
        assert [(await rig.shows(each))["state"] for each in ("a", "b")] == ["detached", "detached"]


async def test_a_twins_ticket_blocks_all_work_until_its_deadline_and_is_then_given_back(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.volume("web", data=MIB)
    await put(rig, "db", name("an0ther"))
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.clock.sleep(13 * 60)
        assert "come from another journal (an0ther), the first on volume db" in engine.keeper.housekeeper.blocked
        assert {run.volume for run in engine.keeper.waiting.values()} == {"db", "web"}
        assert await tickets(rig) == [name("an0ther")]
        assert await tickets(rig, "web") == []
        await rig.until(lambda: rig.outcomes().count(Outcome.COMPLETED) == 2)
        assert engine.keeper.housekeeper.blocked == ""
    assert given_back(rig) == [("db", Claim.EXPIRED)]
    assert all(run.started_at >= START + timedelta(minutes=15) for run in rig.runs())


async def test_adopt_gives_a_twins_ticket_back_at_once(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await put(rig, "db", name("an0ther", minutes=600))
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.clock.sleep(30)
        adopted = await engine.keeper.housekeeper.adopt()
        assert [given.lease.ticket for given in adopted] == [name("an0ther", minutes=600)]
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.COMPLETED]


async def test_tickets_of_other_instances_and_of_anybody_else_are_never_touched(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.volume("web", data=MIB)
    foreign = name("an0ther", instance="elsewhere", minutes=-600)
    await put(rig, "db", foreign)
    await put(rig, "db", "by-hand")
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes("web"))
        await rig.clock.sleep(120)
        assert engine.keeper.housekeeper.blocked == ""
        assert [lease.claim for lease in engine.keeper.housekeeper.leases] == [Claim.FOREIGN]
    assert sorted(await tickets(rig)) == ["by-hand", foreign]
    assert given_back(rig) == []


async def test_a_ticket_that_longhorn_does_not_take_back_is_tried_at_the_next_poll(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await put(rig, "db", name("an0ther", minutes=-1))
    fault = {"kind": "status", "status": 503, "times": 1, "match": {"action": "detach"}}
    await rig.call("POST", "/sim/faults", fault)
    async with rig.daemon(rig.config(cron='"0 5 * * *"')):
        await rig.clock.sleep(90)
    tries = [bool(event.fault) for event in rig.events if isinstance(event, GaveBack)]
    assert tries == [True, False]
    assert await tickets(rig) == []


async def long_backup(rig: Rig) -> Any:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 1500})
    return rig.config(cron='"0 2 * * *"', on_workload='"finish"', patience='{ backup = "1h" }')


async def test_in_a_long_backup_the_ticket_is_renewed_and_the_volume_held_all_the_time(rig: Rig) -> None:
    config = await long_backup(rig)
    async with rig.daemon(config) as engine:
        await rig.until(lambda: rig.phase(Phase.FINISHED), 3600)
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED]
    ours = [e for e in await rig.ledger() if str(e.get("id", "")).startswith(promises.OURS)]
    added = [(e["t"], e["id"]) for e in ours if e["kind"] == "ticket-added"]
    removed = {e["id"]: e["t"] for e in ours if e["kind"] == "ticket-removed"}
    satisfied = {e["id"]: e["t"] for e in ours if e["kind"] == "ticket-satisfied"}
    assert len(added) == 3
    for (_, former), (_, following) in pairwise(added):
        assert satisfied[following] < removed[former], "both hold the volume in between"
    for _, ticket in added:
        parsed = TicketName.parse(ticket)
        assert parsed is not None
        assert START + timedelta(seconds=removed[ticket]) < parsed.deadline
    assert len(await rig.ledger("attached", "db")) == 1


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
@pytest.mark.parametrize("passing", range(6))
async def test_a_kill_around_any_request_of_a_renewal_leaves_nothing(rig: Rig, passing: int, heard: bool) -> None:
    """The renewal is `attach`, a look, `detach`, a look, with a look or two before: the blade falls on each of them."""
    config = await long_backup(rig)
    longhorn = rig.transport
    blade = rig.transport = Guillotine(longhorn, passing=10**6, heard=heard)

    async def fallen() -> None:
        await rig.until(lambda: rig.clock.now() > START + timedelta(minutes=12, seconds=-2), 900)
        blade._left = passing
        await blade.fallen.wait()

    async with asyncio.timeout(1800):
        await rig.killed(config, fallen())
    rig.transport = longhorn
    async with rig.daemon(config) as engine:
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 3600)
        await rig.clock.sleep(30)
        await promises.hold(rig, engine)
    assert len(await rig.ledger("backup-completed")) == 1
