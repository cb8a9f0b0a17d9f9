"""The whole cycle of a run on releases that attach without tickets, or list backups otherwise, in virtual time."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.naming import TicketName
from lhbackupd.engine.events import GaveBack
from tests.rig import MIB, START, Rig

pytestmark = pytest.mark.looptime

#: before tickets; 1.1 has neither backups nor jobs as resources
OLD = ["1.4", "1.2", "1.1"]
#: with tickets, but backup volumes are named as their volumes up to 1.7
MIDDLE = ["1.5", "1.7", "1.8"]


async def playing(rig: Rig, version: str) -> None:
    await rig.call("POST", "/sim/generation", {"version": version})


async def completed(rig: Rig, volume: str = "db") -> list[str]:
    """The snapshots of which the target holds a backup, by the simulator's own account."""
    return [entry["snapshot"] for entry in await rig.ledger("backup-completed", volume)]


async def given_back(rig: Rig, volume: str = "db") -> None:
    shown = await rig.shows(volume)
    assert (shown["state"], shown["disableFrontend"]) == ("detached", False)
    assert "volumeAttachment" not in shown


@pytest.mark.parametrize("version", OLD)
async def test_a_volume_with_new_data_is_backed_up_and_given_back(rig: Rig, version: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, version)
    async with rig.daemon(rig.config()):
        (run,) = await rig.finished(1)
    assert (run.outcome, run.snapshot) == (Outcome.COMPLETED, f"lhbackupd-{run.id}")
    assert await completed(rig) == [run.snapshot]
    await given_back(rig)


@pytest.mark.parametrize("version", OLD)
async def test_a_volume_without_new_data_is_attached_looked_into_and_left_alone(rig: Rig, version: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, version)
    async with rig.daemon(rig.config()):
        await rig.finished(3)
    assert rig.outcomes() == [Outcome.COMPLETED, Outcome.UNCHANGED, Outcome.UNCHANGED]
    assert len(await completed(rig)) == 1
    await given_back(rig)


@pytest.mark.parametrize("version", MIDDLE)
async def test_releases_with_tickets_that_list_backups_otherwise_are_served_alike(rig: Rig, version: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, version)
    async with rig.daemon(rig.config()):
        await rig.finished(2)
    assert rig.outcomes() == [Outcome.COMPLETED, Outcome.UNCHANGED]
    shown = await rig.shows("db")
    assert (shown["state"], shown["volumeAttachment"]["attachments"]) == ("detached", {})


@pytest.mark.parametrize("version", OLD)
async def test_a_volume_that_a_pod_has_is_backed_up_as_it_is_and_left_to_the_pod(rig: Rig, version: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, version)
    await rig.call("POST", "/sim/pods", {"name": "pod", "namespace": "ns", "volume": "db", "node": "node-2"})
    async with rig.daemon(rig.config()):
        (run,) = await rig.finished(1)
    assert (run.outcome, run.ticket) == (Outcome.COMPLETED, "")
    assert await rig.ledger("taken-away", "db") == []
    assert (await rig.call("GET", "/sim/pods"))["pods"][0]["phase"] == "Running"


class Overtaken(httpx.AsyncBaseTransport):
    """Somebody does something just before Longhorn hears of an action for the first time."""

    def __init__(self, rig: Rig, action: str, first: Any) -> None:
        self._rig, self._inner, self._action, self._first = rig, rig.transport, action, first

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.params.get("action") == self._action and self._first is not None:
            first, self._first = self._first, None
            await self._rig.call(*first)
        return await self._inner.handle_async_request(request)


@pytest.mark.parametrize("node", ["node-1", "node-2", "node-3"])
@pytest.mark.parametrize("version", OLD)
async def test_a_workload_that_is_first_keeps_the_volume(rig: Rig, version: str, node: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, version)
    pod = ("POST", "/sim/pods", {"name": "pod", "namespace": "ns", "volume": "db", "node": node})
    rig.transport = Overtaken(rig, "attach", pod)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes())
    assert await rig.ledger("taken-away", "db") == []
    assert (await rig.call("GET", "/sim/pods"))["pods"][0]["phase"] == "Running"
    assert [run.ticket for run in rig.runs() if run.outcome is Outcome.COMPLETED] == [""]


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("moment", [120.5 + step for step in range(16)])
async def test_a_daemon_that_is_killed_is_carried_on_with_by_the_next_one(
    rig: Rig, version: str, moment: float
) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, version)
    config = rig.config(cron='"0 2 * * *"')
    await rig.killed(config, asyncio.sleep(moment - rig.clock.monotonic()))
    async with rig.daemon(config):
        await asyncio.sleep(90)
    assert rig.outcomes().count(Outcome.COMPLETED) == 1
    assert len(await completed(rig)) == 1
    assert len(await rig.ledger("snapshot-created")) == 1
    await given_back(rig)


@pytest.mark.parametrize("version", OLD)
async def test_a_pod_that_had_to_wait_runs_once_the_run_is_over(rig: Rig, version: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, version)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        await rig.call("POST", "/sim/pods", {"name": "pod", "namespace": "ns", "volume": "db", "node": "node-3"})
        await rig.finished(1)
        await asyncio.sleep(30)
    assert rig.outcomes() == [Outcome.COMPLETED]
    assert (await rig.call("GET", "/sim/pods"))["pods"][0]["phase"] == "Running"


@pytest.mark.parametrize("version", OLD)
async def test_an_engine_that_dies_under_us_is_waited_for(rig: Rig, version: str) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, version)
    async with rig.daemon(rig.config(cron='"0 2 * * *"')):
        await rig.until(lambda: rig.phase(Phase.SNAPSHOTTING) or rig.phase(Phase.INSPECTING))
        await rig.call("POST", "/sim/volumes/db/engine/kill")
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes())
    await given_back(rig)


def ticket(instance: str, journal: str, minutes: int) -> str:
    deadline = START + timedelta(minutes=minutes)
    return str(TicketName(instance=instance, journal=journal, run="r1", deadline=deadline))


FOREIGN = ["", "backup-job", "lhbackupd", "lhbackupd:default", ticket("another", "j", -60), ticket("another", "j", 60)]


@pytest.mark.parametrize("disabled", [True, False])
@pytest.mark.parametrize("by", FOREIGN)
async def test_what_others_have_attached_is_never_taken_from_them(rig: Rig, by: str, disabled: bool) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, "1.4")
    body = {"hostId": "node-2", "disableFrontend": disabled, "attachedBy": by}
    await rig.call("POST", "/v1/volumes/db?action=attach", body)
    async with rig.daemon(rig.config()):
        await rig.finished(2)
    assert await rig.ledger("taken-away", "db") == []
    assert (await rig.shows("db"))["lastAttachedBy"] == by


@pytest.mark.parametrize(("minutes", "disabled", "taken"), [(-1, True, 1), (-1, False, 0), (60, True, 0)])
async def test_an_attachment_of_a_lost_journal_is_given_back_after_its_deadline_and_only_if_it_is_ours(
    rig: Rig, minutes: int, disabled: bool, taken: int
) -> None:
    await rig.volume("db", data=8 * MIB)
    await playing(rig, "1.4")
    config = rig.config(cron='"0 3 * * *"')
    by = ticket(config.instance, "lost-journal", minutes)
    body = {"hostId": "node-2", "disableFrontend": disabled, "attachedBy": by}
    await rig.call("POST", "/v1/volumes/db?action=attach", body)
    async with rig.daemon(config):
        await asyncio.sleep(40)
    assert len(await rig.ledger("taken-away", "db")) == taken
    assert [event.lease.ticket for event in rig.events if isinstance(event, GaveBack)][:1] == [by][:taken]


async def test_a_shared_volume_is_not_attached_and_the_run_says_why(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB, accessMode="rwx")
    await playing(rig, "1.4")
    async with rig.daemon(rig.config()):
        (run,) = await rig.finished(1)
    assert run.outcome is Outcome.FAILED
    assert "shared (RWX)" in run.reason
    assert await rig.ledger("ticket-added", "db") == []
