"""Which volumes are meant: what can be written, and what can never fit."""

from pathlib import Path

import pytest

from lhbackupd.config import check, load, show
from lhbackupd.core.model import Exclude, Match, Mode

POLICY = '[[policy]]\nname = "a"\ncron = "@daily"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_all_keys_of_a_match_reach_the_policy(file: Path) -> None:
    file.write_text(
        POLICY + 'mode = "shadow"\nmatch = { label = ["recurring-job.longhorn.io/*"], access_mode = ["rwx", "rwop"],'
        ' data_engine = ["v2"], min_size = "1GiB", max_size = "1TiB" }\nexclude = { pvc = ["tmp-*"] }\n'
    )
    (policy,) = load(file, {}).policies
    assert policy.mode is Mode.SHADOW
    assert policy.match == Match(
        label=("recurring-job.longhorn.io/*",),
        access_mode=("rwx", "rwop"),
        data_engine=("v2",),
        min_size=2**30,
        max_size=2**40,
    )
    assert policy.exclude == (Match(pvc=("tmp-*",)),)


def test_an_exclude_for_all_is_left_out_of_every_policy(file: Path) -> None:
    more = '[[policy]]\nname = "b"\ncron = "@daily"\nexclude = { namespace = ["dev"] }\n'
    file.write_text(POLICY + more + '[[exclude]]\nreason = " scratch "\npvc = ["work-*"]\nmax_size = "1GiB"\n')
    config = load(file, {})
    work = Match(pvc=("work-*",), max_size=2**30)
    assert config.excludes == (Exclude(match=work, reason="scratch"),)
    assert [policy.exclude for policy in config.policies] == [(work,), (Match(namespace=("dev",)), work)]
    file.write_text(show(config))
    assert load(file, {}).excludes == config.excludes


def test_the_environment_stands_in_place_of_all_excludes(file: Path) -> None:
    file.write_text(POLICY + '[[exclude]]\nreason = "x"\nname = ["a"]\n')
    environ = {"LHBACKUPD_EXCLUDE": '[{"reason": "y", "name": ["b"]}]'}
    config = load(file, environ)
    assert config.excludes == (Exclude(match=Match(name=("b",)), reason="y"),)
    assert "environment LHBACKUPD_EXCLUDE" in show(config)
    (fault,) = check(file, {"LHBACKUPD_EXCLUDE": '[{"name": ["b"]}]'})
    assert fault == "environment: LHBACKUPD_EXCLUDE[0].reason: found nothing: an exclude needs a reason"
    (fault,) = check(file, {"LHBACKUPD_EXCLUDE": "{"})
    assert fault.endswith("a JSON list of tables, as [[exclude]] in TOML")
    (fault,) = check(file, {"LHBACKUPD_EXCLUDES": "[]"})
    assert "LHBACKUPD_EXCLUDE?" in fault


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('match = { min_size = "2GiB", max_size = "1GiB" }', ["which no volume fits", "min_size at most as large"]),
        ('match = { name = ["PVC-*"] }', ['"PVC-*"', "lower-case"]),
        ('match = { pvc = ["my_claim"] }', ["lower-case letters, digits"]),
        ('match = { namespace = ["a b"] }', ["lower-case letters, digits"]),
        ('match = { label = ["app=db"] }', ["recurring-job-group.longhorn.io/NAME", "group of your own"]),
        ('match = { label = ["recurring-job.longhorn.io/a=enabled"] }', ["without a value"]),
        ('match = { access_mode = ["RWX"] }', ['"rwo", "rwx", "rwop"']),
        ("match = { access_mode = [] }", ['"rwo", "rwx", "rwop"']),
        ('match = { data_engine = "v2" }', ['"v1", "v2"']),
        ('match = { min_size = "big" }', ["a size such as"]),
        ('exclude = { name = ["*"] }', ["leaves out all that match fits", "narrower"]),
        ('match = { pvc = ["a", "b"] }\nexclude = { pvc = ["b", "a", "c"] }', ["leaves out all"]),
        ('match = { min_size = "2GiB" }\nexclude = { min_size = "1GiB" }', ["leaves out all"]),
        ('match = { max_size = "1GiB", group = ["x"] }\nexclude = { max_size = "2GiB" }', ["leaves out all"]),
        ("keep = { minimum = 3 }", ["minimum alone", "last = 7"]),
        ("keep = { last = 0 }", ["a whole number from 1"]),
        ('mode = "off"', ['"active" or "shadow"']),
    ],
)
def test_what_can_never_fit_or_keeps_nothing_says_what_to_write(file: Path, lines: str, said: list[str]) -> None:
    file.write_text(POLICY + lines)
    (fault,) = check(file, {})
    for words in said:
        assert words in fault, fault


@pytest.mark.parametrize(
    "lines",
    [
        'match = { pvc = ["a", "b"] }\nexclude = { pvc = ["b"] }',
        'match = { pvc = ["a"] }\nexclude = { pvc = ["a"], namespace = ["x"] }',
        'match = { min_size = "1GiB" }\nexclude = { min_size = "2GiB" }',
        'match = { namespace = ["a"] }\nexclude = { max_size = "2GiB" }',
        'exclude = { pvc = ["*"] }',
        "exclude = {}",
        'match = { max_size = "0" }',
        "keep = {}",
        "keep = { minimum = 2, daily = 3 }",
    ],
)
def test_what_leaves_something_is_allowed(file: Path, lines: str) -> None:
    file.write_text(POLICY + lines)
    assert check(file, {}) == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('reason = "all"', "which would exclude every volume"),
        ('name = ["a"]', "an exclude needs a reason"),
        ('name = ["a"]\nreason = " "', "a few words on one line"),
        ('name = ["a"]\nreason = "a\\nb"', "a few words on one line"),
        ('nmae = ["a"]\nname = ["a"]\nreason = "x"', 'did you mean "name"?'),
    ],
)
def test_an_exclude_says_which_and_why(file: Path, lines: str, said: str) -> None:
    file.write_text(f"[[exclude]]\n{lines}\n")
    (fault,) = check(file, {})
    assert fault.startswith(f"{file}: exclude[0]")
    assert said in fault


def test_an_exclude_that_is_no_list_is_a_fault(file: Path) -> None:
    file.write_text("exclude = 1\n")
    assert check(file, {}) == (f"{file}: exclude: found 1: a list of tables: [[exclude]]",)
