"""Longhorn's recurring jobs as policies: what comes out is a configuration, whatever Longhorn says."""

import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.config import check, load
from lhbackupd.core.cluster import Volume
from lhbackupd.core.model import Mode
from lhbackupd.core.recurring import Membership, NativeJob, membership
from lhbackupd.core.selection import Matching, matches
from lhbackupd.surface.imported import policies, quoted

NIGHTLY = NativeJob(name="nightly", task="backup", cron="0 2 * * *", groups=("default",), retain=7)


def read(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(text).get("policy", [])
    return found


def test_a_job_becomes_a_shadow_with_the_same_times_groups_and_count() -> None:
    assert read(policies([NIGHTLY], {})) == [
        {
            "name": "nightly",
            "mode": "shadow",
            "cron": "0 2 * * *",
            "timezone": "UTC",
            "match": {"group": ["default"]},
            "keep": {"last": 7},
        }
    ]


def test_volumes_that_a_job_is_set_on_are_matched_by_name_since_the_label_goes_with_the_job() -> None:
    alone = membership(jobs=["nightly"])
    members = {"b": alone, "a": alone, "c": membership(), "d": membership(jobs=["nightly"], groups=["default"])}
    by_group, by_name = read(policies([NIGHTLY], members))
    assert (by_group["match"], by_name["match"]) == ({"group": ["default"]}, {"name": ["a", "b"]})
    assert (by_group["name"], by_name["name"]) == ("nightly", "nightly-2")


def test_a_group_of_its_own_comes_with_a_warning_for_its_last_job() -> None:
    text = policies([NativeJob(name="n", task="backup", cron="@daily", groups=("gold",), retain=1)], {})
    assert 'With the last job of group "gold" Longhorn takes the group off its volumes' in text
    assert "takes the group off" not in policies([NIGHTLY], {})


def test_what_has_no_counterpart_is_a_comment() -> None:
    jobs = [
        NativeJob(name="trim", task="filesystem-trim", cron="@daily", groups=("default",)),
        NativeJob(name="idle", task="backup", cron="@daily"),
        NativeJob(name="often", task="backup", cron="@every 5m", groups=("default",)),
    ]
    text = policies(jobs, {})
    assert read(text) == []
    for words in (
        '"trim" makes no backups ("filesystem-trim")',
        '"idle" has no groups',
        '"often" is left out: its cron',
    ):
        assert words in text
    job = NativeJob(name="n", task="backup", cron="@daily", groups=("g",), parameters={"full-backup-interval": "7"})
    assert 'parameter "full-backup-interval" = "7" is left out' in policies([job], {})


def test_backups_kept_by_age_are_kept_by_age() -> None:
    def kept(age: str) -> Any:
        job = NativeJob(name="n", task="backup", cron="@daily", groups=("g",), retention="age-based", retain_age=age)
        return read(policies([job], {}))[0].get("keep")

    assert kept("168h0m0s") == {"within": "168h"}
    assert kept("0s") is None
    assert kept("a while") is None


texts = st.text(max_size=12) | st.text(st.sampled_from('"\\\n#[]*?-aé\U000e0001\ud800='), max_size=12)
some_jobs = st.lists(
    st.builds(
        NativeJob,
        name=texts,
        task=st.sampled_from(["backup", "backup-force-create", "snapshot"]) | texts,
        cron=st.sampled_from(["0 2 * * *", "@daily", "@every 1h"]) | texts,
        groups=st.lists(texts, max_size=3).map(tuple),
        retain=st.integers(-1, 20_000),
        retention=st.sampled_from(["", "count-based", "age-based"]),
        retain_age=st.sampled_from(["24h0m0s", "1ms", "99999999h"]) | texts,
        parameters=st.dictionaries(texts, texts, max_size=2),
    ),
    max_size=4,
)


@given(some_jobs, st.dictionaries(texts | st.just("pvc-1"), st.frozensets(texts, max_size=3), max_size=3), st.data())
def test_whatever_longhorn_says_comes_out_as_a_configuration_that_touches_nothing(
    jobs: list[NativeJob], volumes: dict[str, frozenset[str]], data: st.DataObject
) -> None:
    members = {name: Membership(jobs=of | ({jobs[0].name} if jobs else set())) for name, of in volumes.items()}
    text = policies(jobs, members)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        file.write_text(text)
        assert check(file, {}) == ()
        made = load(file, {}).policies
    assert {policy.mode for policy in made} <= {Mode.SHADOW}
    backing = [job for job in jobs if job.backs_up]
    assert {policy.cron for policy in made} <= {job.cron for job in backing}
    groups = [group for job in backing for group in job.groups]
    if groups:
        group = data.draw(st.sampled_from(groups))
        for policy in made:
            some = Volume(name="v", size=1, state="detached")
            hit = matches(policy.match, some, Membership(groups=frozenset({group})))
            if policy.match.group and hit is Matching.YES:
                assert any(group in job.groups and job.cron == policy.cron for job in backing)


@given(texts)
def test_a_quoted_text_stays_one_line_and_reads_as_itself(text: str) -> None:
    line = f"a = {quoted(text)}"
    assert len(line.splitlines()) == 1
    assert tomllib.loads(line) == {"a": "".join("�" if "\ud800" <= char <= "\udfff" else char for char in text)}
