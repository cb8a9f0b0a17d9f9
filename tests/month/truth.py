"""The truth that claims are held against: what no completed backup of a policy holds, by the simulated cluster."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lhbackupd.core.naming import LABEL_POLICY
from lhbackupd.simulator.extents import writes
from lhbackupd.simulator.model import Volume
from lhbackupd.simulator.world import World

#: what a client that attaches, writes and detaches leaves behind for so long: the volume is still detaching
TRACE = timedelta(seconds=1.5)
CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Write:
    """One write that no completed backup of a policy holds."""

    at: datetime
    #: by a client that had the volume for four seconds
    by_client: bool


class Truth:
    """Reads the world's own account. Who wrote what is learned from the ledger, as it grows."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._read = 0
        self._by: dict[tuple[str, int], str] = {}
        #: per volume, when somebody but the daemon got it
        self.attached: dict[str, list[datetime]] = {}

    def follow(self) -> None:
        """Read on in the ledger, and let go of what was read: a month of it is long."""
        ledger = self._world.ledger
        for entry in ledger.entries[self._read :]:
            volume = entry.get("volume", "")
            if entry["kind"] == "write":
                self._by[volume, entry["number"]] = entry["by"]
            elif entry["kind"] == "ticket-satisfied" and not entry["id"].startswith("lhbackupd:"):
                self.attached.setdefault(volume, []).append(self._moment(entry["t"]))
        self._read = len(ledger.entries)

    def unprotected(self, name: str, policy: str) -> Iterator[Write]:
        """The writes in the present content that no completed backup of the policy holds."""
        volume = self._world.volumes[name]
        known = self._held(volume, policy)
        for number in writes(volume.chain.content()) - known:
            by = self._by.get((name, number), "")
            yield Write(self._moment(volume.write_times[number]), by == CLIENT)

    def _held(self, volume: Volume, policy: str) -> frozenset[int]:
        kept = (
            writes(backup.content)
            for backup in self._world.backups_of(volume.name)
            if backup.state == "Completed" and not backup.deleting and backup.labels.get(LABEL_POLICY) == policy
        )
        return frozenset().union(*kept)

    def _moment(self, seconds: float) -> datetime:
        return self._world.started + timedelta(seconds=seconds)
