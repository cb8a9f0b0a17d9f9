"""The engine's events as log lines: `action` for machines, a sentence for people, the facts in fields.

One line per move of a run. What lasts is said when it begins and when it ends, not at every poll.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

from structlog.typing import FilteringBoundLogger

from lhbackupd.core.cluster import Setting
from lhbackupd.core.coverage import Cover, Covers
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.core.protection import Protection
from lhbackupd.core.rpo import Rpo
from lhbackupd.engine.events import (
    BackupLost,
    ClockStepped,
    CoverChanged,
    Defect,
    Event,
    ExposuresMoved,
    GaveBack,
    JournalReplaced,
    JournalTrouble,
    Missed,
    Moved,
    Ordered,
    PauseOverdue,
    Polled,
    Pruned,
    PruningRests,
    Rescheduled,
    RpoMoved,
    Trouble,
)
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.scheduler import Key
from lhbackupd.engine.wreck import Wreck
from lhbackupd.longhorn.client import SETTING
from lhbackupd.surface import words

#: volume names that one line shows
_NAMES = 10
#: ways of being covered that are said when they begin and when they end: in words, and for machines
_COVERS = (
    ("backed up by nobody", (Cover.NOTHING, Cover.SHADOW), "uncovered"),
    ("backed up twice, by a policy and by a recurring job of Longhorn", (Cover.DOUBLE,), "double-covered"),
)


class LogListener:
    """Logs events. `known` gives the last word on a (policy, volume), which is as of now when a run's end is told."""

    def __init__(self, *, log: FilteringBoundLogger, known: Callable[[Key], Protection | None]) -> None:
        self._log = log
        self._known = known
        #: the last setting that was read: an outage in between does not make it new
        self._setting = Setting.UNREAD

    def __call__(self, event: Event) -> None:
        """Log what an event tells."""
        match event:
            case Moved():
                self._moved(event.before, event.after)
            case Polled():
                self._polled(event.before, event.after)
            case Missed():
                self._missed(event)
            case Rescheduled():
                self._rescheduled(event)
            case CoverChanged():
                self._cover_changed(event.before, event.after)
            case Pruned():
                self._pruned(event)
            case Ordered() | PauseOverdue():
                self._ordered(event)
            case ExposuresMoved():
                pass  # what follows from it for an RPO is an event of its own
            case _:
                self._in_trouble(event)

    def _in_trouble(self, event: Trouble) -> None:
        match event:
            case JournalTrouble(text=""):
                self._log.info("the journal can be written again: runs are let in", action="journal.recovered")
            case JournalTrouble():
                words_ = f"no new runs are let in, because the journal fails: {event.text}"
                self._log.error(words_, action="journal.trouble", reason=event.text)
            case JournalReplaced():
                self._journal_replaced(event.wreck)
            case PruningRests():
                text = f"old backups of volume {event.run.volume} stay for now: {event.why}; set the clocks"
                self._log.warning(text, action="backup.prune-rests", **_facts(event.run))
            case GaveBack():
                self._gave_back(event)
            case ClockStepped():
                text = f"the clock was set by {event.seconds:+.0f} s: due times were worked out anew"
                self._log.warning(text, action="clock.stepped", seconds=event.seconds)
            case RpoMoved():
                self._rpo_moved(event)
            case BackupLost(loss):
                text = f"volume {loss.volume} under {loss.policy}: {loss.words}; make one by `lhbackupd backup`"
                self._log.error(text, action="backup.lost", policy=loss.policy, volume=loss.volume, backup=loss.backup)
            case Defect():
                self._defect(event)
            case _:
                assert_never(event)

    def _moved(self, before: Run | None, run: Run) -> None:
        if run.finished:
            self._finished(run)
            return
        if before is None or before.phase is not run.phase:
            text = f"run {run.id} of {run.policy} for volume {run.volume}: {_doing(run)}"
            self._log.info(text, action=f"run.{run.phase.value}", **_facts(run))
        elif before.reason != run.reason or before.progress != run.progress:
            self._log.debug(f"run {run.id}: {run.reason}", action="run.goes-on", progress=run.progress, **_facts(run))
        if run.stuck and not (before and before.stuck):
            text = (
                f"volume {run.volume} is not given back: Longhorn does not confirm that our ticket {run.ticket} is "
                f"gone; run {run.id} asks for ever, and keeps nobody else waiting"
            )
            self._log.error(text, action="run.stuck", ticket=run.ticket, **_facts(run))
        if run.waiting_since is not None and (before is None or before.waiting_since is None):
            text = f"{run.waiter} waits for run {run.id}, which has volume {run.volume}"
            self._log.warning(text, action="workload.waits", waiter=run.waiter, **_facts(run))

    def _finished(self, run: Run) -> None:
        facts = _facts(run)
        if (seconds := words.waited(run)) > 0:
            text = f"{run.waiter} waited {words.span(seconds)} for run {run.id}"
            self._log.warning(text, action="workload.waited", waiter=run.waiter, seconds=round(seconds, 3), **facts)
        if run.hidden:
            text = (
                f"run {run.id} found {run.new_bytes} bytes in volume {run.volume} that no sign had shown, and runs of "
                f"{run.policy} had let it alone: somebody has had it unseen; docs/no-touch.md says how"
            )
            self._log.warning(text, action="volume.hidden-write", new_bytes=run.new_bytes, **facts)
        took = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else None
        # a skipped run is no news about its volume, and a shadow protects none
        known = None if run.outcome in {Outcome.SKIPPED, Outcome.SHADOWED} else self._known((run.policy, run.volume))
        protection = words.protection(known) if known and known.last_run == run.id else None
        outcome = run.outcome.value if run.outcome else "ended"
        text = f"run {run.id} of {run.policy} for volume {run.volume} {outcome}: {run.reason}"
        told = {"seconds": took, "new_bytes": run.new_bytes, "protection": protection}
        facts |= {name: value for name, value in told.items() if value is not None}
        self._teller(run.outcome)(f"{text}; {protection}" if protection else text, action="run.finished", **facts)

    def _teller(self, outcome: Outcome | None) -> Callable[..., object]:
        if outcome is Outcome.FAILED:
            return self._log.error
        return self._log.warning if outcome in {Outcome.REFUSED, Outcome.SKIPPED} else self._log.info

    def _polled(self, before: Picture, after: Picture) -> None:
        self._reachability(before, after)
        if after.setting not in {Setting.UNREAD, self._setting}:
            self._setting = after.setting
            tell = self._log.warning if after.setting is Setting.ABSENT else self._log.info
            text = f"Longhorn's setting {SETTING} is {after.setting.value}: {words.MEANING[after.setting]}"
            tell(text, action="longhorn.setting", setting=after.setting.value)
        for name in sorted(after.broken.keys() - before.broken.keys()):
            text = f"volume {name} is left out: Longhorn's entry for it makes no sense: {after.broken[name]}"
            self._log.warning(text, action="volume.broken", volume=name, reason=after.broken[name])
        for name, target in sorted(after.targets.items()):
            was = before.targets.get(name)
            if not target.available and (was is None or was.available):
                text = f"backup target {name} is not available: {target.message}"
                self._log.warning(text, action="target.lost", target=name, reason=target.message)
            elif target.available and was is not None and not was.available:
                self._log.info(f"backup target {name} is available again", action="target.back", target=name)

    def _reachability(self, before: Picture, after: Picture) -> None:
        if after.fault is not None:
            if before.fault is None or before.fault.kind is not after.fault.kind:
                text = f"Longhorn cannot be polled: {after.fault.text}"
                self._log.warning(text, action="longhorn.lost", kind=after.fault.kind.value, reason=after.fault.text)
        elif before.fault is not None:
            self._log.info("Longhorn can be polled again", action="longhorn.back")
        elif before.at is None:
            text = f"Longhorn has {len(after.volumes)} volumes on {len(after.nodes)} nodes"
            self._log.info(text, action="longhorn.found", volumes=len(after.volumes), nodes=len(after.nodes))

    def _missed(self, event: Missed) -> None:
        run = event.run
        text = (
            f"{event.count} due times of {run.policy} for volume {run.volume} passed unnoticed; "
            f"run {run.id} makes up for the last one"
        )
        self._log.warning(text, action="schedule.missed", count=event.count, **_facts(run))

    def _rescheduled(self, event: Rescheduled) -> None:
        changes = event.changes
        for what, keys in (("added", changes.added), ("removed", changes.removed), ("changed", changes.changed)):
            if keys:
                text = f"{len(keys)} schedules {what}: {_some([f'{policy}/{volume}' for policy, volume in keys])}"
                self._log.info(text, action=f"schedule.{what}", count=len(keys))

    def _cover_changed(self, before: Covers, after: Covers) -> None:
        for what, covers, sure in _COVERS:
            then, now = before.named(*covers), after.named(*covers)
            if new := sorted(now - then):
                text = f"{len(new)} volumes are {what}: {_some(new)}"
                reasons = {name: after.volumes[name].reason for name in new[:_NAMES]}
                self._log.warning(text, action=f"volume.{sure}", volumes=new, reasons=reasons)
            if old := sorted((then - now) & after.volumes.keys()):
                text = f"{len(old)} volumes are no longer {what}: {_some(old)}"
                self._log.info(text, action=f"volume.no-longer-{sure}", volumes=old)
        for name in sorted({*after.unused} - {*before.unused}):
            self._log.warning(f"policy {name} matches no volume", action="policy.unused", policy=name)
        for name in sorted({*before.unused} - {*after.unused}):
            self._log.info(f"policy {name} matches a volume by now", action="policy.used", policy=name)

    def _pruned(self, event: Pruned) -> None:
        facts = {"policy": event.policy, "volume": event.volume}
        for verdict in event.deleted:
            name = verdict.backup.name
            text = f"deleted backup {name} of volume {event.volume}, made by {event.policy}: {verdict.why}"
            self._log.info(text, action="backup.pruned", backup=name, reason=verdict.why, **facts)
        if event.fault is not None:
            text = f"old backups of volume {event.volume} could not all be deleted: {event.fault.text}"
            self._log.warning(text, action="backup.prune-failed", reason=event.fault.text, **facts)

    def _gave_back(self, event: GaveBack) -> None:
        lease = event.lease
        facts = {"volume": lease.volume, "ticket": lease.ticket, "claim": lease.claim.value}
        if event.fault is None:
            text = f"gave volume {lease.volume} back: its {lease.claim.value} ticket {lease.ticket} has no run"
            self._log.warning(text, action="lease.given-back", **facts)
        else:
            text = f"ticket {lease.ticket} on volume {lease.volume} could not be withdrawn: {event.fault.text}"
            self._log.error(text, action="lease.held", **facts)

    def _ordered(self, event: Ordered | PauseOverdue) -> None:
        if isinstance(event, Ordered):
            text = f"{event.text} ({event.by})"
            self._log.warning(text, action=f"order.{event.order}", by=event.by, **event.facts)
        else:
            text = f"{event.text}; what is due waits until `lhbackupd resume`"
            self._log.warning(text, action="pause.overdue", policy=event.pause.policy)

    def _journal_replaced(self, wreck: Wreck) -> None:
        text = (
            f"the journal {wreck.file} was damaged ({wreck.why}): it was put aside as {wreck.aside.name}, and a new "
            "one made; history is lost, and tickets of ours from before are given back when their deadlines pass, "
            "or at once by `lhbackupd adopt`"
        )
        self._log.error(text, action="journal.replaced", aside=str(wreck.aside), reason=wreck.why)

    def _rpo_moved(self, event: RpoMoved) -> None:
        known, state = event.exposure, event.verdict.state
        facts = {"policy": known.policy, "volume": known.volume, "rpo": state.value}
        text = f"volume {known.volume} under {known.policy}: {words.objective(event.verdict, event.rpo)}"
        if known.unprotected_since is not None:
            text += f"; {words.exposure(known)}"
            facts["unprotected_since"] = known.unprotected_since.isoformat()
        tell = {Rpo.VIOLATED: self._log.error, Rpo.AT_RISK: self._log.warning}.get(state, self._log.info)
        tell(text, action=f"rpo.{state.value}", **facts)

    def _defect(self, event: Defect) -> None:
        text = "no run can be let in: the keeper met a defect of lhbackupd, please report it; it tries again"
        if event.run:
            text = f"run {event.run.id} met a defect of lhbackupd, please report it; the run is tried on"
        self._log.error(text, action="defect", exc_info=event.error, **(_facts(event.run) if event.run else {}))


def _some(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _doing(run: Run) -> str:
    match run.phase:
        case Phase.QUEUED:
            attempt = f", attempt {run.attempt}" if run.attempt > 1 else ""
            why = f", {run.reason}" if run.reason else ""
            asked = "asked for" if run.manual else "due"
            return f"queued, {asked} {words.moment(run.due)}{attempt}{why}"
        case Phase.DETACHING:
            return f"gives the volume back ({run.outcome.value if run.outcome else 'ended'}: {run.reason})"
        case _:
            return f"{run.phase.value}: {run.reason}" if run.reason else run.phase.value


def _facts(run: Run) -> dict[str, object]:
    """The fields of every line about a run; those without a value are left out."""
    facts = {
        "run": run.id,
        "policy": run.policy,
        "volume": run.volume,
        "phase": run.phase.value,
        "outcome": run.outcome.value if run.outcome else "",
        "reason": run.reason,
        "attempt": run.attempt,
        "node": run.node,
        "snapshot": run.snapshot,
        "backup": run.backup,
    }
    return {name: value for name, value in facts.items() if value != ""}
