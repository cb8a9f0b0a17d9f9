"""The README's rehearsal: its commands, as they stand there, only on other ports and a faster clock."""

import json
import re
from pathlib import Path

import httpx

from lhbackupd.clock import Clock
from tests.deploy.alarms import ROOT
from tests.deploy.pages import Page, ours
from tests.e2e.processes import Process, until

SPEED = 30.0


async def test_a_newcomer_sees_backups_and_what_is_not_protected(tmp_path: Path) -> None:
    given = list(ours(Page.read(ROOT / "README.md")))
    simulate, run = (next(words for words in given if words[0] == name) for name in ("simulate", "run"))
    assert (simulate[1:], run[1:]) == (["--volumes", "6"], ["--config", "deploy/rehearsal.toml"])
    run[2] = str(ROOT / run[2])
    clock = Clock.parse(f"{SPEED}")
    faster = ("--clock", f"{clock.speed}@{clock.epoch}")
    simulator = await Process.start("simulator", *simulate, *faster, "--port", "0", environ={})
    found = re.search(r"http://[\w.:]+", await simulator.says("http://"))
    assert found is not None
    environ = {
        "LHBACKUPD_STATE__URL": f"sqlite:///{tmp_path}/rehearsal.db",
        "LHBACKUPD_CONTROL__SOCKET": f"{tmp_path}/rehearsal.sock",
        "LHBACKUPD_LONGHORN__URL": found[0],
        "LHBACKUPD_HTTP__LISTEN": "127.0.0.1:0",
    }
    daemon = await Process.start("daemon", *run, *faster, environ=environ)
    try:
        port = json.loads(await daemon.says('"action": "listening"'))["port"]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def settled() -> dict[str, str]:
                report = (await http.get("/status.json")).json()
                standings = {row["volume"]: row["standing"] for row in report["volumes"]}
                uncovered = {row["volume"]: "uncovered" for row in report["uncovered"]}
                return standings | uncovered if {"protected", "suspended"} <= set(standings.values()) else {}

            shown = await until("a backup, and a volume that may not be attached", settled)
            assert shown["vol-0005"] == "suspended"
            assert shown["vol-0006"] == "uncovered"
    finally:
        await daemon.close()
        await simulator.close()
