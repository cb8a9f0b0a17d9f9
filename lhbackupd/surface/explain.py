"""Everything there is to say of one volume: why it is backed up when, or not, and what of that can be restored.

It is made on demand, from the same values and decisions as all else, and from one look at Longhorn.
"""

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from itertools import pairwise

from lhbackupd.core.cluster import Backup, Setting, Volume
from lhbackupd.core.coverage import BARE
from lhbackupd.core.eligibility import needs_setting, refusal, suspension
from lhbackupd.core.inspection import inspect
from lhbackupd.core.model import Match, Policy, Run
from lhbackupd.core.naming import LABEL_ORIGIN, LABEL_POLICY
from lhbackupd.core.placement import choices
from lhbackupd.core.recurring import Membership
from lhbackupd.core.retention import verdicts
from lhbackupd.core.selection import Matching, matches
from lhbackupd.core.timetable import parse_zone
from lhbackupd.core.untouched import doubtful, rests_on
from lhbackupd.engine.closeup import CloseUp
from lhbackupd.surface.explanation import BackupWord, Explanation, PhaseTime, PolicyWord, RunWord
from lhbackupd.surface.foresight import Foreseen, next_runs
from lhbackupd.surface.report import CoveredVolume
from lhbackupd.surface.standing import alarming
from lhbackupd.surface.status import Sources, covered, uncovered
from lhbackupd.surface.words import alike


class Unknown(Exception):  # noqa: N818 -- says what is the case
    """There is no such volume; the text names those with names like it."""


def check_known(sources: Sources, name: str) -> None:
    """Raises Unknown for a volume that neither Longhorn's list nor a schedule names."""
    known = {*sources.inventory.picture.volumes, *sources.inventory.picture.broken}
    known |= {volume for _, volume in sources.scheduler.schedules}
    if name not in known:
        near = alike(name, known)
        raise Unknown(f"there is no volume {name}" + (f"; do you mean {' or '.join(near)}?" if near else ""))


def explain(
    sources: Sources, name: str, seen: CloseUp, foreseen: Foreseen | None = None, *, costly: bool = False
) -> Explanation:
    """What there is to say of a known volume; takes copies, so it may be called from another thread.

    Where the next runs are `foreseen`, they are taken from there as far as they still lie ahead; where to play them
    through is `costly`, only those that are due already are.
    """
    picture, keeper = sources.inventory.picture, sources.keeper
    volume = seen.volume or picture.volumes.get(name)
    rows = {row.policy: row for row in covered(sources, only=name)}
    of_it = (run for run in keeper.unfinished() if run.volume == name)
    runs = sorted(of_it, key=lambda run: run.id in keeper.waiting)
    words = tuple(_policy(sources, policy, volume, rows.get(policy.name), seen) for policy in _policies(sources))
    cover = next(iter(uncovered(sources, only=name)), None)
    troubled = any(alarming(row.standing, row.rpo) for row in rows.values())
    faults = (*seen.faults, *([f"the last poll: {picture.fault.text}"] if picture.fault else []))
    nexts, foreseen_at = next_runs(sources, name, foreseen, costly=costly)
    return Explanation(
        at=sources.clock.now(),
        volume=name,
        pvc=volume.pvc if volume else "",
        pvc_namespace=volume.pvc_namespace if volume else "",
        state=_state(volume) if volume else picture.broken.get(name, ""),
        size=volume.size if volume else 0,
        protected_until=max(keeper.books.protected_until(name).values(), default=None),
        policies=words,
        unfinished=tuple(_run(run) for run in runs),
        finished=tuple(_run(run) for run in seen.runs),
        next=nexts,
        foreseen_at=foreseen_at,
        nodes=choices(volume, picture.nodes) if volume else (),
        backups=None if seen.backups is None else tuple(_backups(sources, name, seen.backups)),
        faults=faults,
        cover=cover,
        fine=not troubled and bool(rows if cover is None else cover.cover not in BARE),
    )


def _policies(sources: Sources) -> tuple[Policy, ...]:
    return tuple(sources.keeper.rules.policies.values())


def _state(volume: Volume) -> str:
    where = f" to {volume.engine_node}" if volume.attached else ""
    pods = ", ".join(pod.name for pod in volume.pods) if volume.attached else ""
    return f"{volume.state or 'new'}{where}" + (f", used by {pods}" if pods else "")


def _policy(
    sources: Sources, policy: Policy, volume: Volume | None, row: CoveredVolume | None, seen: CloseUp
) -> PolicyWord:
    picture = sources.inventory.picture
    found = None
    if row and volume is not None and seen.chain is not None and seen.backups is not None:
        found = inspect(
            volume=volume, chain=seen.chain, backups=seen.backups, policy=policy, origin=sources.origin, live=True
        )
    return PolicyWord(
        name=policy.name,
        applies=row is not None,
        why=why(policy.match, volume, picture.groups.get(volume.name)) if volume else "Longhorn does not list it",
        cron=policy.cron,
        timezone=policy.timezone,
        rpo=policy.rpo.total_seconds() if policy.rpo else None,
        standing=row,
        expected=sources.keeper.books.durations.expected(policy.name, volume.name if volume else ""),
        barred=_barred(policy, volume, picture.setting) if row and volume else "",
        no_touch=_no_touch(sources, policy, row.volume) if row else "",
        new_bytes=found.new_bytes if found else None,
        new=found.reason if found else "",
    )


def why(match: Match, volume: Volume, groups: Membership | None) -> str:
    """Why a policy is for a volume or not: each key of its `match` is asked about alone."""
    asked = {one.name: getattr(match, one.name) for one in fields(match)}
    answers = {
        f"{key} = {list(value) if isinstance(value, tuple) else value}": matches(Match(**{key: value}), volume, groups)
        for key, value in asked.items()
        if value != getattr(Match(), key)
    }
    for answer, words in ((Matching.NO, "does not fit"), (Matching.GROUPS_UNKNOWN, "hangs on groups not read yet")):
        if found := next((key for key, given in answers.items() if given is answer), None):
            return f"{found} {words}"
    return f"{', '.join(answers)} fits" if answers else "it is for all volumes"


def _barred(policy: Policy, volume: Volume, setting: Setting) -> str:
    if not volume.attached:
        if needs_setting(policy) and setting is Setting.UNREAD:
            return "it waits until Longhorn's setting can be read"
        if reason := suspension(policy, setting):
            return reason
    no = refusal(volume, policy)
    return no.reason if no else ""


def _no_touch(sources: Sources, policy: Policy, volume: str) -> str:
    if policy.no_touch is None:
        return ""
    evidence, now = sources.keeper.trails.evidence((policy.name, volume)), sources.clock.now()
    against = doubtful(evidence, now)
    return f"its next run inspects it: {against}" if against else f"let alone: {rests_on(evidence, policy, now)}"


def _run(run: Run) -> RunWord:
    return RunWord(
        id=run.id,
        policy=run.policy,
        due=run.due,
        attempt=run.attempt,
        outcome=run.outcome,
        reason=run.reason,
        node=run.node,
        new_bytes=run.new_bytes,
        finished_at=run.finished_at,
        phases=tuple(_phases(run)),
    )


def _phases(run: Run) -> Iterator[PhaseTime]:
    """How long each phase took; the one that lasts is left out."""
    steps = [("queued", run.queued_at), *sorted(run.entered.items(), key=lambda step: step[1])]
    for (phase, since), (_, until) in pairwise(steps):
        yield PhaseTime(phase=phase, seconds=max(0.0, (until - since).total_seconds()))


def _backups(sources: Sources, name: str, backups: tuple[Backup, ...]) -> Iterator[BackupWord]:
    kept: dict[str, tuple[str, ...]] = {}
    for policy in _policies(sources):
        word = sources.keeper.books.protections.get((policy.name, name))
        found = verdicts(
            backups,
            volume=name,
            policy=policy.name,
            origin=sources.origin,
            keep=policy.keep,
            zone=parse_zone(policy.timezone),
            claimed=word.last_backup if word else "",
        )
        kept |= {verdict.backup.name: verdict.kept_by for verdict in found}
    long_ago = datetime.min.replace(tzinfo=sources.clock.now().tzinfo)
    for backup in sorted(backups, key=lambda one: one.created or one.snapshot_created or long_ago, reverse=True):
        rules = kept.get(backup.name)
        yield BackupWord(
            name=backup.name,
            policy=backup.labels.get(LABEL_POLICY, ""),
            ours=backup.labels.get(LABEL_ORIGIN) == sources.origin.journal,
            state=backup.state,
            created=backup.created or backup.snapshot_created,
            size=backup.size,
            expires=rules == (),
            verdict=_verdict(backup, rules, sources),
        )


def _verdict(backup: Backup, rules: tuple[str, ...] | None, sources: Sources) -> str:
    if rules is not None:
        return f"kept: {', '.join(rules)}" if rules else "no rule keeps it: it goes after the next completed backup"
    if not backup.completed:
        return "not completed" + (f": {backup.error}" if backup.error else "")
    origin = backup.labels.get(LABEL_ORIGIN)
    if origin is None:
        return "not made by lhbackupd: let alone"
    if origin != sources.origin.journal:
        return f"made with journal {origin}, not with ours: let alone"
    return f"its policy {backup.labels.get(LABEL_POLICY, '')} is no longer configured: let alone"
