"""The two things a run does with Longhorn: look, and act. Errors end here and become values.

A look reads the volume, and whatever else the run's phase needs to be decided (`machine.views`). What could not be
read stays None in what was seen, with the fault beside it, so that it is never taken for absent. An act carries out one
command and returns its fault, or None.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from lhbackupd.core import naming
from lhbackupd.core.cluster import Backup, Fault, FaultKind
from lhbackupd.core.commands import AskBackup, Attach, Command, CreateSnapshot, Detach, DropBackup, Seen, View
from lhbackupd.core.machine import views
from lhbackupd.core.model import Origin, Policy, Run
from lhbackupd.core.retention import Verdict, expired, verdicts
from lhbackupd.core.timetable import parse_zone

from .api import Api
from .errors import LonghornError


class Gateway:
    """Longhorn as runs see it."""

    def __init__(self, *, longhorn: Api, origin: Origin) -> None:
        self._longhorn = longhorn
        self._origin = origin

    async def look(self, run: Run, *, unlisted: bool = False) -> Seen:
        """What Longhorn shows for `run` now; never raises for what Longhorn does.

        `unlisted`: a list of all volumes has just lacked its own.
        """
        try:
            volume = await self._longhorn.volume(run.volume)
        except LonghornError as error:
            return Seen(fault=error.fault)
        if volume is None:
            return Seen() if unlisted else await self._missing(run)
        seen = Seen(volume=volume)
        for view in sorted(views(run, volume), key=lambda view: view.value):
            try:
                seen = await self._view(run, seen, view)
            except LonghornError as error:
                return replace(seen, fault=error.fault)
        return seen

    async def _missing(self, run: Run) -> Seen:
        """A volume that was not there by its name: believed once the list lacks it as well.

        Longhorn's word for it is a 404 without a body [041], which a door whose backend restarts may say as well; a
        run that believed that would leave its volume attached. No door answers a list of volumes.
        """
        try:
            listed, broken = await self._longhorn.volumes()
        except LonghornError as error:
            return Seen(fault=error.fault)
        if run.volume in {volume.name for volume in listed} | {entry.name for entry in broken}:
            return Seen(fault=Fault(FaultKind.UNREACHABLE, f"volume {run.volume} is listed, and not found by its name"))
        return Seen()

    async def _view(self, run: Run, seen: Seen, view: View) -> Seen:
        match view:
            case View.CHAIN:
                return replace(seen, chain=await self._longhorn.snapshots(run.volume))
            case View.BACKUPS:
                return replace(seen, backups=await self._longhorn.backups(run.volume))
            case View.SNAPSHOT:
                return replace(seen, snapshot=await self._longhorn.snapshot_ready(run.volume, run.snapshot))
            case _:
                assert_never(view)

    async def act(self, run: Run, command: Command) -> Fault | None:
        """Carry out `command`; its fault, or None where Longhorn accepted it."""
        try:
            match command:
                case Attach():
                    await self._longhorn.attach(
                        run.volume,
                        node=command.node,
                        ticket=command.ticket,
                        attached_by=naming.attached_by(self._origin),
                    )
                case CreateSnapshot():
                    await self._longhorn.create_snapshot(run.volume, command.name, command.labels)
                    await self._tidy_snapshots(run.volume, command.delete)
                case AskBackup():
                    await self._longhorn.backup(run.volume, command.snapshot, command.labels, full=command.full)
                case DropBackup():
                    await self._longhorn.delete_backup(run.volume, command.backup)
                case Detach():
                    await self._longhorn.detach(run.volume, command.ticket)
                case _:
                    assert_never(command)
        except LonghornError as error:
            return error.fault
        return None

    async def _tidy_snapshots(self, volume: str, names: tuple[str, ...]) -> None:
        for name in names:
            try:
                await self._longhorn.delete_snapshot(volume, name)
            except LonghornError:
                return  # the next run's snapshot asks again; failing to tidy never fails a run

    @property
    def server_date(self) -> datetime | None:
        """Longhorn's time, as of its last answer."""
        return self._longhorn.server_date

    async def withdraw(self, volume: str, ticket: str) -> Fault | None:
        """Withdraw a ticket of lhbackupd; the fault, or None where Longhorn accepted it."""
        try:
            await self._longhorn.detach(volume, ticket)
        except LonghornError as error:
            return error.fault
        return None

    async def prune(
        self, volume: str, policy: Policy, origin: Origin, claimed: str
    ) -> tuple[tuple[Verdict, ...], Fault | None]:
        """Delete the volume's backups that the policy no longer keeps; those deleted, and what went wrong.

        `claimed`: the backup by which its data is said to be protected.
        """
        return await self._delete(
            volume,
            lambda backups: expired(
                verdicts(
                    backups,
                    volume=volume,
                    policy=policy.name,
                    origin=origin,
                    keep=policy.keep,
                    zone=parse_zone(policy.timezone),
                    claimed=claimed,
                )
            ),
        )

    async def drop_failed(self, run: Run) -> tuple[tuple[Verdict, ...], Fault | None]:
        """Delete the backup that `run` asked for, if it ended without success; the one deleted, and what went wrong.

        Unknown is an end as well, which Longhorn never looks at again (longhorn-manager, backup controller).
        """
        failed = {"Error", "Unknown"}
        return await self._delete(
            run.volume,
            lambda backups: (
                Verdict(backup, why=f"it ended as {backup.state} in run {run.id}")
                for backup in backups
                if backup.name == run.backup and backup.state in failed
            ),
        )

    async def _delete(
        self, volume: str, chosen: Callable[[tuple[Backup, ...]], Iterable[Verdict]]
    ) -> tuple[tuple[Verdict, ...], Fault | None]:
        deleted: list[Verdict] = []
        try:
            for verdict in chosen(await self._longhorn.backups(volume)):
                await self._longhorn.delete_backup(volume, verdict.backup.name)
                deleted.append(verdict)
        except LonghornError as error:
            return tuple(deleted), error.fault
        return tuple(deleted), None
