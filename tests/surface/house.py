"""A daemon without its loop: real keeper, scheduler, journal and inventory, put into whatever state a test wants."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from typing_extensions import override

from lhbackupd.clock import Clock
from lhbackupd.core.cluster import Fault, Node, Setting, Target, Volume
from lhbackupd.core.commands import Command, Seen
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Limits, Match, Origin, Outcome, Phase, Policy, Run
from lhbackupd.core.protection import Protection, after
from lhbackupd.core.retention import Verdict
from lhbackupd.core.retry import Retry
from lhbackupd.engine.events import Moved
from lhbackupd.engine.inventory import Inventory, Picture
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.keeper import Keeper
from lhbackupd.engine.rules import Rules
from lhbackupd.engine.scheduler import Scheduler
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.surface.health import unready
from lhbackupd.surface.report import Report
from lhbackupd.surface.status import Recent, Sources, report

T = TypeVar("T")

NOON = datetime(2026, 10, 22, 12, 0, tzinfo=UTC)
#: twice in the last two days, at 02:00
TODAY = NOON.replace(hour=2)
ORIGIN = Origin(instance="shop-backups", journal="5eed0001")
NIGHTLY = Policy(name="nightly", cron="0 2 * * *", match=Match(namespace=("shop",)))
HOURLY = Policy(name="hourly", cron="0 * * * *", match=Match(name=("pvc-db",)))


@dataclass(slots=True)
class Hands:
    """What a clock shows, until somebody turns it."""

    wall: datetime = NOON
    monotonic: float = 1000.0


@dataclass(frozen=True, slots=True)
class StillClock(Clock):
    """Stands still."""

    hands: Hands = field(default_factory=Hands)

    @override
    def now(self) -> datetime:
        return self.hands.wall

    @override
    def monotonic(self) -> float:
        return self.hands.monotonic

    def turn(self, seconds: float) -> None:
        self.hands.wall += timedelta(seconds=seconds)
        self.hands.monotonic += seconds


class NoLonghorn:
    """Nothing here may talk to Longhorn."""

    server_date: datetime | None = None

    async def look(self, run: Run) -> Seen:
        raise NotImplementedError

    async def act(self, run: Run, command: Command) -> Fault | None:
        raise NotImplementedError

    async def prune(self, volume: str, policy: Policy, origin: Origin) -> tuple[tuple[Verdict, ...], Fault | None]:
        raise NotImplementedError


async def at_once(function: Any, /, *arguments: Any) -> Any:
    return function(*arguments)


def volume(name: str, **fields: Any) -> Volume:
    return replace(Volume(name=name, size=2**30, state="detached", pvc=name[4:], pvc_namespace="shop"), **fields)


def queued(name: str, *, policy: str = "nightly", due: datetime = TODAY, **fields: Any) -> Run:
    return replace(Run(id=f"run-{name}", policy=policy, volume=name, due=due, queued_at=due), **fields)


def running(name: str, phase: Phase = Phase.BACKING_UP, **fields: Any) -> Run:
    start = TODAY + timedelta(seconds=1)
    run = queued(name, phase=phase, started_at=start, node="node-1", ticket=f"ticket-{name}")
    entered = {Phase.ATTACHING.value: start, phase.value: start + timedelta(seconds=7)}
    return replace(run, entered=entered, **fields)


def ended(name: str, outcome: Outcome, reason: str = "", **fields: Any) -> Run:
    """A run that took 40 s: queued 1 s, attaching 7 s, backing up 22 s, detaching 10 s."""
    run = running(name)
    start = TODAY + timedelta(seconds=1)
    steps = {"attaching": 0, "backing-up": 7, "detaching": 29, "finished": 39}
    return replace(
        run,
        phase=Phase.FINISHED,
        entered={phase: start + timedelta(seconds=seconds) for phase, seconds in steps.items()},
        finished_at=start + timedelta(seconds=39),
        outcome=outcome,
        reason=reason,
        **fields,
    )


class House:
    """All that a report is made from."""

    def __init__(self, journal: Journal) -> None:
        self.clock = StillClock()
        self.journal = journal
        self.scheduler = Scheduler(engine=journal.engine, now=self.clock.now)
        self.scheduler.start()
        self.inventory = Inventory(
            longhorn=Longhorn(url="http://127.0.0.1:9"), clock=self.clock, period=15, told=lambda _before, _after: None
        )
        self.inventory.picture = Picture(
            at=NOON,
            setting=Setting.ALLOWED,
            nodes={"node-1": Node(name="node-1", ready=True)},
            targets={"default": Target(name="default", available=True)},
            jobs=(),
            took=0.2,
        )
        rules = Rules(policies={"nightly": NIGHTLY}, limits=Limits(), retry=Retry())
        self.keeper = Keeper(
            rules=rules,
            origin=ORIGIN,
            clock=self.clock,
            journal=journal,
            scheduler=self.scheduler,
            inventory=self.inventory,
            gateway=NoLonghorn(),
            offload=at_once,
            compute=at_once,
            tell=lambda _event: None,
        )
        self.recent = Recent()

    def look(self, **fields: Any) -> None:
        """Change what the last poll of Longhorn showed."""
        self.inventory.picture = replace(self.inventory.picture, **fields)

    def has(self, *volumes: Volume, policy: Policy = NIGHTLY) -> None:
        """There are these volumes too, under `policy`."""
        picture = self.inventory.picture
        self.look(volumes={**picture.volumes, **{volume.name: volume for volume in volumes}})
        wanted = {key: self.keeper.rules.policies[key[0]] for key in self.scheduler.schedules}
        self.keeper.rules = replace(self.keeper.rules, policies={**self.keeper.rules.policies, policy.name: policy})
        self.scheduler.sync({**wanted, **{(policy.name, volume.name): policy for volume in volumes}})

    def knows(self, *runs: Run) -> None:
        """These runs have ended."""
        for run in runs:
            key = (run.policy, run.volume)
            self.keeper.books.protections[key] = after(self.keeper.books.protections.get(key), run)

    def keep(self, *runs: Run) -> None:
        """These runs have ended, and are in the journal."""
        self.journal.enqueue([replace(run, phase=Phase.QUEUED, finished_at=None, outcome=None) for run in runs])
        for run in runs:
            self.journal.finish(run, Protection(policy=run.policy, volume=run.volume), None)

    async def history(self, *, volume: str | None, policy: str | None, limit: int) -> tuple[Run, ...]:
        return self.journal.history(volume=volume, policy=policy, limit=limit)

    def exposed(self, *exposures: Exposure) -> None:
        """This is what the watch has found."""
        self.keeper.watch.exposures.update({(known.policy, known.volume): known for known in exposures})

    def let_alone(self, name: str) -> None:
        """The volume was inspected this night, and everything speaks for it that nobody has touched it since."""
        got = TODAY + timedelta(seconds=5)
        inspected = ended(name, Outcome.UNCHANGED, "nothing new", attached_at=got, protected_until=TODAY)
        alone = replace(
            inspected, id="run-2", outcome=Outcome.NOT_INSPECTED, reason="no attach but ours", attached_at=None
        )
        self.exposed(Exposure(policy="nightly", volume=name, born=TODAY, clear=TODAY))
        for wall, marks in ((TODAY, {}), (TODAY + timedelta(minutes=1), {name: {"ours": got}}), (NOON, {})):
            self.clock.hands.wall = wall
            if marks:
                self.keeper.trails.heard(Moved(None, replace(inspected, ticket="lhbackupd:shop-backups:5eed0001:r:x")))
            self.look(at=wall, attaches=(wall, marks))
            self.keeper.trails.polled(self.inventory.picture)
            with suppress(StopIteration):
                self.keeper.trails.follow().send(None)
        self.knows(inspected, alone)
        self.keep(inspected, alone)

    def known(self, key: tuple[str, str]) -> Protection | None:
        return self.keeper.books.protections.get(key)

    @property
    def sources(self) -> Sources:
        return Sources(
            keeper=self.keeper,
            inventory=self.inventory,
            scheduler=self.scheduler,
            clock=self.clock,
            origin=ORIGIN,
            url="http://longhorn-backend:9500",
            version="0.1.0",
            started=NOON - timedelta(days=3),
            unready=partial(unready, keeper=self.keeper, clock=self.clock),
        )

    def settle(self) -> None:
        """Work out who covers which volume, as the keeper does at every turn; with `at_once` nothing is waited for."""
        rules = self.keeper.rules
        with suppress(StopIteration):
            self.keeper.coverage.look(self.inventory.picture, rules.policies, rules.excludes).send(None)

    def report(self) -> Report:
        self.settle()
        return report(self.sources, self.recent.runs)


@contextmanager
def house() -> Iterator[House]:
    journal = Journal(url="sqlite://")
    journal.open()
    try:
        yield House(journal)
    finally:
        journal.close()
