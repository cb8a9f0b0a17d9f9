"""One volume seen from near: what Longhorn shows of it now that no poll asks for."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from lhbackupd.core.cluster import Backup, Chain, Volume
from lhbackupd.core.model import Run
from lhbackupd.engine.journal import JournalError
from lhbackupd.longhorn.api import Api
from lhbackupd.longhorn.errors import LonghornError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseUp:
    """What could be read; `faults` say what could not, and why."""

    #: None where Longhorn does not know it, or could not be asked
    volume: Volume | None = None
    #: only the running engine of an attached volume lists its snapshots with the volume head
    chain: Chain | None = None
    #: the last finished ones, newest first
    runs: tuple[Run, ...] = ()
    #: everybody's, of this volume; None where they could not be read
    backups: tuple[Backup, ...] | None = None
    faults: tuple[str, ...] = ()


async def close_up(longhorn: Api, name: str, history: Awaitable[tuple[Run, ...]]) -> CloseUp:
    """Look at a volume, and take its last runs from `history`; never raises for what Longhorn or the journal do."""
    async with asyncio.TaskGroup() as tasks:
        finished = tasks.create_task(_read(history))
        looked = tasks.create_task(_read(longhorn.volume(name), "the volume"))
        listed = tasks.create_task(_read(longhorn.backups(name), "its backups"))
    (runs, failed), (volume, unread) = finished.result(), looked.result()
    if unread:
        return CloseUp(runs=runs or (), faults=(*failed, *unread))
    backups, unlisted = listed.result()
    chain, unseen = None, tuple[str, ...]()
    if volume is not None and volume.attached:
        chain, unseen = await _read(longhorn.snapshots(name), "its snapshots")
    faults = (*failed, *unlisted, *unseen)
    return CloseUp(volume=volume, chain=chain, runs=runs or (), backups=backups, faults=faults)


async def _read(asked: Awaitable[T], what: str = "") -> tuple[T | None, tuple[str, ...]]:
    """What was asked for, or None and why not."""
    try:
        return await asked, ()
    except JournalError as error:
        return None, (str(error),)
    except LonghornError as error:
        return None, (f"{what} could not be read: {error}",)
