"""Which policies a volume falls under."""

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.cluster import Volume
from lhbackupd.core.model import Match, Policy
from lhbackupd.core.selection import Coverage, Matching, covering, groups_of, matches

words = st.text("ab-", min_size=1, max_size=3)
some_globs = st.lists(st.one_of(words, words.map(lambda word: f"{word}*"), st.just("*")), max_size=3).map(tuple)
some_matches = st.builds(Match, name=some_globs, namespace=some_globs, pvc=some_globs, group=some_globs)
some_groups = st.frozensets(words, min_size=1, max_size=3)
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
    nightly = frozenset({"nightly"})
    assert matches(wanted, volume(), nightly) is Matching.YES
    assert matches(wanted, volume(name="vol-1"), nightly) is Matching.NO
    assert matches(wanted, volume(namespace="shop2"), nightly) is Matching.NO
    assert matches(wanted, volume(pvc="web-0"), nightly) is Matching.NO
    assert matches(wanted, volume(), frozenset({"weekly"})) is Matching.NO


def test_one_value_of_a_key_is_enough() -> None:
    assert matches(Match(namespace=("crm", "sh?p")), volume(), None) is Matching.YES
    assert matches(Match(group=("weekly", "night*")), volume(), frozenset({"a", "nightly"})) is Matching.YES


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


def test_a_volume_without_jobs_belongs_to_default() -> None:
    assert groups_of(groups=(), jobs=()) == {"default"}
    assert groups_of(groups=("default",), jobs=()) == {"default"}


def test_a_job_or_a_group_of_its_own_takes_a_volume_out_of_default() -> None:
    assert groups_of(groups=("gold",), jobs=()) == {"gold"}
    assert groups_of(groups=(), jobs=("nightly",)) == frozenset()
    assert groups_of(groups=("default", "gold"), jobs=("nightly",)) == {"default", "gold"}


def test_all_policies_that_match_apply_in_the_order_of_the_configuration() -> None:
    a, b = policy("a", Match(name=("pvc-*",))), policy("b", Match(name=("x",)))
    c, d = policy("c", Match(group=("g",))), policy("d", Match())
    policies = (a, b, c, d)
    assert covering(policies, volume(), None) == Coverage(policies=(a, d), undecided=(c,))
    assert covering(policies, volume(), frozenset({"g"})) == Coverage(policies=(a, c, d))


@given(some_matches, some_volumes, some_groups)
def test_what_is_decided_without_groups_stays_when_they_are_known(
    wanted: Match, some: Volume, groups: frozenset[str]
) -> None:
    before = matches(wanted, some, None)
    assert matches(wanted, some, groups) is not Matching.GROUPS_UNKNOWN
    assert before in {Matching.GROUPS_UNKNOWN, matches(wanted, some, groups)}


@given(some_matches, some_volumes, some_groups)
def test_keys_narrow_and_values_widen(wanted: Match, some: Volume, groups: frozenset[str]) -> None:
    each = [
        matches(Match(**{key: getattr(wanted, key)}), some, groups) for key in ("name", "namespace", "pvc", "group")
    ]
    assert (matches(wanted, some, groups) is Matching.YES) == all(one is Matching.YES for one in each)
    wider = Match(
        name=(*wanted.name, some.name) if wanted.name else (),
        namespace=wanted.namespace,
        pvc=wanted.pvc,
        group=(*wanted.group, "*") if wanted.group else (),
    )
    if matches(wanted, some, groups) is Matching.YES:
        assert matches(wider, some, groups) is Matching.YES


@given(some_volumes, some_groups)
def test_a_volume_is_matched_by_its_own_names(some: Volume, groups: frozenset[str]) -> None:
    wanted = Match(
        name=(some.name,),
        namespace=(some.pvc_namespace,) if some.pvc_namespace else (),
        pvc=(some.pvc,) if some.pvc else (),
        group=tuple(groups),
    )
    assert matches(wanted, some, groups) is Matching.YES
