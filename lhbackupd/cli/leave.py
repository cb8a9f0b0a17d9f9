"""`lhbackupd leave`: give everything back, and say what is ours and how to go on without us. It deletes nothing.

A running daemon gives its volumes back itself. Without one this command does it, under the lock that keeps a daemon
from starting meanwhile.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec

from lhbackupd.assembly import AlreadyRunning, Unusable, connect, lock_state
from lhbackupd.cli.door import Declined, Unanswered, ask
from lhbackupd.cli.options import FAILED, UNREACHABLE, USAGE, clock_option, config_option, die, read_config, say
from lhbackupd.clock import Clock
from lhbackupd.config import Config
from lhbackupd.core.leases import Claim
from lhbackupd.core.model import Origin, Policy
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.survey import Belongings, Surveyor
from lhbackupd.longhorn.errors import LonghornError
from lhbackupd.surface.control import GRACE, Left, leave_without_daemon

_TIMEOUT = GRACE + 60


@click.command("leave")
@config_option
@clock_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def command(config_path: Path, clock: Clock, as_json: bool) -> None:
    """Give every volume back, list our snapshots and backups, and say how to go on without lhbackupd.

    It deletes nothing. A daemon that runs lets no run in any more until it is started again. Exit code 0 if nothing of
    ours holds a volume, 1 if something still does, 2 for a wrong configuration, 3 if Longhorn cannot be reached.

    \b
    lhbackupd leave
    """
    config = read_config(config_path)
    try:
        with ExitStack() as stack:
            left = _through_the_daemon(config)
            origin = None if left else _origin(config, stack)
            left, ours, faults = asyncio.run(_leave(config, clock, left, origin))
    except (JournalError, AlreadyRunning, Declined, OSError) as error:
        die([str(error)], FAILED)
    except Unusable as error:
        die([str(error)], USAGE)
    except LonghornError as error:
        die([f"Longhorn at {config.longhorn.url} cannot be reached: {error}; nothing was done"], UNREACHABLE)
    if as_json:
        document = {"version": 1, "left": left, "belongings": ours, "faults": faults}
        click.echo(msgspec.json.encode(document).decode())
    else:
        say(*_given_back(left), "", *_belongings(left, ours, faults), "", *_advice(config))
    if left.remaining:
        raise SystemExit(FAILED)


def _through_the_daemon(config: Config) -> Left | None:
    """What the running daemon answers; None if none listens. Raises AlreadyRunning for one that cannot be asked."""
    try:
        return ask(config.control.socket, "POST", "/v1/leave", Left, timeout=_TIMEOUT)[1]
    except Unanswered as error:
        if error.absent:
            return None
        raise AlreadyRunning(str(error)) from error


def _origin(config: Config, stack: ExitStack) -> Origin:
    """Who the daemon was, with the lock held that keeps it from starting."""
    journal = Journal(url=config.state.url, readonly=True)
    stack.callback(journal.close)
    journal.identify()
    try:
        lock_state(config.state.url, stack)
    except AlreadyRunning as error:
        raise AlreadyRunning(
            f"{error}: it runs without a control socket at {config.control.socket}, and gives everything back when it "
            "is stopped"
        ) from error
    return Origin(instance=config.instance, journal=journal.origin)


async def _leave(
    config: Config, clock: Clock, left: Left | None, origin: Origin | None
) -> tuple[Left, tuple[Belongings, ...], tuple[str, ...]]:
    longhorn = connect(config, clock=clock)
    try:
        if left is None:
            assert origin is not None
            left = await leave_without_daemon(longhorn=longhorn, origin=origin, now=clock.now)
        surveyor = Surveyor(longhorn=longhorn, now=clock.now)
        try:
            volumes, _ = await longhorn.volumes()
        except LonghornError as error:
            return left, (), (str(error),)
        ours = await surveyor.belongings([volume.name for volume in volumes], left.origin)
        return left, ours, tuple(surveyor.faults)
    finally:
        await longhorn.aclose()


def _given_back(left: Left) -> Iterator[str]:
    for held in left.given_back:
        yield f"{held.volume}: given back (ticket {held.ticket})"
    for held in left.remaining:
        if held.claim is Claim.TWIN:
            why = "it is of another journal and may have a living daemon; stop that one, or wait until it expires"
        else:
            why = held.fault or "Longhorn has not confirmed that it took it back; it is tried on while the daemon runs"
        yield f"{held.volume}: NOT given back (ticket {held.ticket}): {why}"
    if not left.remaining:
        yield f"no volume is held by {left.instance} (origin {left.origin})"


def _belongings(left: Left, ours: Iterable[Belongings], faults: Iterable[str]) -> Iterator[str]:
    count = 0
    for volume in ours:
        count += 1
        yield f"{volume.volume}: {len(volume.snapshots)} snapshots and {len(volume.backups)} backups of ours"
        for snapshot in volume.snapshots:
            yield f"  snapshot {snapshot.name}"
        for backup in volume.backups:
            yield f"  backup {backup.name} ({backup.state or 'begun'}) of snapshot {backup.snapshot}"
    if not count:
        yield f"no snapshot and no backup bears the label lhbackupd.io/origin={left.origin}"
    for fault in faults:
        yield f"could not be read, so this list lacks something: {fault}"


def _advice(config: Config) -> Iterator[str]:
    yield "To go on without lhbackupd:"
    yield "1. Keep the daemon from starting again: systemctl disable --now lhbackupd, or scale its deployment to 0."
    yield "2. Let Longhorn make the backups: a RecurringJob with task backup for each policy (it goes by UTC), on the"
    yield "   volumes or groups that are to have it. Detached volumes want Longhorn's setting"
    yield "   allow-recurring-job-while-volume-detached = true."
    for policy in config.policies:
        yield f"   {_job(policy)}"
    yield "3. Our backups stay restorable, and Longhorn never deletes them by itself. To delete what we made:"
    for what, action, name in (
        ("backupvolumes", "backupDelete", "BACKUP"),
        ("volumes", "snapshotCRDelete", "SNAPSHOT"),
    ):
        url = f"{config.longhorn.url}/v1/{what}/VOLUME?action={action}"
        yield f'   curl -X POST "{url}" -d \'{{"name":"{name}"}}\''
    yield "   The next backup of a volume whose last backup's snapshot is gone uploads everything again."


def _job(policy: Policy) -> str:
    last = policy.keep.last if policy.keep else 0
    retain = f"retain {last}" if last else "retain as many as you want"
    return f'policy {policy.name}: cron "{policy.cron}" (in {policy.timezone}), {retain}'
