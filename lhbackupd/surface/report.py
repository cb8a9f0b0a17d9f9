"""The one report: what command line, status page, /status.json and gauges show, as a frozen value.

It is plain data that msgspec writes to JSON and reads back, and of msgspec's own kind, since it has ten thousand rows.
`version` counts up when a field changes its meaning or goes, not when one comes. Times are aware and in UTC, sizes
bytes, durations seconds. Text that comes from Longhorn is as Longhorn sent it: whoever shows it escapes it.
"""

from datetime import datetime

from msgspec import Struct

from lhbackupd.core.cluster import Setting
from lhbackupd.core.coverage import Cover
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.standing import Standing, Wait

#: of the report's shape
VERSION = 1


class DaemonState(Struct, frozen=True, kw_only=True):
    """The daemon itself."""

    instance: str
    #: the journal's random id, a label on all that this daemon makes in Longhorn
    origin: str
    version: str
    started: datetime
    #: origins of lost journals whose backups are ours by order
    adopted: tuple[str, ...] = ()
    ready: bool
    #: why it is not ready
    unready: tuple[str, ...] = ()
    #: why the journal failed last; "" while it works
    journal_trouble: str = ""
    #: when the scheduler's loop last turned
    last_turn: datetime


class NodeState(Struct, frozen=True, kw_only=True):
    name: str
    ready: bool
    cordoned: bool
    message: str


class TargetState(Struct, frozen=True, kw_only=True):
    name: str
    available: bool
    message: str
    #: volumes under a policy that are backed up to it
    volumes: int = 0


class LonghornState(Struct, frozen=True, kw_only=True):
    """Longhorn as last polled."""

    #: without credentials
    url: str
    #: whether the last poll got all that it asked for
    reachable: bool
    #: why it did not
    fault: str
    #: when the volumes were last listed; None until then
    last_poll: datetime | None
    #: seconds that the last poll took
    poll_seconds: float
    #: the value of `allow-recurring-job-while-volume-detached`
    setting: Setting
    setting_means: str
    nodes: tuple[NodeState, ...]
    targets: tuple[TargetState, ...]


class Totals(Struct, frozen=True, kw_only=True):
    """Volumes by how they stand; one under several policies counts once, where it stands worst."""

    protected: int
    unprotected: int
    suspended: int
    failing: int
    #: backed up by nobody, as far as is known, and not on purpose
    uncovered: int
    #: backed up by a recurring job of Longhorn alone
    native: int = 0
    #: left out on purpose
    excluded: int = 0


class RunningRun(Struct, frozen=True, kw_only=True):
    """A run that is going on."""

    id: str
    policy: str
    volume: str
    pvc: str
    pvc_namespace: str
    due: datetime
    attempt: int
    phase: Phase
    #: when it entered its phase
    since: datetime
    reason: str
    #: known while it is detaching
    outcome: Outcome | None
    #: where the volume is attached
    node: str
    target: str
    #: percentage of the backup
    progress: int
    #: since when a ticket of ours holds the volume, or asks for it; None if others have attached it
    ticket_since: datetime | None
    #: the workload that waits for the volume; "" while nobody does
    waiter: str
    waiting_since: datetime | None


class WaitingRun(Struct, frozen=True, kw_only=True):
    """A run in the queue."""

    id: str
    policy: str
    volume: str
    pvc: str
    pvc_namespace: str
    due: datetime
    queued_at: datetime
    attempt: int
    waits_for: Wait
    reason: str
    not_before: datetime | None


class CoveredVolume(Struct, frozen=True, kw_only=True):
    """A volume under one of its policies."""

    policy: str
    volume: str
    pvc: str
    pvc_namespace: str
    standing: Standing
    #: up to when it is protected, in words
    protection: str
    #: why it stands as it does, in words
    reason: str
    last_run: str
    last_outcome: Outcome | None
    #: when the last run ended
    last_at: datetime | None
    #: when a backup was last completed
    last_success: datetime | None
    #: when the volume was last inspected
    last_check: datetime | None
    protected_until: datetime | None
    #: since when there may be data that no completed backup of the policy holds; None while nothing says so
    unprotected_since: datetime | None = None
    #: the same in words: by what sign, or why nobody knows; "" until Longhorn has been polled
    exposure: str = ""
    #: how it stands to the policy's RPO
    rpo: Rpo = Rpo.NONE
    #: the same in words; "" where the policy has none
    objective: str = ""
    #: when the RPO was missed, or will be
    misses_rpo_at: datetime | None = None
    #: bytes that the last inspection found and no backup holds
    unprotected_bytes: int
    #: failed runs since one succeeded
    failures: int
    #: what became of the backup that held its data, where that is gone
    lost: str = ""
    #: inspections that found data which no sign had shown, after runs that had let the volume alone
    hidden: int = 0
    next_due: datetime | None
    #: recurring jobs of Longhorn that back it up as well
    jobs: tuple[str, ...] = ()


class UncoveredVolume(Struct, frozen=True, kw_only=True):
    """A volume that no policy backs up."""

    volume: str
    pvc: str
    pvc_namespace: str
    reason: str
    #: excluded, native, shadow, nothing or unknown
    cover: Cover


class PausedPolicy(Struct, frozen=True, kw_only=True):
    """A policy that starts nothing until it is resumed."""

    #: "*" for all of them
    policy: str
    since: datetime
    #: when it was to be over
    until: datetime
    overdue: bool
    by: str
    reason: str
    #: all of this in a sentence
    words: str


class PolicyObjective(Struct, frozen=True, kw_only=True):
    """How the volumes of an active policy stand to its RPO."""

    policy: str
    #: seconds; None where the policy has none, and then all below is 0 or None
    rpo: float | None
    compliant: int = 0
    at_risk: int = 0
    violated: int = 0
    uncertain: int = 0
    #: the volume that may have had unprotected data for longest; "" while none has
    worst: str = ""
    #: since when it may have
    since: datetime | None = None


class DueNext(Struct, frozen=True, kw_only=True):
    """A policy's next due time, and how many volumes are due then."""

    policy: str
    due: datetime
    #: when the last of them is due; with a `spread` each has a moment of its own
    until: datetime | None = None
    volumes: int


class FinishedRun(Struct, frozen=True, kw_only=True):
    id: str
    policy: str
    volume: str
    due: datetime
    attempt: int
    outcome: Outcome | None
    reason: str
    started_at: datetime | None
    finished_at: datetime | None
    node: str
    backup: str
    new_bytes: int | None
    #: the workload that waited for the volume, and for how many seconds
    waiter: str
    waited: float


class Report(Struct, frozen=True, kw_only=True):
    """Everything there is to see at `at`."""

    version: int = VERSION
    at: datetime
    daemon: DaemonState
    longhorn: LonghornState
    totals: Totals
    #: oldest first
    running: tuple[RunningRun, ...]
    #: those that have to start soonest first
    waiting: tuple[WaitingRun, ...]
    #: worst first
    volumes: tuple[CoveredVolume, ...]
    #: backed up by nobody, as far as is known, and not on purpose
    uncovered: tuple[UncoveredVolume, ...]
    #: left out on purpose, or left to a recurring job of Longhorn
    elsewhere: tuple[UncoveredVolume, ...] = ()
    #: policies that match no volume
    unused: tuple[str, ...] = ()
    #: schedules, one per policy and volume
    schedules: int
    #: soonest first
    next: tuple[DueNext, ...]
    #: newest first
    recent: tuple[FinishedRun, ...]
    #: what is due in the next 24 hours, soonest first; of one policy at most `status.MOST_DUES`
    day: tuple[DueNext, ...] = ()
    #: longest first
    paused: tuple[PausedPolicy, ...] = ()
    #: one for each active policy, in the configuration's order
    objectives: tuple[PolicyObjective, ...] = ()
    #: whether nobody has to see to anything: what the exit code of `lhbackupd status` says
    fine: bool
