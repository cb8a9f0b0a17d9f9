"""Backups and schemas as releases before 1.8 write them, and words that have changed since.

Longhorn 1.1 lists what lies on the target, without a state, and its engine speaks of `in_progress` and `complete`
(api/model.go; the words are supposed). From 1.2 on backups are resources with today's states. Rule: an entry
without a state counts as completed only if it says when it was made and reports no error; any other is `Unknown`.
"""

from collections.abc import Mapping

from lhbackupd.core.cluster import Backup, BackupProgress
from lhbackupd.longhorn import shapes, volume
from lhbackupd.longhorn.errors import visible
from lhbackupd.longhorn.scalars import moment, size
from lhbackupd.longhorn.wire import elements, read

#: the engine's words of 1.1, in those of later releases
STATES: Mapping[str, str] = {"in_progress": "InProgress", "complete": "Completed", "error": "Error"}


class Listed(shapes.Shape):
    """A backup; `state` came with 1.2, `messages` holds what is wrong with one on the target."""

    name: shapes.Name
    state: str | None = None
    volume_name: str = ""
    snapshot_name: str = ""
    labels: dict[str, str] | None = None
    snapshot_created: str = ""
    created: str = ""
    progress: int = 0
    size: shapes.Bytes = None
    volume_size: shapes.Bytes = None
    error: str = ""
    messages: dict[str, str] | None = None


def decode_backups(raw: bytes, of: str) -> tuple[Backup, ...]:
    """The answer to `backupList` on the backup volume `of`, which before 1.8 is named as its volume."""
    return elements(raw, Listed, lambda backup: _backup(backup, of))


def _backup(backup: Listed, of: str) -> Backup:
    error = backup.error or (backup.messages or {}).get("error", "")
    return Backup(
        name=backup.name,
        volume=backup.volume_name or of,
        snapshot=backup.snapshot_name,
        state=_state(backup, error),
        labels=backup.labels or {},
        snapshot_created=moment(backup.snapshot_created),
        created=moment(backup.created),
        progress=backup.progress,
        size=size(backup.size, "a backup's size"),
        volume_size=size(backup.volume_size, "a backup's volumeSize"),
        target=volume.DEFAULT_TARGET,
        error=visible(error),
    )


def _state(backup: Listed, error: str) -> str:
    if backup.state is not None:
        return STATES.get(backup.state, backup.state)
    return "Completed" if moment(backup.created) is not None and not error else "Unknown"


def under_way(entry: BackupProgress, of: str) -> Backup:
    """A backup that only the engine shows. However far it says it is, it is not completed until it is listed."""
    return Backup(
        name=entry.name,
        volume=of,
        snapshot=entry.snapshot,
        state="InProgress" if entry.state == "Completed" else entry.state,
        progress=entry.progress,
        error=entry.error,
    )


def decode_lists_by_volume(raw: bytes) -> bool:
    """Whether the schema of `backupVolume` knows `backupListByVolume`, which came with several targets (1.8)."""
    return "backupListByVolume" in (read(raw, shapes.Schema).resource_actions or {})
