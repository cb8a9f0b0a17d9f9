"""A small Longhorn that behaves: one volume with tickets, snapshots and backups, moved by its own seconds.

It follows the recordings as far as decisions on runs depend on them: tickets are satisfied after a while and by
priority, backups hold the volume by a ticket of their own and end in Error when the engine goes, labels show only on
completed backups, a snapshot becomes ready late. Beside what Longhorn shows it keeps what is true: the `content` that
head, snapshots and backups hold, so that a test can tell whether data called protected is in a backup.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lhbackupd.core import cluster
from lhbackupd.core.cluster import VOLUME_HEAD, Fault, FaultKind
from lhbackupd.core.commands import AskBackup, Attach, Command, CreateSnapshot, Detach, DropBackup, Seen, View
from lhbackupd.core.machine import views
from lhbackupd.core.model import Run

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)
PRIORITY = {"longhorn-api": 1000, "csi-attacher": 900, "backup-controller": 800, "snapshot-controller": 800}
SIZE = 1 << 30
#: seconds that an attach, a detach and a snapshot take
ATTACH, DETACH, READY = 2, 2, 3


@dataclass(slots=True)
class Ticket:
    id: str
    kind: str
    node: str
    #: None fits either way
    frontend_disabled: bool | None
    satisfied: bool = False


@dataclass(slots=True)
class Snapshot:
    name: str
    parent: str
    size: int
    content: int
    created: float
    labels: Mapping[str, str]
    #: when its resource becomes ready
    ready: float = 0.0


@dataclass(slots=True)
class Backup:
    name: str
    number: int
    snapshot: str
    content: int
    taken: float
    #: what whoever asked for it said; shown only when completed
    labels: Mapping[str, str]
    volume_size: int
    created: float
    state: str = "Pending"
    progress: int = 0
    stuck: bool = False

    @property
    def running(self) -> bool:
        return self.state in {"Pending", "InProgress"}


@dataclass(slots=True)
class Longhorn:
    """The volume `vol` on node-1 and node-2, and everything about it."""

    time: float = 0.0
    exists: bool = True
    state: str = "detached"
    node: str = ""
    frontend_disabled: bool = False
    #: when the present attaching or detaching is done
    until: float = 0.0
    size: int = SIZE
    tickets: dict[str, Ticket] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    head_parent: str = ""
    head_size: int = 0
    head_content: int = 0
    backups: list[Backup] = field(default_factory=list)
    made: int = 0
    #: requests that Longhorn took, and carries out later
    late: list[tuple[float, CreateSnapshot | AskBackup]] = field(default_factory=list)
    #: backups asked for by run id, however late or often
    backups_by_run: dict[str, int] = field(default_factory=dict)

    @property
    def attached(self) -> bool:
        return self.exists and self.state == "attached"

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.time)

    # time

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.time += 1
            for due, command in [each for each in self.late if each[0] <= self.time]:
                self.late.remove((due, command))
                self._make(command)
            self._upload()
            self._settle()

    def _settle(self) -> None:
        """One move of the attachment controller."""
        if not self.exists:
            return
        if self.state == "attaching" and self.time >= self.until:
            self.state = "attached"
        elif self.state == "detaching" and self.time >= self.until:
            self.state, self.node = "detached", ""
        if self.state == "detached" and self.tickets:
            chosen = min(self.tickets.values(), key=lambda t: (-PRIORITY.get(t.kind, 0), t.id))
            self.state, self.node, self.until = "attaching", chosen.node, self.time + ATTACH
            self.frontend_disabled = bool(chosen.frontend_disabled)
        for each in self.tickets.values():
            fits = each.frontend_disabled in {None, self.frontend_disabled}
            each.satisfied = self.state == "attached" and each.node == self.node and fits
        if self.state == "attached" and not self._kept():
            self.state, self.until = "detaching", self.time + DETACH
            for each in self.tickets.values():
                each.satisfied = False

    def _kept(self) -> bool:
        holding = [each for each in self.tickets.values() if each.satisfied]
        if any(each.kind in {"longhorn-api", "csi-attacher"} for each in holding):
            return True
        elsewhere = (
            t for t in self.tickets.values() if t.node != self.node and t.kind in {"longhorn-api", "csi-attacher"}
        )
        return bool(holding) and not any(elsewhere)

    def _upload(self) -> None:
        for each in self.backups:
            if not each.running:
                continue
            own = f"backup-controller-{each.name}"
            if each.state == "Pending" and self.exists:
                if own not in self.tickets:
                    node = self.node or "node-1"
                    self.tickets[own] = Ticket(own, "backup-controller", node, None)
                elif self.tickets[own].satisfied:
                    each.state = "InProgress"
                else:
                    self.tickets[own].node = self.node or self.tickets[own].node
            elif not self.attached or own not in self.tickets:
                self._end(each, "Error")
            elif not each.stuck:
                each.progress += 20
                if each.progress >= 100:
                    self._end(each, "Completed")

    def _end(self, backup: Backup, state: str) -> None:
        backup.state = state
        self.tickets.pop(f"backup-controller-{backup.name}", None)

    # what is asked of it

    def act(self, command: Command) -> Fault | None:
        """Carry out a command of ours; refuse what Longhorn refuses."""
        if not self.exists:
            return Fault(FaultKind.MISSING, "volume not found")
        match command:
            case Attach(node=node, ticket=name):
                self.tickets.setdefault(name, Ticket(name, "longhorn-api", node, frontend_disabled=True))
            case Detach(ticket=name):
                self.tickets.pop(name, None)
            case DropBackup(backup=backup):
                for found in [found for found in self.backups if found.name == backup]:
                    self.delete_backup(found)
            case CreateSnapshot() | AskBackup():
                return self._make(command)
        return None

    def _make(self, command: CreateSnapshot | AskBackup) -> Fault | None:
        match command:
            case CreateSnapshot(name=name, labels=labels, delete=delete):
                if name in self.snapshots:
                    return Fault(FaultKind.REFUSED, f"{name} already exists")
                if self.attached:
                    self.snapshot(name, labels)
                    for each in delete:
                        self.remove(each)
            case AskBackup(snapshot=name, labels=labels):
                if name not in self.snapshots or not self.exists:
                    return Fault(FaultKind.REFUSED, f"snapshot {name} does not exist")
                self.back_up(name, labels)
        return None

    def snapshot(self, name: str, labels: Mapping[str, str]) -> None:
        self.snapshots[name] = Snapshot(
            name, self.head_parent, self.head_size, self.head_content, self.time, labels, self.time + READY
        )
        self.head_parent, self.head_size = name, 0

    def back_up(self, snapshot: str, labels: Mapping[str, str]) -> Backup:
        self.made += 1
        of = self.snapshots[snapshot]
        made = Backup(f"backup-{self.made}", self.made, snapshot, of.content, of.created, labels, self.size, self.time)
        self.backups.append(made)
        by = labels.get("lhbackupd.io/run", "")
        self.backups_by_run[by] = self.backups_by_run.get(by, 0) + 1
        return made

    def remove(self, name: str) -> None:
        """Delete a snapshot; what it holds goes to its child. The one below the head cannot go."""
        gone = self.snapshots.get(name)
        if gone is None or name == self.head_parent:
            return
        for child in self.snapshots.values():
            if child.parent == name:
                child.parent, child.size = gone.parent, child.size + gone.size
        del self.snapshots[name]

    # what others do

    def write(self, content: int) -> None:
        self.head_content, self.head_size = content, self.head_size + 4096

    def revert(self, name: str) -> None:
        self.head_parent, self.head_size, self.head_content = name, 0, self.snapshots[name].content

    def delete_volume(self) -> None:
        self.exists, self.tickets, self.snapshots = False, {}, {}
        for each in self.backups:
            if each.running:
                self._end(each, "Error")

    def create_volume(self) -> None:
        self.exists, self.state, self.node, self.size = True, "detached", "", SIZE
        self.head_parent, self.head_size, self.head_content = "", 0, 0

    def delete_backup(self, backup: Backup) -> None:
        self._end(backup, "Deleted")
        self.backups.remove(backup)

    # what it shows

    def look(self, run: Run) -> Seen:
        """What the gateway would read for `run`."""
        volume = self._volume() if self.exists else None
        seen = Seen(volume=volume)
        asked = views(run, volume)
        readiness = self.snapshots.get(run.snapshot)
        return Seen(
            volume=seen.volume,
            chain=self._chain() if View.CHAIN in asked else None,
            backups=tuple(self._backups()) if View.BACKUPS in asked else None,
            snapshot=cluster.SnapshotReadiness(
                ready=self.time >= readiness.ready, created=EPOCH + timedelta(seconds=readiness.created)
            )
            if View.SNAPSHOT in asked and readiness
            else None,
        )

    def listed(self) -> tuple[cluster.Backup, ...]:
        return tuple(self._backups())

    def _volume(self) -> cluster.Volume:
        return cluster.Volume(
            name="vol",
            size=self.size,
            state=self.state,
            frontend_disabled=self.frontend_disabled,
            engines=(cluster.Engine(node=self.node if self.attached else "", running=self.attached),),
            replicas=(cluster.Replica(name="r1", node="node-1"),),
            tickets=tuple(
                cluster.Ticket(
                    id=t.id,
                    kind=t.kind,
                    node=t.node,
                    satisfied=t.satisfied,
                    frontend_disabled=bool(t.frontend_disabled),
                )
                for t in self.tickets.values()
            ),
            backups=tuple(
                cluster.BackupProgress(
                    name=b.name, snapshot=b.snapshot, state="" if b.state == "Pending" else b.state, progress=b.progress
                )
                for b in self.backups
            ),
        )

    def _chain(self) -> cluster.Chain:
        listed = {
            s.name: cluster.Snapshot(
                name=s.name,
                parent=s.parent,
                size=s.size,
                created=EPOCH + timedelta(seconds=s.created),
                labels=s.labels,
            )
            for s in self.snapshots.values()
        }
        head = cluster.Snapshot(name=VOLUME_HEAD, parent=self.head_parent, size=self.head_size)
        return cluster.Chain({**listed, VOLUME_HEAD: head})

    def _backups(self) -> Iterator[cluster.Backup]:
        for b in self.backups:
            done = b.state == "Completed"
            yield cluster.Backup(
                name=b.name,
                volume="vol",
                snapshot=b.snapshot,
                state=b.state,
                labels=b.labels if done else {},
                snapshot_created=EPOCH + timedelta(seconds=b.taken) if done else None,
                created=EPOCH + timedelta(seconds=b.created) if done else None,
                progress=b.progress,
                volume_size=b.volume_size if done else 0,
            )
