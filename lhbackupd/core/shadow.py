"""Runs of a policy that touches nothing: what they would have done.

A shadow's run is decided on like any other, and what comes of it is turned into words; no command ever leaves. It is
let in like any other too, so that it tells the node, and gives its place back after one look. A detached volume cannot
be looked into without attaching it, so there it ends with what would be done; of an attached one the snapshots are
read. New is what the volume's newest backup does not hold, whoever made it, and that backup is named: so one line of
the history stands beside what a recurring job of Longhorn has done.
"""

from collections.abc import Iterable
from dataclasses import replace

from .cluster import Backup, Volume
from .commands import Seen
from .model import Mode, Now, Outcome, Phase, Policy, Run
from .moves import enter, leave, others_backup, patiently, unwanted
from .recurring import MADE_BY_JOB
from .retention import newest_completed

#: ends that are those of a run that touches the volume, or refuses to
_WOULD_END = frozenset(
    {Outcome.UNCHANGED, Outcome.BELOW_THRESHOLD, Outcome.NOT_INSPECTED, Outcome.SUSPENDED, Outcome.REFUSED}
)


def is_shadow(run: Run, policy: Policy | None) -> bool:
    """Whether `run` may only look. One that was begun before its policy became a shadow gives back what it holds."""
    return (
        policy is not None
        and policy.mode is Mode.SHADOW
        and run.phase in {Phase.QUEUED, Phase.INSPECTING}
        and not run.ticket
    )


def only_looks(run: Run, seen: Seen, now: Now, policy: Policy) -> Run | None:
    """`run` where a look takes another way than that of an active policy; None where it does not."""
    volume = seen.volume
    if run.phase is not Phase.INSPECTING or volume is None or unwanted(run, seen, now, policy):
        return None
    if other := others_backup(run, seen):
        words = f"would wait for backup {other}, which somebody else has started, and back up what is new after it"
        return leave(run, now, Outcome.SHADOWED, words)
    if volume.attached:
        return None
    if seen.backups is None:
        return patiently(run, seen, now, policy.patience.inspect, "its backups to be read")
    words = f"would attach it to {run.node}, and back up what is new there; {_newest(volume, seen.backups)}"
    return leave(run, now, Outcome.SHADOWED, words)


def told(run: Run, after: Run, seen: Seen, now: Now) -> Run:
    """`after`, what an active policy would have made of `run`, as what a shadow makes of it."""
    looked = replace(run, new_bytes=after.new_bytes)
    newest = f"; {_newest(seen.volume, seen.backups)}" if seen.volume and seen.backups is not None else ""
    if after.phase is Phase.ATTACHING:
        run = replace(run, node=after.node, target=after.target, started_at=after.started_at)
        return enter(run, now, Phase.INSPECTING, f"would attach it to {run.node}")
    if after.phase in {Phase.SNAPSHOTTING, Phase.BACKING_UP}:
        words = f"would back up {after.new_bytes} bytes: {after.reason}{newest}"
        return leave(looked, now, Outcome.SHADOWED, words)
    if after.finished and after.outcome in _WOULD_END:
        return leave(looked, now, Outcome.SHADOWED, f"would end {after.outcome}: {after.reason}{newest}")
    return after


def _newest(volume: Volume, backups: Iterable[Backup]) -> str:
    """The newest backup of a volume, in words that say when it was made and by whom."""
    newest = newest_completed(backup for backup in backups if backup.volume == volume.name)
    if newest is None:
        return "it has no backup"
    made = newest.created or newest.snapshot_created
    when = f" of {made:%Y-%m-%d %H:%M:%S} UTC" if made else ""
    job = newest.labels.get(MADE_BY_JOB, "")
    return f"its newest backup is {newest.name}{when}" + (f", by Longhorn's recurring job {job}" if job else "")
