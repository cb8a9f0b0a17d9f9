"""The phase BACKING_UP: find the backup of the snapshot, ask for it if there is none, watch it to its end.

`snapshotBackup` is not idempotent: asked twice it makes two completed backups (recordings 264, 265), and its answer
does not name the one it made. So the list is looked at before every question, also after a crash or a time-out, and a
backup counts as completed only once its backup volume lists it as such.
"""

from dataclasses import replace

from . import naming
from .cluster import Backup
from .commands import AskBackup, Decision, Seen
from .holding import ASK_AGAIN, asked_for, hand_over
from .model import Now, Origin, Outcome, Phase, Policy, Run
from .moves import (
    asked_enough,
    called_off,
    holds,
    leave,
    lost,
    others_backup,
    our_ticket,
    patience_of,
    patiently,
    refused_by,
    unwanted,
)


def backing_up(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    if seen.volume is None and seen.fault is None:
        return leave(run, now, Outcome.GONE, "the volume was deleted"), None
    if not run.backup:
        return _asking(run, seen, now, policy, origin)
    listed = next((backup for backup in seen.backups or () if backup.name == run.backup), None)
    entry = seen.volume.backup(run.backup) if seen.volume else None
    if listed is not None and listed.labels.get(naming.LABEL_RUN, run.id if not listed.labels else "") != run.id:
        known = (*run.known_backups, run.backup)
        return replace(run, backup="", known_backups=known, reason=f"backup {run.backup} is somebody else's"), None
    if listed is not None and listed.completed and (listed.labels or run.own_snapshot):
        # the list says "snapshotCreated" and means when the backup was asked for (real engine, recordings 125 and 132)
        held = run.snapshot_holds or listed.snapshot_created
        words, full = f"backup {run.backup} is completed and listed", run.full and listed.mode == "full"
        if run.full:
            words += ", a full one" if full else "; it was to be a full one, and this Longhorn made an incremental one"
        let_go = bool(run.ticket) and (seen.volume is None or our_ticket(run, seen.volume) is None)
        run = replace(run, progress=100, protected_until=held, full=full, let_go=let_go)
        return leave(run, now, Outcome.COMPLETED, words), None
    ended = next((each for each in (listed, entry) if each and not each.running and each.state != "Completed"), None)
    if ended is not None:
        words = f"backup {run.backup} ended as {ended.state}: {ended.error or 'Longhorn gives no reason'}"
        return leave(run, now, Outcome.FAILED, words, can_pass=True), None
    if seen.backups is not None and listed is None and entry is None and seen.volume is not None:
        return leave(run, now, Outcome.FAILED, f"backup {run.backup} vanished from Longhorn", can_pass=True), None
    if run.cancelled:
        return called_off(run, now), None
    run = replace(run, progress=max([run.progress, *(each.progress for each in (listed, entry) if each)]))
    # to be dropped also where others have attached the volume: no run would get past a backup that never ends
    leaving = replace(run, drop_backup=True)
    run = patiently(leaving, seen, now, patience_of(policy).backup, f"backup {run.backup}, at {run.progress} %")
    run = replace(run, drop_backup=run.phase is not Phase.BACKING_UP)
    return run, hand_over(run, seen, now, policy)


def _asking(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    """Find the backup of our snapshot, or ask for it: never ask without having looked."""
    mine = [backup for backup in seen.backups or () if asked_for(backup, run)]
    if len(mine) == 1:
        return replace(run, backup=mine[0].name, reason=f"backup {mine[0].name} has begun"), None
    if mine:
        return _unsure(run, mine, seen, now, policy), None
    first = run.asked_at is None
    if first and (ended := unwanted(run, seen, now, policy)):
        return ended, None
    if run.cancelled and now.idle >= ASK_AGAIN:  # until then a request may be under way, whose backup is to be dropped
        return called_off(run, now), None
    if ended := lost(run, seen, now):
        return ended, None
    if refused := refused_by(seen.answer):
        return leave(run, now, Outcome.FAILED, refused.text, can_pass=True), None
    if must_be_known(run) and seen.snapshot is None:
        what = f"Longhorn to notice snapshot {run.snapshot}, which its engine has"
        return patiently(run, seen, now, patience_of(policy).snapshot, what), None
    other = others_backup(run, seen) if first else ""
    what = f"backup {other}, which somebody else has started" if other else f"a backup of {run.snapshot} to begin"
    run = patiently(run, seen, now, patience_of(policy).backup, what)
    can = run.phase is Phase.BACKING_UP and seen.backups is not None and seen.volume and holds(run, seen.volume)
    if other or not can or not (first or now.idle >= ASK_AGAIN):
        return run, None
    if ended := unwanted(run, seen, now, policy) or asked_enough(run, now, patience_of(policy).backup):
        return ended, None
    if first:
        known = tuple(sorted(backup.name for backup in seen.backups or () if backup.snapshot == run.snapshot))
        run = replace(run, known_backups=known)
    what = "a full backup" if run.full else "a backup"
    run = replace(run, asked_at=now.wall, reason=f"asks for {what} of snapshot {run.snapshot}")
    return run, AskBackup(snapshot=run.snapshot, labels=naming.labels(run, origin), full=run.full)


def must_be_known(run: Run) -> bool:
    """Whether it has to be seen first that Longhorn knows the snapshot, which others, or a former run, have taken.

    One that was taken in the engine is known to Longhorn with the engine's next poll, 5 s after an attach, and a backup
    before that is refused (recording 204): a volume that nobody holds for so long would never be backed up.
    """
    return run.asked_at is None and not run.own_snapshot


def _unsure(run: Run, mine: list[Backup], seen: Seen, now: Now, policy: Policy | None) -> Run:
    """`run` while more than one backup may be the one it asked for.

    Somebody else has asked for one of the same snapshot, or we have twice: Longhorn shows labels only of completed
    ones, so until then none of them is called ours, and none is deleted.
    """
    names = ", ".join(sorted(backup.name for backup in mine))
    if done := next((backup for backup in mine if backup.completed), None):
        return replace(run, backup=done.name, reason=f"backup {done.name} is the one of {names} that is ours")
    if not any(backup.running for backup in mine):
        words = f"backups {names} of snapshot {run.snapshot} ended without success, and one of them was ours"
        return leave(run, now, Outcome.FAILED, words, can_pass=True)
    run = replace(run, progress=max([run.progress, *(backup.progress for backup in mine if backup.running)]))
    what = f"backups {names} of snapshot {run.snapshot}, one of which is ours"
    return patiently(run, seen, now, patience_of(policy).backup, what)
