"""`import-jobs` as a command; what it prints of which jobs is tested in tests/surface/test_imported.py."""

import tomllib
from pathlib import Path

from click.testing import CliRunner, Result

from lhbackupd.cli import main
from lhbackupd.engine.survey import Surveyor
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.surface.imported import policies
from tests.cli.test_doctor import config
from tests.rig import Rig, inline


def call(*options: str) -> Result:
    return CliRunner().invoke(main, ["import-jobs", *options])


def test_a_longhorn_that_is_not_there_is_exit_code_3_and_nothing_on_standard_output(tmp_path: Path) -> None:
    answer = call("--config", str(config(tmp_path)))
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert "cannot be asked for its recurring jobs" in answer.stderr


def test_an_address_is_enough(tmp_path: Path) -> None:
    answer = call("--config", str(tmp_path / "none.toml"), "--url", "http://127.0.0.1:9")
    assert answer.exit_code == 3
    assert "http://127.0.0.1:9 cannot be asked" in answer.stderr


def test_a_wrong_configuration_is_exit_code_2(tmp_path: Path) -> None:
    answer = call("--config", str(tmp_path / "none.toml"), "--url", "ftp://x")
    assert answer.exit_code == 2
    assert "LHBACKUPD_LONGHORN__URL" in answer.stderr


async def test_jobs_groups_and_volumes_of_a_longhorn_become_policies(rig: Rig) -> None:
    job = {"name": "nightly", "task": "backup", "cron": "30 3 * * *", "retain": 5, "concurrency": 2}
    await rig.volume("db")
    await rig.volume("web")
    await rig.call("POST", "/v1/recurringjobs", {**job, "groups": ["gold"]})
    await rig.call("POST", "/v1/recurringjobs", {**job, "name": "snap", "task": "snapshot", "groups": ["default"]})
    await rig.call("POST", "/v1/volumes/db?action=recurringJobAdd", {"name": "nightly", "isGroup": False})
    longhorn = Longhorn(url="http://longhorn", transport=rig.transport, offload=inline)
    jobs, members = await Surveyor(longhorn=longhorn, now=rig.clock.now).jobs()
    by_group, by_name = tomllib.loads(policies(jobs, members))["policy"]
    assert (by_group["match"], by_name["match"]) == ({"group": ["gold"]}, {"name": ["db"]})
    assert (by_group["cron"], by_group["keep"]) == ("30 3 * * *", {"last": 5})
