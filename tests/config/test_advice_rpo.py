"""Warnings: what can be used, and will hardly do what was meant."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from lhbackupd.cli.main import main
from lhbackupd.config import advice, load


def written(folder: Path, *lines: str) -> Path:
    path = folder / "config.toml"
    path.write_text("\n".join(("[[policy]]", 'name = "a"', *lines)))
    return path


@pytest.mark.parametrize(
    ("cron", "zone", "rpo", "gap"),
    [
        ("0 2 * * *", "UTC", "26h", ""),
        ("0 2 * * *", "UTC", "1d", ""),
        ("0 2 * * *", "UTC", "23h59m", "1d"),
        # the night in which clocks are set back is an hour longer
        ("0 12 * * *", "Europe/Berlin", "1d", "1d1h"),
        ("0 2 * * 1-5", "UTC", "2d", "3d"),
        ("*/15 * * * *", "UTC", "15m", ""),
    ],
)
def test_an_rpo_that_the_schedule_cannot_keep_is_a_warning(
    tmp_path: Path, cron: str, zone: str, rpo: str, gap: str
) -> None:
    path = written(tmp_path, f'cron = "{cron}"', f'timezone = "{zone}"', f'rpo = "{rpo}"')
    found = advice(load(path, {}))
    assert len(found) == bool(gap)
    assert all(f'rpo = "{rpo}" is shorter than the {gap} between' in warning for warning in found)


def test_a_policy_without_rpo_has_none(tmp_path: Path) -> None:
    assert advice(load(written(tmp_path, 'cron = "0 2 * * *"'), {})) == ()


def test_warnings_are_printed_and_do_not_fail_the_check(tmp_path: Path) -> None:
    path = written(tmp_path, 'cron = "0 2 * * *"', 'rpo = "1h"')
    result = CliRunner().invoke(main, ["config", "check", "--config", str(path)])
    assert result.exit_code == 0
    assert 'warning: policy "a": rpo = "1h" is shorter than the 1d between' in result.output
    assert "no faults" in result.output


@pytest.mark.parametrize("rpo", ["59s", "3651d", "a day"])
def test_an_rpo_has_its_bounds(tmp_path: Path, rpo: str) -> None:
    result = CliRunner().invoke(
        main, ["config", "check", "--config", str(written(tmp_path, 'cron = "0 2 * * *"', f'rpo = "{rpo}"'))]
    )
    assert result.exit_code == 2
    assert "a duration such as" in result.output
