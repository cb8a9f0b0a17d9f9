"""The command line as a process, at the socket of the daemon as a process."""

import json
from pathlib import Path

import pytest

from lhbackupd.core.model import Outcome
from tests.e2e.harness import Stage, outcomes, policy
from tests.e2e.processes import Process
from tests.e2e.simulated import MIB

pytestmark = pytest.mark.timeout(120)


async def lhbackupd(stage: Stage, *words: str) -> tuple[int, list[str]]:
    """The exit code of a command, and what it wrote."""
    process = await Process.start(
        " ".join(words), words[0], "--config", str(stage.folder / "config.toml"), *words[1:], environ={}
    )
    try:
        return await process.ended(), process.lines
    finally:
        await process.close()


async def test_a_person_backs_up_pauses_and_calls_off(stage: Stage, tmp_path: Path) -> None:
    """`db` is there, detached and with data in it."""
    daemon = await stage.daemon(policy())
    await daemon.scheduled("db")
    code, said = await lhbackupd(stage, "backup", "db", "--wait")
    assert code == 0, said
    assert said[0].startswith("db: queued as run ")
    assert said[-1].startswith("db: completed: backup ")
    assert len(await stage.longhorn.backups("db")) == 1
    code, said = await lhbackupd(stage, "backup", "db", "--wait", "--json")
    assert (code, json.loads(said[0])["runs"][0]["outcome"]) == (0, "unchanged")
    assert (await lhbackupd(stage, "backup", "bd"))[0] == 1
    code, said = await lhbackupd(stage, "pause", "--all", "--reason", "new disks")
    assert code == 0, said
    assert await daemon.stop() == 0
    again = await stage.daemon()
    code, said = await lhbackupd(stage, "backup", "db")
    assert code == 1
    assert said[0].startswith("every policy is paused since")
    assert (await lhbackupd(stage, "resume", "--all"))[0] == 0
    await stage.longhorn.prefill("db", MIB, offset=16 * MIB)
    await stage.longhorn.slow_backups("db", 300.0)
    code, said = await lhbackupd(stage, "backup", "db")
    run = said[0].split()[4]
    await stage.longhorn.happens("backup-started", "db")
    code, said = await lhbackupd(stage, "cancel", run, "--wait")
    assert (code, said) == (0, [f"db: cancelled: cancelled by an operator (run {run} of once)"])
    assert outcomes(again.runs("db"))[-1] is Outcome.CANCELLED
    await stage.longhorn.at_rest("db")
    assert await stage.longhorn.held_by_us() == []
    assert len(await stage.longhorn.backups("db")) == 1
    assert [record["by"] for record in again.process.records() if record["action"].startswith("order.")]
    assert await again.stop() == 0
