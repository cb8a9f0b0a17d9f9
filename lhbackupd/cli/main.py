"""The `lhbackupd` command and its subcommands."""

import importlib
import io
import sys
from typing import Any

import click
from typing_extensions import override

from lhbackupd import __version__

#: subcommand to the module and name that hold it; imported when asked for, so that `--help` is quick
_COMMANDS = {
    "run": "lhbackupd.cli.run:command",
    "demo": "lhbackupd.cli.demo:command",
    "simulate": "lhbackupd.cli.simulate:command",
    "status": "lhbackupd.cli.status:command",
    "history": "lhbackupd.cli.history:command",
    "plan": "lhbackupd.cli.plan:command",
    "explain": "lhbackupd.cli.explain:command",
    "doctor": "lhbackupd.cli.doctor:command",
    "backup": "lhbackupd.cli.backup:command",
    "cancel": "lhbackupd.cli.cancel:command",
    "pause": "lhbackupd.cli.pause:pause",
    "resume": "lhbackupd.cli.pause:resume",
    "prune": "lhbackupd.cli.prune:command",
    "adopt": "lhbackupd.cli.adopt:command",
    "leave": "lhbackupd.cli.leave:command",
    "import-jobs": "lhbackupd.cli.importing:command",
    "config": "lhbackupd.cli.config:group",
    "notify": "lhbackupd.cli.notify:group",
    "completion": "lhbackupd.cli.completion:command",
}


class _Lazy(click.Group):
    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lhbackupd")
def main(**_: Any) -> None:
    """Scheduled backups of Longhorn volumes, detached ones included.

    \b
    lhbackupd demo                 see it work on a simulated cluster, in half a minute
    lhbackupd config example       begin a configuration
    lhbackupd run --config FILE    run the daemon
    lhbackupd status --watch       see what it does
    lhbackupd doctor               find out why it does not work

    Exit code 0 fine, 1 something is unprotected or failed, 2 wrong usage or configuration, 3 not reachable.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a sign that a terminal does not know is no reason to end with a traceback
            stream.reconfigure(errors="backslashreplace")
