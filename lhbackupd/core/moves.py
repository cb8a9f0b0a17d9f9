"""The small moves that the phases of a run share: enter, leave, wait with patience.

Each takes a run and returns it changed, or None where there is nothing to change. Which phase makes which move is
said in `machine` alone.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from .cluster import Fault, FaultKind, Setting, Ticket, Volume
from .commands import Seen
from .eligibility import needs_setting, refusal, suspension
from .model import Mode, Now, Origin, Outcome, Patience, Phase, Policy, Run
from .naming import TicketName
from .timetable import parse_zone
from .windows import next_open


def enter(run: Run, now: Now, phase: Phase, reason: str) -> Run:
    """`run` in its next phase."""
    return replace(run, phase=phase, reason=reason, entered={**run.entered, phase.value: now.wall})


def leave(run: Run, now: Now, outcome: Outcome, reason: str, *, can_pass: bool = False) -> Run:
    """`run` with its outcome: on its way out through DETACHING if it has something to give back, else finished."""
    run = replace(run, outcome=outcome, can_pass=can_pass)
    if run.ticket or run.drop_backup:
        return enter(run, now, Phase.DETACHING, reason)
    return finish(run, now, reason)


def finish(run: Run, now: Now, reason: str | None = None) -> Run:
    """`run` at its end."""
    run = replace(run, finished_at=now.wall)
    return enter(run, now, Phase.FINISHED, run.reason if reason is None else reason)


def patiently(run: Run, seen: Seen, now: Now, limit: float, what: str) -> Run:
    """`run` as it waits for `what`, or leaves once it has waited longer than `limit` seconds."""
    cause = f": {seen.fault.text}" if seen.fault else ""
    if now.idle > limit:
        return leave(run, now, Outcome.FAILED, f"waited {limit:.0f} s for {what}{cause}", can_pass=True)
    return replace(run, reason=f"waits for {what}{cause}")


def unwanted(run: Run, seen: Seen, now: Now, policy: Policy | None) -> Run | None:
    """`run` on its way out if there is no point in going on before its backup was asked for."""
    if seen.volume is None and seen.fault is None:
        return leave(run, now, Outcome.GONE, "the volume was deleted")
    if run.cancelled:
        return called_off(run, now)
    if seen.stopping:
        return leave(run, now, Outcome.INTERRUPTED, "lhbackupd is stopping", can_pass=True)
    if seen.journal_down:
        return leave(run, now, Outcome.INTERRUPTED, "the journal cannot be written", can_pass=True)
    if policy is None:
        return leave(run, now, Outcome.GONE, "its policy is no longer configured")
    if policy.mode is Mode.SHADOW and (run.ticket or run.phase is not Phase.INSPECTING):
        return leave(run, now, Outcome.SHADOWED, "its policy has become a shadow, which touches nothing")
    return None


def called_off(run: Run, now: Now) -> Run:
    """`run` on its way out because an operator said so; a backup of it that runs is dropped."""
    run = replace(run, drop_backup=run.asked_at is not None)
    return leave(run, now, Outcome.CANCELLED, "cancelled by an operator")


def holds(run: Run, volume: Volume) -> bool:
    """Whether `volume` is attached for this run: its engine runs and, if we asked, our own ticket is satisfied.

    Only then is anything made: Longhorn would attach a detached volume by itself for a snapshot or a backup, with the
    frontend enabled, which moves replicas of best-effort volumes (trace `locality-best-effort-backup-of-detached`).
    """
    mine = our_ticket(run, volume)
    return volume.attached and (not run.ticket or (mine is not None and mine.satisfied))


def lost(run: Run, seen: Seen, now: Now) -> Run | None:
    """`run` on its way out if the volume is no longer attached for it, and will not be by waiting.

    An engine that crashed comes back under our ticket (trace `engine-crash`): that is waited for.
    """
    if seen.volume is None:
        return None
    mine = our_ticket(run, seen.volume)
    if run.ticket and mine is None:
        return leave(run, now, Outcome.FAILED, "somebody else removed our attachment ticket", can_pass=True)
    if mine is not None and not mine.satisfied:
        rival = next((ticket for ticket in seen.volume.others(mine.id) if ticket.satisfied), None)
        return yielded(run, now, rival) if rival else None
    if not run.ticket and not seen.volume.attached:
        return leave(
            run, now, Outcome.INTERRUPTED, "the volume was detached before its snapshot was taken", can_pass=True
        )
    return None


def yielded(run: Run, now: Now, rival: Ticket) -> Run:
    """`run` on its way out because of somebody else's ticket."""
    words = f"left to {rival.kind} ticket {rival.id} on {rival.node}"
    return leave(run, now, Outcome.YIELDED, words, can_pass=True)


def others_backup(run: Run, seen: Seen) -> str:
    """The name of a backup that runs on the volume before `run` has asked for one; "" where there is none."""
    shown = seen.volume.backups if seen.volume else ()
    names = [backup.name for backup in shown if backup.running]
    names += [backup.name for backup in seen.backups or () if backup.running and run.snapshot == backup.snapshot != ""]
    return names[0] if names else ""


def asked_enough(run: Run, now: Now, limit: float) -> Run | None:
    """`run` on its way out if asking has come to nothing for `limit` seconds.

    By the wall clock, as each question starts the phase's patience anew; a step of it costs an attempt at worst.
    """
    since = run.entered.get(Phase.BACKING_UP.value, now.wall)
    if run.asked_at is None or 0 <= (now.wall - since).total_seconds() <= limit:
        return None
    words = f"asked for {limit:.0f} s for a backup of snapshot {run.snapshot}, and none began"
    return leave(run, now, Outcome.FAILED, words, can_pass=True)


def left_behind(run: Run, volume: Volume, origin: Origin) -> Run | None:
    """`run` as it waits because a ticket of ours from another run is still there; None where there is none.

    A volume that such a ticket holds looks attached by others, and is detached under our hands once it is withdrawn.
    """
    named = (TicketName.parse(ticket.id) for ticket in volume.tickets)
    if other := next((name for name in named if name and name.instance == origin.instance), None):
        return replace(run, reason=f"waits until the volume has settled: the ticket of run {other.run} is still there")
    return None


def held_back(run: Run, seen: Seen, now: Now, policy: Policy, volume: Volume) -> Run | None:
    """`run` as it waits or ends because the volume may not be backed up (now); None where nothing is in the way."""
    return (
        _outside(run, now, policy)
        or _still_detached(run, seen, now, policy, volume)
        or _unfit(run, seen, now, policy, volume)
    )


def opens(policy: Policy, wall: datetime) -> datetime | None:
    """The moment at which runs of `policy` may start again; None if they may at `wall`, or have no window at all."""
    if not policy.window and not policy.blackout:
        return None
    opening = next_open(policy.window, policy.blackout, parse_zone(policy.timezone), wall)
    return opening if opening is not None and opening > wall else None


def _outside(run: Run, now: Now, policy: Policy) -> Run | None:
    """`run` as it waits for its policy's window; one that has a slot already leaves, and is queued again.

    One that a person asked for is wanted now.
    """
    opening = opens(policy, now.wall)
    if opening is None or run.manual:
        return None
    local = opening.astimezone(parse_zone(policy.timezone))
    day = "at" if opening - now.wall < timedelta(days=1) else f"on {local:%a %Y-%m-%d} at"
    words = f"its window, which opens {day} {local:%H:%M} {policy.timezone}"
    if run.phase is Phase.QUEUED:
        return replace(run, reason=f"waits for {words}")
    return leave(run, now, Outcome.INTERRUPTED, f"came too late for {words} again", can_pass=True)


def _still_detached(run: Run, seen: Seen, now: Now, policy: Policy, volume: Volume) -> Run | None:
    """`run` as it waits or ends because a volume that is not attached may not be attached (now)."""
    if volume.attached:
        return None
    if not volume.plainly_detached:
        return replace(run, reason=_unsettled(volume))
    if needs_setting(policy) and seen.setting is Setting.UNREAD:
        return replace(run, reason="waits until Longhorn's setting can be read")
    if why := suspension(policy, seen.setting):
        return leave(run, now, Outcome.SUSPENDED, why)
    return None


def _unfit(run: Run, seen: Seen, now: Now, policy: Policy, volume: Volume) -> Run | None:
    """`run` as it waits or ends because of the volume's state, somebody's backup, or the backup target."""
    if no := refusal(volume, policy):
        return leave(run, now, Outcome.REFUSED, no.reason, can_pass=no.can_pass)
    if running := next((backup for backup in volume.backups if backup.running), None):
        return replace(run, reason=f"waits for backup {running.name}, which somebody else has running there")
    if seen.target is not None and not seen.target.available:
        words = f"waits: backup target {seen.target.name} is not available: {seen.target.message}"
        return replace(run, reason=words)
    return None


def _unsettled(volume: Volume) -> str:
    """What a volume that is neither attached nor plainly detached is doing."""
    who = ", ".join(f"{ticket.kind} ticket {ticket.id} on {ticket.node}" for ticket in volume.tickets)
    return f"waits until the volume has settled: it is {volume.state or 'new'}" + (f", wanted by {who}" if who else "")


def patience_of(policy: Policy | None) -> Patience:
    """The policy's patience; the usual one for a policy that is gone."""
    return policy.patience if policy else Patience()


def refused_by(answer: Fault | None) -> Fault | None:
    """The answer to the last command, if Longhorn said no."""
    return answer if answer is not None and answer.kind is not FaultKind.UNREACHABLE else None


def our_ticket(run: Run, volume: Volume) -> Ticket | None:
    """The ticket by which this run holds the volume, the satisfied one of two while it is renewed."""
    mine = [ticket for ticket in volume.tickets if ticket.id and ticket.id in {run.ticket, run.former}]
    return next((ticket for ticket in mine if ticket.satisfied), mine[0] if mine else None)
