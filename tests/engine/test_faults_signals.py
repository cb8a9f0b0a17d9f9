"""SIGTERM and SIGHUP in every phase: what the daemon does on them, without the process."""

from dataclasses import replace

import pytest

from lhbackupd.core.model import Outcome, Phase
from tests.engine import promises
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

PHASES = [phase for phase in Phase if phase is not Phase.FINISHED]


@pytest.mark.parametrize("phase", PHASES)
async def test_a_stop_in_any_phase_holds_nothing_and_loses_nothing(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(cron='"0 2 * * *"')
    async with rig.daemon(config):
        await rig.until(lambda: rig.phase(phase))
    await promises.hold(rig)
    async with rig.daemon(config) as engine:
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes())
        await rig.clock.sleep(20)
        await promises.hold(rig, engine)
    assert len(await rig.ledger("backup-completed")) == 1


@pytest.mark.parametrize("phase", PHASES)
async def test_a_reload_in_any_phase_lets_the_run_go_on_by_the_new_rules(rig: Rig, phase: Phase) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(phase))
        rules = engine.keeper.rules
        policies = {name: replace(policy, cron="0 5 * * *") for name, policy in rules.policies.items()}
        engine.keeper.rules = replace(rules, policies=policies)
        engine.keeper.wake()
        await rig.finished(1)
        await rig.clock.sleep(10)
        await promises.hold(rig, engine)
        assert f"{engine.scheduler.next_wakeup():%H:%M}" == "05:00"
    assert rig.outcomes() == [Outcome.COMPLETED]
