"""What `lhbackupd doctor` starts from and what it ends with: facts and findings.

Facts are gathered by the command line, with the daemon up or down; what could not be found out is a fact as well. A
finding that is no `ok` says what it is about and its next step. Many of a kind are one finding, so that a thousand
volumes do not hide the one reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lhbackupd.core.model import Exclude, Policy, Run
from lhbackupd.core.protection import Protection
from lhbackupd.engine.survey import Survey
from lhbackupd.surface.report import Report

#: of the JSON's shape
VERSION = 1
#: names that one finding shows
_NAMES = 5


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the diagnosis."""

    #: config, journal, daemon, longhorn, setting, targets, nodes, clock, tickets, volumes, backups or jobs
    check: str
    level: Level
    text: str
    #: what to do; "" if it is ok
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The document that `lhbackupd doctor --json` prints; `version` counts as that of the report does."""

    version: int = VERSION
    at: datetime
    #: the worst level of all findings
    worst: Level
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFacts:
    """What the journal says; with `fault` why it could not be read, and nothing else."""

    name: str
    #: whether there is one at all
    made: bool = True
    fault: str = ""
    origin: str = ""
    runs: tuple[Run, ...] = ()
    protections: tuple[Protection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFacts:
    """What the daemon says of itself."""

    report: Report | None = None
    #: why it could not be asked over its control socket; "" if it could
    control: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that could be found out."""

    now: datetime
    #: of this program
    version: str
    instance: str
    url: str
    policies: tuple[Policy, ...]
    excludes: tuple[Exclude, ...] = ()
    journal: JournalFacts
    daemon: DaemonFacts
    #: None where Longhorn cannot be reached, with `unreachable` saying why
    survey: Survey | None
    unreachable: str = ""

    @property
    def origin(self) -> str:
        """Of the journal, or of the running daemon where that cannot be read."""
        daemon = self.daemon.report.daemon.origin if self.daemon.report else ""
        return self.journal.origin or daemon


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level there is."""
    return max((finding.level for finding in findings), key=tuple(Level).index, default=Level.OK)


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check=check, level=Level.OK, text=text)


def warning(check: str, text: str, step: str) -> Finding:
    """Something is not as it should be, and backups are made all the same."""
    return Finding(check=check, level=Level.WARNING, text=text, next=step)


def fault(check: str, text: str, step: str) -> Finding:
    """Something keeps backups from being made, or volumes from their users."""
    return Finding(check=check, level=Level.FAULT, text=text, next=step)


def names(these: Iterable[str]) -> str:
    """Some names, and how many more there are."""
    found = sorted(set(these))
    more = f" and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
    return ", ".join(found[:_NAMES]) + more
