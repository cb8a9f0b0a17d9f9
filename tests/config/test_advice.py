"""What a configuration says and hardly means."""

import sys
from pathlib import Path
from subprocess import run

import pytest

from lhbackupd.assembly import rules_of
from lhbackupd.config import Config, advice, left_for_restart, load
from lhbackupd.config.schema import RELOADED, Settings


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


#: of each section one key with a value that is not the default
OTHER = {
    "instance": 'instance = "other"',
    "longhorn": '[longhorn]\npoll = "20s"',
    "state": '[state]\nhistory = "30d"',
    "limits": "[limits]\ncluster = 9",
    "http": '[http]\nlisten = "off"',
    "control": '[control]\nsocket = "/tmp/other.sock"',
    "log": '[log]\nlevel = "debug"',
    "retry": '[retry]\nfirst = "2m"',
    "notify": '[notify]\ndigest = "off"',
    "policy": '[[policy]]\nname = "nightly"\ncron = "@daily"',
    "exclude": '[[exclude]]\nreason = "scratch"\nname = ["x"]',
}


def config(folder: Path, text: str) -> Config:
    file = folder / "config.toml"
    file.write_text(text)
    return load(file, {})


def test_there_is_another_value_for_each_section() -> None:
    assert set(OTHER) == set(Settings.model_fields)


@pytest.mark.parametrize("name", OTHER)
def test_what_changed_is_taken_by_a_reload_or_said_to_want_a_restart(tmp_path: Path, name: str) -> None:
    running, read = config(tmp_path, ""), config(tmp_path, OTHER[name])
    taken, said = rules_of(read) != rules_of(running), left_for_restart(running, read)
    assert taken is (name in RELOADED)
    assert len(said) == (not taken)
    assert all(line.startswith(name) and "restart the daemon" in line for line in said)
