"""The daemon's claims of exposure, in virtual time and against the simulated Longhorn."""

from datetime import datetime, timedelta
from itertools import chain, repeat

import pytest

from lhbackupd.assembly import Engine
from lhbackupd.config import Config
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.rpo import Rpo
from lhbackupd.core.signs import Look
from lhbackupd.engine.events import Event, ExposuresMoved, Moved, RpoMoved
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.rules import Rules
from lhbackupd.engine.watch import LEAST
from tests.rig import MIB, START, Rig

pytestmark = pytest.mark.looptime

KEY = ("often", "vol-a")
#: between two looks
POLL = timedelta(seconds=15)


def known(engine: Engine) -> Exposure:
    return engine.keeper.watch.exposures[KEY]


async def truth(rig: Rig) -> datetime | None:
    """Since when data is unprotected, by the simulator's account."""
    found = (await rig.call("GET", "/sim/ledger/summary?volume=vol-a"))["volumes"]["vol-a"]["truth"]
    since = found["unprotected_since"]
    return rig.cluster.world.started + timedelta(seconds=since) if since is not None else None


async def pod(rig: Rig, *, write_every: float = 5.0) -> None:
    body = {"name": "pod-a", "namespace": "shop", "volume": "vol-a", "node": "node-1"}
    await rig.call("POST", "/sim/pods", body | {"write_bytes": 4096, "write_every": write_every})


async def protected(rig: Rig, engine: Engine) -> None:
    await rig.until(lambda: KEY in engine.keeper.watch.exposures and known(engine).clear is not None)


async def looks(rig: Rig, count: int = 1) -> None:
    await rig.clock.sleep(count * POLL.total_seconds() + 2)


#: due at 02:00, two minutes after the start, and at 02:12
TWICE = {"cron": '"0,12 2 * * *"'}


async def test_a_volume_that_was_never_backed_up_is_exposed_since_it_was_made(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"0 12 * * *"')) as engine:
        await looks(rig, 2)
        made = known(engine)
        real = await truth(rig)
        assert made.since is not None
        assert real is not None
        assert START <= made.since <= real
        assert "it was made then, and it holds data" in made.sign


async def test_an_empty_one_that_nobody_has_looked_into_is_uncertain(rig: Rig) -> None:
    await rig.volume("vol-a")
    async with rig.daemon(rig.config(cron='"0 12 * * *"')) as engine:
        await looks(rig, 2)
        assert known(engine).since is None
        assert known(engine).doubt is not None


async def test_it_is_told_when_exposures_have_moved_and_only_then(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    engines: list[Engine] = []
    told: list[datetime | None] = []

    def heard(event: Event) -> None:
        rig.events.append(event)
        if isinstance(event, ExposuresMoved):
            told.append(known(engines[-1]).unprotected_since)

    rig.tell = heard
    async with rig.daemon(rig.config(**TWICE)) as engine:
        engines.append(engine)
        await rig.finished(1)
        await looks(rig)
        assert told[0] is not None
        assert told[-1] is None, "who shows it is told once it is so, and not with the run's end, before it"
        before = len(told)
        await looks(rig, 10)
        assert len(told) == before
    async with rig.daemon(rig.config(**TWICE)) as engine:
        engines.append(engine)
        await looks(rig)
        assert len(told) == before + 1, "what the journal held is there"


async def test_a_backup_ends_exposure_and_an_unchanged_look_keeps_it_so(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config()) as engine:
        await rig.finished(1)
        await looks(rig)
        first = known(engine)
        assert first.unprotected_since is None
        assert first.took > 0
        await rig.finished(2)
        await looks(rig)
        assert rig.outcomes() == [Outcome.COMPLETED, Outcome.UNCHANGED]
        assert known(engine).unprotected_since is None
        assert first.clear is not None
        assert known(engine).clear == rig.runs()[-1].protected_until
        assert await truth(rig) is None


async def test_exposure_begins_when_a_pod_gets_the_volume_and_outlasts_the_pod(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        await rig.clock.sleep(120)
        began = rig.clock.now()
        await pod(rig)
        await looks(rig, 2)
        real = await truth(rig)
        claimed = known(engine).since
        assert real is not None
        assert claimed is not None
        assert began - timedelta(seconds=1) <= claimed <= real
        assert known(engine).sign == "attached read-write by csi-attacher on node-1"
        await rig.call("DELETE", "/sim/pods/shop/pod-a")
        await looks(rig, 2)
        assert known(engine).since == claimed
        await rig.finished(2, seconds=1000)
        await looks(rig)
        assert known(engine).unprotected_since is None
        assert await truth(rig) is None


async def test_on_a_volume_in_use_a_backup_moves_exposure_to_its_snapshot(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config()) as engine:
        await protected(rig, engine)
        await pod(rig)
        await rig.finished(2)
        await looks(rig, 2)
        last = [run for run in rig.runs() if run.outcome is Outcome.COMPLETED][-1]
        assert not last.ticket
        since, real = known(engine).since, await truth(rig)
        assert since is not None
        assert real is not None
        assert last.protected_until is not None
        assert last.protected_until - timedelta(seconds=1) <= since <= real


async def test_a_client_between_two_looks_is_revealed_by_the_next_inspection(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        await rig.clock.sleep(60)
        clear = known(engine).clear
        seen: list[Exposure] = []
        await rig.until(lambda: engine.inventory.picture.at is not None)
        at = engine.inventory.picture.at
        await rig.until(lambda: engine.inventory.picture.at != at)
        await rig.clock.sleep(1)
        await rig.call("POST", "/sim/volumes/vol-a/write", {"bytes": MIB, "offset": 9 * MIB, "offline": True})
        await looks(rig, 3)
        real = await truth(rig)
        assert real is not None
        assert known(engine).unprotected_since is None, "no look showed it: this test proves nothing"

        def revealed() -> bool:
            if known(engine).since is not None:
                seen.append(known(engine))
            return len(rig.runs()) > 1

        await rig.until(revealed, 1000)
        assert clear is not None
        assert clear <= (seen[0].since or real) <= real
        assert "an inspection found" in seen[0].sign
        await looks(rig)
        assert known(engine).unprotected_since is None


async def test_a_client_that_a_look_happens_to_meet_is_a_sign(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        await rig.clock.sleep(60)
        at = engine.inventory.picture.at
        await rig.until(lambda: engine.inventory.picture.at != at)
        await rig.clock.sleep(12)
        began = rig.clock.now()
        await rig.call("POST", "/sim/volumes/vol-a/write", {"bytes": MIB, "offset": 9 * MIB, "offline": True})
        await looks(rig, 2)
        since, real = known(engine).since, await truth(rig)
        assert since is not None
        assert real is not None
        assert began - POLL <= since <= real


async def test_our_own_attach_is_no_sign_and_maintenance_is_an_uncertain_one(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        await looks(rig, 3)
        assert known(engine).unprotected_since is None
        body = {"hostId": "node-1", "disableFrontend": True, "attachedBy": "x", "attachmentID": "repair"}
        await rig.call("POST", "/v1/volumes/vol-a?action=attach", body)
        await looks(rig, 2)
        assert known(engine).since is None
        assert "frontend disabled" in known(engine).why


async def test_a_short_restart_leaves_no_doubt_and_a_long_one_does(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    config = rig.config(**TWICE)
    async with rig.daemon(config) as engine:
        await protected(rig, engine)
        await looks(rig, 2)
    async with rig.daemon(config) as engine:
        await looks(rig, 2)
        assert known(engine).unprotected_since is None
    stopped = rig.clock.now()
    await rig.clock.sleep(LEAST + 30)
    async with rig.daemon(config) as engine:
        await looks(rig, 2)
        doubt = known(engine).doubt
        assert known(engine).since is None
        assert doubt is not None
        assert stopped - 2 * POLL <= doubt <= stopped


async def test_a_rest_that_a_costly_poll_was_followed_by_leaves_no_doubt(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    config = rig.config(**TWICE)
    async with rig.daemon(config) as engine:
        await protected(rig, engine)
        await looks(rig, 2)
    # asked for before and after each poll: the first one, which reads every volume anew, costs as much as a large one
    monkeypatch.setattr(rig.clock, "spent", chain((0.0,), repeat(2.5)).__next__)
    async with rig.daemon(config) as engine:
        await looks(rig)
        assert engine.inventory.period > 3 * LEAST / 2
        first = engine.inventory.picture.at
        await rig.until(lambda: engine.inventory.picture.at != first)
        await looks(rig)
        assert engine.inventory.period == POLL.total_seconds()
        assert known(engine).unprotected_since is None


async def test_a_clock_that_was_set_back_while_the_daemon_was_down_hides_no_gap(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    config = rig.config(**TWICE)
    async with rig.daemon(config) as engine:
        await protected(rig, engine)
        await looks(rig, 2)
    await rig.clock.sleep(600)
    rig.clock.set_by = -600
    async with rig.daemon(config) as engine:
        await looks(rig, 2)
        assert known(engine).doubt is not None


async def test_a_clock_that_is_set_back_takes_what_was_known_with_it(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(cron='"30 2 * * *"')) as engine:
        await looks(rig, 2)
        since = known(engine).since
        assert since is not None
        rig.clock.set_by = -3600
        await looks(rig, 2)
        assert known(engine).since is not None
        assert abs((since - (known(engine).since or since)).total_seconds() - 3600) < 2


async def test_while_longhorn_cannot_be_polled_what_was_clear_is_in_doubt(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        await looks(rig, 6)
        assert known(engine).unprotected_since is None
        await rig.call("POST", "/sim/faults", {"kind": "status", "path": "/v1/volumes", "status": 503})
        lost = rig.clock.now()
        await rig.until(lambda: known(engine).doubt is not None)
        assert lost - POLL <= (known(engine).doubt or START) <= lost
        assert "Longhorn cannot be polled" in known(engine).why


async def test_a_daemon_that_was_killed_while_a_run_held_the_volume_does_not_take_it_for_a_stranger(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    config = rig.config()
    await rig.killed(config, rig.until(lambda: any(run.ticket for run in _live(rig))))
    async with rig.daemon(config) as engine:
        await rig.finished(1)
        await looks(rig, 2)
        assert known(engine).unprotected_since is None


def _live(rig: Rig) -> list[object]:
    return [event.after for event in rig.events if hasattr(event, "after") and hasattr(event.after, "ticket")]


async def test_a_volume_made_anew_under_its_name_has_no_backup(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        await looks(rig, 2)
        at = engine.inventory.picture.at
        await rig.until(lambda: engine.inventory.picture.at != at)
        await rig.call("DELETE", "/v1/volumes/vol-a")
        await rig.clock.sleep(2)
        anew = rig.clock.now()
        await rig.volume("vol-a", data=4 * MIB)
        await looks(rig, 2)
        assert known(engine).clear is None
        assert (known(engine).since or START) >= anew - timedelta(seconds=1)


async def test_the_rpo_is_told_once_when_it_will_be_missed_is_missed_and_is_kept_again(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    config = rig.config(cron='"20 2 * * *"', rpo='"10m"')
    async with rig.daemon(config) as engine:
        await rig.finished(1, seconds=2000)
        await looks(rig, 2)
        assert known(engine).unprotected_since is None
    states = [event.verdict.state for event in rig.events if isinstance(event, RpoMoved)]
    assert states == [Rpo.AT_RISK, Rpo.VIOLATED, Rpo.COMPLIANT]


async def test_what_the_journal_does_not_take_is_written_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    config = rig.config(**TWICE)

    def full(*_arguments: object) -> None:
        raise JournalError("disk full")

    async with rig.daemon(config) as engine:
        with monkeypatch.context() as broken:
            broken.setattr(engine.journal, "note", full)
            await rig.until(lambda: KEY in engine.keeper.watch.exposures)
            await looks(rig)
        assert not engine.journal.notes("exposure", Exposure)
        await looks(rig, 2)
        assert engine.journal.notes("exposure", Exposure)["often/vol-a"] == known(engine)


async def test_a_journal_that_cannot_be_read_at_first_is_read_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    config = rig.config(**TWICE)
    async with rig.daemon(config) as engine:
        await protected(rig, engine)
        clear = known(engine).clear

    notes = Journal.notes

    def broken(journal: Journal, kind: str, type_: type[object]) -> object:
        if kind == "exposure":
            raise JournalError("I/O error")
        return notes(journal, kind, type_)

    with monkeypatch.context() as change:
        change.setattr(Journal, "notes", broken)
        async with rig.daemon(config) as engine:
            await looks(rig)
            assert not engine.keeper.watch.exposures
            change.undo()
            await looks(rig, 2)
            assert known(engine).clear == clear


async def test_a_policy_that_is_no_longer_for_a_volume_leaves_nothing_behind(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        engine.keeper.rules = Rules(policies={}, limits=engine.keeper.rules.limits, retry=engine.keeper.rules.retry)
        await looks(rig, 4)
        assert not engine.keeper.watch.exposures
        assert not engine.journal.notes("exposure", Exposure)


async def test_a_deleted_volume_leaves_nothing_behind(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        await rig.call("DELETE", "/v1/volumes/vol-a")
        await looks(rig, 4)
        assert not engine.keeper.watch.exposures
        assert not engine.journal.notes("look", Look)


async def test_a_volume_that_the_list_lacks_is_in_doubt(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    await rig.volume("vol-b", data=8 * MIB)
    async with rig.daemon(rig.config(**TWICE)) as engine:
        await protected(rig, engine)
        await looks(rig, 6)
        volumes = rig.cluster.world.volumes
        gone = volumes["vol-a"]
        gone.forced["size"] = "no size"
        rig.cluster.world.touch(gone)
        await rig.until(lambda: known(engine).doubt is not None)
        assert known(engine).why == "nobody has looked at it for a while"
        assert engine.keeper.watch.exposures["often", "vol-b"].doubt is None


async def handed_over(rig: Rig) -> Config:
    """A daemon stops in the middle of a backup; its configuration."""
    await rig.volume("vol-a", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/vol-a/timing", {"backup": 60})
    config = rig.config(cron='"0 2 * * *"')
    async with rig.daemon(config):
        await rig.until(lambda: any(isinstance(event, Moved) and event.after.backup for event in rig.events))
        await looks(rig)
    return config


async def test_what_happens_after_a_backup_was_handed_over_is_in_doubt_once_its_run_has_ended(rig: Rig) -> None:
    config = await handed_over(rig)
    await rig.clock.sleep(180)
    await pod(rig)
    await rig.clock.sleep(60)
    await rig.call("DELETE", "/sim/pods/shop/pod-a")
    await rig.clock.sleep(60)
    # the poll is there before the run has seen that its volume is free
    slow = {"kind": "delay", "seconds": 20, "match": {"volume": "vol-a"}}
    await rig.call("POST", "/sim/faults", slow)
    async with rig.daemon(config) as engine:
        await rig.finished(1)
        await looks(rig, 3)
        assert rig.outcomes() == [Outcome.COMPLETED]
        real, claimed = await truth(rig), known(engine).unprotected_since
        assert real is not None
        assert claimed is not None
        assert claimed <= real


async def test_a_run_of_a_volume_that_is_gone_says_nothing_of_the_one_that_has_its_name(rig: Rig) -> None:
    config = await handed_over(rig)
    await rig.clock.sleep(180)
    await rig.call("DELETE", "/v1/volumes/vol-a")
    await rig.clock.sleep(10)
    await rig.volume("vol-a", data=MIB)
    await rig.call("POST", "/sim/faults", {"kind": "delay", "seconds": 20, "match": {"volume": "vol-a"}})
    async with rig.daemon(config) as engine:
        await rig.finished(1)
        await looks(rig, 3)
        assert known(engine).unprotected_since is not None


async def test_no_exposure_begins_in_the_future_after_a_clock_that_was_ahead(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    rig.clock.set_by = 3600.0
    async with rig.daemon(rig.config()) as engine:
        await protected(rig, engine)
        await pod(rig)
        await rig.finished(2)
        rig.clock.set_by = 0.0
        await looks(rig)
        await rig.finished(len(rig.runs()) + 2)
        await looks(rig)
        since = known(engine).since
        assert since is not None
        assert since <= rig.clock.now()


async def test_what_was_noted_by_a_clock_ahead_is_no_later_than_now_at_the_next_start(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    rig.clock.set_by = 3600.0
    async with rig.daemon(rig.config()) as engine:
        await rig.until(lambda: Outcome.UNCHANGED in rig.outcomes())
        await looks(rig)
        assert known(engine).clear is not None
    rig.clock.set_by = 0.0
    async with rig.daemon(rig.config(cron='"0 12 * * *"')) as engine:
        await looks(rig, 2)
        await pod(rig)
        await looks(rig, 2)
        assert known(engine).sign.startswith("attached read-write")
        assert known(engine).since is not None
        assert known(engine).since <= rig.clock.now()


async def test_an_outage_that_ends_as_a_run_lets_go_leaves_no_doubt(rig: Rig) -> None:
    await rig.volume("vol-a", data=8 * MIB)
    await rig.call("POST", "/sim/volumes/vol-a/timing", {"backup": 90})
    async with rig.daemon(rig.config(cron='"0 2 * * *"')) as engine:
        await rig.until(lambda: rig.phase(Phase.BACKING_UP))
        await rig.call("POST", "/sim/faults", {"kind": "status", "status": 503, "match": {"path": "/v1/volumes"}})
        await rig.until(lambda: rig.phase(Phase.DETACHING))
        await rig.call("DELETE", "/sim/faults")
        await engine.inventory.poll()
        assert rig.outcomes() == []
        await rig.finished(1)
        await looks(rig, 2)
        assert rig.outcomes() == [Outcome.COMPLETED]
        assert known(engine).unprotected_since is None
