"""One volume seen from near: what Longhorn shows of it now that no poll asks for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from lhbackupd.core.cluster import Backup, Chain, Volume
from lhbackupd.core.model import Run
from lhbackupd.engine.journal import JournalError
from lhbackupd.longhorn.api import Api
from lhbackupd.longhorn.errors import LonghornError


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


async def close_up(longhorn: Api, name: str, history: Callable[[str], Awaitable[tuple[Run, ...]]]) -> CloseUp:
    """Look at a volume, and up its last runs; never raises for what Longhorn or the journal do."""
    seen = CloseUp()
    try:
        seen = replace(seen, runs=await history(name))
    except JournalError as error:
        seen = _but(seen, str(error))
    try:
        seen = replace(seen, volume=await longhorn.volume(name))
    except LonghornError as error:
        return _but(seen, f"the volume could not be read: {error}")
    try:
        seen = replace(seen, backups=await longhorn.backups(name))
    except LonghornError as error:
        seen = _but(seen, f"its backups could not be read: {error}")
    if seen.volume is not None and seen.volume.attached:
        try:
            seen = replace(seen, chain=await longhorn.snapshots(name))
        except LonghornError as error:
            seen = _but(seen, f"its snapshots could not be read: {error}")
    return seen


def _but(seen: CloseUp, fault: str) -> CloseUp:
    return replace(seen, faults=(*seen.faults, fault))
