"""Bugs to plant, at least one for each promise: each replaces one function, and the source tree stays as it is.

`Bug.plant` replaces, and what it returns puts back, so that one test process can try them one after another. Every bug
names the counter that must show it, and the storm that brings it out: a seed, and weights for what is to go wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lhbackupd.core import backing, leases, machine
from lhbackupd.core.cluster import Backup
from lhbackupd.core.commands import AskBackup, Decision, Seen
from lhbackupd.core.leases import Claim
from lhbackupd.core.model import Now, Origin, Outcome, Policy, Run
from lhbackupd.core.moves import leave
from lhbackupd.core.retention import Verdict
from lhbackupd.engine import books
from lhbackupd.engine.journal import Journal
from lhbackupd.longhorn import gateway
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.request import change
from lhbackupd.longhorn.wire import decode_acknowledgement


async def _keeps_the_volume(self: Longhorn, volume: str, ticket: str) -> None:
    """Never withdraws a ticket."""


async def _detaches_everybody(self: Longhorn, volume: str, ticket: str) -> None:
    """Lets go of the volume for all who hold it."""
    request = change(volume, "detach", {"attachmentID": ticket, "forceDetach": True})
    await self.value(request, decode_acknowledgement)


_backing_up = backing.backing_up


def _believes_progress(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    """Takes a backup at 100 % for a completed one, listed or not."""
    entry = seen.volume.backup(run.backup) if seen.volume and run.backup else None
    if entry is not None and entry.progress == 100:
        return leave(replace(run, protected_until=run.snapshot_holds), now, Outcome.COMPLETED, "at 100 %"), None
    return _backing_up(run, seen, now, policy, origin)


def _never_finds_its_backup(backup: Backup, run: Run) -> bool:
    """Asks again without having looked."""
    return False


_act = gateway.Gateway.act


async def _repeats_what_was_not_answered(self: gateway.Gateway, run: Run, command: Any) -> Any:
    """Takes no answer for a no, and asks for the backup once more."""
    fault = await _act(self, run, command)
    if fault is not None and isinstance(command, AskBackup):
        return await _act(self, run, command)
    return fault


_inspecting = machine._inspecting


def _unread_is_unchanged(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    """Takes a chain that could not be read for one without new data."""
    if seen.volume is not None and seen.volume.attached and (seen.chain is None or seen.backups is None):
        return leave(replace(run, protected_until=now.wall), now, Outcome.UNCHANGED, "nothing new was read"), None
    return _inspecting(run, seen, now, policy, origin)


_claim = leases._claim


def _claims_foreign(*arguments: Any) -> Claim:
    """Gives back the tickets of other instances."""
    found = _claim(*arguments)
    return Claim.ORPHAN if found is Claim.FOREIGN else found


def _claims_twins(*arguments: Any) -> Claim:
    """Gives back the tickets of another journal before their time."""
    found = _claim(*arguments)
    return Claim.ORPHAN if found is Claim.TWIN else found


def _no_successor(*_: Any) -> None:
    """Forgets the next attempt."""


def _enqueues_nothing(self: Journal, runs: Any) -> frozenset[str]:
    """Says that runs were written down, and writes nothing."""
    return frozenset(run.id for run in runs)


def _expires_the_newest(found: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Deletes the newest backup."""
    return tuple(found[:1])


def _protects_up_to_now(run: Run, seen: Seen, now: Now, policy: Policy | None, origin: Origin) -> Decision:
    """Calls protected what was written while the backup ran."""
    after, command = _backing_up(run, seen, now, policy, origin)
    return (replace(after, protected_until=now.wall) if after.outcome is Outcome.COMPLETED else after), command


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One planted bug: what it replaces where, what counter shows it, and the weights of its storm."""

    where: Any
    name: str
    function: Callable[..., Any]
    shows: str
    mix: Mapping[str, float] = field(default_factory=dict)
    #: how long the storm lasts, in seconds of the cluster's time
    seconds: float = 240.0

    def plant(self) -> Callable[[], None]:
        """Put it in; the answer takes it out again."""
        sound = getattr(self.where, self.name)
        setattr(self.where, self.name, self.function)
        return lambda: setattr(self.where, self.name, sound)


_WRITES = {"pod": 40, "offline-write": 20}
_LIVE = {"pod": 80, "slow-backups": 40, "kill": 0}
_GIVES_WAY = {"pod": 60, "term": 30, "slow-backups": 30}
_BACKUPS = {"backup-fault": 60, **_WRITES}

BUGS: Mapping[str, Bug] = {
    "keeps-the-volume": Bug(where=Longhorn, name="detach", function=_keeps_the_volume, shows="left_attached"),
    "detaches-everybody": Bug(
        where=Longhorn, name="detach", function=_detaches_everybody, shows="others_touched", mix={"foreign-ticket": 40}
    ),
    "believes-progress": Bug(
        where=machine, name="backing_up", function=_believes_progress, shows="claimed_absent", mix=_BACKUPS
    ),
    "never-finds-its-backup": Bug(
        where=backing, name="asked_for", function=_never_finds_its_backup, shows="second_backups"
    ),
    "repeats-what-was-not-answered": Bug(
        where=gateway.Gateway, name="act", function=_repeats_what_was_not_answered, shows="second_backups",
        mix={"http": 120},
    ),
    "unread-is-unchanged": Bug(
        where=machine, name="_inspecting", function=_unread_is_unchanged, shows="protected_unbacked",
        mix={"http": 150, "offline-write": 60},
    ),
    "claims-foreign": Bug(
        where=leases, name="_claim", function=_claims_foreign, shows="others_touched", mix={"foreign-ticket": 60}
    ),
    "claims-twins": Bug(
        where=leases, name="_claim", function=_claims_twins, shows="others_touched", mix={"twin-ticket": 20}
    ),
    "forgets-the-next-attempt": Bug(
        where=books, name="successor", function=_no_successor, shows="lost_runs", mix=_GIVES_WAY,
        seconds=600.0
    ),
    "enqueues-nothing": Bug(where=Journal, name="enqueue", function=_enqueues_nothing, shows="lost_runs"),
    "expires-the-newest": Bug(where=gateway, name="expired", function=_expires_the_newest, shows="protected_unbacked"),
    "protects-up-to-now": Bug(
        where=machine,
        name="backing_up",
        function=_protects_up_to_now,
        shows="protected_unbacked",
        mix=_LIVE,
        seconds=600.0,
    ),
}  # fmt: skip
