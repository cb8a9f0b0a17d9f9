"""What each volume held when, and which completed backups held it: read off the simulator's ledger, entry by entry.

Contents are numbered: every write makes a new one, a revert brings back the one of its snapshot, a new volume begins
with EMPTY. A backup holds the content of its snapshot, so that whether data was in a backup at some moment is a
comparison of numbers; nothing of it comes from the daemon.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Entry = Mapping[str, Any]

#: the content of a volume that nobody has written to
EMPTY = 0


@dataclass(slots=True)
class Kept:
    """A backup, from the moment it was asked for."""

    volume: str
    content: int
    labels: Mapping[str, str]
    asked: datetime
    completed: datetime | None = None
    deleted: datetime | None = None

    def exists(self, first: datetime, last: datetime) -> bool:
        """Whether it was completed by `last` and nobody had asked to delete it before `first`."""
        return self.completed is not None and self.completed <= last and (not self.deleted or self.deleted >= first)


@dataclass(slots=True)
class Replay:
    """The history of all volumes."""

    contents: dict[str, list[tuple[datetime, int]]] = field(default_factory=dict)
    backups: dict[str, Kept] = field(default_factory=dict)
    _snapshots: dict[tuple[str, str], int] = field(default_factory=dict)
    _count: int = EMPTY

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Replay":
        """Everything that `entries` tell."""
        made = cls()
        for entry in entries:
            made._take(entry, moment(entry))
        return made

    def _take(self, entry: Entry, at: datetime) -> None:
        volume = entry.get("volume", "")
        match entry["kind"]:
            case "volume-created":
                self._becomes(volume, at, EMPTY)
            case "write":
                self._count += 1
                self._becomes(volume, at, self._count)
            case "snapshot-created":
                self._snapshots[volume, entry["snapshot"]] = self._present(volume)
            case "revert":
                self._becomes(volume, at, self._snapshots[volume, entry["snapshot"]])
            case "backup-asked":
                content = self._snapshots.get((volume, entry["snapshot"]), -1)
                self.backups[entry["backup"]] = Kept(volume, content, entry["labels"], at)
            case "backup-completed":
                self.backups[entry["backup"]].completed = at
            case "backup-delete-asked" if entry["backup"] in self.backups:
                self.backups[entry["backup"]].deleted = at
            case _:
                pass

    def _becomes(self, volume: str, at: datetime, content: int) -> None:
        self.contents.setdefault(volume, []).append((at, content))

    def _present(self, volume: str) -> int:
        return self.contents[volume][-1][1] if self.contents.get(volume) else EMPTY

    def held(self, volume: str, first: datetime, last: datetime) -> frozenset[int]:
        """The contents that a volume had between two moments, the one that it had at `first` included."""
        found, before = set(), EMPTY
        for at, content in self.contents.get(volume, []):
            if at <= first:
                before = content
            elif at <= last:
                found.add(content)
        return frozenset({before, *found})

    def changed_after(self, volume: str, after: datetime) -> bool:
        """Whether a volume was written to, reverted or made anew after a moment."""
        return any(at > after for at, _ in self.contents.get(volume, []))

    def of_volume(self, volume: str) -> list[Kept]:
        """All backups of a volume."""
        return [backup for backup in self.backups.values() if backup.volume == volume]


def moment(entry: Entry) -> datetime:
    """When an entry was written."""
    found: datetime = datetime.fromisoformat(entry["at"])
    return found


def second(at: datetime) -> datetime:
    """The end of a second: Longhorn tells times in whole ones."""
    return at.replace(microsecond=0) + timedelta(seconds=1)
