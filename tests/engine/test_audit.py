"""Backups that somebody else deletes: the claim that rested on them is taken back, and people are told."""

import pytest

from lhbackupd.core.model import Outcome
from lhbackupd.engine.events import BackupLost
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

HOURLY = '[[policy]]\nname = "often"\ncron = "0 * * * *"\n'
KEY = ("often", "db")


async def delete(rig: Rig, name: str) -> None:
    await rig.call("POST", "/v1/backupvolumes/db?action=backupDelete", {"name": name})


def lost(rig: Rig) -> list[BackupLost]:
    return [event for event in rig.events if isinstance(event, BackupLost)]


async def test_the_claim_that_rested_on_a_backup_that_somebody_deleted_is_taken_back(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(HOURLY)) as engine:
        (run,) = await rig.finished(1)
        await rig.clock.sleep(60)
        assert engine.keeper.watch.exposures[KEY].unprotected_since is None
        await delete(rig, run.backup)
        await rig.clock.sleep(120)
        known, word = engine.keeper.watch.exposures[KEY], engine.keeper.books.protections[KEY]
        assert [event.loss.backup for event in lost(rig)] == [run.backup]
        assert known.since == known.born
        assert known.clear is None
        assert run.backup in known.sign
        assert (word.last_backup, word.protected_until) == ("", None)
        assert run.backup in word.lost


async def test_what_an_older_backup_still_holds_stays_protected(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(HOURLY)) as engine:
        (first,) = await rig.finished(1)
        until = engine.keeper.watch.exposures[KEY].clear
        await rig.call("POST", "/sim/volumes/db/write", {"bytes": MIB, "offset": 0, "offline": True})
        _, second = await rig.finished(2, seconds=4000)
        await rig.clock.sleep(60)
        await delete(rig, second.backup)
        await rig.clock.sleep(120)
        known, word = engine.keeper.watch.exposures[KEY], engine.keeper.books.protections[KEY]
        assert (known.since, known.clear) == (until, until)
        assert word.last_backup == first.backup
        assert [event.loss.left for event in lost(rig)] == [first.backup]


async def test_a_loss_is_remembered_by_the_next_start_and_the_next_run_makes_it_good(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    config = rig.config(HOURLY)
    async with rig.daemon(config):
        (run,) = await rig.finished(1)
        await rig.clock.sleep(60)
        await delete(rig, run.backup)
        await rig.clock.sleep(120)
    async with rig.daemon(config) as engine:
        await rig.clock.sleep(30)
        assert run.backup in engine.keeper.books.protections[KEY].lost
        assert engine.keeper.watch.exposures[KEY].since is not None
        await rig.finished(2, seconds=4000)
        await rig.clock.sleep(30)
        assert rig.outcomes() == [Outcome.COMPLETED] * 2
        assert engine.keeper.books.protections[KEY].lost == ""
        assert engine.keeper.watch.exposures[KEY].unprotected_since is None
    assert len(lost(rig)) == 1


async def test_a_deletion_that_the_list_of_volumes_does_not_show_is_found_as_well(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    text = HOURLY + '[[policy]]\nname = "other"\ncron = "5 * * * *"\n'
    async with rig.daemon(rig.config(text)) as engine:
        run, _ = await rig.finished(2)  # the newer backup, of the other policy, is what the list names
        await rig.clock.sleep(60)
        await delete(rig, run.backup)
        await rig.clock.sleep(120)
        assert [event.loss.policy for event in lost(rig)] == ["often"]
        assert engine.keeper.watch.exposures["other", "db"].unprotected_since is None


async def test_one_list_that_lacks_a_backup_takes_nothing_back_and_nothing_is_asked_too_often(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    async with rig.daemon(rig.config(HOURLY)) as engine:
        await rig.finished(1)
        await rig.clock.sleep(60)
        before = await asked(rig)
        empty = {"type": "collection", "data": []}
        answer = {"kind": "status", "status": 200, "contentType": "application/json", "body": empty, "times": 1}
        await rig.call("POST", "/sim/faults", {**answer, "match": {"action": "backupListByVolume"}})
        await rig.clock.sleep(1200)
        assert lost(rig) == []
        assert engine.keeper.watch.exposures[KEY].unprotected_since is None
        assert 1 <= await asked(rig) - before <= 1200 / engine.inventory.period


async def test_a_volume_whose_backups_cannot_be_listed_keeps_no_other_from_its_turn(rig: Rig) -> None:
    for name in ("aaa", "db"):
        await rig.volume(name, data=MIB)
    async with rig.daemon(rig.config(HOURLY)) as engine:
        await rig.finished(2)
        await rig.clock.sleep(60)
        found = [run for run in rig.runs() if run.volume == "db"]
        await rig.call(
            "POST", "/sim/faults", {"kind": "wrong-shape", "match": {"action": "backupListByVolume", "volume": "aaa"}}
        )
        await rig.call("POST", "/v1/backupvolumes/db?action=backupDelete", {"name": found[0].backup})
        await rig.clock.sleep(240)
        assert [event.loss.volume for event in lost(rig)] == ["db"]
        assert engine.keeper.watch.exposures["often", "aaa"].unprotected_since is None


async def test_a_volume_that_has_lost_a_backup_is_not_asked_for_ever_after(rig: Rig) -> None:
    for name in ("db", "web", "log"):
        await rig.volume(name, data=MIB)
    config = rig.config("[limits]\nper_node = 4\n" + HOURLY)
    async with rig.daemon(config) as engine:
        runs = await rig.finished(3)
        await rig.clock.sleep(60)
        await delete(rig, next(run.backup for run in runs if run.volume == "db"))
        await rig.clock.sleep(120)
        assert len(lost(rig)) == 1
        before = await asked(rig)
        await rig.clock.sleep(600)
        assert await asked(rig) - before <= 600 / engine.inventory.period + 1  # one of the three after each poll


async def asked(rig: Rig) -> int:
    requests = (await rig.call("GET", "/sim/requests"))["requests"]
    return sum(number for route, number in requests.items() if "backupListByVolume" in route)


async def test_a_backup_that_went_away_is_asked_for_until_longhorn_answers(rig: Rig) -> None:
    for number in range(12):
        await rig.volume(f"v{number}", data=MIB)
    async with rig.daemon(rig.config("[limits]\ncluster = 12\nper_node = 12\n" + HOURLY)) as engine:
        runs = await rig.finished(12)
        await rig.clock.sleep(14 * engine.inventory.period)  # each has had its turn
        name = max(engine.audit._looked, key=engine.audit._looked.__getitem__)
        run = next(run for run in runs if run.volume == name)
        await rig.call("POST", f"/v1/backupvolumes/{name}?action=backupDelete", {"name": run.backup})
        answers = {"action": "backupListByVolume", "volume": name}
        await rig.call("POST", "/sim/faults", {"kind": "wrong-shape", "times": 1, "match": answers})
        await rig.clock.sleep(5 * engine.inventory.period)
        assert [event.loss.backup for event in lost(rig)] == [run.backup], "long before its turn, which is the twelfth"
        before = await asked(rig)
        await rig.clock.sleep(300)
        assert await asked(rig) - before <= 300 / engine.inventory.period + 1, "and has its turn then, as all others"
