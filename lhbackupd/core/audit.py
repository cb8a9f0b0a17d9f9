"""Whether the backup that protects a volume is still there: anybody can delete one, and nobody tells us.

A claim rests on the last completed backup of a policy. Longhorn's volumes name at most the newest backup of anybody, so
the backup volume has to be asked, volume by volume and in turn. A backup that two looks running lack is lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from .cluster import Backup, Volume

#: every claim is looked at once in this time
EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The backup that protected a volume under a policy is gone, and what is left of the protection."""

    policy: str
    volume: str
    backup: str
    #: the policy's newest completed backup that is still listed; "" where there is none
    left: str
    #: up to when `left` holds what was written; None where there is none, or nobody knows
    until: datetime | None

    @property
    def words(self) -> str:
        """What happened, for people."""
        rest = f"the newest that is left is {self.left}" if self.left else "none of this policy is left"
        return f"backup {self.backup}, which held its data, is no longer on its backup target: {rest}"


def missing(backup: str, volume: Volume, listed: Iterable[Backup]) -> bool:
    """Whether the `backup` that a claim rests on ("": none does) is not among those listed of its volume."""
    return bool(backup) and not any(
        one.name == backup and one.completed and one.target == volume.backup_target for one in listed
    )


def turn(looked: Mapping[str, float], volumes: Iterable[str], *, period: float) -> list[str]:
    """The volumes to be looked at now, those never or longest ago `looked` at first; all come round within `EVERY`.

    `looked` gives when each was, on the monotonic clock; `period` is the seconds between two turns.
    """
    names = sorted(volumes, key=lambda name: (looked.get(name, float("-inf")), name))
    return names[: -int(-len(names) * period // EVERY.total_seconds())]
