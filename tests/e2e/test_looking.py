"""Whoever looks waits for no run: neither for the requests of many to Longhorn, nor for the journal to be written."""

import asyncio
import contextlib
import sqlite3
from datetime import timedelta
from typing import Any

import httpx
import pytest

from lhbackupd.longhorn.client import CONNECTIONS
from tests.e2e.harness import Daemon, Stage, backing_up, policy, write_config
from tests.e2e.processes import until

pytestmark = pytest.mark.timeout(120)

#: seconds that somebody waits for a page before they give up; the journal's own patience with a locked file is longer
PATIENCE = 4.0


async def shown(daemon: Daemon, path: str) -> httpx.Response:
    """What the daemon answers to somebody who is not patient."""
    port = await daemon.port()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as http:
        return await http.get(path)


async def test_an_explanation_does_not_line_up_behind_the_requests_of_runs(stage: Stage) -> None:
    longhorn, volumes = stage.longhorn, [f"busy-{number}" for number in range(CONNECTIONS + 2)]
    async with asyncio.TaskGroup() as tasks:
        for name in volumes:
            tasks.create_task(longhorn.create(name))
    write_config(stage.folder, (policy(),), url=longhorn.url)
    path = stage.folder / "config.toml"
    path.write_text("[limits]\ncluster = 50\nper_node = 50\nper_target = 50\n" + path.read_text())
    daemon = await stage.daemon()
    await longhorn.fault("delay", match={"action": "attach"}, seconds=600.0)
    await daemon.due(*volumes)

    async def all_wait() -> bool:
        (fault,) = (await longhorn.call("GET", "/sim/faults"))["faults"]
        return fault["struck"] >= CONNECTIONS

    await until("as many attaches as may be under way", all_wait)
    answer = await shown(daemon, "/explain/db.json")
    assert answer.status_code == httpx.codes.OK
    explained: dict[str, Any] = answer.json()
    assert explained["faults"] == []
    assert explained["backups"] == []
    await longhorn.clear()


@pytest.mark.parametrize("path", ["/runs", "/volumes/db", "/explain/db.json"])
async def test_history_is_read_while_the_journal_waits_to_be_written(stage: Stage, path: str) -> None:
    daemon = await backing_up(stage)
    with contextlib.closing(sqlite3.connect(stage.folder / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await stage.longhorn.happens("backup-completed", "db")
        # the next look has seen it, and the move that follows cannot be written
        await stage.passes(stage.clock.now() + timedelta(seconds=10))
        answer = await shown(daemon, path)
        other.execute("ROLLBACK")
    assert answer.status_code == httpx.codes.OK
    assert "cannot be read" not in answer.text
    (run,) = await daemon.finished()
    assert run.backup
    await stage.longhorn.at_rest("db")
