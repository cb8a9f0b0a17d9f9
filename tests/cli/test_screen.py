"""What commands print: whole in a pipe, coloured only on a terminal, and foreign text harmless."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lhbackupd.cli.main import main
from lhbackupd.core.model import Outcome
from lhbackupd.core.protection import Protection
from lhbackupd.engine.journal import Journal
from tests.surface.house import ended

REPOSITORY = Path(__file__).parents[2]
NASTY = "[red]no[/] :smile: \x1b[2J[/nothing] " + "very " * 60 + "long"


@pytest.fixture
def history(tmp_path: Path) -> tuple[str, ...]:
    """The command line that shows a journal with one nasty run."""
    journal = Journal(url=f"sqlite:///{tmp_path}/state.db")
    journal.open()
    run = ended("pvc-0123456789abcdef-0123456789abcdef-0123456789abcdef", Outcome.FAILED, NASTY)
    journal.enqueue([run])
    journal.finish(run, Protection(policy=run.policy, volume=run.volume), None)
    journal.close()
    (tmp_path / "config.toml").write_text(f'[state]\nurl = "sqlite:///{tmp_path}/state.db"\n')
    return (sys.executable, "-m", "lhbackupd", "history", "--config", str(tmp_path / "config.toml"))


def environment(**more: str) -> dict[str, str]:
    of_a_terminal = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}
    kept = {name: value for name, value in os.environ.items() if name not in of_a_terminal}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color", **more}


def on_a_terminal(command: tuple[str, ...], **more: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    ours, its = pty.openpty()
    try:
        env = environment(**{"COLUMNS": "80", **more})
        process = subprocess.Popen(command, stdout=its, stderr=its, stdin=its, env=env, cwd=REPOSITORY)
        os.close(its)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end has closed
                break
            if not part:
                break
            said += part
        assert process.wait(timeout=30) == 0
    finally:
        os.close(ours)
    return said.decode()


def test_in_a_pipe_nothing_is_cut_and_nothing_is_coloured(history: tuple[str, ...]) -> None:
    done = subprocess.run(
        history, capture_output=True, text=True, timeout=60, env=environment(FORCE_COLOR="1"), check=True
    )
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 2)
    assert NASTY.replace("\x1b", "\\x1b") in done.stdout
    assert "…" not in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("columns", ["80", "30"])
def test_on_a_terminal_everything_is_there_however_narrow_it_is(history: tuple[str, ...], columns: str) -> None:
    said = on_a_terminal(history, COLUMNS=columns)
    assert "\x1b[1m" in said, "the heading stands out"
    assert "\x1b[2J" not in said
    lines = said.replace("\x1b[1m", "").replace("\x1b[0m", "").split("\r\n")
    assert max(map(len, lines)) <= 80
    words = "".join(line[-20:] for line in lines[1:]).split()
    assert "".join(words).count("very") == 60, "the reason is whole"
    assert "…" not in said


def test_no_color_is_heeded(history: tuple[str, ...]) -> None:
    said = on_a_terminal(history, NO_COLOR="1")
    assert "\x1b[3" not in said
    assert "\x1b[9" not in said


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o nosort -F"),
        ("zsh", "#compdef lhbackupd"),
        ("fish", "complete --no-files --command lhbackupd"),
    ],
)
def test_a_shell_gets_a_script_that_completes_commands(shell: str, line: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert line in done.output
    assert "_LHBACKUPD_COMPLETE" in done.output


def test_commands_and_options_are_completed() -> None:
    for words, found in (("lhbackupd no", "plain,notify"), ("lhbackupd notify test --con", "plain,--config")):
        env = environment(_LHBACKUPD_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
        code = "from lhbackupd.cli import main; main(prog_name='lhbackupd')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            env=env,
            check=True,
            cwd=REPOSITORY,
        )
        assert found in done.stdout.splitlines()


def test_an_unknown_shell_is_a_usage_error() -> None:
    done = CliRunner().invoke(main, ["completion", "cmd"])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
