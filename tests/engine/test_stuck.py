"""Stuck is a state: patience by phase, slots for others, volumes given back, and never given up."""

import logging
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.engine.events import Moved
from lhbackupd.surface.narrator import LogListener
from tests.engine import promises
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

LIMITS = "[limits]\ncluster = 1\n"


def config(rig: Rig, **patience: str) -> Any:
    lines = ", ".join(f'{phase} = "{span}"' for phase, span in patience.items())
    policy = f'[[policy]]\nname = "often"\ncron = "0 2 * * *"\npatience = {{ {lines} }}\n'
    return rig.config(LIMITS + policy)


async def test_a_volume_that_does_not_attach_is_given_back_after_the_patience(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.volume("web", data=MIB)
    await rig.call("POST", "/sim/volumes/db/faults", {"hang": True})
    async with rig.daemon(config(rig, attach="2m")) as engine:
        await rig.until(lambda: bool(rig.runs("web")) and bool(rig.runs("db")), 900)
        await rig.call("POST", "/sim/volumes/db/faults", {"hang": False})
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes("db"), 3600)
        await rig.clock.sleep(10)
        await promises.hold(rig, engine)
    failed = rig.runs("db")[0]
    assert (failed.outcome, failed.can_pass) == (Outcome.FAILED, True)
    assert failed.reason.startswith("waited 120 s for the volume to be attached to ")
    assert rig.outcomes("web") == [Outcome.COMPLETED]


async def test_a_snapshot_that_does_not_come_fails_the_run(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.call("PUT", "/sim/timing", {"snapshot_take": 10_000})
    async with rig.daemon(config(rig, snapshot="1m")) as engine:
        (run,) = await rig.finished(1)
        assert run.reason.startswith("waited 60 s for snapshot ")
        assert await promises.held(rig) == {}
        assert not engine.keeper.active


async def test_a_backup_without_progress_fails_is_deleted_and_its_volume_is_free(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/faults", {"kind": "backup-stuck-at", "percent": 15, "times": 1})
    async with rig.daemon(config(rig, backup="4m")) as engine:
        (run,) = await rig.finished(1)
        assert run.outcome is Outcome.FAILED
        assert run.reason == f"waited 240 s for backup {run.backup}, at 15 %"
        assert await rig.backups("db") == []
        assert (await rig.shows("db"))["state"] in {"detached", "detaching"}
        await promises.hold(rig, engine)


async def test_a_backup_that_goes_on_slowly_is_not_stuck(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/db/timing", {"backup": 900})
    async with rig.daemon(config(rig, backup="8m")):
        await rig.finished(1, seconds=1800)
    assert rig.outcomes() == [Outcome.COMPLETED]


async def deaf(rig: Rig) -> None:
    """Longhorn says yes to every detach and does nothing."""
    body = {"type": "volume", "id": "db", "name": "db"}
    fault = {"kind": "status", "status": 200, "contentType": "application/json", "body": body}
    await rig.call("POST", "/sim/faults", {**fault, "match": {"action": "detach", "volume": "db"}})


async def test_a_volume_that_is_not_taken_back_frees_its_slot_and_is_asked_for_ever(rig: Rig) -> None:
    await rig.volume("db", data=MIB)
    await rig.volume("web", data=MIB)
    async with rig.daemon(config(rig, detach="2m")) as engine:
        await rig.until(lambda: rig.phase(Phase.INSPECTING, "db"))
        await deaf(rig)
        await rig.until(lambda: bool(rig.runs("web")), 900)
        (stuck,) = engine.keeper.active.values()
        assert (stuck.volume, stuck.phase, stuck.stuck) == ("db", Phase.DETACHING, True)
        before = await asked(rig)
        await rig.clock.sleep(3600)
        assert 55 <= await asked(rig) - before <= 65, "once a minute, for ever"
        await rig.call("DELETE", "/sim/faults")
        await rig.until(lambda: bool(rig.runs("db")), 180)
        await promises.hold(rig, engine)
    assert rig.outcomes("db") == [Outcome.COMPLETED]


async def asked(rig: Rig) -> int:
    counted = (await rig.call("GET", "/sim/requests"))["requests"]
    return int(counted.get("POST /v1/volumes/*?action=detach", 0))


async def test_it_is_told_once_as_an_error_when_a_volume_is_stuck(rig: Rig) -> None:
    kept = CapturingLogger()
    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    log = structlog.wrap_logger(kept, wrapper_class=wrapper, processors=[lambda _l, _m, fields: ((), fields)])
    listener = LogListener(log=log.bind(), known=lambda key: None)
    await rig.volume("db", data=MIB)
    async with rig.daemon(config(rig, detach="1m")) as engine:
        await rig.until(lambda: rig.phase(Phase.INSPECTING))
        await deaf(rig)
        await rig.until(lambda: any(run.stuck for run in engine.keeper.active.values()))
        await rig.clock.sleep(600)
        await rig.call("DELETE", "/sim/faults")
        await rig.finished(1)
    for event in rig.events:
        if isinstance(event, Moved):
            listener(event)
    (told,) = [call for call in kept.calls if call.method_name == "error"]
    assert told.kwargs["action"] == "run.stuck"
    assert told.kwargs["event"].startswith("volume db is not given back: Longhorn does not confirm that our ticket ")
