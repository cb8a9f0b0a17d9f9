"""What a configuration says and hardly means."""

import sys
from pathlib import Path
from subprocess import run

import pytest

from lhbackupd.config import advice, load


def advised(folder: Path, text: str) -> tuple[str, ...]:
    file = folder / "config.toml"
    file.write_text(f'[[policy]]\nname = "nightly"\n{text}\n')
    return advice(load(file, {}))


@pytest.mark.parametrize(
    "text",
    [
        'cron = "0 2 * * *"',
        'cron = "0 2 * * *"\nwindow = ["22:00-06:00"]',
        'cron = "0 * * * *"\nwindow = ["22:00-06:00"]',
        'cron = "0 21 * * *"\nspread = "2h"\nwindow = ["22:00-06:00"]',
        'cron = "0 0 1 * *"\nwindow = ["sat 00:00-24:00"]',
        'cron = "0 12 * * *"\nblackout = ["22:00-06:00"]',
        'cron = "0 2 * * *"\non_detach = "10m"\ndetached = "always"',
    ],
)
def test_there_is_nothing_to_say_where_runs_can_start_when_they_are_due(tmp_path: Path, text: str) -> None:
    assert advised(tmp_path, text) == ()


@pytest.mark.parametrize(
    ("text", "due", "instead"),
    [
        ('cron = "0 12 * * *"\nwindow = ["22:00-06:00"]', 'cron "0 12 * * *" is in', '"0 22 * * *"'),
        (
            'cron = "0 19 * * *"\nspread = "2h"\nwindow = ["22:30-06:00"]',
            'cron "0 19 * * *", nor any moment of its spread, is in',
            '"30 22 * * *"',
        ),
        ('cron = "0 2 * * 1-5"\nwindow = ["sat,sun 00:00-24:00"]', 'cron "0 2 * * 1-5" is in', '"0 0 * * sat"'),
        ('cron = "0 2 * * *"\nblackout = ["00:00-06:00"]', 'cron "0 2 * * *" is in', '"0 6 * * *"'),
    ],
)
def test_due_times_that_are_never_in_the_window(tmp_path: Path, text: str, due: str, instead: str) -> None:
    assert advised(tmp_path, text) == (
        (
            f'policy "nightly": no due time of {due} its window: each run waits until the window opens, and then all '
            f"start together; write a cron inside the window, such as {instead}"
        ),
    )


def test_on_detach_of_volumes_that_are_left_alone(tmp_path: Path) -> None:
    (line,) = advised(tmp_path, 'cron = "0 2 * * *"\non_detach = "10m"\ndetached = "never"')
    assert line.startswith('policy "nightly": on_detach is for detached volumes')


def test_config_check_prints_it_and_is_content(tmp_path: Path) -> None:
    (line,) = advised(tmp_path, 'cron = "0 12 * * *"\nwindow = ["22:00-06:00"]')
    file = tmp_path / "config.toml"
    command = [sys.executable, "-m", "lhbackupd", "config", "check", "--config", str(file)]
    done = run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{file}: warning: {line}", f"{file}: no faults"]
