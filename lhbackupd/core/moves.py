"""The small moves that the phases of a run share: enter, leave, wait with patience, note who waits for us."""

from dataclasses import replace

from .cluster import Volume
from .commands import Seen
from .model import Now, Outcome, Patience, Phase, Policy, Run


def enter(run: Run, now: Now, phase: Phase, reason: str) -> Run:
    """`run` in its next phase."""
    return replace(run, phase=phase, reason=reason, entered={**run.entered, phase.value: now.wall})


def leave(run: Run, now: Now, outcome: Outcome, reason: str, *, can_pass: bool = False) -> Run:
    """`run` with its outcome: on its way out through DETACHING if it may hold a volume, else finished."""
    run = replace(run, outcome=outcome, can_pass=can_pass)
    if run.ticket:
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
    if seen.stopping:
        return leave(run, now, Outcome.INTERRUPTED, "lhbackupd is stopping", can_pass=True)
    if seen.journal_down:
        return leave(run, now, Outcome.INTERRUPTED, "the journal cannot be written", can_pass=True)
    if policy is None:
        return leave(run, now, Outcome.GONE, "its policy is no longer configured")
    return None


def lost(run: Run, seen: Seen, now: Now) -> Run | None:
    """`run` on its way out if the volume is no longer attached for it.

    Longhorn would attach a detached volume by itself for a snapshot or a backup, with the frontend enabled, which moves
    replicas of best-effort volumes (trace `locality-best-effort-backup-of-detached`).
    """
    if seen.volume is None:
        return None
    if run.ticket and seen.volume.ticket(run.ticket) is None:
        return leave(run, now, Outcome.FAILED, "somebody else removed our attachment ticket", can_pass=True)
    if not run.ticket and not seen.volume.attached:
        return leave(
            run, now, Outcome.INTERRUPTED, "the volume was detached before its snapshot was taken", can_pass=True
        )
    return None


def unsettled(volume: Volume) -> str:
    """What a volume that is neither attached nor plainly detached is doing."""
    who = ", ".join(f"{ticket.kind} ticket {ticket.id} on {ticket.node}" for ticket in volume.tickets)
    return f"waits until the volume has settled: it is {volume.state or 'new'}" + (f", wanted by {who}" if who else "")


def note_workload(run: Run, seen: Seen, now: Now) -> Run:
    """`run` with the time that a workload has been waiting for the volume that we hold."""
    volume = seen.volume
    if volume is None:
        return run
    held = bool(run.ticket) and volume.ticket(run.ticket) is not None
    asks = next((t for t in volume.tickets if t.of_workload and not t.satisfied), None) if held else None
    if asks is not None and run.waiting_since is None:
        return replace(run, waiting_since=now.wall, waiter=_name(volume) or f"ticket {asks.id} on {asks.node}")
    if asks is None and run.waiting_since is not None:
        seconds = max(0.0, (now.wall - run.waiting_since).total_seconds())
        return replace(run, waiting_since=None, waited=run.waited + seconds)
    return run


def _name(volume: Volume) -> str:
    pods = [pod.name for pod in volume.pods if pod.status == "Pending"] or [pod.name for pod in volume.pods]
    if pods:
        return "pod " + ", ".join(f"{volume.pvc_namespace}/{name}" for name in pods)
    return f"a workload of PVC {volume.pvc_namespace}/{volume.pvc}" if volume.pvc else ""


def patience_of(policy: Policy | None) -> Patience:
    """The policy's patience; the usual one for a policy that is gone."""
    return policy.patience if policy else Patience()
