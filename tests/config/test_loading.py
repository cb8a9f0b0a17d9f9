"""Loading: what is written becomes values, and all faults are told at once, a line each."""

import json
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lhbackupd.config import Config, ConfigFault, check, load
from lhbackupd.config.schema import Settings
from lhbackupd.core.model import Detached, Keep, Limits, Match, Patience, Policy
from lhbackupd.core.retry import Retry
from lhbackupd.core.windows import parse_window


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


GLOBS = 'a list of names, which may hold *, ? and [a-z], such as ["pvc-*"]; without the key all match'


def faults(file: Path, text: str, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    """The fault lines without the file's name."""
    file.write_text(text)
    return tuple(line.removeprefix(f"{file}: ") for line in check(file, environ or {}))


def policy(text: str) -> str:
    return f'[[policy]]\nname = "a"\ncron = "0 2 * * *"\n{text}\n'


def test_an_empty_file_has_all_defaults(file: Path) -> None:
    file.touch()
    config = load(file, {})
    assert config == load(None, {})
    assert (config.instance, config.longhorn.url) == ("lhbackupd", "http://longhorn-backend:9500")
    assert (config.longhorn.timeout, config.longhorn.poll) == (timedelta(seconds=30), timedelta(seconds=15))
    assert (config.state.url, config.state.path) == (
        "sqlite:////var/lib/lhbackupd/state.db",
        Path("/var/lib/lhbackupd/state.db"),
    )
    assert config.state.history == timedelta(days=90)
    assert (config.limits, config.retry, config.policies) == (Limits(), Retry(), ())
    assert config.http.address == ("127.0.0.1", 9595)
    assert config.control.socket == Path("/run/lhbackupd/control.sock")
    assert (config.log.format, config.log.level) == ("auto", "info")


def test_a_policy_of_two_keys_has_the_defaults_of_the_core(file: Path) -> None:
    file.write_text(policy(""))
    assert load(file, {}).policies == (Policy(name="a", cron="0 2 * * *"),)


def test_every_key_of_a_policy_reaches_the_core(file: Path) -> None:
    file.write_text(
        policy("""
timezone = "Europe/Berlin"
spread = "2h"
on_detach = "10m"
window = ["22:00-06:00", "sat,sun 00:00-24:00"]
blackout = ["01:00-01:30"]
match = { name = ["pvc-*"], namespace = ["shop"], pvc = ["db-*"], group = ["nightly", "gold"] }
detached = "always"
on_workload = "finish"
min_new_bytes = "4KiB"
skip_unchanged_attached = true
allow_v2 = true
keep = { last = 7 }
patience = { attach = "1m", inspect = "2m", snapshot = "3m", backup = "1h", detach = "4m" }""")
    )
    assert load(file, {}).policies == (
        Policy(
            name="a",
            cron="0 2 * * *",
            timezone="Europe/Berlin",
            spread=timedelta(hours=2),
            on_detach=timedelta(minutes=10),
            window=(parse_window("22:00-06:00"), parse_window("sat,sun 00:00-24:00")),
            blackout=(parse_window("01:00-01:30"),),
            match=Match(name=("pvc-*",), namespace=("shop",), pvc=("db-*",), group=("nightly", "gold")),
            detached=Detached.ALWAYS,
            give_way_after=None,
            min_new_bytes=4096,
            skip_unchanged_attached=True,
            allow_v2=True,
            keep=Keep(last=7),
            patience=Patience(attach=60, inspect=120, snapshot=180, backup=3600, detach=240),
        ),
    )


def test_every_other_key_reaches_its_section(file: Path, tmp_path: Path) -> None:
    for name in ("ca", "cert", "key", "password"):
        (tmp_path / name).touch()
    file.write_text(f"""
instance = "second"
[longhorn]
url = "https://longhorn.example/api/"
ca_file = "{tmp_path}/ca"
client_cert = "{tmp_path}/cert"
client_key = "{tmp_path}/key"
username = "backup"
password_file = "{tmp_path}/password"
timeout = "1m"
poll = "5s"
[state]
url = "postgresql+psycopg://u:p@db/lh"
history = "30d"
[limits]
cluster = 8
per_node = 2
per_target = 3
[http]
listen = "off"
[control]
socket = "/tmp/x.sock"
[log]
format = "json"
level = "debug"
[retry]
first = "30s"
longest = "2h"
""")
    config = load(file, {})
    assert config.instance == "second"
    assert config.longhorn.url == "https://longhorn.example/api"
    assert (config.longhorn.ca_file, config.longhorn.client_cert) == (tmp_path / "ca", tmp_path / "cert")
    assert (config.longhorn.client_key, config.longhorn.password_file) == (tmp_path / "key", tmp_path / "password")
    assert config.longhorn.username == "backup"
    assert (config.longhorn.timeout, config.longhorn.poll) == (timedelta(minutes=1), timedelta(seconds=5))
    assert (config.state.path, config.state.history) == (None, timedelta(days=30))
    assert config.limits == Limits(cluster=8, per_node=2, per_target=3)
    assert config.http.address is None
    assert config.control.socket == Path("/tmp/x.sock")
    assert (config.log.format, config.log.level) == ("json", "debug")
    assert config.retry == Retry(first=timedelta(seconds=30), longest=timedelta(hours=2))


def test_the_environment_wins_over_the_file(file: Path) -> None:
    file.write_text('instance = "one"\n[limits]\ncluster = 8\nper_node = 2\n')
    environ = {"LHBACKUPD_INSTANCE": "two", "LHBACKUPD_LIMITS__CLUSTER": "9", "LHBACKUPD_HTTP__LISTEN": "off"}
    config = load(file, environ)
    assert (config.instance, config.limits, config.http.listen) == ("two", Limits(cluster=9, per_node=2), "off")


def test_policies_in_the_environment_stand_in_place_of_those_in_the_file(file: Path) -> None:
    file.write_text(policy(""))
    environ = {"LHBACKUPD_POLICY": json.dumps([{"name": "b", "cron": "@daily", "keep": {"last": 2}}])}
    assert load(file, environ).policies == (Policy(name="b", cron="@daily", keep=Keep(last=2)),)


def test_an_empty_variable_and_those_of_kubernetes_say_nothing(file: Path) -> None:
    file.touch()
    environ = {
        "LHBACKUPD_INSTANCE": "",
        "LHBACKUPD_LONGHORN__TOKEN_FILE": "",
        "LHBACKUPD_SERVICE_HOST": "10.0.0.1",
        "LHBACKUPD_PORT_9595_TCP_ADDR": "10.0.0.1",
        "LHBACKUPD_PORT": "tcp://10.0.0.1:9595",
        "PATH": "/bin",
    }
    assert load(file, environ) == load(file, {})


def test_all_faults_are_told_at_once(file: Path) -> None:
    text = """
instanse = "x"
[longhorn]
url = "longhorn:9500"
poll = 15
[limits]
cluster = -1
per_node = 2.5
[retry]
first = "2h"
[[policy]]
name = "nightly"
cron = "0 2 * * *"
timezone = "Europe/Berln"
[[policy]]
name = "nightly"
cron = "0 25 * * *"
detached = "sometimes"
match = { names = ["x"], pvc = [] }
keep = { last = 0 }
[[policy]]
cron = "0 2 * *"
"""
    assert sorted(faults(file, text)) == sorted(
        [
            'instanse: found an unknown key: did you mean "instance"?',
            'longhorn.url: found "longhorn:9500": a URL such as "http://longhorn-backend:9500"',
            'longhorn.poll: found 15: a duration such as "15s", "5m", "2h", "1d" or "1h30m", from 1s to 7d',
            "limits.cluster: found -1: a whole number from 1 to 10000",
            "limits.per_node: found 2.5: a whole number from 1 to 10000",
            "retry: found first longer than longest: first at most as long as longest",
            'policy[0].timezone: found "Europe/Berln": an IANA name such as "UTC" or "Europe/Berlin"',
            'policy[1].name: found "nightly": a name of its own; policy[0] has this one already',
            'policy[1].cron: found "0 25 * * *": the hour is 0 to 23',
            'policy[1].detached: found "sometimes": "follow-setting" or "always" or "never"',
            'policy[1].match.names: found an unknown key: did you mean "name"?',
            f"policy[1].match.pvc: found a list: {GLOBS}",
            "policy[1].keep.last: found 0: a whole number from 1 to 10000",
            "policy[2].name: found nothing: a policy needs a name",
            'policy[2].cron: found "0 2 * *": five fields (minute, hour, day of the month, month, weekday), not 4',
        ]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'spread = "25h"',
            (
                'policy[0]: found spread "1d1h" with cron "0 2 * * *": a spread of at most "1d", the shortest time '
                "between two due times of that cron"
            ),
        ),
        (
            'spread = "0s"',
            'policy[0].spread: found "0s": a duration such as "15s", "5m", "2h", "1d" or "1h30m", from 1s to 7d',
        ),
        (
            "on_detach = true",
            'policy[0].on_detach: found true: a duration such as "15s", "5m", "2h", "1d" or "1h30m", from 1s to 7d',
        ),
        (
            'window = ["22:00-06:00"]\nblackout = ["21:00-07:00"]',
            (
                'policy[0]: found blackout "21:00-07:00" over window "22:00-06:00": a time of the week that is in '
                "no blackout: as it is, no run would ever start"
            ),
        ),
        (
            'blackout = ["mon-fri 00:00-24:00", "sat,sun 00:00-24:00"]',
            (
                'policy[0]: found blackout "mon-fri 00:00-24:00", "sat,sun 00:00-24:00": a time of the week that is in '
                "no blackout: as it is, no run would ever start"
            ),
        ),
        (
            'window = "22:00-06:00"',
            (
                'policy[0].window: found "22:00-06:00": a list of windows, such as ["22:00-06:00"] or '
                '["mon-fri 22:00-06:00", "sat,sun 00:00-24:00"]'
            ),
        ),
        (
            "window = []",
            (
                'policy[0].window: found a list: a list of windows, such as ["22:00-06:00"] or '
                '["mon-fri 22:00-06:00", "sat,sun 00:00-24:00"]'
            ),
        ),
        (
            'blackout = ["10:00-11:00", "25:00-26:00"]',
            (
                'policy[0].blackout: found a list: "25:00-26:00" is none: times from 00:00 to 24:00, such as '
                '"22:00-06:00", "mon-fri 22:00-06:00" or "sat,sun 00:00-24:00"'
            ),
        ),
    ],
)
def test_a_policy_that_would_not_do_what_it_says_is_a_fault(file: Path, text: str, expected: str) -> None:
    assert faults(file, policy(text)) == (expected,)


def test_a_line_begins_with_the_file(file: Path) -> None:
    file.write_text(policy('timezone = "X"'))
    (line,) = check(file, {})
    assert line.startswith(f'{file}: policy[0].timezone: found "X": ')


def test_a_fault_of_the_environment_names_the_variable(file: Path) -> None:
    environ = {
        "LHBACKUPD_LIMITS__CLUSTER": "-1",
        "LHBACKUPD_LIMITS__CLUSTR": "1",
        "LHBACKUPD_INSTANZE": "x",
        "LHBACKUPD_POLICY": '[{"name": "a", "cron": "0 2 * * *", "keep": {"lst": 1}}, {"name": "a", "cron": "@daily"}]',
        "LHBACKUPD_LONGHORN__USERNAME": "me",
    }
    assert faults(file, "", environ) == (
        "environment: LHBACKUPD_INSTANZE: found an unknown variable: did you mean LHBACKUPD_INSTANCE?",
        "environment: LHBACKUPD_LIMITS__CLUSTR: found an unknown variable: did you mean LHBACKUPD_LIMITS__CLUSTER?",
        "environment: LHBACKUPD_LONGHORN: found one of username and password_file: both of them, or neither",
        'environment: LHBACKUPD_LIMITS__CLUSTER: found "-1": a whole number from 1 to 10000',
        'environment: LHBACKUPD_POLICY[0].keep.lst: found an unknown key: did you mean "last"?',
        'environment: LHBACKUPD_POLICY[1].name: found "a": a name of its own; policy[0] has this one already',
    )


def test_policies_that_are_no_json_say_where(file: Path) -> None:
    (line,) = faults(file, "", {"LHBACKUPD_POLICY": "[{]"})
    assert line.startswith("environment: LHBACKUPD_POLICY: found no JSON, ")
    assert "line 1, column 3" in line
    (line,) = faults(file, "", {"LHBACKUPD_POLICY": "null"})
    assert line == "environment: LHBACKUPD_POLICY: found nothing: a list of tables: [[policy]]"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("limits = 4", "limits: found 4: a table"),
        ('longhorn = "hush"', "longhorn: found a text: a table"),
        ("policy = 3", "policy: found 3: a list of tables: [[policy]]"),
        ('[policy]\nname = "a"', "policy: found a table: a list of tables: [[policy]]"),
        ("policy = [1]", "policy[0]: found 1: a table"),
        ('[limits]\n"per node" = 1', 'limits."per node": found an unknown key: did you mean "per_node"?'),
        (
            "[zoo]\nx = 1",
            f"zoo: found an unknown key: one of {', '.join(Settings.model_fields)}",
        ),
        (
            "instance = 2026-01-01",
            "instance: found 2026-01-01: lower-case letters, digits and inner hyphens, at most 40",
        ),
        ("[limits]\ncluster = true", "limits.cluster: found true: a whole number from 1 to 10000"),
        (policy("allow_v2 = 1"), "policy[0].allow_v2: found 1: true or false"),
        (
            policy('on_workload = "within 5m"'),
            'policy[0].on_workload: found "within 5m": "finish", "yield", or "finish-within" with a duration, '  # noqa: ISC004
            'as in "finish-within 5m"',
        ),
        (policy("keep = 7"), "policy[0].keep: found 7: a table"),
        ('[control]\nsocket = "run.sock"', 'control.socket: found "run.sock": an absolute path'),
        (
            '[longhorn]\nca_file = "/nowhere/ca"',
            'longhorn.ca_file: found "/nowhere/ca": a file that can be read (there is none)',
        ),
        ('[longhorn]\nca_file = "/tmp"', 'longhorn.ca_file: found "/tmp": a file that can be read (it is a directory)'),
        (
            f'[longhorn]\nca_file = "/tmp/{"a" * 300}"',
            f'longhorn.ca_file: found "/tmp/{"a" * 75}…": a file that can be read (file name too long)',
        ),
    ],
)
def test_a_wrong_kind_of_value_says_what_belongs_there(file: Path, text: str, line: str) -> None:
    assert faults(file, text) == (line,)


def test_what_does_not_go_together_is_told(file: Path, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    path = f'"{tmp_path}/x"'
    assert faults(file, f"[longhorn]\nclient_key = {path}") == (
        "longhorn: found client_key without client_cert: client_cert, with or without client_key",
    )
    assert faults(file, f'[longhorn]\ntoken_file = {path}\nusername = "u"\npassword_file = {path}') == (
        "longhorn: found token_file and username: one way to log in: a token, or a user with a password",
    )
    assert faults(file, f"[longhorn]\npassword_file = {path}", {"LHBACKUPD_LONGHORN__URL": "http://h"}) == (
        "longhorn: found one of username and password_file: both of them, or neither",
    )


def test_a_file_that_cannot_be_read_is_one_fault(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert check(missing, {}) == (
        f"{missing}: found no such file: a TOML file; lhbackupd config example prints one to begin with",
    )
    assert check(tmp_path, {}) == (f"{tmp_path}: found a directory: a TOML file",)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert check(loop, {})[0].startswith(f"{loop}: found Too many levels of symbolic links")


def test_a_file_that_is_no_toml_says_line_and_column(file: Path) -> None:
    assert faults(file, "a = 1\nb = = 2") == ("found no TOML, Invalid value (at line 2, column 5): https://toml.io",)
    file.write_bytes(b'instance = "\xff"')
    (line,) = check(file, {})
    assert "not UTF-8 at position 12" in line


def test_a_broken_file_hides_no_fault_of_the_environment(file: Path) -> None:
    assert len(faults(file, "=", {"LHBACKUPD_LIMITS__CLUSTER": "0"})) == 2


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ('[longhorn]\npassword = "hush"', {}),
        ('[longhorn]\ntoken = "hush"', {}),
        ('[longhorn]\ntoken_file = "hush"', {}),
        ('[longhorn]\npassword_file = "hush"', {}),
        ('[longhorn]\nclient_key = "hush"', {}),
        ('[longhorn]\nurl = "http://me:hush@host"', {}),
        ('[state]\nurl = "mysql://me:hush@host/x"', {}),
        ('[state]\nurl = "postgresql://me:hush@host"', {}),
        ('[state]\npassword = "hush"', {}),
        ('longhorn = "hush"', {}),
        ('secret = "hush"', {}),
        ("", {"LHBACKUPD_LONGHORN__PASSWORD": "hush"}),
        ("", {"LHBACKUPD_LONGHORN__TOKEN_FILE": "hush"}),
        ("", {"LHBACKUPD_STATE__URL": "mysql://me:hush@h/x"}),
        ("", {"LHBACKUPD_POLICY": "hush"}),
    ],
)
def test_a_secret_is_never_repeated(file: Path, text: str, environ: dict[str, str]) -> None:
    file.write_text(text)
    with pytest.raises(ConfigFault) as raised:
        load(file, environ)
    assert len(raised.value.faults) == 1
    assert "hush" not in f"{raised.value} {raised.value!r}"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(("key", "use"), [("password", "password_file"), ("token", "token_file")])
def test_a_secret_in_the_file_is_refused_with_the_key_to_use(file: Path, key: str, use: str) -> None:
    hint = f"secrets are only named by file: use {use}"
    assert faults(file, f'[longhorn]\n{key} = "x"') == (f"longhorn.{key}: found an unknown key: {hint}",)
    (line,) = faults(file, "", {f"LHBACKUPD_LONGHORN__{key.upper()}": "x"})
    assert line.endswith(f"use LHBACKUPD_LONGHORN__{use.upper()}")


def test_a_configuration_does_not_show_its_database_password(file: Path) -> None:
    file.write_text('[state]\nurl = "postgresql://me:hush@host/x"')
    assert "hush" not in repr(load(file, {}))


def test_a_fault_stays_on_its_line(file: Path) -> None:
    text = 'instance = "a\\nb\\u001b[31m\\u2028"\n"x\\ny" = 1\n[[policy]]\nname = "' + "x" * 9999 + '"\ncron = "@daily"'
    lines = faults(file, text)
    assert len(lines) == 3
    assert all(line.isprintable() and len(line) < 300 for line in lines)


toml_values = st.recursive(
    st.one_of(
        st.integers(), st.booleans(), st.floats(allow_nan=False), st.text(st.characters(codec="utf-8"), max_size=8)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["name", "cron", "match", "keep", "last", "url", "policy", "x", "__pydantic_self__", "self"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=10,
)
top_level = st.dictionaries(
    st.sampled_from(["instance", "longhorn", "state", "limits", "http", "retry", "policy", "layers", "self", "_x"]),
    toml_values,
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return str(value) if "." in str(value) or "inf" in str(value) else f"{value:.1f}"
    return json.dumps(value).replace("\x7f", "\\u007f")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(max_size=200), top_level))
def test_any_file_is_a_configuration_or_has_faults(file: Path, content: bytes | dict[str, object]) -> None:
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        text = "\n".join(f"{key} = {toml(value)}" for key, value in content.items())
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            text = ""  # surrogate pairs: JSON's way to write what TOML writes with \U
        file.write_text(text)
    lines = check(file, {})
    assert all(line.startswith(f"{file}: ") and "\n" not in line for line in lines)
    assert lines or isinstance(load(file, {}), Config)


def test_two_files_that_say_the_same_are_equal(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    file.write_text('[longhorn]\npoll = "60s"')
    other.write_text('[longhorn]\npoll = "1m"\n[limits]\ncluster = 4')
    assert load(file, {}) == load(other, {})
    assert load(file, {}) != load(None, {})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[limits]\ncluster = 0x" + "f" * 5000, "a very long number"),
        ("a = " + "9" * 5000, "something unreadable (ValueError)"),
        ("a = " + "[" * 5000, "something unreadable (RecursionError)"),
        (policy(f'cron = ""\nname = "{"x" * 200}"').replace('name = "a"\ncron = "0 2 * * *"\n', ""), f'"{"x" * 80}…"'),
    ],
)
def test_monstrous_values_are_cut(file: Path, text: str, found: str) -> None:
    assert any(f"found {found}: " in line or line.startswith(f"found {found}") for line in faults(file, text))


def test_monstrous_json_in_the_environment_is_a_fault(file: Path) -> None:
    (line,) = faults(file, "", {"LHBACKUPD_POLICY": "[" * 100_000})
    assert line == (
        "environment: LHBACKUPD_POLICY: found something unreadable (RecursionError):"
        " a JSON list of tables, as [[policy]] in TOML"
    )


def test_a_socket_path_that_no_socket_can_have_is_refused(file: Path) -> None:
    (line,) = faults(file, f'[control]\nsocket = "/{"x" * 107}"')
    assert line.endswith("an absolute path of at most 107 bytes")


def test_a_user_name_with_a_colon_is_refused(file: Path) -> None:
    assert faults(file, '[longhorn]\nusername = "a:b"') == (
        'longhorn.username: found "a:b": a user name without colons',
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("finish", None), ("yield", 0.0), ("finish-within 5m", 300.0), ("finish-within 1h30m", 5400.0)],
)
def test_what_a_pod_waits_at_most_comes_from_on_workload(tmp_path: Path, written: str, seconds: float | None) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[[policy]]\nname = "a"\ncron = "0 2 * * *"\non_workload = "{written}"\n')
    (found,) = load(file, {}).policies
    assert found.give_way_after == seconds
