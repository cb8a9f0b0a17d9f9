"""`lhbackupd cancel`: call a run off."""

from pathlib import Path

import click
import msgspec

from lhbackupd.cli.options import config_option, order, read_config, say
from lhbackupd.cli.waiting import told, until_finished
from lhbackupd.surface.orders import RunState


@click.command("cancel")
@click.argument("run")
@config_option
@click.option("--wait", is_flag=True, help="Until the run has ended, and tell how.")
@click.option("--json", "as_json", is_flag=True, help="The run as JSON.")
def command(run: str, config_path: Path, wait: bool, as_json: bool) -> None:
    """Call a run off: it ends if it waits, gives its volume back if it has one, and is not tried again.

    A backup of it that is not finished is deleted; one that is completed by then stays, and the run says so. The
    policy's next due time makes a new run: to keep that away, pause the policy. Run ids are in `lhbackupd status`.

    Exit code 0 if it is called off (again as well), 1 if it is over or unknown, 2 for a wrong configuration, 3 if the
    daemon cannot be reached.

    \b
    lhbackupd cancel 69a4f30c1b22aa7d03e9 --wait
    """
    config = read_config(config_path)
    raw, state = order(config, "/v1/cancel", {"run": run}, RunState)
    if wait and not state.finished:
        (state,) = until_finished(config.control.socket, [state], quiet=True)
        raw = msgspec.json.encode(state)
    if as_json:
        click.echo(raw)
    elif state.finished:
        say(told(state))
    else:
        say(f"{state.volume}: run {state.run} is called off; phase {state.phase.value}: {state.reason}")
