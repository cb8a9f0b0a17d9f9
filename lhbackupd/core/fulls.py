"""Which backup of a volume is to be a full one: every so many-th that is completed, by `full_every`.

A full backup reads and uploads every block again, whatever the backup store claims to hold already. What is counted are
completed backups of this volume by this policy and origin on the volume's target, not runs: one that found nothing new
or failed counts for nothing. Retention deletes old backups, so each one has its number among its labels; where none
has, because they were made before `full_every` was set, those that are listed are counted.
"""

from collections.abc import Iterable

from .cluster import Backup, Volume
from .model import Origin, Policy
from .naming import LABEL_NUMBER, made_by


def next_number(volume: Volume, backups: Iterable[Backup], *, policy: str, origin: Origin) -> int:
    """The number of the next backup that is completed, from 1."""
    mine = [
        backup
        for backup in backups
        if backup.completed
        and backup.volume == volume.name
        and backup.target == volume.backup_target
        and made_by(backup.labels, policy=policy, origin=origin)
    ]
    return max([len(mine), *(_number(backup) for backup in mine)]) + 1


def _number(backup: Backup) -> int:
    text = backup.labels.get(LABEL_NUMBER, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004 -- a sane number


def full_is_due(policy: Policy, number: int) -> bool:
    """Whether the backup of this number is to be a full one."""
    return policy.full_every > 0 and number % policy.full_every == 0
