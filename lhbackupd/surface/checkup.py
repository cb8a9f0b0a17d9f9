"""The doctor's questions to Longhorn: whether it can do what we ask, and whether what is there is as it should be.

Each check is a function from all facts and the look at Longhorn to its findings, and is in `CHECKS`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta

from lhbackupd.core.cluster import Backup, Setting
from lhbackupd.core.coverage import Cover, Covers, covers
from lhbackupd.core.leases import Claim, Lease, leases
from lhbackupd.core.model import Detached, Origin
from lhbackupd.core.naming import LABEL_ORIGIN
from lhbackupd.engine.housekeeper import SKEW
from lhbackupd.engine.survey import Survey
from lhbackupd.longhorn.api import Release
from lhbackupd.longhorn.client import SETTING
from lhbackupd.surface.findings import Facts, Finding, fault, names, ok, warning
from lhbackupd.surface.standing import Standing, standing, why
from lhbackupd.surface.words import MEANING, span


def _covers(facts: Facts, survey: Survey) -> Covers:
    return covers(
        survey.volumes,
        policies=facts.policies,
        groups=survey.groups,
        jobs=survey.jobs,
        excludes=facts.excludes,
        setting=survey.setting,
    )


def _longhorn(facts: Facts, survey: Survey) -> Iterator[Finding]:
    match survey.release:
        case Release.NEW:
            yield ok("longhorn", f"{facts.url} answers, and knows attachment tickets (1.8 or later)")
        case Release.MIDDLE:
            text = f"{facts.url} answers, with attachment tickets (1.5 to 1.7): unverified, there are no recordings"
            yield warning("longhorn", text, "upgrade Longhorn to 1.8 or later, or watch the first runs closely")
        case Release.OLD:
            text = f"{facts.url} answers, without attachment tickets (before 1.5): unverified, there are no recordings"
            yield warning("longhorn", text, "upgrade Longhorn to 1.5 or later, or watch the first runs closely")
        case None:
            yield ok("longhorn", f"{facts.url} answers")
    for text in survey.faults:
        yield fault("longhorn", f"could not be read: {text}", "try again; see longhorn-manager's log")
    if survey.broken:
        text = (
            f"its entries for {names(entry.name for entry in survey.broken)} make no sense: {survey.broken[0].reason}"
        )
        yield fault("longhorn", text, "look at these volumes in Longhorn's own page; they are not backed up")


def _clock(_: Facts, survey: Survey) -> Iterator[Finding]:
    if survey.server_date is None:
        yield warning("clock", "Longhorn's answers have no date to compare with", "see to the proxy that takes it out")
        return
    apart = survey.read_at - survey.server_date
    if abs(apart) <= SKEW:
        yield ok("clock", f"ours and Longhorn's are {span(abs(apart).total_seconds())} apart")
        return
    ahead = "ahead of" if apart > timedelta(0) else "behind"
    text = f"ours is {span(abs(apart).total_seconds())} {ahead} Longhorn's: due times are off, nothing old is deleted"
    yield fault("clock", text, "set the clock here, and on Longhorn's nodes (timedatectl)")


def _setting(facts: Facts, survey: Survey) -> Iterator[Finding]:
    following = [policy.name for policy in facts.policies if policy.detached is Detached.FOLLOW_SETTING]
    text = f"{SETTING} is {survey.setting}: {MEANING[survey.setting]}"
    if survey.setting is Setting.UNREAD:
        yield fault("setting", text, "try again; see longhorn-manager's log")
    elif survey.setting is Setting.ALLOWED or not following:
        yield ok("setting", text)
    else:
        step = 'switch it on in Longhorn, or give the policies detached = "always" or "never"'
        yield warning("setting", f"{text}; that is policies {names(following)}", step)


def _targets(facts: Facts, survey: Survey) -> Iterator[Finding]:
    covered = _covers(facts, survey).named(Cover.POLICY, Cover.DOUBLE)
    used = {volume.backup_target for volume in survey.volumes if volume.name in covered}
    known = {target.name for target in survey.targets}
    if good := [target.name for target in survey.targets if target.available]:
        yield ok("targets", f"available: {names(good)}")
    for target in survey.targets:
        if not target.available:
            words = f"{target.name} is not available: {target.message or 'Longhorn does not say why'}"
            say = fault if target.name in used else warning
            yield say("targets", words, "set or correct it in Longhorn (Settings, Backup Target, and its credentials)")
    if known and (lost := used - known):
        yield fault("targets", f"volumes name {names(lost)}, which Longhorn does not list", "set their backup target")


def _nodes(_: Facts, survey: Survey) -> Iterator[Finding]:
    ready = [node for node in survey.nodes if node.ready]
    away = sum(node.cordoned for node in ready)
    if ready:
        yield ok(
            "nodes", f"{len(ready)} of {len(survey.nodes)} ready" + (f", {away} of these cordoned" if away else "")
        )
    elif survey.nodes:
        yield fault("nodes", "none is ready: no detached volume can be attached", "see kubectl get nodes")
    if ready and (bad := [node for node in survey.nodes if not node.ready]):
        text = f"not ready: {names(node.name for node in bad)}: {bad[0].message or 'Longhorn does not say why'}"
        yield warning("nodes", text, "see kubectl describe node; volumes with all replicas there cannot be backed up")


def _tickets(facts: Facts, survey: Survey) -> Iterator[Finding]:
    live = {ticket for run in facts.journal.runs for ticket in (run.ticket, run.former) if ticket}
    origin = Origin(instance=facts.instance, journal=facts.origin)
    found: dict[Claim, list[Lease]] = defaultdict(list)
    for lease in leases(survey.volumes, origin=origin, live=live, now=facts.now):
        found[lease.claim].append(lease)
    if not found:
        yield ok("tickets", "no volume is held by a ticket of lhbackupd")
    for claim, held in sorted(found.items()):
        yield _held(facts, claim, held)


def _held(facts: Facts, claim: Claim, held: list[Lease]) -> Finding:
    oldest = min(held, key=lambda lease: lease.deadline)
    late = (facts.now - oldest.deadline).total_seconds()
    until = f"expired {span(late)} ago" if late > 0 else f"good for another {span(-late)}"
    text = f"{len(held)} on {names(lease.volume for lease in held)}, the oldest {until}"
    up = facts.daemon.report is not None
    start = "start the daemon, which gives them back, or: lhbackupd leave"
    match claim:
        case Claim.LIVE if up and late <= 0:
            return ok("tickets", f"of runs of ours: {text}")
        case Claim.LIVE if up:
            return warning(
                "tickets", f"too old, of runs of ours: {text}", "see lhbackupd status for what they wait for"
            )
        case Claim.LIVE:
            return fault("tickets", f"of ours, and no daemon runs: {text}", start)
        case Claim.ORPHAN | Claim.EXPIRED if up:
            text = f"of ours, and no run holds them: {text}"
            return warning("tickets", text, "none: the daemon gives them back at its next poll; if not, see its log")
        case Claim.ORPHAN | Claim.EXPIRED:
            return fault("tickets", f"of ours, and no run holds them: {text}", start)
        case Claim.TWIN:
            text = f"of this instance, but another journal ({oldest.journal}), so no work starts: {text}"
            return fault("tickets", text, "stop the other daemon of this name, or if a disk was lost: lhbackupd adopt")
        case Claim.FOREIGN if late <= 0:
            return ok("tickets", f"of other instances ({names(lease.instance for lease in held)}): {text}")
        case Claim.FOREIGN:
            text = f"too old, of other instances ({names(lease.instance for lease in held)}): {text}"
            return warning(
                "tickets", text, "start these instances again, or let them leave: lhbackupd leave over there"
            )


def _volumes(facts: Facts, survey: Survey) -> Iterator[Finding]:
    found = _covers(facts, survey)
    if covered := found.named(Cover.POLICY, Cover.DOUBLE):
        yield ok("volumes", f"{len(covered)} of {len(found.volumes)} are covered by a policy")
    for cover, words in ((Cover.NATIVE, "left to Longhorn's own jobs"), (Cover.EXCLUDED, "excluded on purpose")):
        if some := found.named(cover):
            yield ok("volumes", f"{len(some)} {words}: {names(some)}")
    if bare := found.named(Cover.NOTHING, Cover.SHADOW):
        step = "widen a policy's match, or say with [[exclude]] why nothing is to back them up"
        why_ = found.volumes[min(bare)].reason
        yield warning("volumes", f"{len(bare)} backed up by nobody: {names(bare)}; {min(bare)}: {why_}", step)
    if unsure := found.named(Cover.UNKNOWN):
        text = f"who backs up {names(unsure)} is not known: {found.volumes[min(unsure)].reason}"
        yield warning("volumes", text, "try again; cover them by a policy that matches by name, or exclude them")
    for name in found.unused if survey.volumes else ():
        text = f"policy {name} matches no volume"
        yield warning("volumes", text, "correct its match and exclude, or take the policy out")
    for word in sorted(facts.journal.protections, key=lambda word: (word.policy, word.volume)):
        cover_ = found.volumes.get(word.volume)
        under = cover_ is not None and word.policy in cover_.policies
        if under and standing(word, beyond=False) is Standing.FAILING:
            text = f"{word.volume} ({word.policy}) {why(word, beyond='')}"
            yield fault("volumes", text, f"see what Longhorn says of it; then lhbackupd history {word.volume}")


def _backups(facts: Facts, survey: Survey) -> Iterator[Finding]:
    adopted = facts.daemon.report.daemon.adopted if facts.daemon.report else ()
    mine = {facts.origin, *adopted} - {""}
    ours = [backup for backup in survey.backups if backup.labels.get(LABEL_ORIGIN) in mine]
    by_snapshot: dict[tuple[str, str, str], list[Backup]] = defaultdict(list)
    for backup in ours:
        if backup.completed:
            by_snapshot[backup.target, backup.volume, backup.snapshot].append(backup)
    also = f", with those of the adopted origins {names(adopted)}" if adopted else ""
    yield ok("backups", f"{len(ours)} of ours are listed{also}")
    others = [backup for backup in survey.backups if backup.labels.get(LABEL_ORIGIN, "") not in {"", *mine}]
    if others and mine:
        origins = names(backup.labels[LABEL_ORIGIN] for backup in others)
        text = f"{len(others)} of other origins ({origins}) are left alone; of a lost journal: lhbackupd adopt --origin"
        yield ok("backups", text)
    doubles = {key: same for key, same in by_snapshot.items() if len(same) > 1}
    if doubles:
        same = next(iter(doubles.values()))
        text = (
            f"{len(doubles)} snapshots have more than one completed backup of ours, on volumes "
            f"{names(volume for _, volume, _ in doubles)}; for example {names(backup.name for backup in same)}"
        )
        yield warning("backups", text, "report it; the younger ones can be deleted in Longhorn, all hold the same")


def _jobs(facts: Facts, survey: Survey) -> Iterator[Finding]:
    beside: dict[str, set[str]] = defaultdict(set)
    for name, cover in _covers(facts, survey).volumes.items():
        for job in cover.jobs if cover.policies else ():
            beside[job].add(name)
    if survey.jobs is None:
        text = "Longhorn's recurring jobs are not known, so whether they back up the same volumes neither"
        yield warning("jobs", text, "see longhorn: could not be read; a Longhorn before 1.2 has no such list")
    elif not beside:
        yield ok("jobs", "no recurring job of Longhorn backs up a volume of ours")
    for job, volumes in sorted(beside.items()):
        text = f"Longhorn's recurring job {job} backs up {names(volumes)} as well"
        yield warning("jobs", text, "take these volumes off the job, or out of the policy's match; twice is not safer")


CHECKS: tuple[Callable[[Facts, Survey], Iterator[Finding]], ...] = (
    _longhorn,
    _clock,
    _setting,
    _targets,
    _nodes,
    _tickets,
    _volumes,
    _backups,
    _jobs,
)
