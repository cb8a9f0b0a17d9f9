"""`backup`, `cancel`, `pause` and `resume` as commands, over a real socket to a daemon without its loop."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lhbackupd.cli import main
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.surface.control import Control, application
from lhbackupd.surface.doorway import doorway
from lhbackupd.surface.logs import logger
from lhbackupd.surface.server import attend
from tests.cli.test_doctor import call, config
from tests.surface.house import House, house, volume

COMMANDS = [("backup", "db"), ("cancel", "r1"), ("pause", "--all"), ("resume", "--all")]


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    with house() as made:
        yield made


@dataclass(frozen=True, slots=True)
class Door:
    """A daemon's socket, and a command line that knows it."""

    path: Path
    house: House

    async def call(self, command: str, *options: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, main, [command, "--config", str(self.path), *options], catch_exceptions=False
        )

    def end(self, outcome: Outcome) -> None:
        """All runs that wait end so."""
        for run in list(self.house.keeper.waiting.values()):
            ended = replace(
                run, phase=Phase.FINISHED, outcome=outcome, reason="why", finished_at=self.house.clock.now()
            )
            self.house.journal.save(ended)
            del self.house.keeper.waiting[run.id]


@pytest.fixture
async def door(house: House, tmp_path: Path) -> AsyncIterator[Door]:
    path, listens, stop = config(tmp_path), asyncio.Event(), asyncio.Event()
    house.keeper.begun.set()
    house.has(volume("pvc-a"), volume("pvc-b"))
    control = Control(
        keeper=house.keeper, inventory=house.inventory, origin=house.sources.origin, clock=house.clock, log=logger()
    )
    with ExitStack() as stack:
        opened = stack.enter_context(doorway(tmp_path / "control.sock"))
        async with asyncio.TaskGroup() as tasks:
            app = application(control=control, report=house.report)
            tasks.create_task(attend(app, opened, started=listens.set, stop=stop))
            await listens.wait()
            yield Door(path, house)
            stop.set()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_daemon_it_is_exit_code_3_and_one_line(tmp_path: Path, command: tuple[str, str]) -> None:
    answer = call(command[0], config(tmp_path), command[1])
    assert answer.exit_code == 3
    assert answer.output.startswith("no daemon answers at ")
    assert "start it" in answer.output
    assert len(answer.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (
            PlainTextResponse('{"version": 9}'),
            "is no lhbackupd of this version, and may have done what it was asked for",
        ),
        (PlainTextResponse("Not Found", status_code=404), "is no lhbackupd of this version: it answered 404"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
async def test_a_daemon_of_another_version_is_exit_code_3_and_may_have_done_it(
    tmp_path: Path, command: tuple[str, str], there: PlainTextResponse, words: str
) -> None:
    path, listens, stop = config(tmp_path), asyncio.Event(), asyncio.Event()
    other = Starlette(routes=[Route("/{_:path}", lambda _: there, methods=["POST"])])
    with ExitStack() as stack:
        opened = stack.enter_context(doorway(tmp_path / "control.sock"))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(attend(other, opened, started=listens.set, stop=stop))
            await listens.wait()
            answer = await asyncio.to_thread(call, command[0], path, command[1])
            stop.set()
    assert answer.exit_code == 3
    assert words in answer.output
    assert len(answer.output.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_configuration_is_exit_code_2(tmp_path: Path, command: tuple[str, str]) -> None:
    assert call(command[0], config(tmp_path, "[limits]\nper_nod = 1\n"), command[1]).exit_code == 2


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("backup", []),
        ("cancel", []),
        ("pause", []),
        ("resume", []),
        ("pause", ["--all", "--policy", "nightly"]),
        ("pause", ["--all", "--for", "soon"]),
        ("pause", ["--all", "--for", "0s"]),
    ],
)
def test_wrong_usage_is_exit_code_2(tmp_path: Path, command: str, options: list[str]) -> None:
    answer = call(command, config(tmp_path), *options)
    assert answer.exit_code == 2
    assert "Traceback" not in answer.output


async def test_backups_are_queued_and_asking_again_says_what_goes_on(door: Door) -> None:
    answer = await door.call("backup", "pvc-a", "pvc-b")
    assert answer.exit_code == 0
    assert [line.partition(" as run")[0] for line in answer.output.splitlines()] == ["pvc-a: queued", "pvc-b: queued"]
    again = await door.call("backup", "pvc-a")
    (run,) = (run for run in door.house.keeper.waiting.values() if run.volume == "pvc-a")
    assert run.manual
    assert again.output == f"pvc-a: already running: run {run.id} of nightly, phase queued\n"
    as_json = json.loads((await door.call("backup", "pvc-a", "--json")).output)
    assert (as_json["version"], as_json["runs"][0]["new"]) == (1, False)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.COMPLETED, 0), (Outcome.UNCHANGED, 0), (Outcome.SUSPENDED, 1), (Outcome.FAILED, 1)],
)
async def test_waiting_ends_with_the_runs_and_tells_how_they_ended(door: Door, outcome: Outcome, code: int) -> None:
    asked = asyncio.create_task(door.call("backup", "pvc-a", "--wait"))
    await door.house.keeper._woken.wait()
    (run,) = door.house.keeper.waiting
    door.end(outcome)
    answer = await asked
    assert answer.exit_code == code
    last = answer.output.splitlines()[-1]
    assert last == f"pvc-a: {outcome.value}: why (run {run} of nightly)"


async def test_a_refusal_is_exit_code_1_and_its_words(door: Door) -> None:
    answer = await door.call("backup", "pvc-c")
    assert (answer.exit_code, answer.output) == (1, "there is no volume pvc-c; did you mean pvc-b or pvc-a?\n")
    claim = await door.call("backup", "b")
    assert (claim.exit_code, claim.output) == (1, "there is no volume b; PVC b has volume pvc-b\n")
    unknown = await door.call("cancel", "r1")
    assert unknown.exit_code == 1
    assert unknown.output.startswith("no run r1 is known")


async def test_a_run_is_called_off(door: Door) -> None:
    await door.call("backup", "pvc-a")
    (run,) = door.house.keeper.waiting
    answer = await door.call("cancel", run)
    assert answer.exit_code == 0
    assert answer.output.startswith(f"pvc-a: run {run} is called off; phase queued")
    assert door.house.keeper.orders.cancelled(run)
    assert json.loads((await door.call("cancel", run, "--json")).output)["cancelled"]


async def test_a_pause_is_shown_everywhere_and_ends_when_it_is_told_to(door: Door) -> None:
    answer = await door.call("pause", "--policy", "nightly", "--for", "2h", "--reason", "new disks")
    assert answer.exit_code == 0
    words = (
        f"policy nightly is paused since 2026-10-22 12:00:00 UTC by uid {os.getuid()}: new disks; "
        "until 2026-10-22 14:00:00 UTC"
    )
    assert answer.output == f"{words}\n0 runs go on and are finished, 0 wait\n"
    (shown,) = door.house.report().paused
    assert (shown.words, shown.overdue) == (words, False)
    door.house.clock.turn(timedelta(hours=2).total_seconds())
    assert door.house.report().paused[0].overdue
    await door.call("pause", "--all")
    half = await door.call("resume", "--policy", "nightly")
    assert half.output.startswith("policy nightly is no longer paused\nit starts nothing all the same: every policy is")
    assert (await door.call("resume", "--all")).output == "every policy is no longer paused\n"
    assert (await door.call("resume", "--all")).output == "nothing was paused\n"


@pytest.mark.parametrize("command", ["backup", "cancel", "pause", "resume", "prune", "adopt"])
def test_help_has_examples(command: str) -> None:
    answer = CliRunner().invoke(main, [command, "--help"])
    assert answer.exit_code == 0
    assert f"\n  lhbackupd {command}" in answer.output
    assert "\\b" not in answer.output


async def test_pruning_tells_how_many_went(door: Door) -> None:
    answer = await door.call("prune")
    assert (answer.exit_code, answer.output) == (0, "0 deleted; 0 pairs of policy and volume looked at\n")
    assert json.loads((await door.call("prune", "--json")).output)["deleted"] == []
    assert (
        await door.call("prune", "--policy", "nightl")
    ).output == "there is no policy nightl; did you mean nightly?\n"
    assert (await door.call("prune", "--origin", "5eed0002")).exit_code == 2
    # there is no Longhorn here
    for words in (("prune", "--dry-run"), ("adopt", "--origin", "5eed0002")):
        answer = await door.call(*words)
        assert answer.exit_code == 3
        assert "cannot be reached" in answer.output


@pytest.mark.parametrize("words", [("prune", "--dry-run"), ("adopt", "--origin", "5eed0002")])
def test_without_daemon_and_journal_nobody_knows_whose_backups_are_ours(tmp_path: Path, words: tuple[str, ...]) -> None:
    answer = call(words[0], config(tmp_path), *words[1:])
    assert answer.exit_code == 1
    assert "whose backups are ours is not known" in answer.output
    assert len(answer.output.splitlines()) == 1
