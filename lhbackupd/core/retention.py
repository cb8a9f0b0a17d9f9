"""Which of our backups and snapshots no longer serve.

Only what this policy made with this origin is ever named here: two clusters may share a bucket, and other backups of
the volume are somebody else's. The newest completed backup of the policy, and of the volume, always stays, and so do
the snapshots of last completed and of unfinished backups: deleting the last backup's snapshot would cost the next
backup a full read. Newest is what was made last, not what has the youngest snapshot: after a revert the snapshot that
is there may be older than one that was backed up before.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from .cluster import Backup, Chain
from .model import Origin
from .naming import LABEL_ORIGIN, LABEL_POLICY, made_by

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _age(backup: Backup) -> tuple[datetime, datetime, str]:
    taken = backup.snapshot_created or _LONG_AGO
    return backup.created or taken, taken, backup.name


def _maker(backup: Backup) -> tuple[str | None, ...]:
    """Backups of one maker follow each other: a twin's, or one on another target, replaces none of ours."""
    return backup.target, backup.volume, backup.labels.get(LABEL_POLICY), backup.labels.get(LABEL_ORIGIN)


def newest_completed(backups: Iterable[Backup]) -> Backup | None:
    """The completed backup that was made last."""
    return max((backup for backup in backups if backup.completed), key=_age, default=None)


def expired(
    backups: Iterable[Backup], *, volume: str, policy: str, origin: Origin, keep_last: int | None
) -> tuple[Backup, ...]:
    """Completed backups of a volume that its policy no longer keeps, oldest first; none where it keeps all.

    One of unknown age is not counted and never goes.
    """
    if keep_last is None:
        return ()
    completed = sorted((b for b in backups if b.completed and b.volume == volume and _age(b)[0] != _LONG_AGO), key=_age)
    mine = [backup for backup in completed if made_by(backup.labels, policy=policy, origin=origin)]
    over = mine[: max(0, len(mine) - max(1, keep_last))]
    return tuple(backup for backup in over if backup is not completed[-1])


def stale_snapshots(chain: Chain, backups: Iterable[Backup], *, policy: str, origin: Origin) -> tuple[str, ...]:
    """Snapshots that this policy took and no longer needs, once another snapshot has been taken above them."""
    listed = tuple(backups)
    needed = {backup.snapshot for backup in listed if not backup.completed and backup.state != "Error"}
    for maker in {_maker(backup) for backup in listed}:
        if last := newest_completed(backup for backup in listed if _maker(backup) == maker):
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
