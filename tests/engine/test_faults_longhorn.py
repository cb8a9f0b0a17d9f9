"""Faults between us and Longhorn: down, slow, cut, nonsense, and every status that somebody may answer."""

from typing import Any

import pytest

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.engine.events import Polled
from tests.engine import promises
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

HOLDING = [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP, Phase.DETACHING]

#: what requests meet, by name
FAULTS: dict[str, dict[str, Any]] = {
    "down": {"kind": "down"},
    "resets-unheard": {"kind": "reset", "act": "never"},
    "resets-heard": {"kind": "reset", "act": "before"},
    "slow": {"kind": "delay", "seconds": 29},
    "too-slow": {"kind": "delay", "seconds": 45},
    "too-slow-but-acts": {"kind": "delay", "seconds": 45, "act": "after"},
    "cut": {"kind": "truncate"},
    "not-json": {"kind": "not-json"},
    "wrong-shape": {"kind": "wrong-shape"},
    "empty": {"kind": "empty"},
    "extra-fields": {"kind": "extra-fields"},
    **{str(status): {"kind": "status", "status": status} for status in (401, 404, 409, 429, 500, 502, 503, 504)},
    "502-but-acts": {"kind": "status", "status": 502, "act": "before"},
    "longhorn's-500": {
        "kind": "status",
        "status": 500,
        "contentType": "application/json",
        "body": {"type": "error", "status": 500, "code": "Server Error", "message": "etcdserver: request timed out"},
    },
    "longhorn's-409": {
        "kind": "status",
        "status": 409,
        "contentType": "application/json",
        "body": {"type": "error", "status": 409, "code": "Conflict", "message": "the object has been modified"},
    },
}


async def meet(rig: Rig, name: str, **more: Any) -> None:
    await rig.call("POST", "/sim/faults", {**FAULTS[name], **more})


async def heal(rig: Rig) -> None:
    await rig.call("DELETE", "/sim/faults")


async def completes(rig: Rig, engine: Any) -> None:
    """All ends well once the fault has passed, by this attempt or a later one."""
    await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 2 * 3600)
    await rig.clock.sleep(70)
    await promises.hold(rig, engine)
    assert len(await rig.ledger("backup-completed")) == 1


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in {"slow", "extra-fields"}])
async def test_a_fault_at_the_start_is_waited_out(rig: Rig, name: str) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(cron='"0 2 * * *"')
    async with rig.daemon(config):
        await rig.clock.sleep(40)
    await meet(rig, name)
    async with rig.daemon(config) as engine:
        await rig.clock.sleep(240)
        assert rig.outcomes() == []
        assert await rig.ledger("ticket-added") == []
        assert engine.inventory.picture.fault is not None
        (run,) = engine.keeper.waiting.values()
        assert run.reason.startswith("waits")
        await heal(rig)
        await completes(rig, engine)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_some_minutes_in_a_run_loses_nothing(rig: Rig, name: str) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.SNAPSHOTTING))
        await meet(rig, name)
        await rig.clock.sleep(200)
        await heal(rig)
        await completes(rig, engine)


@pytest.mark.parametrize("name", ["down", "resets-heard", "too-slow-but-acts", "502-but-acts", "404", "longhorn's-500"])
@pytest.mark.parametrize("phase", HOLDING)
async def test_an_outage_of_ten_minutes_in_any_phase_leaves_nothing_attached(rig: Rig, phase: Phase, name: str) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        await meet(rig, name)
        await rig.clock.sleep(600)
        await heal(rig)
        await completes(rig, engine)


@pytest.mark.parametrize(
    "name", ["resets-heard", "resets-unheard", "too-slow-but-acts", "502-but-acts", "longhorn's-500"]
)
@pytest.mark.parametrize("action", ["attach", "detach", "snapshotCRCreate", "snapshotBackup", "backupDelete"])
async def test_one_request_that_fails_makes_no_second_backup(rig: Rig, action: str, name: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await meet(rig, name, times=1, match={"action": action})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await completes(rig, engine)


async def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(rig: Rig) -> None:
    async with rig.daemon(rig.config()) as engine:
        await rig.clock.sleep(40)
        await meet(rig, "503")
        await rig.clock.sleep(100)
        assert "503" in engine.inventory.picture.fault.text
        await heal(rig)
        await rig.clock.sleep(40)
    polls = [event for event in rig.events if isinstance(event, Polled)]
    changes = [
        (bool(p.before.fault), bool(p.after.fault)) for p in polls if bool(p.before.fault) != bool(p.after.fault)
    ]
    assert changes == [(False, True), (True, False)]


async def test_a_list_that_lacks_half_the_volumes_ends_no_run_and_drops_no_schedule(rig: Rig) -> None:
    for number in range(4):
        await rig.volume(f"v{number}", data=MIB)
    await rig.call("POST", "/sim/faults", {"kind": "half-list", "match": {"path": "/v1/volumes"}, "times": 4})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.finished(4, seconds=1800)
        await rig.clock.sleep(30)
        await promises.hold(rig, engine)
        assert len(engine.scheduler.schedules) == 4
    assert rig.outcomes() == [Outcome.COMPLETED] * 4


async def test_a_longhorn_that_takes_long_is_polled_more_rarely(rig: Rig) -> None:
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.clock.sleep(20)
        await rig.call("POST", "/sim/faults", {"kind": "delay", "seconds": 5, "match": {"path": "/v1/volumes"}})
        await rig.clock.sleep(40)
        first = engine.inventory.picture.at
        await rig.clock.sleep(200)
        polls = (await rig.call("GET", "/sim/requests"))["requests"]["GET /v1/volumes"]
        assert engine.inventory.picture.fault is None
        assert engine.inventory.picture.at != first
    # two before the fault, and then one that takes 5 s every 55 s instead of every 20 s
    assert 5 <= polls <= 8


async def test_a_longhorn_that_does_not_answer_is_asked_ever_more_rarely(rig: Rig) -> None:
    for number in range(4):
        await rig.volume(f"v{number}", data=8 * MIB)
    config = rig.config('[limits]\nper_node = 4\n[[policy]]\nname = "nightly"\ncron = "0 2 * * *"\n')
    async with rig.daemon(config) as engine:
        await rig.until(lambda: all(rig.phase(Phase.BACKING_UP, f"v{number}") for number in range(4)))
        await meet(rig, "503")
        before = await asked(rig)
        await rig.clock.sleep(600)
        assert len(engine.keeper.active) == 4
        polls, runs = 600 / engine.inventory.period * 5, 4 * 80  # and not the 240 of a look every 2.5 s
        assert polls < await asked(rig) - before < polls + runs
        await heal(rig)
        healed = rig.clock.monotonic()
        await rig.finished(4)
        assert rig.clock.monotonic() - healed < 30
        await promises.hold(rig, engine)


async def test_runs_that_are_due_while_longhorn_does_not_answer_are_not_let_in_over_and_over(rig: Rig) -> None:
    for number in range(4):
        await rig.volume(f"v{number}", data=8 * MIB)
        await rig.call(
            "POST",
            "/sim/pods",
            {"name": f"pod-{number}", "namespace": "shop", "volume": f"v{number}", "node": "node-1"},
        )
    await rig.clock.sleep(60)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.clock.sleep(40)
        await meet(rig, "503")
        await rig.clock.sleep(60)
        before = await asked(rig)
        await rig.clock.sleep(600)
        assert len(engine.keeper.unfinished()) == 4
        polls, runs = 600 / engine.inventory.period * 5, 4 * 80
        assert polls < await asked(rig) - before < polls + runs
        await heal(rig)
        await rig.finished(4)
        await promises.hold(rig, engine)


async def asked(rig: Rig) -> int:
    """Requests that Longhorn has had, those about what is only the simulator's left out."""
    requests = (await rig.call("GET", "/sim/requests"))["requests"]
    return sum(number for route, number in requests.items() if "/v1/" in route)
