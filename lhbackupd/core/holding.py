"""How a run holds its volume while workloads may want it, and how it gives it back.

A workload that asks is noted with the time it waits, and the policy says whether the run finishes first, gives way, or
gives way unless it will be over in time. The ticket's deadline is moved on by a new ticket in its place, so that only a
ticket whose daemon is dead ever expires. Giving back is never given up: DETACHING ends when Longhorn shows no ticket of
ours. While a backup runs Longhorn's own ticket goes on holding the volume, so our own unfinished backup is deleted
once our ticket is gone, where the volume must get free (trace `detach-during-backup`).
"""

from dataclasses import replace
from datetime import timedelta

from .cluster import Backup, Ticket, Volume
from .commands import Attach, Command, Decision, Detach, DropBackup, Seen
from .model import Now, Origin, Outcome, Phase, Policy, Run
from .moves import finish, leave, our_ticket, patience_of
from .naming import LABEL_RUN, TicketName

#: after a backup was asked for and none is listed, how many seconds until it is asked for again: a request that timed
#: out here may still be carried out there
ASK_AGAIN = 15.0

#: how long before its deadline a ticket is renewed
_RENEW = timedelta(minutes=5)

#: phases in which a run holds a volume that it has
_HOLDING = frozenset({Phase.INSPECTING, Phase.SNAPSHOTTING, Phase.BACKING_UP})


def note_workload(run: Run, seen: Seen, now: Now) -> Run:
    """`run` with the time that a workload has been waiting for the volume that we hold."""
    volume = seen.volume
    if volume is None and seen.fault is not None:
        return run
    asks = _waiting(run, volume) if volume else None
    if volume is not None and asks is not None and run.waiting_since is None:
        return replace(run, waiting_since=now.wall, waiter=_name(volume) or f"ticket {asks.id} on {asks.node}")
    if asks is not None and run.waiting_since is not None and run.waiting_since > now.wall:
        # the clock was set back: the wait is counted from here on, lest it last an hour, or a year, longer
        return replace(run, waiting_since=now.wall)
    if asks is None and run.waiting_since is not None:
        seconds = max(0.0, (now.wall - run.waiting_since).total_seconds())
        return replace(run, waiting_since=None, waited=run.waited + seconds)
    return run


def _waiting(run: Run, volume: Volume) -> Ticket | None:
    """The ticket of a workload that has to wait because we, or Longhorn for our backup, hold the volume."""
    ours = our_ticket(run, volume) or volume.ticket(_controllers(run)[0])
    if not run.ticket or ours is None:
        return None
    return next((ticket for ticket in volume.tickets if ticket.of_workload and not ticket.satisfied), None)


def _controllers(run: Run) -> tuple[str, str]:
    """The ids of the tickets by which Longhorn holds a volume for our backup and our snapshot."""
    return f"backup-controller-{run.backup}", f"snapshot-controller-{run.snapshot}"


def _name(volume: Volume) -> str:
    pods = [pod.name for pod in volume.pods if pod.status == "Pending"] or [pod.name for pod in volume.pods]
    if pods:
        return "pod " + ", ".join(f"{volume.pvc_namespace}/{name}" for name in pods)
    return f"a workload of PVC {volume.pvc_namespace}/{volume.pvc}" if volume.pvc else ""


def gives_way(run: Run, seen: Seen, now: Now, policy: Policy | None) -> Run | None:
    """`run` on its way out because a workload waits for its volume and the policy will not let it wait any longer."""
    if policy is None or policy.give_way_after is None or run.waiting_since is None or run.phase not in _HOLDING:
        return None
    left = policy.give_way_after - (now.wall - run.waiting_since).total_seconds()
    if left > 0 and seen.remaining is not None and seen.remaining <= left:
        return None
    run = replace(run, drop_backup=run.phase is Phase.BACKING_UP)
    return leave(run, now, Outcome.YIELDED, f"left to {run.waiter}, which waits for the volume", can_pass=True)


def renewed(run: Run, seen: Seen, now: Now, origin: Origin) -> Decision:
    """`run` with a step taken towards a ticket with a later deadline, if one is to be taken.

    The new ticket is asked for first, on the same node and with the same parameters, so that both are satisfied; then
    the former one is withdrawn. If the volume is lost between the two, one of them is left, and that is given back.
    """
    volume = seen.volume
    if volume is None or not run.ticket or run.phase not in _HOLDING:
        return run, None
    if run.former:
        former, mine = volume.ticket(run.former), volume.ticket(run.ticket)
        if former is None:
            return replace(run, former=""), None
        if mine is None:
            return run, Attach(node=former.node, ticket=run.ticket)
        return run, Detach(ticket=run.former) if mine.satisfied else None
    ticket, name = volume.ticket(run.ticket), TicketName.parse(run.ticket)
    if ticket is None or name is None:
        return run, None
    margin = min(_RENEW, origin.lease / 3)
    # a deadline that is too far away is left by a clock that was ahead, and would block a twin for as long
    if now.wall + margin < name.deadline <= now.wall + origin.lease + margin:
        return run, None
    fresh = str(replace(name, deadline=now.wall + origin.lease))
    return replace(run, ticket=fresh, former=run.ticket), Attach(node=ticket.node, ticket=fresh)


def hand_over(run: Run, seen: Seen, now: Now, policy: Policy | None) -> Command | None:
    """Before we exit, or under `on_workload = "yield"`: give our ticket back, as Longhorn's own holds the volume.

    That ticket comes up to a second after the backup (trace `detach-during-backup`); before it the volume would be
    detached, and attached again with its frontend enabled. After it a crash of ours blocks nobody for longer than the
    backup lasts.
    """
    wanted = seen.stopping or (policy is not None and policy.give_way_after == 0)
    if not wanted or run.phase is not Phase.BACKING_UP or seen.volume is None:
        return None
    its, mine = seen.volume.ticket(_controllers(run)[0]), our_ticket(run, seen.volume)
    held = its is not None and its.satisfied
    if mine is None or not (held or (seen.stopping and now.idle >= ASK_AGAIN)):
        return None
    return Detach(ticket=mine.id)


def give_back(run: Run) -> Command | None:
    """Withdraw our ticket; None where others have attached the volume and we have none.

    A backup that is to be dropped is not deleted in the same breath: what the look showed unfinished may be completed
    by the time the ticket is withdrawn.
    """
    return Detach(ticket=run.ticket) if run.ticket else None


def detaching(run: Run, seen: Seen, now: Now, policy: Policy | None) -> Decision:
    """The phase DETACHING: withdraw what is ours until Longhorn shows it gone."""
    volume, patience = seen.volume, patience_of(policy).detach
    if volume is None and seen.fault is None:
        return finish(run, now), None
    if now.idle > patience and not run.stuck:
        run = replace(run, stuck=True)
    if volume is None:
        # without a look we do not know; asking again to withdraw a ticket does no harm
        return run, give_back(run)
    if mine := our_ticket(run, volume):
        return run, Detach(ticket=mine.id)
    if run.drop_backup and seen.backups is None:
        return run, None
    ours = [b for b in seen.backups or () if run.drop_backup and run.backup in {"", b.name} and asked_for(b, run)]
    if done := next((backup for backup in ours if backup.completed), None):
        words = f"backup {done.name} is completed and listed, just before it was to be dropped"
        full = run.full and done.mode == "full"
        return replace(run, outcome=Outcome.COMPLETED, drop_backup=False, reason=words, backup=done.name, full=full,
                       protected_until=run.snapshot_holds or done.snapshot_created), None  # fmt: skip
    # of more than one nobody can say which is ours before they have ended: then they are left to end
    if len(ours) == 1 and ours[0].running:
        if run.backup:
            return run, DropBackup(backup=run.backup)
        # written down before it is deleted, so that somebody else's, left alone there, is never taken for ours
        return replace(run, backup=ours[0].name), None
    wanted = any(ticket.id not in _controllers(run) for ticket in volume.tickets)
    if volume.plainly_detached or wanted or now.idle > patience:
        return finish(run, now), None
    return run, None


def asked_for(backup: Backup, run: Run) -> bool:
    """Whether this run asked for it: of our snapshot, not there before we asked, its labels ours or not yet shown."""
    if run.asked_at is None or backup.snapshot != run.snapshot or backup.name in run.known_backups:
        return False
    return not backup.labels or backup.labels.get(LABEL_RUN) == run.id
