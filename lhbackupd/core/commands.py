"""What a decision sees, and what it may ask for.

The adapter fills a `Seen` as far as it could read; whatever it could not read is None, with `fault` saying why. A
command is carried out at most once per decision; its failure comes back as `Seen.answer` of the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from .admission import Slot
from .cluster import Backup, Chain, Fault, Setting, SnapshotReadiness, Target, Volume
from .evidence import Evidence
from .model import Run


class View(Enum):
    """What can be looked at besides the volume."""

    CHAIN = auto()
    BACKUPS = auto()
    SNAPSHOT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at Longhorn for one run, with what else bears on the decision."""

    #: None when it does not exist, or, with a `fault`, when that is not known
    volume: Volume | None = None
    #: why the look, or a part of it, failed
    fault: Fault | None = None
    #: when it was begun: what it shows was so then or later, however long the answers took; None if that is not known
    at: datetime | None = None
    #: what came of the command before
    answer: Fault | None = None
    chain: Chain | None = None
    backups: tuple[Backup, ...] | None = None
    snapshot: SnapshotReadiness | None = None
    setting: Setting = Setting.UNREAD
    #: the volume's backup target as last polled; None if it is not known
    target: Target | None = None
    #: seconds that the run will still need, by experience; None where that cannot be said
    remaining: float | None = None
    #: what there is to go by for letting the volume alone; None where nobody has asked
    evidence: Evidence | None = None
    #: leave to start, once admission gave it
    slot: Slot | None = None
    #: the nodes on which the volume, as it is seen, is best backed up; None where nobody has asked
    places: tuple[str, ...] | None = None
    #: why the run's policy starts nothing at present, in words; "" while it is not paused
    paused: str = ""
    #: an operator has called the run off
    cancelled: bool = False
    #: the daemon is about to exit
    stopping: bool = False
    #: the journal did not take the last decision
    journal_down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Ask for the volume on `node` with the frontend disabled. Asking again changes nothing."""

    node: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSnapshot:
    """Take a snapshot; ask in the same breath to delete snapshots that no longer serve, whose failure is no matter."""

    name: str
    labels: Mapping[str, str]
    delete: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class AskBackup:
    """Start a backup of a snapshot. Asking again makes a second one."""

    snapshot: str
    labels: Mapping[str, str]
    #: read and upload every block again; a Longhorn that cannot makes an incremental one
    full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach:
    """Withdraw our ticket, and nobody else's. Asking again changes nothing."""

    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropBackup:
    """Delete a backup of ours that the look at hand shows unfinished: Longhorn would delete a completed one as well."""

    backup: str


Command = Attach | CreateSnapshot | AskBackup | DropBackup | Detach

#: what a decision comes to: the run as it is now, and what to do
Decision = tuple[Run, Command | None]
