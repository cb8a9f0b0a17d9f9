"""What can go wrong with one backup, on request.

A fault is armed through the side API for one volume or for any, for a number of backups. It is drawn when a
backup starts, and then bends what the monitor sees of that backup.
"""

from dataclasses import dataclass

from lhbackupd.simulator.model import Backup
from lhbackupd.simulator.world import World

KINDS = frozenset(
    {
        "backup-error-at-start",
        "backup-error-at",
        "backup-unknown",
        "backup-vanish",
        "backup-stuck-at",
        "backup-progress-falls",
    }
)


@dataclass(slots=True)
class BackupFault:
    """An armed fault; `percent` is where it strikes."""

    id: int
    kind: str
    volume: str = ""
    times: int | None = 1
    after: int = 0
    percent: int = 50
    message: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the monitor sees."""

    progress: int
    state: str
    error: str = ""
    vanish: bool = False


def take(world: World, volume: str) -> BackupFault | None:
    """The fault that strikes the backup starting now, if any."""
    for fault in world.backup_faults:
        if fault.volume not in {"", volume}:
            continue
        if fault.after > 0:
            fault.after -= 1
            continue
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                world.backup_faults.remove(fault)
        world.ledger.add("fault-struck", volume, fault=fault.id, what=fault.kind)
        assert isinstance(fault, BackupFault)
        return fault
    return None


def judge(fault: BackupFault | None, backup: Backup, progress: int, *, done: bool) -> Verdict:
    """Bend what an undisturbed backup would show."""
    plain = Verdict(progress, "Completed" if done else "InProgress")
    if fault is None:
        return plain
    due = progress >= fault.percent
    match fault.kind:
        case "backup-error-at" if due:
            return Verdict(min(progress, fault.percent), "Error", error=fault.message or "disk is on fire")
        case "backup-unknown" if due:
            return Verdict(min(progress, fault.percent), "Unknown")
        case "backup-vanish" if due:
            return Verdict(progress, "InProgress", vanish=True)
        case "backup-stuck-at" if due:
            return Verdict(fault.percent, "InProgress")
        case "backup-progress-falls" if not done and backup.looks % 2 == 0:
            return Verdict(progress // 2, "InProgress")
        case _:
            return plain
