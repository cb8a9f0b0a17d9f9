"""`lhbackupd pause` and `resume`: let policies start nothing, and let them go on."""

from pathlib import Path

import click

from lhbackupd.cli.options import USAGE, SpanType, config_option, die, order, read_config, say
from lhbackupd.surface.pauses import Paused, Resumed

_policy = click.option("--policy", help="This policy.")
_all = click.option("--all", "everything", is_flag=True, help="Every policy.")
_json = click.option("--json", "as_json", is_flag=True, help="The daemon's answer as JSON.")


def _which(policy: str | None, everything: bool) -> str | None:
    """The policy's name; None for all."""
    if everything == (policy is not None):
        die(["say which: --policy NAME, or --all"], USAGE)
    return policy


@click.command("pause")
@config_option
@_policy
@_all
@click.option(
    "--for", "seconds", type=SpanType(), default="8h", show_default=True, metavar="SPAN",
    help="By when it should be over.",
)  # fmt: skip
@click.option("--reason", default="", help="Shown wherever the pause is.")
@_json
def pause(
    *, config_path: Path, policy: str | None, everything: bool, seconds: float, reason: str, as_json: bool
) -> None:
    """Let a policy, or all, start nothing until `lhbackupd resume`.

    What is due is queued and waits, and says so; what goes on is finished. A pause outlives a restart, and does not
    end by itself: once its time (--for) has passed it is shown as overdue, and logged every hour.

    Exit code 0, 1 if the policy is unknown, 2 for usage or a wrong configuration, 3 if the daemon cannot be reached.

    \b
    lhbackupd pause --policy nightly --for 2h --reason "new disks in the NAS"
    lhbackupd pause --all
    """
    config = read_config(config_path)
    body = {"policy": _which(policy, everything), "seconds": seconds, "reason": reason}
    raw, answer = order(config, "/v1/pause", body, Paused)
    if as_json:
        click.echo(raw)
        return
    say(answer.words)
    say(f"{answer.running} runs go on and are finished, {answer.waiting} wait")


@click.command("resume")
@config_option
@_policy
@_all
@_json
def resume(config_path: Path, policy: str | None, everything: bool, as_json: bool) -> None:
    """Let a policy go on, or with --all everything that is paused.

    Exit code 0 also if nothing was paused, 1 if the policy is unknown, 2 for usage or a wrong configuration, 3 if the
    daemon cannot be reached.

    \b
    lhbackupd resume --policy nightly
    lhbackupd resume --all
    """
    config = read_config(config_path)
    raw, answer = order(config, "/v1/resume", {"policy": _which(policy, everything)}, Resumed)
    if as_json:
        click.echo(raw)
        return
    for ended in answer.ended:
        say(f"{ended.what} no longer paused")
    if answer.still:
        say(f"it starts nothing all the same: {answer.still}")
    elif not answer.ended:
        say("nothing was paused")
