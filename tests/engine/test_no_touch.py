"""Volumes that nobody seems to have touched are let alone, and nothing is claimed of them that was not looked at."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from lhbackupd.assembly import Engine
from lhbackupd.config import Config
from lhbackupd.core.model import Outcome, Run
from lhbackupd.core.untouched import doubtful
from tests.rig import MIB, START, Rig

pytestmark = [pytest.mark.looptime, pytest.mark.timeout(120)]

#: due every ten minutes; a volume may be let alone for an hour
OFTEN = {"cron": '"*/10 * * * *"', "no_touch": "true", "inspect_at_least": '"1h"'}
#: the same for ten hours, so that no volume's turn comes within a test
LONG = {**OFTEN, "inspect_at_least": '"10h"'}
BLIND = "Longhorn's events could not be looked at lately"


def config(rig: Rig, poll: str = "30s", **policy: str) -> Config:
    """One policy, and rarer polls than usual: they are most of what a test takes."""
    lines = "\n".join(f"{key} = {value}" for key, value in policy.items())
    return rig.config(f'[longhorn]\npoll = "{poll}"\n[[policy]]\nname = "often"\n{lines}')


async def attaches(rig: Rig, volume: str = "") -> int:
    """How often lhbackupd got a volume, by the cluster's ledger."""
    return len([e for e in await rig.ledger("ticket-satisfied", volume) if e["id"].startswith("lhbackupd:")])


async def quick_write(rig: Rig, volume: str, *, offset: int = 32 * MIB) -> None:
    """Another API client attaches, writes and detaches, within a few seconds."""
    await rig.call(
        "POST", f"/sim/volumes/{volume}/write", {"bytes": 65536, "offset": offset, "offline": True, "by": "client"}
    )


async def minute(rig: Rig, minutes: float) -> None:
    """Until so many minutes after the test's beginning, which is at 01:58."""
    await rig.clock.sleep((START + timedelta(minutes=minutes) - rig.clock.now()).total_seconds())


def words(rig: Rig, engine: Engine) -> str:
    """What speaks against letting the volume alone."""
    return doubtful(engine.keeper.trails.evidence(("often", "db")), rig.clock.now())


async def played(rig: Rig, until: float, deeds: Callable[[], object] | None = None, **policy: str) -> list[Run]:
    """The runs of volume db until so many minutes have gone."""
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **{**LONG, **policy})):
        if deeds is not None:
            await deeds()  # type: ignore[misc]
        await minute(rig, until)
    return rig.runs("db")


def outcomes(runs: list[Run]) -> list[str]:
    return [run.outcome.value for run in runs if run.outcome]


async def test_a_volume_that_nobody_has_attached_since_its_inspection_is_let_alone(rig: Rig) -> None:
    runs = await played(rig, 23)
    assert outcomes(runs) == ["completed", "not-inspected", "not-inspected"]
    assert await attaches(rig) == 1
    assert all("no attach but ours in Longhorn's events" in run.reason for run in runs[1:])


async def test_without_no_touch_the_events_are_not_asked_for_and_each_run_inspects(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **{**OFTEN, "no_touch": "false"})) as engine:
        await minute(rig, 23)
        assert engine.inventory.picture.attaches is None
    assert outcomes(rig.runs("db")) == ["completed", "unchanged", "unchanged"]
    assert await attaches(rig) == 3


async def test_protection_stays_as_of_the_last_inspection_and_is_inspected_within_its_time(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    inspected = []
    async with rig.daemon(config(rig, **OFTEN)) as engine:
        for ended in range(1, 15):
            run = (await rig.finished(ended, "db"))[-1]
            await asyncio.sleep(0.1)
            word = engine.keeper.books.protections["often", "db"]
            known = engine.keeper.watch.exposures["often", "db"]
            if run.outcome is Outcome.NOT_INSPECTED:
                assert (word.last_check, word.protected_until) == (inspected[-1].finished_at, known.clear)
                assert word.last_check is not None
                assert word.last_check < run.due
            else:
                inspected.append(run)
                assert word.last_check == run.finished_at
    gaps = [(b.finished_at - a.finished_at) for a, b in pairwise(inspected) if a.finished_at and b.finished_at]
    assert len(gaps) >= 2
    assert max(gaps) <= timedelta(hours=1, seconds=15)
    assert sum(run.outcome is Outcome.NOT_INSPECTED for run in rig.runs("db")) >= 9


async def test_an_attach_of_seconds_that_only_the_events_show_is_followed_by_an_inspection(rig: Rig) -> None:
    async def deeds() -> None:
        await minute(rig, 14.1)
        await quick_write(rig, "db")

    runs = await played(rig, 33, deeds)
    assert outcomes(runs) == ["completed", "not-inspected", "completed", "not-inspected"]
    assert not any(run.hidden for run in runs)  # the events had shown it


async def test_an_attach_that_only_the_events_show_leaves_a_doubt_at_once(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **LONG)) as engine:
        watch = engine.keeper.watch
        await minute(rig, 14.1)
        assert watch.exposures["often", "db"].unprotected_since is None
        written = rig.clock.now()
        await quick_write(rig, "db")
        await rig.clock.sleep(45)
        known = watch.exposures["often", "db"]
        assert known.doubt is not None
        assert written - timedelta(seconds=40) <= known.doubt <= written
        assert "somebody has attached it" in known.why
        await minute(rig, 24)
        assert watch.exposures["often", "db"].unprotected_since is None  # the run of minute 22 has inspected it


async def test_a_pod_that_used_the_volume_is_followed_by_an_inspection(rig: Rig) -> None:
    async def deeds() -> None:
        await minute(rig, 14)
        pod = {"name": "db-0", "namespace": "shop", "volume": "db", "node": "node-2"}
        await rig.call("POST", "/sim/pods", pod)
        await rig.clock.sleep(40)
        await rig.call("POST", "/sim/volumes/db/write", {"bytes": 65536, "offset": 32 * MIB, "by": "pod db-0"})
        await rig.clock.sleep(20)
        await rig.call("DELETE", "/sim/pods/shop/db-0")

    runs = await played(rig, 33, deeds)
    assert outcomes(runs) == ["completed", "not-inspected", "completed", "not-inspected"]


async def unseen_write(rig: Rig, engine: Engine, volume: str) -> None:
    """A client's use between two polls, whose event Kubernetes drops."""
    last = engine.inventory.picture.at
    await rig.until(lambda: engine.inventory.picture.at != last)
    await rig.call("PUT", "/sim/timing", {"event_burst": 0})
    await quick_write(rig, volume)
    await rig.clock.sleep(8)
    await rig.call("PUT", "/sim/timing", {"event_burst": 25})


async def test_a_write_whose_event_is_dropped_is_found_by_the_next_inspection_and_counted(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **OFTEN)) as engine:
        await minute(rig, 34)
        await unseen_write(rig, engine, "db")
        written = rig.clock.now()
        assert words(rig, engine) == ""
        await rig.until(lambda: any(run.hidden for run in rig.runs("db")), 7200)
        await asyncio.sleep(0.1)
        assert engine.keeper.books.protections["often", "db"].hidden == 1
        await minute(rig, 130)
    (found,) = [run for run in rig.runs("db") if run.hidden]
    assert (found.outcome, found.new_bytes) == (Outcome.COMPLETED, 65536)
    between = [run for run in rig.runs("db") if written < run.due < found.due]
    assert between
    assert set(outcomes(between)) == {"not-inspected"}
    assert found.due - written <= timedelta(hours=1)


async def test_events_that_are_lost_too_soon_are_noticed_by_our_own_attach(rig: Rig) -> None:
    async def deeds() -> None:
        await minute(rig, 9)
        await rig.call("POST", "/sim/events/forget", {})

    runs = await played(rig, 23, deeds)
    assert outcomes(runs) == ["completed", "unchanged", "not-inspected"]


async def test_an_attach_of_ours_whose_event_is_dropped_is_no_evidence(rig: Rig) -> None:
    """As of a volume that is attached so often that its manager writes no more of it."""
    await rig.call("PUT", "/sim/timing", {"event_burst": 0})
    runs = await played(rig, 13)
    assert (await rig.call("GET", "/sim/ledger/summary"))["events_dropped"] > 0
    assert outcomes(runs) == ["completed", "unchanged"]


async def test_events_that_cannot_be_read_mean_to_inspect_and_are_said(rig: Rig) -> None:
    await rig.call("POST", "/sim/faults", {"kind": "status", "status": 403, "match": {"path": "/v1/events"}})
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **LONG)) as engine:
        runs = await rig.finished(2, "db", seconds=1500)
        assert words(rig, engine) == BLIND
        fault = engine.inventory.picture.fault
        assert fault is not None
        assert "/v1/events" in fault.text
        assert engine.inventory.picture.targets  # the rest of the poll goes on
    assert outcomes(runs) == ["completed", "unchanged"]


@pytest.mark.parametrize("kind", ["not-json", "truncate", "wrong-shape", "empty"])
async def test_events_that_make_no_sense_mean_to_inspect(rig: Rig, kind: str) -> None:
    await rig.call("POST", "/sim/faults", {"kind": kind, "match": {"path": "/v1/events"}})
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **LONG)) as engine:
        runs = await rig.finished(2, "db", seconds=1500)
        assert words(rig, engine) == BLIND
    assert outcomes(runs) == ["completed", "unchanged"]


async def test_a_poll_of_events_that_fails_once_breaks_nothing(rig: Rig) -> None:
    async def deeds() -> None:
        await minute(rig, 11)
        await rig.call("POST", "/sim/faults", {"kind": "status", "status": 503, "match": {"path": "/v1/events"}})
        await rig.clock.sleep(90)
        await rig.call("DELETE", "/sim/faults")

    assert outcomes(await played(rig, 13, deeds)) == ["completed", "not-inspected"]


async def test_looks_at_the_events_that_do_not_overlap_break_the_chain(rig: Rig) -> None:
    async def deeds() -> None:
        await minute(rig, 13)
        await rig.call("POST", "/sim/faults", {"kind": "status", "status": 503, "match": {"path": "/v1/events"}})
        await minute(rig, 45)
        await rig.call("DELETE", "/sim/faults")

    runs = await played(rig, 63, deeds)
    # after ten minutes without a look each run inspects; after more than thirty a new chain begins, with an inspection
    assert outcomes(runs)[:2] == ["completed", "not-inspected"]
    assert outcomes(runs)[3:5] == ["unchanged", "unchanged"]
    assert outcomes(runs)[6:] == ["not-inspected"]


async def test_a_daemon_that_is_back_at_once_knows_what_it_knew(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **LONG)):
        await minute(rig, 11)
    await rig.clock.sleep(10)
    async with rig.daemon(config(rig, **LONG)):
        await minute(rig, 23)
    assert outcomes(rig.runs("db")) == ["completed", "not-inspected", "not-inspected"]


async def test_a_start_on_another_machine_inspects_first_and_leaves_a_journal_that_can_be_read(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **LONG)):
        await minute(rig, 11)
    rig.clock.set_by = 3600.0  # the two clocks no longer agree on how long ago that was
    await rig.call("POST", "/sim/faults", {"kind": "status", "status": 503, "match": {"path": "/v1/*"}})
    async with rig.daemon(config(rig, **LONG)):
        await rig.clock.sleep(150)  # long enough for all to be written down that is known by then
    await rig.call("DELETE", "/sim/faults")
    before = len(rig.runs("db"))
    async with rig.daemon(config(rig, **LONG)) as engine:
        runs = await rig.finished(before + 1, "db", seconds=1500)
        assert engine.keeper.watch.exposures
        assert engine.keeper.books.trouble == ""
    assert outcomes(runs)[before:] == ["unchanged"]


@pytest.mark.parametrize("away", [300.0, 7200.0])
async def test_a_daemon_that_was_away_inspects_first(rig: Rig, away: float) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **LONG)):
        await minute(rig, 3)
    await rig.clock.sleep(away)
    await quick_write(rig, "db")
    async with rig.daemon(config(rig, **LONG)):
        runs = await rig.finished(2, "db", seconds=1500)
    assert outcomes(runs) == ["completed", "completed"]
    assert not runs[-1].hidden


async def test_a_daemon_without_its_journal_inspects_first(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **LONG)):
        await minute(rig, 11)
    (rig.folder / "state.db").unlink()
    for leftover in rig.folder.glob("state.db-*"):
        leftover.unlink()
    async with rig.daemon(config(rig, **LONG)):
        await minute(rig, 23)
    assert outcomes(rig.runs("db")) == ["completed", "completed", "not-inspected"]


async def test_a_clock_that_is_set_means_to_inspect(rig: Rig) -> None:
    async def deeds() -> None:
        await minute(rig, 9)
        rig.clock.set_by = -120.0

    runs = await played(rig, 25, deeds)
    assert outcomes(runs)[:2] == ["completed", "unchanged"]


async def test_somebody_who_attaches_between_the_last_look_and_the_run_is_seen_by_the_run(rig: Rig) -> None:
    """The poll is rare; the run looks for itself before it decides."""
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, poll="60s", **LONG)):
        await minute(rig, 11.9)
        await quick_write(rig, "db")
        await minute(rig, 33)
    runs = rig.runs("db")
    # let alone, as nothing had shown it, or seen to be in use; found by the next run at the latest, and no hidden one
    assert "completed" in outcomes(runs[1:3])
    assert not any(run.hidden for run in runs)


async def test_a_newest_backup_that_is_deleted_by_hand_is_made_again(rig: Rig) -> None:
    async def deeds() -> None:
        await minute(rig, 14)
        (backup,) = await rig.backups("db")
        await rig.call("POST", "/v1/backupvolumes/db?action=backupDelete", {"name": backup["name"]})

    runs = await played(rig, 33, deeds)
    assert outcomes(runs) == ["completed", "not-inspected", "completed", "not-inspected"]


async def test_two_policies_do_not_take_each_others_attaches_for_somebody_elses(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    each = '[[policy]]\nname = "{}"\ncron = "{} * * * *"\nno_touch = true\ninspect_at_least = "10h"\n'
    text = each.format("often", "*/10") + each.format("other", "5-55/10")
    async with rig.daemon(rig.config(text)):
        await minute(rig, 33)
    by = {name: outcomes([run for run in rig.runs("db") if run.policy == name]) for name in ("often", "other")}
    assert by["often"][:1] == by["other"][:1] == ["completed"]
    assert set(by["often"][2:]) == set(by["other"][1:]) == {"not-inspected"}


async def test_an_operators_backup_inspects(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(config(rig, **LONG)) as engine:
        await minute(rig, 13)
        await engine.keeper.ask(("often", "db"), "uid 0")
        await minute(rig, 14)
    assert outcomes(rig.runs("db")) == ["completed", "not-inspected", "unchanged"]
