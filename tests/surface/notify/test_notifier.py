"""What people are told while the engine runs, in virtual time, through receivers that can be down."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import structlog

from lhbackupd.assembly import Engine
from lhbackupd.config import Config
from lhbackupd.core.model import Outcome
from lhbackupd.engine.events import Event
from lhbackupd.engine.journal import JournalError
from lhbackupd.surface.notify import Notifier
from lhbackupd.surface.notify.notifier import Habits
from lhbackupd.surface.status import report
from tests.rig import MIB, Rig, inline
from tests.surface.notify.receivers import Inbox

pytestmark = pytest.mark.looptime


class Office:
    """A rig's daemon with a notifier, and who is told."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.inbox = Inbox(rig.clock.now)
        self.other: Inbox | None = None
        self.counted: Counter[str] = Counter()
        self.digest = "off"
        self.notifier: Notifier | None = None
        rig.tell = self._heard

    def _heard(self, event: Event) -> None:
        self.rig.events.append(event)
        if self.notifier is not None:
            self.notifier(event)

    @asynccontextmanager
    async def open(self, config: Config) -> AsyncIterator[Engine]:
        """A daemon, from its start to its end."""
        async with self.rig.daemon(config) as engine:
            done = asyncio.Event()
            self.notifier = self._notifier(engine)
            telling = asyncio.create_task(self.notifier.run(done))
            try:
                yield engine
            finally:
                done.set()
                await telling
                self.notifier = None

    def _notifier(self, engine: Engine) -> Notifier:
        sources = self.rig.sources(engine)
        channels = {"ops": self.inbox} | ({"other": self.other} if self.other else {})
        return Notifier(
            habits=Habits(instance="lhbackupd", digest=self.digest, timezone="UTC", every=60.0),
            channels=channels,
            report=lambda: report(sources),
            policies=lambda: engine.keeper.rules.policies,
            aside=inline,
            journal=engine.journal,
            offload=inline,
            count=lambda channel, outcome, number: self.counted.update({f"{channel} {outcome}": number}),
            clock=self.rig.clock,  # type: ignore[arg-type]
            log=structlog.get_logger(),
        )


@pytest.fixture
def office(rig: Rig) -> Office:
    return Office(rig)


async def failing(rig: Rig, times: int | None = None, **match: str) -> None:
    body = {"kind": "backup-error-at-start", "times": times, "message": "no space left", "match": match}
    await rig.call("POST", "/sim/faults", body)


async def claimed(rig: Rig, name: str, **more: Any) -> None:
    """A volume with 1 MiB and a PVC of its name."""
    await rig.volume(name, data=MIB, **more)
    await rig.call("POST", f"/sim/volumes/{name}/pvc", {"namespace": "shop", "pvc": name})


async def test_a_failure_is_told_once_however_often_it_is_tried_and_then_its_recovery(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    await failing(rig, times=3)
    async with office.open(rig.config(cron='"0 2 * * *"')):
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 3600)
        await rig.clock.sleep(120)
    assert rig.outcomes() == [Outcome.FAILED] * 3 + [Outcome.COMPLETED]
    assert office.inbox.titles == ["Backup of shop/db failed", "shop/db is backed up again"]
    failure = office.inbox.letters[0].body
    for words in (
        "Volume db, policy often: failed: backup",
        "no space left",
        "never backed up",
        "as attempt 2",
        "lhbackupd doctor",
    ):
        assert words in failure
    assert "protected as of 2026-03-02 02:" in office.inbox.letters[1].body


async def test_a_volume_that_never_failed_is_never_said_to_have_recovered(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    async with office.open(rig.config()):
        await rig.finished(2)
        await rig.clock.sleep(120)
    assert office.inbox.letters == []


async def test_a_restart_tells_nothing_again_and_a_recovery_after_it_is_told(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    await failing(rig)
    config = rig.config(cron='"0 2 * * *"')
    async with office.open(config):
        await rig.finished(2)
        await rig.clock.sleep(120)
    assert office.inbox.titles == ["Backup of shop/db failed"]
    async with office.open(config):
        await rig.clock.sleep(300)
        assert office.inbox.titles == ["Backup of shop/db failed"]
        await rig.call("DELETE", "/sim/faults")
        await rig.until(lambda: Outcome.COMPLETED in rig.outcomes(), 3600)
        await rig.clock.sleep(120)
    assert office.inbox.titles == ["Backup of shop/db failed", "shop/db is backed up again"]


async def test_what_could_not_be_told_before_a_restart_is_told_after_it(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    await failing(rig)
    office.inbox.down = True
    config = rig.config(cron='"0 2 * * *"')
    async with office.open(config):
        await rig.finished(2)
        await rig.clock.sleep(60)
    assert office.inbox.tries > 2
    office.inbox.down = False
    async with office.open(config):
        await rig.clock.sleep(60)
    assert office.inbox.titles == ["Backup of shop/db failed"]


async def test_a_receiver_that_is_down_keeps_neither_runs_nor_other_receivers_waiting(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    await failing(rig, times=1)
    office.inbox.down = True
    office.other = Inbox(rig.clock.now)
    async with office.open(rig.config(cron='"0 2 * * *"')):
        runs = await rig.finished(2)
        await rig.clock.sleep(30)
        assert (runs[1].finished_at - runs[0].finished_at) < timedelta(minutes=2)
        assert len(office.other.letters) == 2 or office.other.titles == ["Backup of shop/db failed"]
        office.inbox.down = False
        await rig.clock.sleep(900)
    assert office.other.titles == ["Backup of shop/db failed", "shop/db is backed up again"]
    assert [title.partition(":")[0] for title in office.inbox.titles] == ["2 messages"]
    assert office.counted["ops failed"] >= 1
    assert office.counted["ops delivered"] == office.counted["other delivered"] == 2


async def test_many_failures_come_in_few_messages(rig: Rig, office: Office) -> None:
    for number in range(24):
        await claimed(rig, f"db-{number}", replicas=1)
    await failing(rig)
    text = '[limits]\ncluster = 24\nper_node = 24\n[[policy]]\nname = "often"\ncron = "0 2 * * *"\n'
    async with office.open(rig.config(text)):
        await rig.finished(24)
        await rig.clock.sleep(130)
    assert office.counted["ops delivered"] == 24
    assert 1 <= len(office.inbox.letters) <= 4
    gaps = [b - a for a, b in zip(office.inbox.times, office.inbox.times[1:], strict=False)]
    assert all(gap >= timedelta(seconds=60) for gap in gaps)
    assert any("more\n" in letter.body for letter in office.inbox.letters)


async def test_a_policy_says_what_of_it_is_told(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    await failing(rig, times=1)
    async with office.open(rig.config(cron='"0 2 * * *"', notify='["failure"]')):
        await rig.finished(2)
        await rig.clock.sleep(120)
    assert office.inbox.titles == ["Backup of shop/db failed"]
    await failing(rig, times=1)
    await rig.call("POST", "/sim/volumes/db/prefill", {"bytes": MIB, "offset": MIB})
    async with office.open(rig.config(cron='"20 2 * * *"', notify="[]")):
        await rig.finished(4, seconds=3600)
        await rig.clock.sleep(120)
    assert len(office.inbox.letters) == 1


async def test_an_uncovered_volume_is_told_after_two_minutes_and_that_it_is_covered(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    text = '[[policy]]\nname = "often"\ncron = "0 2 * * *"\nmatch = {{ name = ["{}"] }}\n'
    async with office.open(rig.config(text.format("shop-*"))) as engine:
        await rig.clock.sleep(60)
        assert office.inbox.letters == []
        await rig.clock.sleep(150)
        assert office.inbox.titles == ["No backup policy covers shop/db"]
        assert "no policy matches it" in office.inbox.letters[0].body
        config = rig.config(text.format("db"))
        engine.keeper.rules = type(engine.keeper.rules)(
            policies={p.name: p for p in config.policies}, limits=config.limits, retry=config.retry
        )
        await rig.clock.sleep(150)
    assert office.inbox.titles == ["No backup policy covers shop/db", "shop/db is no longer without cover"]


async def test_a_volume_that_is_deleted_is_not_said_to_be_well(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    await failing(rig)
    async with office.open(rig.config(cron='"0 2 * * *"')):
        await rig.finished(1)
        await rig.clock.sleep(20)
        await rig.call("DELETE", "/v1/volumes/db")
        await rig.clock.sleep(600)
    assert office.inbox.titles == ["Backup of shop/db failed"]


async def test_the_digest_comes_once_a_day_with_what_happened_since_the_last(rig: Rig, office: Office) -> None:
    for name in ("good", "bad"):
        await claimed(rig, name)
    await rig.volume("bare", data=MIB)
    await failing(rig, volume="bad")
    office.digest = "02:15"
    text = '[[policy]]\nname = "often"\ncron = "0 2 * * *"\nmatch = { namespace = ["shop"] }\nnotify = []\n'
    async with office.open(rig.config(text)):
        await rig.clock.sleep(1200)
    digests = [letter for letter in office.inbox.letters if "Digest" in letter.title]
    assert [letter.title for letter in digests] == [
        "lhbackupd: Digest: 1 protected, 0 unprotected, 1 failing, 0 suspended, 1 uncovered"
    ]
    body = digests[0].body
    assert "1 completed" in body
    assert "failed.\n" in body.splitlines()[0] + "\n"
    assert "- failing: shop/bad (often): failed (" in body
    assert "- uncovered: bare: no policy matches it" in body
    assert "(2026-03-02 02:15:" in body


async def test_a_digest_that_was_missed_is_sent_at_the_next_start_and_only_once(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    office.digest = "02:15"
    config = rig.config(cron='"0 2 * * *"')
    async with office.open(config):
        await rig.clock.sleep(1200)
    assert len(office.inbox.letters) == 1
    await rig.clock.sleep(24 * 3600)
    for _ in range(2):
        async with office.open(config):
            await rig.clock.sleep(300)
    assert len(office.inbox.letters) == 2


async def test_nothing_is_told_of_what_longhorn_has_not_shown_yet(rig: Rig, office: Office) -> None:
    await claimed(rig, "db")
    await failing(rig)
    config = rig.config(cron='"0 2 * * *"')
    async with office.open(config):
        await rig.finished(1)
        await rig.clock.sleep(60)
    await rig.call("POST", "/sim/faults", {"kind": "status", "status": 503, "times": None, "match": {}})
    async with office.open(config):
        await rig.clock.sleep(900)
    assert office.inbox.titles == ["Backup of shop/db failed"]


async def test_a_journal_that_fails_is_said_and_people_are_told_all_the_same(
    rig: Rig, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await claimed(rig, "db")
    await failing(rig)
    with structlog.testing.capture_logs() as lines:
        async with office.open(rig.config(cron='"0 2 * * *"')) as engine:
            note = engine.journal.note

            def full(kind: str, changes: Mapping[str, object]) -> None:
                if kind == "told":
                    raise JournalError("the disk is full")
                note(kind, changes)

            monkeypatch.setattr(engine.journal, "note", full)
            await rig.finished(1)
            await rig.clock.sleep(60)
    assert office.inbox.titles == ["Backup of shop/db failed"]
    assert "notify.forgotten" in [line["action"] for line in lines]


async def test_a_longhorn_that_was_never_reached_is_in_the_digest(rig: Rig, office: Office) -> None:
    office.digest = "08:00"
    await rig.call("POST", "/sim/faults", {"kind": "status", "status": 401})
    async with office.open(rig.config()) as engine:
        await rig.clock.sleep(3600)
        assert office.inbox.letters == []
        await rig.clock.sleep(6 * 3600)
        assert engine.inventory.picture.at is None
    assert len(office.inbox.letters) == 1
    assert "Longhorn cannot be reached" in office.inbox.letters[0].body
