"""What is in a volume that its policy's newest backup does not hold.

The base is the newest Completed backup of the volume made by this policy and this origin that its backup volume lists.
New is what the volume head and every snapshot above the base's snapshot hold; where that snapshot is not an ancestor of
the head (reverted, purged, never there), or there is no base, or the size changed, everything is new. Upstream's two
rules (head empty; newest snapshot is the last backup's) are special cases, the second one wrong after a revert. What
cannot be read is never taken for unchanged.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .cluster import Backup, Chain, Snapshot, Volume
from .model import Mode, Origin, Outcome, Policy
from .naming import made_by
from .retention import newest_completed


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer of one inspection."""

    #: bytes that no backup of the policy holds
    new_bytes: int
    #: UNCHANGED or BELOW_THRESHOLD, or None where a backup is to be made
    skip: Outcome | None
    #: why, in words
    reason: str
    #: a snapshot that already holds all there is, so that none need be taken
    reuse: Snapshot | None = None
    #: the backup that it was compared with; "" where there is none
    base: str = ""


def base_of(volume: Volume, backups: Iterable[Backup], *, policy: str, origin: Origin) -> Backup | None:
    """The newest Completed backup of `volume` that this policy of this origin made."""
    return newest_completed(
        backup
        for backup in backups
        if backup.volume == volume.name
        and backup.target == volume.backup_target
        and made_by(backup.labels, policy=policy, origin=origin)
    )


def inspect(
    *, volume: Volume, chain: Chain, backups: Iterable[Backup], policy: Policy, origin: Origin, live: bool
) -> Finding | None:
    """Compare an attached volume with the backups of one policy, of a shadow with those of anybody.

    `live` says that a workload may be writing, so that dirty pages exist which no head shows. None means that the
    answer does not say: no volume head in it.
    """
    head = chain.head
    if head is None:
        return None
    line = list(chain.from_head())
    shadow = policy.mode is Mode.SHADOW
    listed = [backup for backup in backups if backup.volume == volume.name and backup.target == volume.backup_target]
    base = newest_completed(listed) if shadow else base_of(volume, listed, policy=policy.name, origin=origin)
    above = _above(line, base, volume)
    new = sum(snapshot.size for snapshot in (line if above is None else above))
    dirty = live and not volume.frontend_disabled and not policy.skip_unchanged_attached
    if not dirty:
        if base is None and new == 0 and _brand_new(chain, head, volume):
            return Finding(
                new_bytes=0, skip=Outcome.UNCHANGED, reason="the volume is empty: there is nothing to back up"
            )
        if above is not None and new == 0:
            held = f"backup {base.name} holds all there is" if base else "nothing new"
            return Finding(new_bytes=0, skip=Outcome.UNCHANGED, reason=held, base=base.name if base else "")
        if above is not None and new <= policy.min_new_bytes:
            reason = f"{new} bytes of new data, which is no more than min_new_bytes = {policy.min_new_bytes}"
            return Finding(new_bytes=new, skip=Outcome.BELOW_THRESHOLD, reason=reason)
    return Finding(
        new_bytes=new,
        skip=None,
        reason=_why(line, above, base, volume, new, dirty=dirty, shadow=shadow),
        reuse=None if dirty else _reusable(chain, head, base),
    )


def _brand_new(chain: Chain, head: Snapshot, volume: Volume) -> bool:
    """Whether nothing is beneath the head; a parent that is not listed, or a snapshot beside it, says otherwise."""
    return not volume.origin_data and not head.parent and len(chain.snapshots) == 1


def _above(line: list[Snapshot], base: Backup | None, volume: Volume) -> list[Snapshot] | None:
    """The head and the snapshots above the base's; None where everything counts as new."""
    if base is None or base.volume_size != volume.size:
        return None
    for depth, snapshot in enumerate(line):
        if depth and snapshot.name == base.snapshot:  # depth 0 is the head, of which there is no backup
            return line[:depth]
    return None


def _reusable(chain: Chain, head: Snapshot, base: Backup | None) -> Snapshot | None:
    """The head's parent while the head is empty: whoever took it, it holds all there is."""
    parent = chain.snapshots.get(head.parent)
    if head.size or parent is None or parent.removed or (base is not None and parent.name == base.snapshot):
        return None
    return parent


def _why(
    line: list[Snapshot],
    above: list[Snapshot] | None,
    base: Backup | None,
    volume: Volume,
    new: int,
    *,
    dirty: bool,
    shadow: bool,
) -> str:
    if base is None:
        return f"no completed backup {'of it' if shadow else 'of this policy'} yet: {new} bytes"
    if base.volume_size != volume.size:
        return f"the volume's size changed since backup {base.name}"
    if above is None:
        return f"snapshot {base.snapshot} of backup {base.name} is no longer below the volume head ({len(line)} are)"
    if dirty:
        return (
            f"attached and in use: {new} bytes since backup {base.name}, and what its file system has not written yet"
        )
    return f"{new} bytes since backup {base.name}"
