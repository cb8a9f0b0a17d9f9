"""`lhbackupd plan` against a daemon's HTTP surface."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lhbackupd.core.cluster import Replica
from lhbackupd.core.durations import Durations, Ended
from lhbackupd.core.model import Outcome
from lhbackupd.surface.foresight import foresee
from tests.cli.served import served
from tests.cli.test_doctor import call, config
from tests.surface.house import NIGHTLY, NOON, TODAY, House, ended, house, volume
from tests.surface.shown import web


@contextmanager
def daemon(folder: Path) -> Iterator[tuple[House, Path]]:
    with house() as made:
        app = web(made).app
        made.has(*(volume(f"pvc-{name}", replicas=(Replica(name="r", node="node-1"),)) for name in "ab"))
        with served(app, folder) as path:
            yield made, path


def test_a_plan_has_a_line_for_each_day_and_policy_and_says_that_there_is_more(tmp_path: Path) -> None:
    with daemon(tmp_path) as (_, path):
        answer = call("plan", path, "--next", "2d")
    assert answer.exit_code == 0, answer.output
    lines = answer.output.splitlines()
    assert lines[0] == "from 2026-10-22 12:00:00 UTC to 2026-10-24 12:00:00 UTC"
    assert lines[2].split()[:7] == ["2026-10-23", "nightly", "2", "10-23", "02:00", "10-23", "02:00"]
    assert "4 runs; --runs shows each" in lines
    assert lines[-1] == "at most at once: cluster 1 of 4; nodes node-1 1 of 1; targets default 1 of 4"


def test_every_run_is_shown_when_asked_for(tmp_path: Path) -> None:
    with daemon(tmp_path) as (_, path):
        answer = call("plan", path, "--next", "1d", "--runs")
    rows = [line.split() for line in answer.output.splitlines() if "pvc-" in line]
    assert rows[0] == ["10-23", "02:00:00", "13", "s", "pvc-a", "nightly", "10-23", "02:00", "node-1"]
    assert rows[1][1] == "02:00:13"


def test_what_cannot_be_met_is_said_and_is_exit_code_1(tmp_path: Path) -> None:
    with daemon(tmp_path) as (made, path):
        made.has(volume("pvc-a", standby=True), policy=replace(NIGHTLY, rpo=timedelta(hours=20)))
        answer = call("plan", path, "--next", "2d")
        slow = Durations.of(
            [
                Ended(
                    policy="nightly",
                    volume="pvc-b",
                    outcome=Outcome.COMPLETED,
                    started_at=NOON,
                    finished_at=NOON + timedelta(hours=25),
                )
            ]
        )
        made.keeper.books.durations = slow
        later = call("plan", path, "--next", "2d")
    assert answer.exit_code == 1
    assert (
        "pvc-a: the RPO of nightly cannot be met: violated from 2026-10-23 08:00:00 UTC on, and no run ends before "
        "this plan does" in answer.output
    )
    assert "pvc-a: refused (nightly): it is a standby" in answer.output
    assert "1 runs are not done when their policy is due again, which is skipped" in later.output


def test_json_is_the_daemons_own(tmp_path: Path) -> None:
    with daemon(tmp_path) as (_, path):
        document = json.loads(call("plan", path, "--json").output)
    assert document["version"] == 1
    assert list(document) == [
        "version", "at", "until", "whole", "runs", "cluster", "nodes", "targets", "misses", "overruns", "put_off",
    ]  # fmt: skip


def test_a_span_that_makes_no_sense_is_exit_code_2_in_the_daemons_words(tmp_path: Path) -> None:
    with daemon(tmp_path) as (_, path):
        answer = call("plan", path, "--next", "tomorrow & more")
    assert answer.exit_code == 2
    assert "next is not a duration such as" in answer.output


@pytest.mark.parametrize("command", ["plan", "explain"])
def test_without_a_daemon_it_is_exit_code_3_or_2_where_it_cannot_be_asked(tmp_path: Path, command: str) -> None:
    what = ["pvc-a"] * (command == "explain")
    assert call(command, config(tmp_path), *what).exit_code == 2
    path = config(tmp_path)
    path.write_text(path.read_text().replace('listen = "off"', 'listen = "127.0.0.1:9"'))
    answer = call(command, path, *what)
    assert answer.exit_code == 3
    assert "does not answer" in answer.output


def test_a_volume_is_explained_on_one_screen(tmp_path: Path) -> None:
    with daemon(tmp_path) as (made, path):
        made.knows(ended("pvc-a", Outcome.COMPLETED, "100 bytes", protected_until=TODAY))
        good, bad = call("explain", path, "pvc-a"), call("explain", path, "pvc-b")
        document = json.loads(call("explain", path, "pvc-a", "--json").output)
    assert good.exit_code == 0, good.output
    assert bad.exit_code == 1
    assert len(good.output.splitlines()) < 24
    assert document["version"] == 1
    said = good.output
    assert "pvc-a (shop/a): detached, 1073741824 bytes" in said
    assert "nightly (\"0 2 * * *\" in UTC): namespace = ['shop'] fits" in said
    assert "protected: protected as of 2026-10-22 02:00:00 UTC; 100 bytes" in said
    assert "nightly: due at 2026-10-23 02:00:00 UTC; begins at 2026-10-23 02:00:00 UTC for 13 s on node-1" in said
    assert "→ node-1: it holds a good replica" in said


def test_it_is_said_as_of_when_a_next_run_was_foreseen(tmp_path: Path) -> None:
    with house() as made:
        made.has(volume("pvc-a", replicas=(Replica(name="r", node="node-1"),)))
        foreseen = foresee(made.sources)
        with served(web(made, foreseen=lambda: foreseen).app, tmp_path) as path:
            new = call("explain", path, "pvc-a").output
            made.clock.turn(90)
            old = call("explain", path, "pvc-a").output
    assert "foreseen at" not in new
    assert "  as it was foreseen at 2026-10-22 12:00:00 UTC" in old.splitlines()


def test_a_volume_that_is_let_alone_is_explained_with_what_that_rests_on(tmp_path: Path) -> None:
    with daemon(tmp_path) as (made, path):
        made.has(volume("pvc-a"), policy=replace(NIGHTLY, no_touch=timedelta(days=7)))
        made.knows(ended("pvc-a", Outcome.COMPLETED, hidden=True, new_bytes=7, protected_until=TODAY))
        before = call("explain", path, "pvc-a").output
        made.let_alone("pvc-a")
        after = call("explain", path, "pvc-a")
    assert "no_touch: its next run inspects it: no inspection by an attach of ours" in before
    assert "no_touch: let alone: no attach but ours in Longhorn's events" in after.output
    assert "inspections that found data which no sign had shown: 1" in after.output
    assert after.exit_code == 0


def test_an_unknown_volume_is_exit_code_2_with_those_like_it(tmp_path: Path) -> None:
    with daemon(tmp_path) as (_, path):
        answer = call("explain", path, "pvc-x")
        odd = call("explain", path, "../status")
    assert answer.exit_code == 2
    assert "there is no volume pvc-x; do you mean" in answer.output
    assert odd.exit_code == 2
    assert odd.output == "that is no name of a Longhorn volume\n"
