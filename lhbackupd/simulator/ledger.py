"""The simulator's own account of what happened, which no client can influence and tests count by.

Entries are plain JSON objects with a growing `seq`. Requests are counted by method and route, not stored. How
long each ticket held its volume, and what was attached how often, is added up on the way because a day of
10,000 volumes is long.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Entry = dict[str, Any]


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclass(slots=True)
class Account:
    """Totals of one volume."""

    attached: int = 0
    attached_since: float | None = None
    attached_seconds: float = 0.0
    busy_since: float | None = None
    busy_seconds: float = 0.0
    held: dict[str, float] = field(default_factory=dict)
    holding: dict[str, float] = field(default_factory=dict)
    snapshots: int = 0
    backups: Counter[str] = field(default_factory=Counter)
    bytes_written: int = 0
    pod_waited: float = 0.0


@dataclass(slots=True)
class Ledger:
    """Entries in order, totals per volume, counts of requests."""

    elapsed: Callable[[], float]
    now: Callable[[], datetime]
    entries: list[Entry] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, volume: str = "", **facts: Any) -> None:
        """Write one entry."""
        at = self.elapsed()
        entry: Entry = {
            "seq": len(self.entries) + 1,
            "at": stamp(self.now()),
            "t": round(at, 3),
            "kind": kind,
        }
        if volume:
            entry["volume"] = volume
            self._account(self.accounts.setdefault(volume, Account()), kind, at, facts)
        entry.update(facts)
        self.entries.append(entry)

    def since(self, seq: int) -> list[Entry]:
        """Entries after the given one."""
        return self.entries[max(0, seq) :]

    def _account(self, account: Account, kind: str, at: float, facts: dict[str, Any]) -> None:
        match kind:
            case "attaching" if account.busy_since is None:
                account.busy_since = at
            case "attached":
                account.attached += 1
                account.attached_since = at
            case "detached":
                if account.attached_since is not None:
                    account.attached_seconds += at - account.attached_since
                account.attached_since = None
                if account.busy_since is not None:
                    account.busy_seconds += at - account.busy_since
                account.busy_since = None
            case "ticket-satisfied":
                account.holding.setdefault(facts["id"], at)
            case "ticket-removed" | "ticket-interrupted":
                since = account.holding.pop(facts["id"], None)
                if since is not None:
                    account.held[facts["id"]] = account.held.get(facts["id"], 0.0) + at - since
            case "snapshot-created":
                account.snapshots += 1
            case "backup-asked" | "backup-completed" | "backup-error" | "backup-deleted":
                account.backups[kind.removeprefix("backup-")] += 1
            case "write":
                account.bytes_written += facts["bytes"]
            case "pod-running":
                account.pod_waited += facts["waited"]
            case _:
                pass
