"""Which of our backups and snapshots no longer serve.

Only what this policy made with this origin is ever named here: two clusters may share a bucket, and other backups of
the volume are somebody else's. The newest completed backup of the policy, and of the volume, always stays, and so do
the snapshots of last completed and of unfinished backups: deleting the last backup's snapshot would cost the next
backup a full read. Newest is what was made last, not what has the youngest snapshot: after a revert the snapshot that
is there may be older than one that was backed up before.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from .cluster import Backup, Chain
from .model import Keep, Origin
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """A completed backup of a policy, and every rule that keeps it; none, and it is to go."""

    backup: Backup
    kept_by: tuple[str, ...] = ()
    #: why it is to go, rule by rule; "" where it is kept
    why: str = ""


def verdicts(
    backups: Iterable[Backup],
    *,
    volume: str,
    policy: str,
    origin: Origin,
    keep: Keep | None,
    zone: tzinfo,
    claimed: str = "",
) -> tuple[Verdict, ...]:
    """What `keep` says of each completed backup that a policy of ours made of a volume, newest first.

    Periods are those of `zone` that have a backup, counted back from the policy's newest one by Longhorn's timestamps
    and never from now: one bad clock must not delete history. The newest backup of the policy, and of the volume
    whoever made it, stays; so does one of unknown age, which counts for nothing; and so does the one by which its data
    is `claimed` to be protected, which a clock that was ahead may have made look older than others.
    """
    completed = sorted((b for b in backups if b.completed and b.volume == volume), key=_age, reverse=True)
    dated = [backup for backup in completed if _age(backup)[0] != _LONG_AGO]
    mine = [backup for backup in completed if made_by(backup.labels, policy=policy, origin=origin)]
    kept: dict[str, list[str]] = {backup.name: [] for backup in mine}
    aged = [backup for backup in mine if backup in dated]
    for rule, backup in _kept(aged, keep, zone):
        kept[backup.name].append(rule)
    for backup in mine:
        if backup not in dated:
            kept[backup.name].append("of unknown age")
    if claimed in kept:
        kept[claimed].append("last made by the policy")
    if dated and dated[0].name in kept:
        kept[dated[0].name].append("newest of the volume")
    gone = {name for name, rules in kept.items() if not rules}
    why = _no_longer(aged, gone, keep, zone) if keep is not None and gone else {}
    return tuple(Verdict(backup, tuple(kept[backup.name]), why.get(backup.name, "")) for backup in mine)


def _no_longer(mine: list[Backup], gone: Collection[str], keep: Keep, zone: tzinfo) -> dict[str, str]:
    """Why no rule keeps the backups of these names, rule by rule; `mine` are those of known age, newest first."""
    periods = [
        (name, count, {backup.name: rank for rank, backup in enumerate(newest.values())})
        for name, count, newest in _by_period(mine, keep, zone)
    ]
    why: dict[str, str] = {}
    for newer, backup in enumerate(mine):
        if backup.name not in gone:
            continue
        rules = [f"last {keep.last}: {newer} are newer"] if keep.last else []
        if keep.within is not None:
            rules.append(f"within {keep.within}: {_age(mine[0])[0] - _age(backup)[0]} older than the newest")
        for name, count, ranks in periods:
            rank = ranks.get(backup.name)
            words = "another of its period is newer" if rank is None else f"{rank} newer periods have one"
            rules.append(f"{name} {count}: {words}")
        why[backup.name] = "; ".join(rules) or f"minimum {keep.minimum}: {newer} are newer"
    return why


def _kept(mine: list[Backup], keep: Keep | None, zone: tzinfo) -> Iterator[tuple[str, Backup]]:
    """Rules with the backups that they keep; `mine` is newest first."""
    if keep is None:
        yield from (("all are kept", backup) for backup in mine)
        return
    yield from (("newest of the policy", backup) for backup in mine[:1])
    yield from ((f"minimum {keep.minimum}", backup) for backup in mine[: keep.minimum])
    yield from ((f"last {keep.last}", backup) for backup in mine[: keep.last])
    if keep.within is not None and mine:
        edge = _age(mine[0])[0] - keep.within
        yield from (("within", backup) for backup in mine if _age(backup)[0] >= edge)
    for name, count, newest in _by_period(mine, keep, zone):
        yield from ((f"{name} {period}", backup) for period, backup in list(newest.items())[:count])


def _by_period(mine: list[Backup], keep: Keep, zone: tzinfo) -> Iterator[tuple[str, int, dict[str, Backup]]]:
    """The rules by periods, each with its count and the newest backup of every period that has one, newest first."""
    forms = (
        ("hourly", keep.hourly, "%Y-%m-%d %H:00%z"),
        ("daily", keep.daily, "%Y-%m-%d"),
        ("weekly", keep.weekly, "%G-W%V"),
        ("monthly", keep.monthly, "%Y-%m"),
        ("yearly", keep.yearly, "%Y"),
    )
    for name, count, form in forms:
        if count:
            newest: dict[str, Backup] = {}
            for backup in mine:
                newest.setdefault(_age(backup)[0].astimezone(zone).strftime(form), backup)
            yield name, count, newest


def expired(found: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Those of `verdicts` by which a backup is to go, oldest first."""
    return tuple(verdict for verdict in reversed(found) if not verdict.kept_by)


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
