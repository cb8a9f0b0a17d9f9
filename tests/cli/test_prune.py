"""What `prune --dry-run` says of every backup."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lhbackupd.cli.origins import origins, surveyed
from lhbackupd.cli.prune import Judged, _show, judge
from lhbackupd.config import load
from lhbackupd.core.cluster import Backup, Volume
from lhbackupd.core.model import Origin
from lhbackupd.core.naming import LABEL_ORIGIN, LABEL_POLICY
from lhbackupd.engine.survey import Survey
from lhbackupd.longhorn.client import Longhorn
from tests.rig import Rig
from tests.surface.house import NOON

OURS = Origin(instance="lhbackupd", journal="5eed0001")


def made(name: str, days: int, *, volume: str = "db", origin: str = "5eed0001", policy: str = "nightly") -> Backup:
    created = NOON - timedelta(days=days)
    labels = {LABEL_POLICY: policy, LABEL_ORIGIN: origin}
    return Backup(name=name, volume=volume, snapshot=name, state="Completed", labels=labels, created=created)


SURVEY = Survey(
    volumes=(Volume(name="db", size=1, state="detached"), Volume(name="other", size=1, state="detached")),
    backups=(
        made("new", 0),
        made("yesterday", 1),
        made("old", 9),
        made("lost", 12, origin="10570000"),
        made("elsewhere", 3, volume="gone"),
        made("uncovered", 3, volume="other"),
    ),
    read_at=NOON,
)


def judged(tmp_path: Path, origin: Origin = OURS) -> list[Judged]:
    path = tmp_path / "config.toml"
    path.write_text(
        '[[policy]]\nname = "nightly"\ncron = "0 2 * * *"\nmatch = { name = ["db"] }\nkeep = { daily = 2 }\n'
    )
    return judge(load(path, {}), SURVEY, origin)


def test_each_backup_is_shown_with_the_rule_that_keeps_it_or_why_it_goes(tmp_path: Path) -> None:
    found = {each.backup: each for each in judged(tmp_path)}
    assert set(found) == {"new", "yesterday", "old"}, "only of volumes that are under their policy, and of our origin"
    assert found["yesterday"].kept_by == ("daily 2026-10-21",)
    assert (found["old"].kept_by, found["old"].why) == ((), "daily 2: 2 newer periods have one")


def test_a_lost_journal_can_be_looked_at_before_it_is_adopted(tmp_path: Path) -> None:
    assert origins(SURVEY) == {"5eed0001": 5, "10570000": 1}
    found = judged(tmp_path, replace(OURS, adopted=frozenset({"10570000"})))
    assert [(each.backup, bool(each.kept_by)) for each in found] == [
        ("new", True),
        ("yesterday", True),
        ("old", False),
        ("lost", False),
    ]


def test_the_table_counts_what_would_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _show(judged(tmp_path), ["backups of x: no answer"])
    said = capsys.readouterr().out
    assert "1 of 3 backups would be deleted; nothing was" in said
    assert "GOES" in said
    assert "could not be read, so this list lacks something: backups of x: no answer" in said


@pytest.mark.looptime
@pytest.mark.parametrize(
    "wants",
    [
        'match = { label = ["recurring-job-group.longhorn.io/gold"] }',
        'exclude = { group = ["gold"] }',
        '[[exclude]]\ngroup = ["gold"]\nreason = "x"',
    ],
)
async def test_groups_are_asked_for_wherever_something_hangs_on_them(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, wants: str
) -> None:
    await rig.volume("db")
    await rig.call("POST", "/v1/volumes/db?action=recurringJobAdd", {"name": "gold", "isGroup": True})
    longhorn = Longhorn(url="http://longhorn", transport=rig.transport)
    monkeypatch.setattr("lhbackupd.cli.origins.connect", lambda _config, **_: longhorn)
    config = rig.config(f'[[policy]]\nname = "nightly"\ncron = "0 2 * * *"\nkeep = {{ last = 1 }}\n{wants}\n')
    found = await surveyed(config, rig.clock)  # type: ignore[arg-type]
    assert set(found.groups) == {"db"}
