"""`lhbackupd completion`: lets a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_LHBACKUPD_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that lets a shell complete lhbackupd's commands and options.

    Exit code 0, 2 for a shell that is none of these.

    \b
    bash   eval "$(lhbackupd completion bash)"          in ~/.bashrc
    zsh    eval "$(lhbackupd completion zsh)"           in ~/.zshrc
    fish   lhbackupd completion fish | source           in ~/.config/fish/config.fish
    """
    from lhbackupd.cli.main import main

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "lhbackupd", _VARIABLE).source())
