"""The state of one simulated cluster, and the two ways in which its parts reach each other.

`touch` says that a volume changed: it gets a new version, and shortly afterwards every controller looks at it
again (level-triggered, like Kubernetes controllers). `soon` plans something for later. Nothing in here
decides anything.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lhbackupd.simulator.agenda import Agenda
from lhbackupd.simulator.clock import Clock
from lhbackupd.simulator.events import Recorder
from lhbackupd.simulator.ledger import Ledger
from lhbackupd.simulator.model import Backup, Node, RecurringJob, Target, Volume
from lhbackupd.simulator.timing import Timing


@dataclass(slots=True)
class World:
    """Everything that exists; `settle` is set by the cluster."""

    clock: Clock
    timing: Timing
    rng: random.Random
    agenda: Agenda
    started: datetime
    ledger: Ledger
    recorder: Recorder
    settle: Callable[["World", Volume], None] = lambda world, volume: None  # noqa: ARG005
    settings: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    jobs: dict[str, RecurringJob] = field(default_factory=dict)
    job_runs: list[Any] = field(default_factory=list)
    pods: dict[tuple[str, str], Any] = field(default_factory=dict)
    backup_faults: list[Any] = field(default_factory=list)
    snapshot_names: dict[str, str] = field(default_factory=dict)  #: name of a Snapshot resource -> its volume
    generation: tuple[int, int] = (1, 13)
    changes: dict[str, int] = field(default_factory=dict)  #: kind of resource -> how often it changed
    next_port: int = 10000
    load: dict[str, int] = field(default_factory=dict)  #: replicas per node
    _pending: set[str] = field(default_factory=set)

    def now(self) -> datetime:
        """The wall clock at the moment that is being simulated."""
        return self.started + timedelta(seconds=self.agenda.now)

    def elapsed(self) -> float:
        """Seconds since the cluster began."""
        return self.agenda.now

    def changed(self, kind: str) -> None:
        """A collection changed: streams send it again."""
        self.changes[kind] = self.changes.get(kind, 0) + 1

    def touch(self, volume: Volume, *, after: float | None = None) -> None:
        """A volume changed; its controllers look at it again in a moment."""
        volume.version += 1
        self.changed("volumes")
        if volume.name in self._pending:
            return
        self._pending.add(volume.name)
        self.soon(self.timing.reaction if after is None else after, lambda: self._settle(volume))

    def _settle(self, volume: Volume) -> None:
        self._pending.discard(volume.name)
        if self.volumes.get(volume.name) is volume:
            self.settle(self, volume)

    def soon(self, seconds: float, action: Callable[[], None]) -> None:
        """Plan something."""
        self.agenda.after(seconds, action)

    def event(
        self, component: str, kind: str, subject: str, reason: str, message: str, *, warning: bool = False
    ) -> None:
        """Write a Kubernetes event: the manager on the volume's owner node does, or one that never changes."""
        manager = self.volumes[subject].owner if kind == "Volume" and subject in self.volumes else ""
        self.recorder.add(
            self.now(), self.timing, manager=manager, component=f"longhorn-{component}-controller", kind=kind,
            subject=subject, reason=reason, message=message, warning=warning,
        )  # fmt: skip
        self.changed("events")

    def hex(self, digits: int) -> str:
        """A random lower-case hexadecimal number."""
        return f"{self.rng.getrandbits(4 * digits):0{digits}x}"

    def port(self) -> int:
        """A port of an instance manager."""
        self.next_port += 1
        return self.next_port

    def flag(self, setting: str) -> bool:
        """A boolean setting."""
        return self.settings.get(setting, "false") == "true"

    def backup(self, name: str) -> Backup | None:
        """The Backup resource of that name."""
        found = (target.backups.get(name) for target in self.targets.values())
        return next((backup for backup in found if backup), None)

    def backups_of(self, volume: str) -> list[Backup]:
        """All Backup resources of a volume name, by name."""
        found = [b for target in self.targets.values() for b in target.by_volume.get(volume, {}).values()]
        return sorted(found, key=lambda backup: backup.name)

    def backups(self) -> dict[str, Backup]:
        """All Backup resources of all targets, by name."""
        return {name: backup for target in self.targets.values() for name, backup in target.backups.items()}


def rfc3339(moment: datetime | None) -> str:
    """A Kubernetes time stamp; empty for none."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""
