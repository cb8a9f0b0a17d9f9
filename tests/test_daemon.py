"""What must not end the process around the engine."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lhbackupd.clock import Clock
from lhbackupd.config import Config, load
from lhbackupd.daemon import Daemon


async def test_a_reload_that_meets_a_defect_leaves_the_old_rules_in_force_and_tells_no_text_of_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Config:
        raise KeyError("hush4711")

    path = tmp_path / "config.toml"
    path.write_text('[[policy]]\nname = "nightly"\ncron = "0 2 * * *"\n')
    daemon = Daemon(config=load(path, {}), clock=Clock(), reread=broken)
    rules, woken, hup, done = object(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    keeper = SimpleNamespace(rules=rules, wake=woken.set)
    daemon._engine = cast("Any", SimpleNamespace(keeper=keeper))
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(daemon._reload(hup, done))
        hup.set()
        await woken.wait()
        done.set()
    assert keeper.rules is rules
    assert daemon._faults == ("reading it met a defect of lhbackupd, please report it (KeyError)",)
    assert "hush4711" not in "".join(capfd.readouterr())
