"""Longhorn's own recurring jobs, as measured: the competition of a benchmark."""

import json
from datetime import UTC, datetime

import pytest

from lhbackupd.simulator import cron
from lhbackupd.simulator.refusal import Refusal
from tests.simulator.driving import Driver
from tests.simulator.replaying import RECORDINGS

MIB = 2**20


async def job(d: Driver, **more: object) -> None:
    body = {
        "name": "j",
        "task": "backup",
        "cron": "0 2 * * *",
        "retain": 2,
        "concurrency": 2,
        "groups": ["default"],
        **more,
    }
    await d.post("/v1/recurringjobs", **body)


async def allow(d: Driver) -> None:
    path = "/v1/settings/allow-recurring-job-while-volume-detached"
    assert (await d.ask("PUT", path, {"value": "true"})).status_code == 200


async def test_six_detached_volumes_take_sixty_seconds_in_two_cycles_each() -> None:
    async with Driver() as d:
        await d.sim("volumes", count=6, prefix="v", replicas=2, prefill=8 * MIB)
        await job(d)
        await allow(d)
        await d.sim("jobs/j/run")
        d.pass_time(70)
        (run,) = (await d.http.get("/sim/jobs")).json()["runs"]
        assert run["seconds"] == pytest.approx(60, rel=0.1)
        assert all(done["seconds"] == pytest.approx(20, rel=0.1) for done in run["done"])
        volumes = (await d.http.get("/sim/ledger/summary")).json()["volumes"].values()
        assert {v["attach_cycles"] for v in volumes} == {2}
        assert all(16 <= v["busy_seconds"] <= 19 for v in volumes)
        assert not any(v["truth"]["unprotected"] for v in volumes)
        frontends = {e["frontend"] for e in (await d.http.get("/sim/ledger?kind=attached")).json()["entries"]}
        assert frontends == {True}


async def test_it_backs_unchanged_volumes_up_again_and_keeps_as_many_as_it_is_told() -> None:
    async with Driver() as d:
        await d.sim("volumes", count=2, prefix="v", prefill=MIB)
        await job(d)
        await allow(d)
        for _ in range(4):
            await d.sim("jobs/j/run")
            d.pass_time(60)
        volume = await d.volume("v0001")
        assert [b["state"] for b in volume["backupStatus"]] == ["Completed"] * 2


async def test_without_the_setting_it_skips_detached_volumes_but_runs_on_those_that_a_ticket_holds() -> None:
    recorded = json.loads((RECORDINGS / "traces" / "recurring-job-own.json").read_text())
    first = next(iter(recorded.values()))
    async with Driver() as d:
        await d.make("rec-j1")
        await d.make("rec-j2")
        await d.attach("rec-j1", "node-1", wait=8)
        await job(d)
        await d.sim("jobs/j/run")
        d.pass_time(40)
        (run,) = (await d.http.get("/sim/jobs")).json()["runs"]
        assert run["seconds"] == pytest.approx(first["seconds"], rel=0.1)
        for name, backups in first["backups"].items():
            volume = await d.volume(name)
            assert [b["state"] for b in volume["backupStatus"]] == [b["state"] for b in backups]
            assert volume["state"] == first["states"][name]


async def test_its_cron_fires_by_the_clusters_clock() -> None:
    async with Driver() as d:
        await d.sim("volumes", count=1, prefix="v")
        await job(d, cron="*/15 * * * *")
        await allow(d)
        d.pass_time(3610)
        assert len((await d.http.get("/sim/jobs")).json()["runs"]) == 4
        assert (await d.http.get("/v1/recurringjobs/j")).json()["executionCount"] == 4


async def test_deleting_a_job_takes_the_tickets_that_bear_its_name() -> None:
    async with Driver() as d:
        await d.make("v")
        await job(d)
        await d.act("v", "attach", hostId="node-1", attachmentID="x", attachedBy="j")
        assert (await d.http.delete("/v1/recurringjobs/j")).status_code == 200
        d.pass_time(5)
        assert (await d.volume("v"))["volumeAttachment"]["attachments"] == {}


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 2 * * *", "2026-03-01T02:00", "2026-03-02T02:00"),
        ("*/20 * * * *", "2026-03-01T02:41", "2026-03-01T03:00"),
        ("30 4 1 * *", "2026-03-01T05:00", "2026-04-01T04:30"),
        ("0 0 * * 0", "2026-03-02T00:00", "2026-03-08T00:00"),
        ("0 0 * * sun", "2026-03-02T00:00", "2026-03-08T00:00"),
        ("0 12 13 * 5", "2026-03-01T00:00", "2026-03-06T12:00"),
        ("5,10-12 8 * feb *", "2026-03-01T00:00", "2027-02-01T08:05"),
    ],
)
def test_cron_finds_the_next_moment(text: str, after: str, expected: str) -> None:
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert cron.parse(text).next(start) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["every day", "* * * *", "61 * * * *", "* * 0 * *", "*/0 * * * *", "a b c d e"])
def test_a_bad_cron_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="invalid cron format"):
        cron.parse(text)
