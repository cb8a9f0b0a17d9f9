"""The setting, and what a policy makes of it."""

import pytest

from lhbackupd.core.model import Outcome, Phase
from tests.rig import MIB, SETTING, Rig

pytestmark = pytest.mark.looptime


async def test_a_detached_volume_is_left_alone_while_the_setting_is_false(rig: Rig) -> None:
    await rig.allow(False)
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()):
        (run,) = await rig.finished(1)
    assert run.outcome is Outcome.SUSPENDED
    assert SETTING in run.reason
    assert await rig.ledger("ticket-added", "db") == []


async def test_a_flip_of_the_setting_holds_from_the_next_poll_on(rig: Rig) -> None:
    await rig.allow(False)
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()):
        await rig.finished(1)
        await rig.allow(True)
        await rig.finished(2)
        await rig.allow(False)
        await rig.finished(3)
    assert rig.outcomes() == [Outcome.SUSPENDED, Outcome.COMPLETED, Outcome.SUSPENDED]


@pytest.mark.parametrize(
    ("detached", "setting", "outcome"),
    [("always", False, Outcome.COMPLETED), ("never", True, Outcome.SUSPENDED)],
)
async def test_a_policy_may_override_the_setting(rig: Rig, detached: str, setting: bool, outcome: Outcome) -> None:
    await rig.allow(setting)
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(detached=f'"{detached}"')):
        (run,) = await rig.finished(1)
    assert run.outcome is outcome


async def test_due_runs_wait_while_the_setting_cannot_be_read_and_none_is_lost(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    fault = {"kind": "status", "status": 500, "match": {"path": f"/v1/settings/{SETTING}"}}
    async with rig.daemon(rig.config()) as engine:
        await rig.call("POST", "/sim/faults", fault)
        await rig.until(lambda: rig.phase(Phase.QUEUED))
        await rig.clock.sleep(40)
        assert [run.reason for run in engine.keeper.waiting.values()] == ["waits until Longhorn's setting can be read"]
        assert await rig.ledger("ticket-added", "db") == []
        await rig.call("DELETE", "/sim/faults")
        (run,) = await rig.finished(1)
    assert run.outcome is Outcome.COMPLETED


async def test_a_setting_flipped_off_mid_run_lets_the_run_finish(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config()):
        await rig.until(lambda: rig.phase(Phase.SNAPSHOTTING))
        await rig.allow(False)
        await rig.finished(2)
    assert rig.outcomes() == [Outcome.COMPLETED, Outcome.SUSPENDED]
