"""What is promised of each volume, and whether the ledger bears it out.

Every promise is a sentence and a function that finds from the evidence what happened, in words with the ledger's own
numbers, and whether that keeps the promise. How many backups a volume is to get is said here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lhbackupd.cli.demo.cast import CORDONED, NAMES, SETTING, STRICT_HOME
from lhbackupd.cli.demo.evidence import Evidence, moment
from lhbackupd.core.model import Limits, Outcome


@dataclass(frozen=True, slots=True)
class Finding:
    """What the ledger says of a promise."""

    held: bool
    words: str


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise; `volume` is "" for one about the whole cluster."""

    volume: str
    words: str
    find: Callable[[Evidence], Finding]


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 backup`, `2 backups`."""
    return f"{number or 'no'} {noun}" + ("" if number == 1 else "s")


def times(number: int) -> str:
    """How often: `never`, `once`, `3 times`."""
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _kept(evidence: Evidence, volume: str, backups: int) -> Finding:
    """Whether exactly so many backups were asked for and completed, and the present data is in one of them."""
    done, asked, lacking = evidence.completed(volume), evidence.asked(volume), evidence.unprotected(volume)
    words = f"{count(done, 'backup')} completed of {asked} asked for"
    words += "; present data NOT in one" if lacking else "; present data in one"
    return Finding(done == asked == backups and not lacking, words)


def _attached(evidence: Evidence, volume: str, wanted: int) -> Finding:
    """Whether tickets of ours attached a volume exactly so often."""
    attaches = len(evidence.our_attaches(volume))
    return Finding(attaches == wanted, f"{times(attaches)} attached by us")


def _all(*findings: Finding) -> Finding:
    return Finding(all(f.held for f in findings), "; ".join(f.words for f in findings if f.words))


def in_use(evidence: Evidence) -> Finding:
    """The volume of a running pod is backed up without a ticket of ours."""
    ours = len(evidence.our_tickets("db"))
    return _all(_kept(evidence, "db", 3), Finding(not ours, f"{count(ours, 'ticket')} of ours"))


def changed(evidence: Evidence) -> Finding:
    """A detached volume gets a backup for each time that it has changed, each in one attach."""
    held = Finding(True, f"held for {_held(evidence, 'files'):.0f} s in all")
    return _all(_kept(evidence, "files", 2), _attached(evidence, "files", 2), held)


def unchanged(evidence: Evidence) -> Finding:
    """A volume without new data is looked into and gets no second backup."""
    snapshots = len(evidence.of("snapshot-created", "photos"))
    taken = Finding(snapshots == 1, count(snapshots, "snapshot"))
    return _all(_kept(evidence, "photos", 1), _attached(evidence, "photos", 2), taken)


def empty(evidence: Evidence) -> Finding:
    """A volume that never held data has nothing to back up."""
    asked, snapshots = evidence.asked("new"), len(evidence.of("snapshot-created", "new"))
    return Finding(not asked and not snapshots, f"{count(asked, 'backup')}, {count(snapshots, 'snapshot')}")


def retried(evidence: Evidence) -> Finding:
    """A backup that fails is made again, once."""
    failed, done = len(evidence.of("backup-error", "mail")), evidence.completed("mail")
    words = f"{count(failed, 'backup')} failed, {done} completed"
    protected = not evidence.unprotected("mail")
    words += "; present data in one" if protected else "; present data NOT in one"
    return Finding(failed == done == 1 and evidence.asked("mail") == failed + done and protected, words)


def pod_waits(evidence: Evidence) -> Finding:
    """A pod that starts mid-backup waits for the run to end, then runs; the daemon names it."""
    waits, runs = evidence.of("pod-waiting", "wiki"), evidence.of("pod-running", "wiki")
    frees = [e for e in evidence.of("ticket-removed", "wiki") if e["id"].startswith("lhbackupd:")]
    made = evidence.of("backup-completed", "wiki")
    if not waits or not runs or not frees or not made:
        return Finding(False, "no such wait in the ledger")
    asked, ran, freed = moment(waits[0]), moment(runs[0]), moment(frees[0])
    named = next((run for run in evidence.runs if run.volume == "wiki" and run.waiter), None)
    words = (
        f"it asked {(freed - asked).total_seconds():.0f} s before we let go, "
        f"ran {(ran - freed).total_seconds():.0f} s after; "
        + (f'lhbackupd says "{named.waiter} waited {named.waited:.0f} s"' if named else "lhbackupd named nobody")
    )
    named_rightly = named is not None and named.waiter == "pod shop/wiki-0"
    return Finding(asked < moment(made[0]) <= freed < ran and named_rightly, words)


def pod_kept(evidence: Evidence) -> Finding:
    """What the pod wrote afterwards is backed up too."""
    return _kept(evidence, "wiki", 2)


def best_effort(evidence: Evidence) -> Finding:
    """Away from its replica, with the frontend disabled, a best-effort volume has nothing rebuilt."""
    nodes = {entry["node"] for entry in evidence.our_attaches("scratch")}
    return _all(_kept(evidence, "scratch", 1), _unmoved(evidence, "scratch", nodes, away=CORDONED not in nodes))


def strict_local(evidence: Evidence) -> Finding:
    """A strict-local volume is attached where its replica is and nowhere else."""
    nodes = {entry["node"] for entry in evidence.our_attaches("cache")}
    return _all(_kept(evidence, "cache", 1), _unmoved(evidence, "cache", nodes, away=nodes == {STRICT_HOME}))


def _unmoved(evidence: Evidence, volume: str, nodes: set[str], *, away: bool) -> Finding:
    moved = len(evidence.replica_moves(volume))
    words = f"attached on {', '.join(sorted(nodes)) or 'no node'}; {count(moved, 'replica')} moved or rebuilt"
    return Finding(bool(nodes) and away and not moved, words)


def never(evidence: Evidence) -> Finding:
    """A policy with detached = "never" attaches nothing, and says that the data is unprotected."""
    attaches, tickets = len(evidence.of("attached", "archive")), len(evidence.our_tickets("archive"))
    said = {run.outcome for run in evidence.runs if run.volume == "archive"}
    words = f"{times(attaches)} attached, {count(tickets, 'ticket')} of ours; lhbackupd says " + (
        ", ".join(sorted(outcome.value for outcome in said if outcome)) or "nothing"
    )
    return Finding(not attaches and not tickets and said == {Outcome.SUSPENDED}, words)


def setting(evidence: Evidence) -> Finding:
    """While the setting is off no detached volume is attached by us."""
    turned = next((e for e in evidence.of("setting-changed") if e["name"] == SETTING and e["value"] == "true"), None)
    if turned is None:
        return Finding(False, "the setting was never turned on")
    before = [e for e in evidence.our_tickets() if e["seq"] < turned["seq"]]
    after = [e for e in evidence.our_tickets() if e["seq"] > turned["seq"]]
    suspended = sum(1 for run in evidence.runs if run.outcome is Outcome.SUSPENDED and run.volume != "archive")
    words = f"off: {count(len(before), 'ticket')} of ours, {count(suspended, 'run')} suspended; "
    words += f"on: {count(len(after), 'ticket')}"
    return Finding(not before and bool(after) and bool(suspended), words)


def frontends(evidence: Evidence) -> Finding:
    """We attach with the frontend disabled, within the limits."""
    ours = evidence.our_attaches()
    enabled = sum(1 for entry in ours if entry["frontend"])
    node, total = _most_at_once(evidence)
    limits = Limits()
    words = f"{enabled or 'none'} of {len(ours)} enabled; at most {node} of ours on a node, {total} in all"
    return Finding(bool(ours) and not enabled and node <= limits.per_node and total <= limits.cluster, words)


def truth(evidence: Evidence) -> Finding:
    """What the daemon calls completed is completed in the ledger and still there, and the other way round."""
    claimed = evidence.claimed()
    made = {entry["backup"] for entry in evidence.of("backup-completed")}
    there = {name for volume in NAMES for name in evidence.volumes[volume]["truth"]["backups"]}
    words = f"it claims {len(claimed)}; {len(claimed & made)} are in the ledger, {len(claimed & there)} still exist"
    if evidence.troubles:
        words += f"; it met {count(len(evidence.troubles), 'defect')}: {evidence.troubles[0]}"
    return Finding(claimed == made and claimed <= there and not evidence.troubles, words)


def given_back(evidence: Evidence) -> Finding:
    """Nothing is left of us: no ticket, nothing attached."""
    written = len(evidence.our_tickets())
    left = [ticket for name in NAMES for ticket in evidence.volumes[name]["tickets"]]
    attached = [name for name in NAMES if evidence.volumes[name]["state"] != "detached"]
    words = f"{count(written, 'ticket')} written, {len(left) or 'none'} left; attached: {', '.join(attached) or 'none'}"
    return Finding(not left and not attached, words)


def _held(evidence: Evidence, volume: str) -> float:
    """Seconds for which tickets of ours held a volume."""
    held = evidence.volumes[volume]["held"]
    return float(sum(seconds for ticket, seconds in held.items() if ticket.startswith("lhbackupd:")))


def _most_at_once(evidence: Evidence) -> tuple[int, int]:
    """How many volumes tickets of ours stood for at once: on one node, and in all."""
    open_tickets: dict[str, str] = {}
    node_most = total_most = 0
    for entry in evidence.entries:
        if not str(entry.get("id", "")).startswith("lhbackupd:"):
            continue
        if entry["kind"] == "ticket-added":
            open_tickets[entry["id"]] = entry["node"]
        if entry["kind"] == "ticket-removed":
            open_tickets.pop(entry["id"], None)
        nodes = list(open_tickets.values())
        total_most = max(total_most, len(nodes))
        node_most = max([node_most, *(nodes.count(node) for node in nodes)])
    return node_most, total_most


PROMISES = (
    Promise("", "setting off: no detached volume is attached", setting),
    Promise("db", "in use: 3 backups, without attaching it", in_use),
    Promise("files", "has new data twice: 2 backups, one attach each", changed),
    Promise("photos", "did not change: looked at twice, 1 backup", unchanged),
    Promise("new", "empty: nothing to back up", empty),
    Promise("mail", "its backup fails: retried, 1 completed", retried),
    Promise("wiki", "pod starts mid-backup: it waits, then runs", pod_waits),
    Promise("wiki", "what the pod wrote is backed up as well", pod_kept),
    Promise("scratch", f"best-effort, replica on cordoned {CORDONED}: 1 backup, no replica moves", best_effort),
    Promise("cache", f"strict-local: 1 backup, attached on {STRICT_HOME} only", strict_local),
    Promise("archive", 'detached = "never": not attached, and said so', never),
    Promise("", "frontends stay disabled, limits are kept", frontends),
    Promise("", "completed means completed", truth),
    Promise("", "everything is given back", given_back),
)
