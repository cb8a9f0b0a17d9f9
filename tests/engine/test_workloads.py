"""Workloads come first: finish, yield, finish-within; what they wait, and who they are."""

from statistics import median
from typing import Any

import pytest

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.pace import ATTENTIVE, LONGEST
from tests.engine import promises
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

HOLDING = [Phase.ATTACHING, Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP]
NODES = ["node-1", "node-3"]


async def pod(rig: Rig, node: str, volume: str = "db") -> None:
    await rig.call("POST", "/sim/pods", {"name": f"{volume}-0", "namespace": "shop", "volume": volume, "node": node})


async def running(rig: Rig) -> bool:
    return "Running" in str(await rig.call("GET", "/sim/pods"))


async def until_let_go(rig: Rig, volume: str = "db") -> float:
    """Seconds from when the pod asked until no ticket of ours, or of Longhorn for us, kept it waiting any more."""
    entries = await rig.ledger("", volume)
    asked = next(e["t"] for e in entries if e["kind"] == "pod-waiting")
    had = next(e["t"] for e in entries if e["kind"] == "ticket-satisfied" and e["type"] == "csi-attacher")
    return max(
        (
            e["t"] - asked
            for e in entries
            if e["kind"] in {"ticket-removed", "ticket-interrupted"}
            and e["type"] != "csi-attacher"
            and asked <= e["t"] <= had
        ),
        default=0.0,
    )


async def begun(rig: Rig, policy: str, *, seconds: float = 120) -> Any:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": seconds})
    return rig.config(cron='"0 2 * * *"', on_workload=f'"{policy}"')


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("phase", HOLDING)
async def test_under_yield_the_volume_is_the_workloads_at_once_and_is_backed_up_attached(
    rig: Rig, phase: Phase, node: str
) -> None:
    async with rig.daemon(await begun(rig, "yield")) as engine:
        await rig.until(lambda: rig.phase(phase))
        await rig.clock.sleep(0.3)
        await pod(rig, node)
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes())
        await promises.hold(rig, engine)
        assert await running(rig)
    first, last = rig.runs()[0], rig.runs()[-1]
    assert first.outcome is Outcome.YIELDED
    assert (last.outcome, last.ticket) == (Outcome.COMPLETED, "")
    assert await until_let_go(rig) <= 3.0
    assert len([b for b in await rig.backups("db") if b["state"] == "Completed"]) == 1


async def test_under_yield_the_wait_is_short_in_the_middle_of_a_backup(rig: Rig) -> None:
    config = await begun(rig, "yield", seconds=600)
    for number in range(1, 9):
        await rig.volume(f"v{number}", data=MIB)
        await rig.call("POST", f"/sim/volumes/v{number}/timing", {"backup": 600})
    async with rig.daemon(config) as engine:
        engine.keeper.rules = type(engine.keeper.rules)(
            policies=engine.keeper.rules.policies,
            limits=type(engine.keeper.rules.limits)(cluster=9, per_node=9, per_target=9),
            retry=engine.keeper.rules.retry,
        )
        await rig.until(lambda: len([r for r in engine.keeper.active.values() if r.progress]) == 9)
        for number in range(1, 9):
            await rig.clock.sleep(0.37 * number)
            await pod(rig, NODES[number % 2], f"v{number}")
        await rig.clock.sleep(10)
        waits = [await until_let_go(rig, f"v{number}") for number in range(1, 9)]
    assert median(waits) <= 1.5
    assert max(waits) <= 3.0


async def test_under_yield_a_backup_that_was_only_just_asked_for_goes_as_soon_as_it_is_found(rig: Rig) -> None:
    async with rig.daemon(await begun(rig, "yield", seconds=600)) as engine:
        await rig.until(lambda: any(run.asked_at for run in engine.keeper.active.values()))
        await rig.clock.sleep(0.15)
        await pod(rig, "node-3")
        await rig.clock.sleep(10)
        assert 0 < await until_let_go(rig) <= 2 * ATTENTIVE + 0.3, "one look finds our ticket, the next the backup"


async def test_finish_lets_the_workload_wait_and_names_it(rig: Rig) -> None:
    async with rig.daemon(await begun(rig, "finish", seconds=60)) as engine:
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        await pod(rig, "node-3")
        (run,) = await rig.finished(1)
        await rig.clock.sleep(30)
        await promises.hold(rig, engine)
        assert await running(rig)
    assert (run.outcome, run.waiter) == (Outcome.COMPLETED, "pod shop/db-0")
    # it is noticed by a look, and so is that our ticket is gone
    assert run.waited == pytest.approx(await until_let_go(rig), abs=LONGEST)


@pytest.mark.parametrize(("seconds", "outcome"), [(30, Outcome.COMPLETED), (900, Outcome.YIELDED)])
async def test_finish_within_finishes_what_will_be_over_in_time_and_leaves_the_rest(
    rig: Rig, seconds: float, outcome: Outcome
) -> None:
    async with rig.daemon(await begun(rig, "finish-within 2m", seconds=seconds)) as engine:
        await rig.until(lambda: any(run.progress for run in engine.keeper.active.values()))
        await pod(rig, "node-3")
        (run,) = await rig.finished(1)
        assert run.outcome is outcome
        assert run.waited <= 125
        if outcome is Outcome.YIELDED:
            await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 1800)
        await rig.clock.sleep(30)
        await promises.hold(rig, engine)
        assert await running(rig)


async def test_under_yield_our_ticket_is_handed_over_to_longhorns_own(rig: Rig) -> None:
    async with rig.daemon(await begun(rig, "yield", seconds=60)) as engine:
        await rig.until(lambda: any(run.progress for run in engine.keeper.active.values()))
        shown = (await rig.shows("db"))["volumeAttachment"]["attachments"]
        assert [each["attachmentType"] for each in shown.values()] == ["backup-controller"]
        await rig.finished(1)
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED]
    assert len(await rig.ledger("attached", "db")) == 1


async def test_a_crash_under_yield_blocks_nobody_longer_than_the_backup(rig: Rig) -> None:
    config = await begun(rig, "yield", seconds=30)
    await rig.killed(config, rig.until(lambda: rig.phase(Phase.BACKING_UP) and bool(rig.clock.now().second > 15)))
    await rig.clock.sleep(45)
    assert (await rig.shows("db"))["state"] == "detached"


async def test_a_completed_backup_is_never_deleted_to_yield(rig: Rig) -> None:
    for moment in range(8):
        name = f"v{moment}"
        await rig.volume(name, data=MIB)
    policy = "[limits]\ncluster = 8\nper_node = 8\nper_target = 8\n"
    policy += '[[policy]]\nname = "often"\ncron = "0 2 * * *"\non_workload = "yield"\n'
    async with rig.daemon(rig.config(policy)) as engine:
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        for moment in range(8):
            await rig.clock.sleep(0.7)
            await pod(rig, NODES[moment % 2], f"v{moment}")
        await rig.until(lambda: rig.outcomes().count(Outcome.COMPLETED) == 8, 1800)
        await rig.clock.sleep(30)
        await promises.hold(rig, engine)
    assert not [e for e in await rig.ledger("backup-delete-asked") if e["state"] == "Completed"]


async def test_a_backup_that_completes_while_our_ticket_is_withdrawn_is_not_deleted_to_yield(rig: Rig) -> None:
    async with rig.daemon(await begun(rig, "finish-within 5s", seconds=20)) as engine:
        await rig.until(lambda: any(run.progress for run in engine.keeper.active.values()))
        slow = {"kind": "delay", "seconds": 25, "act": "before", "match": {"action": "detach"}}
        await rig.call("POST", "/sim/faults", slow)
        await pod(rig, "node-3")
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 1800)
        await rig.clock.sleep(30)
        await promises.hold(rig, engine)
    assert rig.outcomes() == [Outcome.COMPLETED]
    assert await rig.ledger("backup-delete-asked") == []


async def test_a_volume_in_use_by_a_pod_costs_it_nothing(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await pod(rig, "node-2")
    await rig.clock.sleep(30)
    async with rig.daemon(rig.config(cron='"0 2 * * *"', on_workload='"yield"')) as engine:
        (run,) = await rig.finished(1)
        await promises.hold(rig, engine)
    assert (run.outcome, run.waited, run.waiter) == (Outcome.COMPLETED, 0.0, "")
