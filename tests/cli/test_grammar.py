"""One grammar for all commands: whatever `lhbackupd` has as a command is held to it, by walking the commands.

Nothing is listed here. How a command is called is taken from the first example of its own help, and what it promises
from its row in docs/commands.md, so that a new command has to have both.
"""

import asyncio
import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import fields

from lhbackupd.cli import main
from lhbackupd.core.model import Outcome
from lhbackupd.core.protection import Protection
from lhbackupd.engine.journal import Journal
from lhbackupd.surface.report import (
    CoveredVolume,
    FinishedRun,
    PausedPolicy,
    PolicyObjective,
    RunningRun,
    Totals,
    WaitingRun,
)
from tests.cli.served import served
from tests.cli.test_doctor import config, journal
from tests.cli.test_screen import REPOSITORY, environment
from tests.e2e.harness import policy, staged
from tests.surface.house import ended, house, volume
from tests.surface.shown import web

DOCS = REPOSITORY / "docs"
NEVER = "—"
ROW = re.compile(r"^\| `([a-z -]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)

#: exit codes 1 and 3 in words, and where the JSON is described
Promised = tuple[str, str, str]


def found(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from found(inner, (*path, name))
    else:
        yield path, command


COMMANDS = dict(found(main))
PROMISED: dict[str, Promised] = {
    name: (failed, unreached, document)
    for name, failed, unreached, document in ROW.findall((DOCS / "commands.md").read_text())
}
every = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


def promised(path: tuple[str, ...]) -> Promised:
    return PROMISED[" ".join(path)]


def options(path: tuple[str, ...]) -> set[str]:
    return {name for parameter in COMMANDS[path].params for name in parameter.opts}


def examples(path: tuple[str, ...]) -> list[list[str]]:
    """The arguments of the examples that the help of a command has."""
    calls = re.findall(
        rf"^ *(?:\w+ +)?(?:eval \"\$\()?lhbackupd {' '.join(path)}\b([^)|\n]*)", said(path), re.MULTILINE
    )
    return [shlex.split(call) for call in calls]


def said(path: tuple[str, ...]) -> str:
    answer = CliRunner().invoke(main, [*path, "--help"], terminal_width=120)
    assert answer.exit_code == 0
    return answer.output


def call(path: tuple[str, ...], file: Path, *arguments: str) -> Result:
    """The first example of a command's help, with this configuration."""
    answer = CliRunner().invoke(main, [*path, "--config", str(file), *(arguments or examples(path)[0])])
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exc_info
    return answer


READERS = [path for path in COMMANDS if "--json" in options(path)]
WITH_CONFIG = [path for path in COMMANDS if "--config" in options(path)]


@every
def test_help_has_examples_that_the_command_understands_and_its_exit_codes(path: tuple[str, ...]) -> None:
    assert examples(path), "no example"
    for example in examples(path):
        made = COMMANDS[path].make_context(path[-1], list(example))
        assert made.params is not None
    words = " ".join(said(path).split())
    assert re.search(r"[Ee]xit code 0", words)
    for code, claim in ((1, promised(path)[0]), (3, promised(path)[1])):
        assert bool(re.search(rf"[Ee]xit code 0.*\b{code} (if|for|otherwise)", words)) is (claim != NEVER), code


def test_every_command_and_nothing_else_has_a_row_in_the_docs() -> None:
    assert sorted(PROMISED) == sorted(" ".join(path) for path in COMMANDS)


@every
def test_a_command_has_json_or_the_docs_say_why_not(path: tuple[str, ...]) -> None:
    document = promised(path)[2]
    assert document.startswith("none: ") is ("--json" not in options(path))


@pytest.mark.parametrize("path", WITH_CONFIG, ids=" ".join)
@pytest.mark.parametrize("how", ["missing", "a directory", "no TOML", "no UTF-8", "an unknown key"])
def test_a_configuration_that_cannot_be_used_is_exit_code_2_and_says_where(
    path: tuple[str, ...], how: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    match how:
        case "a directory":
            file = tmp_path
        case "no TOML":
            file.write_text("[[[")
        case "no UTF-8":
            file.write_bytes(b"\xff\xfe")
        case "an unknown key":
            config(tmp_path, "[limits]\nper_nod = 1\n")
    answer = call(path, file)
    assert answer.exit_code == 2
    assert str(file) in answer.output
    assert len(answer.output.splitlines()) <= 2, "the fault, and a step"


@pytest.mark.parametrize("path", WITH_CONFIG, ids=" ".join)
def test_where_nobody_is_there_to_ask_it_is_exit_code_3_if_the_docs_say_so(
    path: tuple[str, ...], tmp_path: Path
) -> None:
    journal(tmp_path)
    file = config(tmp_path, policy("nightly"))
    file.write_text(file.read_text().replace('listen = "off"', 'listen = "127.0.0.1:9"'))
    if promised(path)[1] != NEVER:
        answer = call(path, file)
        assert answer.exit_code == 3, answer.output
        assert answer.output.strip()
    elif path in READERS:
        assert call(path, file).exit_code in {0, 1}


@pytest.mark.parametrize(("status", "words"), [(200, "is no lhbackupd of this version"), (404, "does not answer at")])
def test_somebody_else_on_the_daemons_port_is_not_taken_for_it(tmp_path: Path, status: int, words: str) -> None:
    async def other(scope: object, _receive: object, send: object) -> None:
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": status, "headers": headers})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"<html>\xff"})  # type: ignore[operator]

    with served(other, tmp_path) as file:  # type: ignore[arg-type]
        answers = {path: call(path, file) for path in READERS}
    told = {path for path, answer in answers.items() if words in answer.output}
    assert ("status",) in told
    assert {answers[path].exit_code for path in told} == {3}


def test_an_environments_proxy_is_not_asked_for_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with house() as made:
        made.has(volume("pvc-a"))
        with served(web(made).app, tmp_path) as file:
            assert call(("status",), file).exit_code == 1


def documented(path: tuple[str, ...]) -> str:
    link = re.search(r"\((.*)\)", promised(path)[2])
    assert link, "the row names where the document is described"
    file, _, heading = link[1].partition("#")
    text = (DOCS / (file or "commands.md")).read_text()
    if heading:
        words = heading.replace("-", " ")
        assert f"### {words}\n" in text
        text = text.partition(f"### {words}\n")[2].partition("\n### ")[0]
    return text


async def test_what_json_prints_is_one_versioned_document_whose_fields_the_docs_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    async with staged(tmp_path) as stage:
        await stage.longhorn.allow(True)
        await stage.longhorn.create("pvc-4f1c2a", data=8 * 2**20)
        daemon = await stage.daemon(policy("nightly"))
        port = await daemon.port()
        await daemon.scheduled("pvc-4f1c2a", "nightly")
        file = tmp_path / "config.toml"
        file.write_text(file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        run = ""
        for path in READERS:
            words = [run if word == "69a4f30c1b22aa7d03e9" else word for word in examples(path)[0] if word != "--wait"]
            text = await asyncio.to_thread(call, path, file, *words)
            assert text.exit_code in {0, 1}, (path, text.output)
            assert "\x1b" not in text.output, f"{path}: colours where there is no terminal"
            answer = await asyncio.to_thread(call, path, file, *words, "--json")
            assert answer.exit_code in {0, 1}, (path, answer.output)
            document = json.loads(answer.stdout)
            assert document["version"] == 1, path
            named = set(re.findall(r"`([a-z_]+)(?:\[\])?`", documented(path))) | {"version"}
            named |= set(re.findall(r'"([a-z_]+)":', documented(path)))
            assert set(document) <= named, path
            if path == ("backup",):
                run = document["runs"][0]["state"]["run"]
        assert run, "a run was there to be called off"


def test_every_field_of_the_report_is_described() -> None:
    text = documented(("status",))
    with house() as made:
        made.has(volume("pvc-a"))
        named = set(re.findall(r"`([a-z_]+)(?:\[\])?`", text)) | {"version"}
        assert {one.name for one in fields(made.report())} <= named
        for kind in (CoveredVolume, RunningRun, WaitingRun, FinishedRun, PolicyObjective, PausedPolicy, Totals):
            assert {one.name for one in fields(kind)} <= named, kind


def test_a_sign_that_the_terminal_does_not_know_is_no_traceback(tmp_path: Path) -> None:
    made = Journal(url=f"sqlite:///{tmp_path}/state.db")
    made.open()
    run = ended("pvc-a", Outcome.FAILED, "größer als 5 €")
    made.enqueue([run])
    made.finish(run, Protection(policy=run.policy, volume=run.volume), None)
    made.close()
    done = subprocess.run(
        [sys.executable, "-m", "lhbackupd", "history", "--config", str(config(tmp_path))],
        capture_output=True, text=True, timeout=60, env=environment(PYTHONIOENCODING="ascii"), check=False,
        cwd=REPOSITORY,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "gr\\xf6\\xdfer als 5 \\u20ac" in done.stdout


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = CliRunner().invoke(main, ["simulate", "--port", str(taken.getsockname()[1])])
    assert answer.exit_code == 1
    assert answer.output.startswith("it cannot listen on 127.0.0.1:")
    assert len(answer.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[longhorn]\nca_file = "{folder}/config.toml"', "longhorn.ca_file, client_cert or client_key cannot be used"),
        ('[state]\nurl = "postgresql+nosuch://x/y"', "it wants a driver that is not here"),
    ],
)
def test_what_shows_only_when_it_is_used_is_a_fault_of_the_configuration(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text.format(folder=tmp_path))
    answer = call(("config", "check"), file, "--json")
    assert answer.exit_code == 2
    (fault,) = json.loads(answer.stdout)["faults"]
    assert words in fault
    for path in WITH_CONFIG:
        if path[0] in {"run", "leave", "doctor", "prune", "import-jobs"}:
            assert call(path, file).exit_code in {1, 2, 3}, path


def test_a_history_that_is_cut_says_so(tmp_path: Path) -> None:
    made = Journal(url=f"sqlite:///{tmp_path}/state.db")
    made.open()
    runs = [ended(f"pvc-{number}", Outcome.COMPLETED) for number in range(3)]
    made.enqueue(runs)
    for run in runs:
        made.finish(run, Protection(policy=run.policy, volume=run.volume), None)
    made.close()
    file = config(tmp_path)
    assert "there are older ones; --limit shows more than 2" in call(("history",), file, "--limit", "2").output
    assert "older" not in call(("history",), file, "--limit", "3").output
    document = json.loads(call(("history",), file, "--limit", "2", "--json").stdout)
    assert (len(document["runs"]), document["more"]) == (2, True)
