"""Which policies a volume falls under."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.cluster import Volume
from lhbackupd.core.model import Exclude, Match, Policy
from lhbackupd.core.recurring import Membership, membership
from lhbackupd.core.selection import Matching, Selection, covering, matches, selects, wants_groups

words = st.text("ab-", min_size=1, max_size=3)
some_globs = st.lists(st.one_of(words, words.map(lambda word: f"{word}*"), st.just("*")), max_size=3).map(tuple)
some_labels = st.lists(
    st.builds("recurring-job{}.longhorn.io/{}".format, st.sampled_from(["", "-group"]), words), max_size=2
).map(tuple)
some_sizes = st.one_of(st.none(), st.integers(0, 3))
some_matches = st.builds(
    Match,
    name=some_globs,
    namespace=some_globs,
    pvc=some_globs,
    group=some_globs,
    label=some_labels,
    access_mode=st.sampled_from([(), ("rwo",), ("rwx", "rwop")]),
    data_engine=st.sampled_from([(), ("v1",), ("v1", "v2")]),
    min_size=some_sizes,
    max_size=some_sizes,
)
some_names = st.frozensets(words, max_size=3)
some_groups = st.builds(Membership, groups=some_names, jobs=some_names)
KEYS = ("name", "namespace", "pvc", "group", "label", "access_mode", "data_engine", "min_size", "max_size")
some_volumes = st.builds(
    lambda name, pvc, namespace: Volume(name=name, size=1, state="detached", pvc=pvc, pvc_namespace=namespace),
    words,
    st.one_of(st.just(""), words),
    st.one_of(st.just(""), words),
)


def volume(name: str = "pvc-1", namespace: str = "shop", pvc: str = "db-0") -> Volume:
    return Volume(name=name, size=1, state="detached", pvc=pvc, pvc_namespace=namespace)


def policy(name: str, match: Match) -> Policy:
    return Policy(name=name, cron="0 2 * * *", match=match)


def test_a_policy_without_match_is_for_every_volume() -> None:
    assert matches(Match(), volume(), None) is Matching.YES


def test_all_keys_are_asked_for() -> None:
    wanted = Match(name=("pvc-*",), namespace=("shop",), pvc=("db-*",), group=("nightly",))
    nightly = membership(groups=["nightly"])
    assert matches(wanted, volume(), nightly) is Matching.YES
    assert matches(wanted, volume(name="vol-1"), nightly) is Matching.NO
    assert matches(wanted, volume(namespace="shop2"), nightly) is Matching.NO
    assert matches(wanted, volume(pvc="web-0"), nightly) is Matching.NO
    assert matches(wanted, volume(), membership(groups=["weekly"])) is Matching.NO


def test_one_value_of_a_key_is_enough() -> None:
    assert matches(Match(namespace=("crm", "sh?p")), volume(), None) is Matching.YES
    assert matches(Match(group=("weekly", "night*")), volume(), membership(groups=["a", "nightly"])) is Matching.YES


def test_globs_tell_upper_from_lower_case() -> None:
    assert matches(Match(name=("PVC-*",)), volume(), None) is Matching.NO
    assert matches(Match(name=("pvc-[0-9]",)), volume(), None) is Matching.YES


def test_a_volume_without_a_pvc_fits_no_glob_of_pvc_or_namespace() -> None:
    bare = volume(namespace="", pvc="")
    assert matches(Match(pvc=("*",)), bare, None) is Matching.NO
    assert matches(Match(namespace=("*",)), bare, None) is Matching.NO
    assert matches(Match(name=("*",)), bare, None) is Matching.YES


def test_unknown_groups_leave_open_only_what_hangs_on_them() -> None:
    assert matches(Match(group=("nightly",)), volume(), None) is Matching.GROUPS_UNKNOWN
    assert matches(Match(group=("nightly",), name=("x",)), volume(), None) is Matching.NO


def test_labels_are_those_of_jobs_and_groups() -> None:
    of = membership(groups=["gold"], jobs=["nightly"])
    for label in ("recurring-job-group.longhorn.io/gold", "recurring-job.longhorn.io/night*"):
        assert matches(Match(label=(label,)), volume(), of) is Matching.YES
        assert matches(Match(label=(label,)), volume(), None) is Matching.GROUPS_UNKNOWN
        assert matches(Match(label=(label,)), volume(), membership()) is Matching.NO
    assert matches(Match(group=("gold",), label=("recurring-job.longhorn.io/weekly",)), volume(), of) is Matching.NO


def test_sizes_modes_and_engines_are_the_volumes_own() -> None:
    some = Volume(name="v", size=10, state="detached", access_mode="rwx", data_engine="v2")
    for wanted in (
        Match(min_size=10, max_size=10),
        Match(max_size=11),
        Match(access_mode=("rwo", "rwx")),
        Match(data_engine=("v2",)),
    ):
        assert matches(wanted, some, None) is Matching.YES
    for wanted in (
        Match(min_size=11),
        Match(max_size=9),
        Match(max_size=0),
        Match(access_mode=("rwo", "rwop")),
        Match(data_engine=("v1",)),
    ):
        assert matches(wanted, some, None) is Matching.NO


def without(*exclude: Match) -> Policy:
    return Policy(name="a", cron="@daily", match=Match(namespace=("shop",)), exclude=exclude)


def test_a_volume_that_fits_any_exclude_is_left_out() -> None:
    assert selects(without(), volume(), None) is Matching.YES
    assert selects(without(Match(pvc=("web-*",)), Match(pvc=("db-*",))), volume(), None) is Matching.NO
    assert selects(without(Match(pvc=("db-*",), name=("x",))), volume(), None) is Matching.YES
    assert selects(without(), volume(namespace="dev"), None) is Matching.NO


def test_an_exclude_that_hangs_on_unknown_groups_leaves_the_volume_open() -> None:
    policy_ = without(Match(group=("scratch",)))
    assert selects(policy_, volume(), None) is Matching.GROUPS_UNKNOWN
    assert selects(policy_, volume(), membership(groups=["scratch"])) is Matching.NO
    assert selects(policy_, volume(), membership()) is Matching.YES
    assert selects(without(Match(group=("scratch",)), Match(pvc=("db-0",))), volume(), None) is Matching.NO


def test_groups_are_asked_for_only_where_something_hangs_on_them() -> None:
    assert not wants_groups([policy("a", Match(name=("x",)))])
    assert wants_groups([policy("a", Match(group=("x",)))])
    assert wants_groups([without(Match(label=("recurring-job.longhorn.io/x",)))])
    assert wants_groups([], [Exclude(match=Match(group=("x",)), reason="scratch")])


def test_all_policies_that_match_apply_in_the_order_of_the_configuration() -> None:
    a, b = policy("a", Match(name=("pvc-*",))), policy("b", Match(name=("x",)))
    c, d = policy("c", Match(group=("g",))), policy("d", Match())
    policies = (a, b, c, d)
    assert covering(policies, volume(), None) == Selection(policies=(a, d), undecided=(c,))
    assert covering(policies, volume(), membership(groups=["g"])) == Selection(policies=(a, c, d))


@given(some_matches, some_volumes, some_groups)
def test_what_is_decided_without_groups_stays_when_they_are_known(
    wanted: Match, some: Volume, groups: Membership
) -> None:
    before = matches(wanted, some, None)
    assert matches(wanted, some, groups) is not Matching.GROUPS_UNKNOWN
    assert before in {Matching.GROUPS_UNKNOWN, matches(wanted, some, groups)}


@given(some_matches, some_volumes, some_groups)
def test_keys_narrow_and_values_widen(wanted: Match, some: Volume, groups: Membership) -> None:
    each = [matches(Match(**{key: getattr(wanted, key)}), some, groups) for key in KEYS]
    assert (matches(wanted, some, groups) is Matching.YES) == all(one is Matching.YES for one in each)
    wider = replace(
        wanted,
        name=(*wanted.name, some.name) if wanted.name else (),
        group=(*wanted.group, "*") if wanted.group else (),
        max_size=None if wanted.max_size is None else wanted.max_size + 1,
    )
    if matches(wanted, some, groups) is Matching.YES:
        assert matches(wider, some, groups) is Matching.YES


@given(some_volumes, some_groups)
def test_a_volume_is_matched_by_its_own_names(some: Volume, groups: Membership) -> None:
    wanted = Match(
        name=(some.name,),
        namespace=(some.pvc_namespace,) if some.pvc_namespace else (),
        pvc=(some.pvc,) if some.pvc else (),
        group=tuple(groups.groups),
        label=tuple(groups.labels),
        min_size=some.size,
        max_size=some.size,
    )
    assert matches(wanted, some, groups) is Matching.YES
