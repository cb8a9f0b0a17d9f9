"""Which of our backups and snapshots no longer serve.

Only what this policy made with this origin is ever named here: two clusters may share a bucket, and other backups of
the volume are somebody else's. The newest completed backup of the policy, and of the volume, always stays, and so do
the snapshots of last completed and of unfinished backups: deleting the last backup's snapshot would cost the next
backup a full read.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from .cluster import Backup, Chain
from .model import Origin
from .naming import LABEL_POLICY, made_by

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _age(backup: Backup) -> tuple[datetime, datetime, str]:
    return backup.snapshot_created or _LONG_AGO, backup.created or _LONG_AGO, backup.name


def newest_completed(backups: Iterable[Backup]) -> Backup | None:
    """The completed backup with the youngest snapshot."""
    return max((backup for backup in backups if backup.completed), key=_age, default=None)


def expired(
    backups: Iterable[Backup], *, volume: str, policy: str, origin: Origin, keep_last: int | None
) -> tuple[Backup, ...]:
    """Completed backups of a volume that its policy no longer keeps, oldest first; none where it keeps all."""
    if keep_last is None:
        return ()
    completed = sorted((b for b in backups if b.completed and b.volume == volume), key=_age)
    mine = [backup for backup in completed if made_by(backup.labels, policy=policy, origin=origin)]
    over = mine[: max(0, len(mine) - max(1, keep_last))]
    return tuple(backup for backup in over if backup is not completed[-1])


def stale_snapshots(chain: Chain, backups: Iterable[Backup], *, policy: str, origin: Origin) -> tuple[str, ...]:
    """Snapshots that this policy took and no longer needs, once another snapshot has been taken above them."""
    listed = tuple(backups)
    needed = {backup.snapshot for backup in listed if not backup.completed and backup.state != "Error"}
    for name in {backup.labels.get(LABEL_POLICY) for backup in listed}:
        if last := newest_completed(b for b in listed if b.labels.get(LABEL_POLICY) == name):
            needed.add(last.snapshot)
    return tuple(
        sorted(
            snapshot.name
            for snapshot in chain.snapshots.values()
            if made_by(snapshot.labels, policy=policy, origin=origin)
            and not snapshot.removed
            and snapshot.name not in needed
        )
    )
