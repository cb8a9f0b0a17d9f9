"""Longhorn 1.1 to 1.4, before attachment tickets, in the words of today's.

There a volume is attached or not, and whoever detaches it takes it from whoever has it. Rule: our ticket's id goes
whole into `attachedBy`; a volume whose `lastAttachedBy` is such an id *and* whose frontend is disabled has been
attached by that id, and is shown with one ticket of it; one that is attached otherwise is shown with a ticket of
somebody else. `lastAttachedBy` alone proves nothing: it stays after a detach, which only enables the frontend again.
Detach is sent after a fresh look alone, and only for the node that was seen there. Read in longhorn-manager's
manager/volume.go (Attach, Detach, Expand), manager/engine.go and api/model.go of those releases; nobody recorded them.
"""

from collections.abc import Mapping
from dataclasses import replace

from lhbackupd.core.cluster import Backup, BackupProgress, Chain, SnapshotReadiness, Target, Ticket, TicketKind, Volume
from lhbackupd.core.naming import TicketName
from lhbackupd.core.recurring import Membership, NativeJob
from lhbackupd.longhorn import legacywire, wire
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.errors import LonghornError, Missing, Refused, visible
from lhbackupd.longhorn.request import change, look_at_backups, own
from lhbackupd.longhorn.verdict import PATH

#: the kind of ticket that stands for an attach by somebody else, of whom Longhorn knows no more than a name
OTHERS = "other-client"

SHARED = (
    "before Longhorn 1.5 a shared (RWX) volume is not attached by us: an attach that comes while workloads use it "
    "would take over their attachment, or start a migration"
)


def tickets(volume: Volume) -> tuple[Ticket, ...]:
    """The attachment of a volume as the one ticket that it comes to; none where nobody has it or is getting it."""
    node = next((engine.node for engine in volume.engines if engine.node), "")
    by = volume.last_attached_by
    # an offline expansion disables the frontend too, and leaves `lastAttachedBy` as our last run left it
    expanding = any(engine.expanding for engine in volume.engines)
    if volume.frontend_disabled and not expanding and TicketName.parse(by) is not None:
        # in whatever state: an engine that died is started again for us, and just after the attach nothing has moved
        return (_ticket(by, TicketKind.API, node, volume),)
    if volume.state in {"attached", "attaching"}:
        return (_ticket(f"attachedBy={visible(by)}", OTHERS, node, volume),)
    return ()


def _ticket(name: str, kind: str, node: str, volume: Volume) -> Ticket:
    return Ticket(
        id=name,
        kind=kind,
        node=node,
        satisfied=volume.attached,
        attached_by=volume.last_attached_by,
        frontend_disabled=volume.frontend_disabled,
    )


def shown(volume: Volume) -> Volume:
    """A volume as the core reads it: with its ticket, and its backups' states in today's words."""
    return replace(volume, tickets=tickets(volume), backups=tuple(_today(entry) for entry in volume.backups))


def _today(entry: BackupProgress) -> BackupProgress:
    return replace(entry, state=legacywire.STATES.get(entry.state, entry.state))


def unknown_path(error: LonghornError) -> bool:
    """Whether an answer was a plain 404: a release that does not know the path, or a door that is shut."""
    return error.hint == PATH


class Legacy:
    """The methods of `Longhorn` that differ before 1.5; errors are the same."""

    def __init__(self, *, longhorn: Longhorn) -> None:
        self._longhorn = longhorn

    async def volumes(self) -> tuple[tuple[Volume, ...], tuple[wire.Broken, ...]]:
        """All volumes, and those in the list that could not be read."""
        good, broken = await self._longhorn.volumes()
        return tuple(shown(volume) for volume in good), broken

    async def volume(self, name: str) -> Volume | None:
        """One volume; None once Longhorn says that it is not there."""
        found = await self._longhorn.volume(name)
        return found and shown(found)

    async def targets(self) -> tuple[Target, ...]:
        """The one target of 1.2 to 1.4; none where Longhorn has no such list (1.1): then nothing is known of it."""
        try:
            return await self._longhorn.targets()
        except LonghornError as error:
            if unknown_path(error):
                return ()
            raise

    async def jobs(self) -> tuple[NativeJob, ...] | None:
        """Recurring jobs of 1.2 to 1.4; None where each volume has its own (1.1), which we do not read."""
        try:
            return await self._longhorn.jobs()
        except LonghornError as error:
            if unknown_path(error):
                return None
            raise

    async def groups(self, volume: str) -> Membership:
        """The recurring jobs and groups that a volume is in; 1.1 has jobs in the volume and knows no groups."""
        try:
            return await self._longhorn.groups(volume)
        except LonghornError as error:
            if unknown_path(error):
                return Membership()
            raise

    async def snapshots(self, volume: str) -> Chain:
        """The snapshots and the head; Refused while the engine does not run."""
        return await self._longhorn.snapshots(volume)

    async def snapshot_ready(self, volume: str, name: str) -> SnapshotReadiness | None:
        """A snapshot can be backed up as soon as the running engine lists it; None if it does not."""
        found = (await self.snapshots(volume)).snapshots.get(name)
        if found is None:
            return None
        return SnapshotReadiness(
            ready=not found.removed, created=found.created, error="it is marked as removed" if found.removed else ""
        )

    async def backups(self, volume: str) -> tuple[Backup, ...]:
        """What the backup volume of this name lists, and what only the engine shows as under way (1.1)."""
        request = look_at_backups(volume, "backupList")
        listed = await self._longhorn.value(request, lambda raw: legacywire.decode_backups(raw, volume))
        now = await self.volume(volume)
        names = {backup.name for backup in listed}
        entries = now.backups if now else ()
        return (*listed, *(legacywire.under_way(e, volume) for e in entries if e.snapshot and e.name not in names))

    async def attach(self, volume: str, node: str, ticket: str, attached_by: str) -> None:  # noqa: ARG002 -- the ticket says it
        """Ask for a volume, the frontend disabled, if nobody has it; look at it for whether it was granted.

        A volume that is attached already is left as it is, by Longhorn too. Refused for one that is shared.
        """
        seen = await self._present(volume)
        if seen.access_mode == "rwx":
            raise Refused(SHARED, tried=f"attach of {visible(volume)}")
        if seen.tickets:
            return
        body = {"hostId": node, "disableFrontend": True, "attachedBy": own(ticket)}
        await self._longhorn.value(change(volume, "attach", body), wire.decode_acknowledgement)

    async def detach(self, volume: str, ticket: str) -> None:
        """Give a volume back if a look shows that this ticket has it; success where it has not.

        Between the look and the detach somebody may take it, after an administrator or a crash let it go: Longhorn
        cannot be asked to check. On another node that is harmless, since the detach names ours.
        """
        seen = await self._present(volume)
        held = seen.ticket(own(ticket))
        if held is not None:
            await self._longhorn.value(change(volume, "detach", {"hostId": held.node}), wire.decode_acknowledgement)

    async def _present(self, volume: str) -> Volume:
        found = await self.volume(volume)
        if found is None:
            raise Missing("the volume is not there", tried=f"GET /v1/volumes/{visible(volume)}")
        return found

    async def create_snapshot(self, volume: str, name: str, labels: Mapping[str, str]) -> None:
        """Take a snapshot; one of that name is success.

        A second one is refused in the engine's own words, which vary: the list is asked instead of reading them.
        """
        try:
            request = change(volume, "snapshotCreate", {"name": name, "labels": dict(labels)})
            await self._longhorn.value(request, wire.decode_acknowledgement)
        except Refused as refused:
            if not await self._listed(volume, name):
                raise refused from None

    async def _listed(self, volume: str, name: str) -> bool:
        try:
            return await self.snapshot_ready(volume, name) is not None
        except LonghornError:
            return False

    async def delete_snapshot(self, volume: str, name: str) -> None:
        """Mark a snapshot as removed and have the engine merge it; the mark alone frees nothing."""
        await self._longhorn.value(change(volume, "snapshotDelete", {"name": name}), wire.decode_acknowledgement)
        await self._longhorn.value(change(volume, "snapshotPurge", {}), wire.decode_acknowledgement)

    async def backup(self, volume: str, snapshot: str, labels: Mapping[str, str], *, full: bool = False) -> Volume:  # noqa: ARG002 -- unknown there
        """Start a backup, an incremental one; asking twice makes two. 1.1 answers before it has tried."""
        body = {"name": snapshot, "labels": dict(labels)}
        return shown(await self._longhorn.value(change(volume, "snapshotBackup", body), wire.decode_volume))

    async def delete_backup(self, volume: str, name: str) -> None:
        """Ask for a backup's end; one that is not there is success (a 404 here)."""
        try:
            await self._longhorn.delete_backup(volume, name)
        except Missing:
            return
