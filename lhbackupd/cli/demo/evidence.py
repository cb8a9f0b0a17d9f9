"""What the cluster's ledger says in the end, and what the daemon claims, with the counting that promises need.

Everything about volumes comes from the ledger; of the daemon nothing is taken but its claims, to be held against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lhbackupd.cli.demo.board import Entry
from lhbackupd.core.model import Outcome, Run
from lhbackupd.core.naming import TicketName


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The ledger's entries and totals, and the daemon's runs."""

    entries: tuple[Entry, ...]
    #: per volume, as `GET /sim/ledger/summary` has it
    volumes: Mapping[str, Mapping[str, Any]]
    runs: tuple[Run, ...]
    #: defects that the daemon told of
    troubles: tuple[str, ...] = ()

    def of(self, kind: str, volume: str = "") -> list[Entry]:
        """Entries of a kind, of one volume or of all."""
        return [e for e in self.entries if e["kind"] == kind and volume in ("", e.get("volume"))]

    def completed(self, volume: str) -> int:
        """Backups of a volume that were completed."""
        return len(self.of("backup-completed", volume))

    def asked(self, volume: str) -> int:
        """Backups of a volume that anybody asked for."""
        return len(self.of("backup-asked", volume))

    def unprotected(self, volume: str) -> bool:
        """Whether present data of a volume is in no completed backup that still exists."""
        return bool(self.volumes[volume]["truth"]["unprotected"])

    def our_tickets(self, volume: str = "") -> list[Entry]:
        """Entries of attachment tickets that lhbackupd wrote."""
        return [e for e in self.of("ticket-added", volume) if TicketName.parse(e["id"])]

    def our_attaches(self, volume: str = "") -> list[Entry]:
        """Entries of attaches that lhbackupd's tickets brought about."""
        return [e for e in self.of("attached", volume) if e["lastAttachedBy"].startswith("lhbackupd:")]

    def replica_moves(self, volume: str) -> list[Entry]:
        """Entries of replicas that were built, added or removed."""
        return [e for e in self.entries if e["kind"].startswith("replica-") and e.get("volume") == volume]

    def claimed(self) -> frozenset[str]:
        """Backups of which the daemon says that they are completed."""
        return frozenset(run.backup for run in self.runs if run.outcome is Outcome.COMPLETED)


def moment(entry: Entry) -> datetime:
    """When an entry was written."""
    return datetime.fromisoformat(entry["at"])
