"""Who covers which volume, as the daemon learns it from a simulated Longhorn, in virtual time."""

import pytest

from lhbackupd.core.coverage import Cover
from lhbackupd.engine.events import CoverChanged
from tests.rig import Rig

pytestmark = pytest.mark.looptime

JOB = {"name": "nightly", "task": "backup", "cron": "0 2 * * *", "retain": 3, "concurrency": 1, "groups": ["gold"]}


def changes(rig: Rig) -> list[CoverChanged]:
    return [event for event in rig.events if isinstance(event, CoverChanged)]


def now(rig: Rig) -> dict[str, Cover]:
    return {name: found.cover for name, found in changes(rig)[-1].after.volumes.items()}


async def grouped(rig: Rig, volume: str, group: str) -> None:
    await rig.call("POST", f"/v1/volumes/{volume}?action=recurringJobAdd", {"name": group, "isGroup": True})


async def test_policies_jobs_both_excluded_and_nobody_are_told_apart(rig: Rig) -> None:
    for name in ("ours", "both", "theirs", "left", "bare"):
        await rig.volume(name)
    await grouped(rig, "both", "gold")
    await grouped(rig, "theirs", "gold")
    await rig.call("POST", "/v1/recurringjobs", JOB)
    config = rig.config(
        '[[policy]]\nname = "nightly"\ncron = "0 4 * * *"\nmatch = { name = ["ours", "both", "left"] }\n'
        '[[exclude]]\nreason = "scratch"\nname = ["left"]\n'
    )
    async with rig.daemon(config) as engine:
        await rig.until(lambda: bool(changes(rig)) and Cover.UNKNOWN not in now(rig).values())
        assert now(rig) == {
            "ours": Cover.POLICY,
            "both": Cover.DOUBLE,
            "theirs": Cover.NATIVE,
            "left": Cover.EXCLUDED,
            "bare": Cover.NOTHING,
        }
        assert sorted(engine.scheduler.schedules) == [("nightly", "both"), ("nightly", "ours")]
        before = len(changes(rig))
        await rig.clock.sleep(120)
        assert len(changes(rig)) == before, "what lasts is told once"
        await rig.call("DELETE", "/v1/recurringjobs/nightly")
        await rig.until(lambda: len(changes(rig)) > before)
    assert (now(rig)["both"], now(rig)["theirs"]) == (Cover.POLICY, Cover.NOTHING)


async def test_groups_cost_a_request_a_volume_only_where_a_job_backs_up(rig: Rig) -> None:
    await rig.volume("bare")
    await rig.call("POST", "/v1/recurringjobs", {**JOB, "task": "snapshot"})
    async with rig.daemon(rig.config(match='{ name = ["x"] }')) as engine:
        await rig.until(lambda: bool(changes(rig)))
        assert (now(rig), engine.inventory.picture.groups) == ({"bare": Cover.NOTHING}, {})
        assert changes(rig)[-1].after.unused == ("often",)
        await rig.call("PUT", "/v1/recurringjobs/nightly", JOB)
        await rig.until(lambda: bool(engine.inventory.picture.groups))


async def test_a_release_without_a_list_of_jobs_leaves_open_what_no_policy_covers(rig: Rig) -> None:
    await rig.volume("bare")
    await rig.call("POST", "/sim/generation", {"version": "1.1"})
    async with rig.daemon(rig.config(match='{ name = ["x"] }')):
        await rig.until(lambda: bool(changes(rig)))
    assert now(rig) == {"bare": Cover.UNKNOWN}


async def test_policies_for_groups_hold_though_longhorn_cannot_say_what_jobs_there_are(rig: Rig) -> None:
    await rig.volume("db")
    await grouped(rig, "db", "gold")
    await rig.call("POST", "/sim/faults", {"kind": "status", "status": 500, "match": {"path": "/v1/recurringjobs"}})
    async with rig.daemon(rig.config(match='{ group = ["gold"] }', cron='"0 12 * * *"')) as engine:
        await rig.until(lambda: bool(engine.scheduler.schedules))
        assert set(engine.scheduler.schedules) == {("often", "db")}
        assert engine.inventory.picture.fault is not None
