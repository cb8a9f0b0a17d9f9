"""Longhorn that is down, slow, cut off or unreadable while runs are due or under way."""

from datetime import timedelta

import pytest

from lhbackupd.core.model import Outcome, Phase
from tests.e2e.harness import Stage, backing_up, outcomes
from tests.e2e.simulated import tickets

pytestmark = pytest.mark.timeout(120)


async def test_a_run_that_is_due_while_longhorn_is_down_happens_when_it_is_back(stage: Stage) -> None:
    longhorn = stage.longhorn
    daemon = await stage.daemon()
    await daemon.scheduled("db")
    await longhorn.fault("down", match={"path": "/v1/*"})
    due = await daemon.due("db")
    await stage.passes(due + timedelta(seconds=90))
    assert [run.phase for run in daemon.runs("db")] == [Phase.QUEUED]
    await longhorn.clear()
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    await longhorn.at_rest("db")


async def test_longhorn_down_mid_run_fails_nothing(stage: Stage) -> None:
    longhorn = stage.longhorn
    daemon = await backing_up(stage)
    await longhorn.fault("down", match={"path": "/v1/*"})
    await longhorn.happens("backup-completed", "db")
    await stage.passes(stage.clock.now() + timedelta(seconds=60))
    assert [run.phase for run in daemon.runs("db")] == [Phase.BACKING_UP]
    await longhorn.clear()
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    assert len(await longhorn.ledger("backup-asked")) == 1
    await longhorn.at_rest("db")


async def test_a_slow_longhorn_fails_nothing(stage: Stage) -> None:
    longhorn = stage.longhorn
    await longhorn.fault("delay", match={"path": "/v1/*"}, seconds=5.0)
    daemon = await stage.daemon()
    await daemon.scheduled("db")
    await daemon.due("db")
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    await longhorn.clear()
    assert len(await longhorn.ledger("backup-asked")) == 1
    await longhorn.at_rest("db")


@pytest.mark.parametrize("kind", ["status", "wrong-shape"])
async def test_runs_wait_while_the_setting_cannot_be_read(stage: Stage, kind: str) -> None:
    longhorn = stage.longhorn
    await longhorn.fault(kind, match={"path": "/v1/settings/*"}, status=503)
    daemon = await stage.daemon()
    due = await daemon.due("db")
    await stage.passes(due + timedelta(seconds=60))
    assert [run.phase for run in daemon.runs("db")] == [Phase.QUEUED]
    assert await longhorn.ours() == []
    await longhorn.clear()
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    await longhorn.at_rest("db")


@pytest.mark.parametrize("act", ["never", "after"])
async def test_every_request_that_changes_something_may_lose_its_answer(stage: Stage, act: str) -> None:
    longhorn = stage.longhorn
    for action in ("attach", "snapshotCRCreate", "snapshotBackup", "detach"):
        await longhorn.fault("reset", match={"action": action}, act=act, times=2)
    daemon = await stage.daemon()
    await daemon.due("db")
    assert outcomes(await daemon.finished()) == [Outcome.COMPLETED]
    assert len(await longhorn.ledger("backup-asked")) == 1
    assert tickets(await longhorn.at_rest("db")) == {}
