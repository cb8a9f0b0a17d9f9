"""Policies and runs: what is wanted, and one attempt to give it to one volume.

A run is one attempt to back up one volume for one due time of one policy. It is a frozen value; every change to it is
made by `machine.decide` and written down before it is acted on. An attempt that failed and may be tried again ends,
and a successor with the next attempt number is queued in the same moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from .notices import OF_POLICY, Kind
from .windows import Window


class Phase(StrEnum):
    """Where a run stands. A run only ever moves down this list; it may leave some out."""

    QUEUED = "queued"
    ATTACHING = "attaching"
    INSPECTING = "inspecting"
    SNAPSHOTTING = "snapshotting"
    BACKING_UP = "backing-up"
    DETACHING = "detaching"
    FINISHED = "finished"


class Outcome(StrEnum):
    """How a run ended."""

    #: Longhorn lists a completed backup of the snapshot
    COMPLETED = "completed"
    #: inspected: the newest backup of the policy holds all there is
    UNCHANGED = "unchanged"
    #: inspected: there is new data, but no more than the policy's `min_new_bytes`
    BELOW_THRESHOLD = "below-threshold"
    #: not attached: by all evidence nobody has had it since its last inspection (`untouched`)
    NOT_INSPECTED = "not-inspected"
    #: detached, and setting or policy do not allow to attach it
    SUSPENDED = "suspended"
    #: the volume is in a state in which it must not be attached
    REFUSED = "refused"
    #: the previous run of the same policy was still going
    SKIPPED = "skipped"
    #: given up for somebody who wanted the volume; queued again
    YIELDED = "yielded"
    #: stopped before its backup began (daemon stopping, volume changed hands); queued again
    INTERRUPTED = "interrupted"
    #: an operator has called it off
    CANCELLED = "cancelled"
    #: the volume, or its policy, is no more
    GONE = "gone"
    FAILED = "failed"
    #: the policy is a shadow: nothing was touched, and the reason says what would have been done
    SHADOWED = "shadowed"


#: outcomes after which the volume's data is in a backup, as of the time the run says
PROTECTED = frozenset({Outcome.COMPLETED, Outcome.UNCHANGED})


class Detached(StrEnum):
    """What a policy does with a detached volume."""

    FOLLOW_SETTING = "follow-setting"
    ALWAYS = "always"
    NEVER = "never"


class Mode(StrEnum):
    """Whether a policy does what it says."""

    ACTIVE = "active"
    #: it touches nothing, and writes down what it would have done
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which volumes are meant: keys AND, values within a key OR, names as globs; an empty key fits all."""

    name: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    pvc: tuple[str, ...] = ()
    #: recurring-job groups
    group: tuple[str, ...] = ()
    #: labels of jobs and groups, as in `recurring.Membership.labels`
    label: tuple[str, ...] = ()
    #: rwo, rwx or rwop
    access_mode: tuple[str, ...] = ()
    #: v1 or v2
    data_engine: tuple[str, ...] = ()
    #: bytes that the volume offers, both included
    min_size: int | None = None
    max_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclude:
    """One `[[exclude]]`: volumes that are left out of every policy on purpose."""

    match: Match
    #: in the words of whoever left them out
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a phase may last without a move, in seconds on the monotonic clock."""

    attach: float = 300.0
    #: of reading snapshots and backups of the attached volume
    inspect: float = 300.0
    snapshot: float = 300.0
    #: without a backup's progress
    backup: float = 900.0
    #: until our ticket is gone; after that it is said loudly, and tried for ever
    detach: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which completed backups of a policy stay: those that any rule keeps. Zero is no rule."""

    #: the newest ones, by count
    last: int = 0
    #: of the last so many hours, days, … that have a backup, the newest one in each
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    #: all that are younger than this, counted back from the newest one
    within: timedelta | None = None
    #: so many stay whatever the rules say
    minimum: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One `[[policy]]` of the configuration."""

    name: str
    #: five fields as in cron and in Longhorn: 0 and 7 are Sunday
    cron: str
    #: IANA name of the zone in which `cron` is meant
    timezone: str = "UTC"
    #: each volume is due at a moment of its own within this time after `cron` (`spread.offset`)
    spread: timedelta | None = None
    #: a volume that was in use and has been detached for so long is due as well (`settling`)
    on_detach: timedelta | None = None
    #: when runs may start, on the clocks of `timezone`: always if there is no window, never in a blackout
    window: tuple[Window, ...] = ()
    blackout: tuple[Window, ...] = ()
    mode: Mode = Mode.ACTIVE
    #: how long data may be in no backup; None promises nothing
    rpo: timedelta | None = None
    match: Match = field(default_factory=Match)
    #: a volume that fits any of these is left out: the policy's own, then those of every `[[exclude]]`
    exclude: tuple[Match, ...] = ()
    detached: Detached = Detached.FOLLOW_SETTING
    #: how many seconds a workload waits at most for a volume that we hold (`on_workload`): 0 for "yield", None for
    #: "finish", which lets it wait until the run is done
    give_way_after: float | None = 300.0
    #: new data up to this many bytes is not backed up, and said so
    min_new_bytes: int = 0
    #: also skip an attached volume whose head shows no new data, although its file system may hold dirty pages
    skip_unchanged_attached: bool = False
    #: a detached volume that nobody seems to have touched is let alone for so long at most; None inspects each time
    no_touch: timedelta | None = None
    #: whether volumes on the v2 data engine may be attached
    allow_v2: bool = False
    #: which completed backups of this policy and origin stay; None keeps all
    keep: Keep | None = None
    #: every so many-th completed backup of a volume is a full one; 0 for none
    full_every: int = 0
    patience: Patience = field(default_factory=Patience)
    #: what of it people are told
    notify: tuple[Kind, ...] = OF_POLICY
    #: the file with the secret URL that is called when its runs begin, and when they have ended
    ping_url_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many runs may hold a volume, or back one up, at once."""

    cluster: int = 4
    per_node: int = 1
    per_target: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who we are, towards Longhorn."""

    #: the configured name of this daemon
    instance: str
    #: random, made with the journal: a label on all we make, and part of every ticket's id
    journal: str
    #: lost journals whose backups and snapshots an operator has said are ours as well
    adopted: frozenset[str] = frozenset()
    #: how long a ticket is good for without being renewed
    lease: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt to back up `volume` for `policy`, due at `due`. Times are aware and in UTC."""

    #: unique and short; the names of ticket and snapshot come from it
    id: str
    policy: str
    volume: str
    due: datetime
    attempt: int = 1
    #: asked for by a person, outside the policy's schedule
    manual: bool = False
    #: an operator has called it off: it ends as soon as it may, and has no successor
    cancelled: bool = False
    phase: Phase = Phase.QUEUED
    #: known from DETACHING on
    outcome: Outcome | None = None
    #: the outcome, or what the run waits for, in words
    reason: str = ""
    #: whether another attempt may succeed
    can_pass: bool = False
    #: a run that was queued again starts no earlier
    not_before: datetime | None = None
    queued_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    #: when each phase was entered
    entered: Mapping[str, datetime] = field(default_factory=dict)
    #: where the volume is attached for this run, and counts against `per_node`
    node: str = ""
    target: str = ""
    #: our ticket, "" for a volume that was attached before us
    ticket: str = ""
    #: the ticket that `ticket` has taken the place of, until it is withdrawn
    former: str = ""
    #: the volume could not be given back within the policy's patience: others may have the slot, and we go on trying
    stuck: bool = False
    #: our ticket was gone before the backup was seen to be completed
    let_go: bool = False
    #: the backup that runs is to be deleted, so that the volume gets free
    drop_backup: bool = False
    #: when our ticket got the volume, by Longhorn's clock and to the second; None where it does not say
    attached_at: datetime | None = None
    #: bytes that the newest backup of this policy does not hold, as inspected
    new_bytes: int | None = None
    #: the backup that it was compared with
    base: str = ""
    #: no sign had shown them, and runs had let the volume alone
    hidden: bool = False
    #: the snapshot to back up; taken by us if `own_snapshot`
    snapshot: str = ""
    own_snapshot: bool = False
    #: up to when the snapshot holds what was written: when it was made, or when a look found nothing new above it
    snapshot_holds: datetime | None = None
    #: backups of that snapshot that were there before we asked
    known_backups: tuple[str, ...] = ()
    #: which completed backup of its volume, policy and origin it is to make, where `full_every` counts them
    number: int = 0
    #: the backup is to be a full one; once it is completed, whether Longhorn lists it as one
    full: bool = False
    #: when the backup was asked for; asking twice makes two
    asked_at: datetime | None = None
    backup: str = ""
    #: highest percentage seen
    progress: int = 0
    #: up to when this volume's data is in a backup (snapshot time, or time of the look that found nothing new)
    protected_until: datetime | None = None
    #: the workload that waits, or has waited, for the volume: its pod as namespace/name, or what else is known of it
    waiter: str = ""
    #: since when it has been waiting; None while nobody does
    waiting_since: datetime | None = None
    #: seconds that workloads have waited for us, but for the wait that lasts
    waited: float = 0.0

    @property
    def finished(self) -> bool:
        return self.phase is Phase.FINISHED

    @property
    def mark(self) -> tuple[object, ...]:
        """Changes when the run gets on; patience is measured since its last change."""
        return (self.phase, self.backup, self.progress, self.asked_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What a decision may know of time."""

    wall: datetime
    #: seconds on the monotonic clock since the run last got on (`Run.mark`)
    idle: float = 0.0
