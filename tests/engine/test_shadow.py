"""A policy that touches nothing, beside Longhorn's own job, for a day of virtual time: counted from the ledger."""

from collections import Counter
from dataclasses import replace

import httpx
import pytest
from typing_extensions import override

from lhbackupd.core.coverage import Cover
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.engine.events import CoverChanged
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

DAY = 24 * 3600
JOB = {"name": "nightly", "task": "backup", "cron": "0 2 * * *", "retain": 3, "concurrency": 1, "groups": ["default"]}
SHADOW = {"mode": '"shadow"', "detached": '"always"', "keep": "{ last = 1 }"}


async def deeds(rig: Rig) -> Counter[str]:
    return Counter(entry["kind"] for entry in await rig.ledger())


class Writes(httpx.AsyncBaseTransport):
    """Requests that change something in Longhorn, as they come by."""

    def __init__(self, rig: Rig) -> None:
        self._inner = rig.transport
        self.seen: list[str] = []

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        action = request.url.params.get("action", "")
        reads = {"recurringJobList", "snapshotList", "snapshotCRGet", "snapshotCRList", "backupList"}
        if request.method != "GET" and action not in {*reads, "backupListByVolume"}:
            self.seen.append(f"{request.method} {request.url}")
        return await self._inner.handle_async_request(request)


@pytest.mark.timeout(240)  # a day is 8,640 turns of the scheduler
async def test_a_day_of_a_shadow_changes_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.volume("db", data=8 * MIB)
    await rig.volume("web", data=8 * MIB)
    ticket = {"hostId": "node-1", "attachmentID": "ui", "attacherType": "longhorn-api"}
    await rig.call("POST", "/v1/volumes/web?action=attach", ticket)
    await rig.clock.sleep(30)
    writes = Writes(rig)
    monkeypatch.setattr(rig, "transport", writes)
    before = await deeds(rig)
    policy = {"name": '"often"', "cron": '"0 * * * *"', **SHADOW}
    lines = "\n".join(f"{key} = {value}" for key, value in policy.items())
    async with rig.daemon(rig.config(f'[longhorn]\npoll = "10m"\n[[policy]]\n{lines}')) as engine:
        await rig.clock.sleep(DAY)
        assert not engine.keeper.waiting
        assert not engine.keeper.active
        word = engine.keeper.books.protections["often", "db"]
        assert (word.protected_until, word.last_success) == (None, None)
    assert await deeds(rig) == before
    assert writes.seen == []
    assert Counter(rig.outcomes()) == {Outcome.SHADOWED: 48}
    reasons = {run.volume: run.reason for run in rig.runs()}
    assert reasons["db"].startswith("would attach it to node-")
    assert reasons["web"].startswith("would back up 8388608 bytes: ")
    assert not rig.phase(Phase.ATTACHING)
    covered = [event.after for event in rig.events if isinstance(event, CoverChanged)][-1]
    assert covered.named(Cover.SHADOW) == {"db", "web"}


async def test_its_history_names_the_backup_that_the_native_job_made(rig: Rig) -> None:
    await rig.allow()
    await rig.volume("db", data=8 * MIB)
    await rig.call("POST", "/v1/recurringjobs", JOB)
    async with rig.daemon(rig.config(**SHADOW, cron='"10 2 * * *"')):
        (run,) = await rig.finished(1, seconds=3600)
    (made,) = await rig.backups("db")
    assert run.outcome is Outcome.SHADOWED
    assert f"its newest backup is {made['name']}" in run.reason
    assert run.reason.endswith("by Longhorn's recurring job nightly")


async def test_a_policy_that_becomes_a_shadow_gives_back_what_it_holds_and_deletes_nothing(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    active = {**SHADOW, "mode": '"active"'}
    async with rig.daemon(rig.config(**active)) as engine:
        await rig.until(lambda: rig.phase(Phase.ATTACHING))
        policy = rig.config(**SHADOW).policies[0]
        engine.keeper.rules = replace(engine.keeper.rules, policies={policy.name: policy})
        (run,) = await rig.finished(1)
    assert (run.outcome, run.phase) == (Outcome.SHADOWED, Phase.FINISHED)
    assert (await rig.shows("db"))["state"] == "detached"
    assert await rig.backups("db") == []
