"""`lhbackupd backup`: back volumes up now."""

from pathlib import Path

import click
import msgspec

from lhbackupd.cli.options import FAILED, config_option, order, read_config, say
from lhbackupd.cli.waiting import protected, until_finished
from lhbackupd.core.model import Phase
from lhbackupd.surface.orders import Asked, AskedRun


@click.command("backup")
@click.argument("volumes", nargs=-1, required=True, metavar="VOLUME...")
@config_option
@click.option("--policy", help="The policy by whose rules; needed for a volume that several policies cover.")
@click.option("--wait", is_flag=True, help="Until the runs have ended, and tell how.")
@click.option("--json", "as_json", is_flag=True, help="The daemon's answer as JSON; with --wait how the runs ended.")
def command(volumes: tuple[str, ...], config_path: Path, policy: str | None, wait: bool, as_json: bool) -> None:
    """Back volumes up now, by the rules of the policy that covers them.

    A run that a person asks for goes the way of a scheduled one: it waits for its place, inspects, and makes no backup
    where nothing is new. Where the policy has a run of the volume going on, that one serves; asking twice is safe. Of
    a detached volume that may not be attached it ends as suspended, as a scheduled one would.

    Exit code 0 if all were queued (with --wait: if all ended as completed or unchanged), 1 otherwise, 2 for a wrong
    configuration, 3 if the daemon cannot be reached.

    \b
    lhbackupd backup pvc-4f1c2a
    lhbackupd backup pvc-4f1c2a pvc-77d0b1 --policy nightly --wait
    """
    config = read_config(config_path)
    body = {"volumes": list(volumes), "policy": policy}
    raw, asked = order(config, "/v1/backup", body, Asked)
    if not as_json:
        for one in asked.runs:
            say(_queued(one))
    if not wait:
        if as_json:
            click.echo(raw)
        return
    ended = until_finished(config.control.socket, (one.state for one in asked.runs), quiet=as_json)
    if as_json:
        click.echo(msgspec.json.encode({"version": 1, "runs": ended}))
    if not all(map(protected, ended)):
        raise SystemExit(FAILED)


def _queued(asked: AskedRun) -> str:
    run = asked.state
    if asked.new:
        return f"{run.volume}: queued as run {run.run} of {run.policy}"
    where = f"phase {run.phase.value}" + (f": {run.reason}" if run.reason else "")
    holds = run.snapshot_holds if run.phase in {Phase.BACKING_UP, Phase.DETACHING} else None
    until = f"; it holds what was written until {holds:%Y-%m-%d %H:%M:%S} UTC" if holds else ""
    return f"{run.volume}: already running: run {run.run} of {run.policy}, {where}{until}"
