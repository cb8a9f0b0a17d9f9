"""Who backs a volume up."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.cluster import Setting, Volume
from lhbackupd.core.coverage import BARE, Cover, Coverage, coverage, covers
from lhbackupd.core.model import Exclude, Match, Mode, Policy
from lhbackupd.core.recurring import Membership, NativeJob, membership

VOLUME = Volume(name="pvc-1", size=1, state="detached", pvc="db-0", pvc_namespace="shop")
POLICY = Policy(name="nightly", cron="0 2 * * *", match=Match(namespace=("shop",)))
SHADOW = replace(POLICY, name="trial", mode=Mode.SHADOW)
ELSEWHERE = replace(POLICY, name="elsewhere", match=Match(namespace=("dev",)))
BY_GROUP = replace(POLICY, name="by-group", match=Match(group=("gold",)))
JOB = NativeJob(name="nightly-job", task="backup", cron="0 2 * * *", groups=("default",))
TRIM = NativeJob(name="trim", task="filesystem-trim", cron="0 2 * * *", groups=("default",))
SCRATCH = Exclude(match=Match(pvc=("db-*",)), reason="scratch space")
BY_JOB = Exclude(match=Match(group=("gold",)), reason="gold is elsewhere")
KNOWN = membership()


def of(*policies: Policy, **facts: Any) -> Coverage:
    given: dict[str, Any] = {"groups": KNOWN, "jobs": (), "excludes": (), "setting": Setting.ALLOWED}
    return coverage(facts.pop("volume", VOLUME), policies=policies, **(given | facts))


def test_a_volume_is_covered_by_each_policy_that_matches_it() -> None:
    found = of(POLICY, replace(POLICY, name="weekly"), ELSEWHERE)
    assert found == Coverage(
        cover=Cover.POLICY, policies=("nightly", "weekly"), reason="backed up by policy nightly and policy weekly"
    )


def test_a_volume_in_a_backup_job_of_longhorn_is_covered_by_that() -> None:
    found = of(ELSEWHERE, jobs=(JOB, TRIM))
    assert (found.cover, found.jobs) == (Cover.NATIVE, ("nightly-job",))
    assert found.reason == "no policy; Longhorn's recurring job nightly-job backs it up"


def test_a_job_that_skips_detached_volumes_is_said_to() -> None:
    found = of(jobs=(JOB,), setting=Setting.FORBIDDEN)
    assert found.reason.endswith("backs it up only while it is attached")
    attached = replace(VOLUME, state="attached")
    assert of(jobs=(JOB,), setting=Setting.FORBIDDEN, volume=attached).reason.endswith("backs it up")


def test_policy_and_job_are_double() -> None:
    found = of(POLICY, jobs=(JOB, replace(JOB, name="other")))
    assert (found.cover, found.policies, found.jobs) == (Cover.DOUBLE, ("nightly",), ("nightly-job", "other"))
    assert found.reason == "backed up by policy nightly; Longhorn's recurring job nightly-job and other backs it up"


def test_an_excluded_volume_says_why_and_who_backs_it_up_all_the_same() -> None:
    left_out = replace(POLICY, exclude=(SCRATCH.match,))
    found = of(left_out, excludes=(BY_JOB, SCRATCH))
    assert (found.cover, found.reason) == (Cover.EXCLUDED, "excluded: scratch space")
    assert of(left_out, excludes=(SCRATCH,), jobs=(JOB,)).reason == (
        "excluded: scratch space; Longhorn's recurring job nightly-job backs it up"
    )


def test_nobody_is_nobody() -> None:
    assert of(ELSEWHERE, jobs=(TRIM,)) == Coverage(cover=Cover.NOTHING, reason="no policy matches it")


def test_a_policy_that_leaves_a_volume_out_is_named_and_leaves_it_uncovered() -> None:
    found = of(replace(POLICY, exclude=(Match(pvc=("db-*",)),)), replace(SHADOW, exclude=(Match(pvc=("db-*",)),)))
    assert found.cover is Cover.NOTHING
    assert found.reason.startswith("policy nightly would match it, and its exclude leaves it out; ")


def test_a_shadow_covers_nothing() -> None:
    found = of(SHADOW)
    assert (found.cover, found.policies, found.shadows) == (Cover.SHADOW, (), ("trial",))
    assert found.reason == "no policy matches it; policy trial only as a shadow, which touches nothing"
    assert of(SHADOW, POLICY).cover is Cover.POLICY
    assert of(SHADOW, jobs=(JOB,)).cover is Cover.NATIVE


def test_what_has_not_been_read_is_not_known() -> None:
    assert of(jobs=None).cover is Cover.UNKNOWN
    assert of(jobs=(JOB,), groups=None).cover is Cover.UNKNOWN
    assert of(BY_GROUP, groups=None).cover is Cover.UNKNOWN
    assert of(excludes=(BY_JOB,), groups=None).cover is Cover.UNKNOWN
    assert of(replace(BY_GROUP, mode=Mode.SHADOW), groups=None).cover is Cover.NOTHING
    assert of(POLICY, jobs=None, groups=None).cover is Cover.POLICY
    assert of(groups=None).cover is Cover.NOTHING, "without a job that backs up, groups say nothing"


def test_policies_that_match_no_volume_are_found_once_all_is_known() -> None:
    facts: dict[str, Any] = {"excludes": (), "setting": Setting.ALLOWED, "groups": {}}
    assert covers([VOLUME], policies=[POLICY, ELSEWHERE, SHADOW], jobs=(), **facts).unused == (ELSEWHERE.name,)
    other = replace(VOLUME, name="pvc-2", pvc_namespace="x")
    found = covers([VOLUME, other], policies=[ELSEWHERE], jobs=None, **facts)
    assert (found.unused, found.named(Cover.UNKNOWN)) == ((), {"pvc-1", "pvc-2"})
    assert found.named(Cover.POLICY, Cover.NOTHING) == frozenset()


a_membership = st.builds(
    Membership, groups=st.frozensets(st.sampled_from(["default", "gold"])), jobs=st.frozensets(st.just("nightly-job"))
)
some_policies = st.lists(st.sampled_from([POLICY, SHADOW, ELSEWHERE, BY_GROUP]), unique_by=id).map(tuple)
some_jobs = st.lists(st.sampled_from([JOB, TRIM]), unique_by=id).map(tuple)
some_excludes = st.lists(st.sampled_from([SCRATCH, BY_JOB]), unique_by=id).map(tuple)


@given(
    some_policies, a_membership, some_jobs, some_excludes, st.sampled_from([{"groups"}, {"jobs"}, {"groups", "jobs"}])
)
def test_ignorance_never_makes_a_volume_covered(
    policies: tuple[Policy, ...],
    groups: Membership,
    jobs: tuple[NativeJob, ...],
    excludes: tuple[Exclude, ...],
    unread: set[str],
) -> None:
    known = of(*policies, groups=groups, jobs=jobs, excludes=excludes)
    guess = of(
        *policies,
        groups=None if "groups" in unread else groups,
        jobs=None if "jobs" in unread else jobs,
        excludes=excludes,
    )
    assert set(guess.policies) <= set(known.policies)
    assert set(guess.jobs) <= set(known.jobs)
    if guess.cover is not Cover.UNKNOWN:
        assert (guess.cover in BARE) == (known.cover in BARE) or known.jobs, "an exclude or a policy is never guessed"
    assert known.cover is not Cover.UNKNOWN
    assert (known.cover in {Cover.POLICY, Cover.DOUBLE}) == bool(known.policies)
