"""Adopting what a lost journal left, and leaving, on a simulated Longhorn; and once over a real socket."""

import asyncio
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from lhbackupd.assembly import Engine
from lhbackupd.cli.door import Declined, Unanswered, ask
from lhbackupd.core.leases import Claim
from lhbackupd.core.model import Origin, Outcome, Phase
from lhbackupd.core.naming import TicketName
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.surface.asking import Failed
from lhbackupd.surface.control import Adopted, Control, Left, application, leave_without_daemon
from lhbackupd.surface.doorway import doorway
from lhbackupd.surface.health import stands_still, unready
from lhbackupd.surface.logs import logger
from lhbackupd.surface.report import Report
from lhbackupd.surface.server import attend
from tests.rig import MIB, Rig, inline
from tests.surface.house import House

#: of a daemon with our name, and a journal that is not ours
LOST = "10570000"


def control(rig: Rig, engine: Engine, grace: float = 240.0) -> Control:
    return Control(
        keeper=engine.keeper,
        inventory=engine.inventory,
        origin=engine.origin,
        clock=rig.clock,
        log=logger(),
        grace=grace,
    )


async def ticket(rig: Rig, volume: str, *, minutes: float, instance: str = "lhbackupd", journal: str = LOST) -> str:
    """A ticket on a volume, good for so many minutes from now."""
    deadline = (rig.clock.now() + timedelta(minutes=minutes)).replace(microsecond=0)
    name = str(TicketName(instance=instance, journal=journal, run="0ld", deadline=deadline))
    body = {"hostId": "node-1", "disableFrontend": True, "attachedBy": f"lhbackupd:{instance}", "attachmentID": name}
    await rig.call("POST", f"/v1/volumes/{volume}?action=attach", {**body, "attacherType": "longhorn-api"})
    return name


async def tickets(rig: Rig, volume: str) -> set[str]:
    return set((await rig.shows(volume))["volumeAttachment"]["attachments"])


async def asked(rig: Rig) -> list[str]:
    """The tickets of lhbackupd that there have ever been, oldest first."""
    return [entry["id"] for entry in await rig.ledger("ticket-added") if entry["id"].startswith("lhbackupd:")]


def why_unready(rig: Rig, engine: Engine) -> tuple[str, ...]:
    return unready(keeper=engine.keeper, clock=rig.clock)


@pytest.mark.looptime
async def test_an_expired_ticket_of_a_lost_journal_is_given_back_at_the_first_poll(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await ticket(rig, "db", minutes=-1)
    async with rig.daemon(rig.config()) as engine:
        await rig.clock.sleep(10)
        assert await tickets(rig, "db") == set()
        assert why_unready(rig, engine) == ()
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes())


@pytest.mark.looptime
async def test_while_a_twins_ticket_is_young_no_work_starts_and_the_daemon_says_so(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.volume("web", data=MIB)
    held = await ticket(rig, "web", minutes=15)
    async with rig.daemon(rig.config()) as engine:
        await rig.clock.sleep(10 * 60)
        assert set(rig.outcomes()) == {Outcome.SKIPPED}, "one run waits, and those that were due later are skipped"
        assert await asked(rig) == [held]
        assert await tickets(rig, "web") == {held}
        (reason,) = why_unready(rig, engine)
        assert reason.startswith("twin: 1 attachment ticket(s) of this instance come from another journal (10570000)")
        assert not stands_still(keeper=engine.keeper, clock=rig.clock), "to restart the daemon would not help"
        await rig.clock.sleep(6 * 60)
        assert held not in await tickets(rig, "web"), "its deadline has passed"
        await rig.until(lambda: rig.outcomes().count(Outcome.COMPLETED) == 2)


@pytest.mark.looptime
async def test_adopting_gives_a_twins_ticket_back_at_once_and_work_starts(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.volume("web", data=MIB)
    held = await ticket(rig, "web", minutes=600)
    foreign = await ticket(rig, "web", minutes=-600, instance="other-site")
    async with rig.daemon(rig.config('[[policy]]\nname = "p"\ncron = "*/2 * * * *"\nmatch = { name = ["db"] }\n')) as e:
        await rig.clock.sleep(180)
        assert rig.runs() == []
        answer = await control(rig, e).adopt()
        assert isinstance(answer, Adopted)
        assert [(each.volume, each.ticket, each.claim) for each in answer.given_back] == [("web", held, Claim.TWIN)]
        assert answer.blocked == ""
        assert await tickets(rig, "web") == {foreign}, "others' tickets are never touched"
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 60)


@pytest.mark.looptime
async def test_adopting_sees_a_ticket_that_came_after_the_last_poll(rig: Rig) -> None:
    await rig.volume("db")
    async with rig.daemon(rig.config(cron='"0 5 * * *"')) as engine:
        await rig.until(lambda: engine.inventory.picture.at is not None)
        await rig.clock.sleep(1)
        held = await ticket(rig, "db", minutes=15)
        answer = await control(rig, engine).adopt()
    assert isinstance(answer, Adopted)
    assert [each.ticket for each in answer.given_back] == [held]


@pytest.mark.looptime
async def test_adopting_leaves_the_tickets_of_live_runs_alone(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.INSPECTING))
        answer = await control(rig, engine).adopt()
        assert answer == Adopted(given_back=(), blocked="")
        await rig.finished(1)
    assert rig.outcomes() == [Outcome.COMPLETED]
    assert len(await rig.ledger("ticket-removed", "db")) == len(await rig.ledger("ticket-added", "db"))


@pytest.mark.looptime
async def test_a_ticket_that_could_not_be_withdrawn_goes_on_blocking(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await ticket(rig, "db", minutes=600)
    async with rig.daemon(rig.config()) as engine:
        await rig.clock.sleep(5)
        fault = {"kind": "status", "status": 503, "times": 1, "match": {"action": "detach"}}
        await rig.call("POST", "/sim/faults", fault)
        answer = await control(rig, engine).adopt()
        assert isinstance(answer, Adopted)
        assert "503" in answer.given_back[0].fault
        assert "another journal" in answer.blocked
        assert engine.keeper.housekeeper.blocked
        again = await control(rig, engine).adopt()
        assert isinstance(again, Adopted)
        assert again.blocked == ""


@pytest.mark.looptime
async def test_without_longhorn_nothing_is_adopted_and_that_is_said(rig: Rig) -> None:
    await rig.volume("db")
    async with rig.daemon(rig.config(cron='"0 5 * * *"')) as engine:
        await rig.clock.sleep(5)
        await rig.call("POST", "/sim/faults", {"kind": "status", "status": 503, "match": {"path": "/v1/volumes"}})
        answer = await control(rig, engine).adopt()
        assert isinstance(answer, Failed)
        assert "Longhorn could not be looked at" in answer.error


@pytest.mark.looptime
async def test_leaving_gives_a_held_volume_back_and_lets_nothing_in_again(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.until(lambda: rig.phase(Phase.INSPECTING))
        (held,) = engine.keeper.tickets
        left = await control(rig, engine).leave()
        assert [(each.volume, each.ticket) for each in left.given_back] == [("db", held)]
        assert left.remaining == ()
        assert (left.instance, left.origin) == (engine.origin.instance, engine.origin.journal)
        assert await tickets(rig, "db") == set()
        await rig.clock.sleep(600)
        assert await asked(rig) == [held]
        (reason,) = why_unready(rig, engine)
        assert reason.startswith("left: ")
        assert not stands_still(keeper=engine.keeper, clock=rig.clock), "the watchdog must not start it again"
        assert (await control(rig, engine).leave()).given_back == ()


@pytest.mark.looptime
async def test_leaving_leaves_a_backup_that_runs_to_longhorn(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 60})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: any(getattr(getattr(e, "after", None), "progress", 0) for e in rig.events))
        left = await control(rig, engine).leave()
        assert [each.volume for each in left.given_back] == ["db"]
        assert not [name for name in await tickets(rig, "db") if name.startswith("lhbackupd:")]
        await rig.clock.sleep(120)
        (backup,) = await rig.backups("db")
        assert backup["state"] == "Completed"


@pytest.mark.looptime
async def test_leaving_tells_what_longhorn_does_not_take_back_in_time(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.INSPECTING))
        (held,) = engine.keeper.tickets
        await rig.call(
            "POST", "/sim/faults", {"kind": "status", "status": 503, "times": 9999, "match": {"action": "detach"}}
        )
        left = await control(rig, engine, grace=30).leave()
        assert left.given_back == ()
        assert [(each.volume, each.ticket, each.claim) for each in left.remaining] == [("db", held, Claim.LIVE)]
        await rig.call("DELETE", "/sim/faults")
    assert await tickets(rig, "db") == set()


@pytest.mark.looptime
async def test_without_a_daemon_leaving_gives_back_what_is_due_and_leaves_a_young_twin(rig: Rig) -> None:
    for name in ("ours", "expired", "twin", "foreign"):
        await rig.volume(name)
    ours = await ticket(rig, "ours", minutes=10, journal="0a")
    expired = await ticket(rig, "expired", minutes=-1)
    twin = await ticket(rig, "twin", minutes=10)
    foreign = await ticket(rig, "foreign", minutes=-100, instance="other-site", journal="0a")
    longhorn = Longhorn(url="http://longhorn", transport=rig.transport, offload=inline)
    origin = Origin(instance="lhbackupd", journal="0a")
    left = await leave_without_daemon(longhorn=longhorn, origin=origin, now=rig.clock.now)
    await longhorn.aclose()
    assert {each.ticket for each in left.given_back} == {ours, expired}
    assert [(each.ticket, each.claim) for each in left.remaining] == [(twin, Claim.TWIN)]
    assert await tickets(rig, "twin") == {twin}
    assert await tickets(rig, "foreign") == {foreign}


async def test_over_a_real_socket_commands_are_carried_out_and_answered(house: House, tmp_path: Path) -> None:
    path, listens, stop = tmp_path / "control.sock", asyncio.Event(), asyncio.Event()
    with pytest.raises(Unanswered) as nobody:
        ask(path, "POST", "/v1/leave", Left, timeout=1)
    assert nobody.value.absent
    keeper = house.keeper
    keeper.begun.set()
    keeper.ended.set()
    obeys = Control(
        keeper=keeper, inventory=house.inventory, origin=house.sources.origin, clock=house.clock, log=logger()
    )
    with ExitStack() as stack:
        door = stack.enter_context(doorway(path))
        async with asyncio.TaskGroup() as tasks:
            app = application(control=obeys, report=house.report)
            tasks.create_task(attend(app, door, started=listens.set, stop=stop))
            await listens.wait()
            raw, report = await asyncio.to_thread(ask, path, "GET", "/v1/status", Report, timeout=10)
            assert msgspec.json.decode(raw)["version"] == report.version == 1
            with pytest.raises(Declined, match="nothing was adopted, because Longhorn could not be looked at"):
                await asyncio.to_thread(ask, path, "POST", "/v1/adopt", Adopted, timeout=10)
            _, left = await asyncio.to_thread(ask, path, "POST", "/v1/leave", Left, timeout=10)
            assert left.version == 1
            assert left.fault, "there is no Longhorn here"
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as client:
                assert (await client.get("http://lhbackupd/v1/leave")).status_code == 405
            stop.set()
    assert not path.exists()
