"""What is said of one volume, as a value: `lhbackupd explain --json` and /explain/<volume>.json print it.

Times are aware and in UTC, sizes bytes, durations seconds. `version` counts up when a field changes its meaning or
goes, not when one comes.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from lhbackupd.core.model import Outcome
from lhbackupd.core.outlook import Planned
from lhbackupd.core.placement import Choice
from lhbackupd.surface.report import CoveredVolume, UncoveredVolume

#: of the explanation's shape
VERSION = 1
#: a volume's name as Longhorn takes it: it names Kubernetes objects
NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
#: how old a forecast is told to be
TOLD_AFTER = timedelta(seconds=5)
NO_NAME = "that is no name of a Longhorn volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWord:
    """A policy, whether it is for the volume and why, and what it says of it."""

    name: str
    applies: bool
    #: which keys of its `match` fit, or the first that does not
    why: str
    cron: str
    timezone: str
    rpo: float | None
    #: how the volume stands under it; None where it does not apply
    standing: CoveredVolume | None
    #: how long a run is expected to take
    expected: float
    #: why a run would not back it up now; "" where it would
    barred: str
    #: under `no_touch`: what it rests on that the next run may let it alone, or why that run inspects it; "" without
    no_touch: str = ""
    #: what a look at the attached volume finds that no backup of this policy holds; None where it cannot be seen
    new_bytes: int | None
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTime:
    phase: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWord:
    """A run of the volume."""

    id: str
    policy: str
    due: datetime
    attempt: int
    outcome: Outcome | None
    reason: str
    node: str
    new_bytes: int | None
    finished_at: datetime | None
    #: in their order
    phases: tuple[PhaseTime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupWord:
    """A backup of the volume, and what retention says of it."""

    name: str
    #: the policy that made it; "" where none of lhbackupd's did
    policy: str
    #: made by this daemon's journal
    ours: bool
    state: str
    created: datetime | None
    size: int
    #: whether the next pruning would delete it
    expires: bool
    #: the rules that keep it, or why it is let alone
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All there is to say of `volume` at `at`."""

    version: int = VERSION
    at: datetime
    volume: str
    pvc: str
    pvc_namespace: str
    #: "" where Longhorn does not show it
    state: str
    size: int
    #: since when it may hold data that no backup holds; None where it was never backed up
    protected_until: datetime | None
    policies: tuple[PolicyWord, ...]
    #: who backs it up instead, or why nobody does; None where an active policy is for it
    cover: UncoveredVolume | None
    #: that wait or go on
    unfinished: tuple[RunWord, ...]
    #: newest first
    finished: tuple[RunWord, ...]
    #: the next run of each policy, as far as it begins within two days
    next: tuple[Planned, ...]
    #: as of when what `next` says was expected, if that is earlier than `at`: it was made ahead for all volumes
    foreseen_at: datetime | None = None
    nodes: tuple[Choice, ...]
    #: newest first; None where they could not be read
    backups: tuple[BackupWord, ...] | None
    #: what could not be read
    faults: tuple[str, ...]
    #: whether nobody has to see to it: what the exit code of `lhbackupd explain` says
    fine: bool

    @property
    def old_forecast(self) -> datetime | None:
        """`foreseen_at`, if that is long enough ago for people to be told."""
        old = self.foreseen_at is not None and self.at - self.foreseen_at > TOLD_AFTER
        return self.foreseen_at if old else None
