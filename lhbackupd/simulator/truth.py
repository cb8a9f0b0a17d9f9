"""Whether data is really in a backup: the account that no status can lie about.

Every write has a number. A volume is unprotected when its present content is not the content of any
completed, still existing backup; it has been so since the first visible write that no such backup contains
(after a revert: since then).
"""

from typing import Any

from lhbackupd.simulator.extents import Extents, size, writes
from lhbackupd.simulator.ledger import Account, stamp
from lhbackupd.simulator.model import Volume
from lhbackupd.simulator.world import World


def kept_contents(world: World, volume: Volume) -> dict[str, Extents]:
    """Content of every completed, still existing backup of the volume."""
    return {
        backup.name: backup.content
        for backup in world.backups_of(volume.name)
        if backup.state == "Completed" and not backup.deleting
    }


def protection(world: World, volume: Volume) -> dict[str, Any]:
    """Unprotected or not, since when, and what each backup holds."""
    present = volume.chain.content()
    kept = kept_contents(world, volume)
    known: frozenset[int] = frozenset().union(*(writes(content) for content in kept.values()))
    held = any(content == present for content in kept.values()) or (not present and not kept)
    missing = sorted(writes(present) - known)
    since = min((volume.write_times[number] for number in missing), default=None)
    if not held and since is None:
        since = max(volume.write_times.values(), default=0.0)
    return {
        "generation": max(writes(present), default=0),
        "writes": volume.write_number,
        "bytes": size(present),
        "unprotected": not held,
        "unprotected_since": None if held or since is None else round(since, 3),
        "backups": {
            name: {"generation": max(writes(content), default=0), "complete": content == present}
            for name, content in sorted(kept.items())
        },
    }


def summary(world: World, names: list[str] | None = None) -> dict[str, Any]:
    """Totals per volume, also of deleted ones."""
    wanted = names if names is not None else sorted({*world.ledger.accounts, *world.volumes})
    return {
        "now": stamp(world.now()),
        "t": round(world.elapsed(), 3),
        "volumes": {name: _volume(world, name) for name in wanted},
        "events_dropped": world.recorder.dropped,
    }


def _volume(world: World, name: str) -> dict[str, Any]:
    account = world.ledger.accounts.get(name, Account())
    volume = world.volumes.get(name)
    at = world.elapsed()
    open_since = account.attached_since
    held = dict(account.held)
    for ticket, since in account.holding.items():
        held[ticket] = held.get(ticket, 0.0) + at - since
    return {
        "exists": volume is not None,
        "state": volume.state if volume else "",
        "attach_cycles": account.attached,
        "attached_seconds": round(account.attached_seconds + (at - open_since if open_since is not None else 0.0), 3),
        "busy_seconds": round(
            account.busy_seconds + (at - busy if (busy := account.busy_since) is not None else 0.0), 3
        ),
        "held": {ticket: round(seconds, 3) for ticket, seconds in held.items()},
        "tickets": [t.id for t in volume.tickets.values()] if volume else [],
        "snapshots": account.snapshots,
        "backups": dict(account.backups),
        "bytes_written": account.bytes_written,
        "pod_waited": round(account.pod_waited, 3),
        "truth": protection(world, volume) if volume else None,
    }
