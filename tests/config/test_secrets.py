"""The files with secret URLs: what may stand in them, and that no fault shows it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lhbackupd.config import check, load, show
from lhbackupd.config import notify as notify_module
from lhbackupd.config.secrets import Channel, read_channels, read_ping_url
from lhbackupd.core.notices import Kind

SECRET = "hush4711"
POLICY = '[[policy]]\nname = "a"\ncron = "0 2 * * *"\n'


def faults(folder: Path, text: str) -> str:
    file = folder / "config.toml"
    file.write_text(text)
    return "\n".join(check(file, {})).replace(str(folder), "")


def urls(folder: Path, text: str) -> Path:
    file = folder / "urls"
    file.write_text(text)
    return file


def test_channels_have_the_names_they_are_given_or_that_of_their_line(tmp_path: Path) -> None:
    file = urls(tmp_path, "# who is called at night\nops=json://host/x=y\n\n  mailto://user:pass@host  \n")
    assert read_channels(file) == (
        Channel(name="ops", line=2, url="json://host/x=y"),
        Channel(name="line-4", line=4, url="mailto://user:pass@host"),
    )
    assert "pass" not in repr(read_channels(file))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"json://ok\n{SECRET}\n", "name=URL, as in"),
        (f"Ops=json://{SECRET}", "(line 1)"),
        (f"ops=json://{SECRET} and more", "(line 1)"),
        (f"ops=json://a\nops=json://{SECRET}", "line 2 has that of line 1"),
        ("# nothing\n", "at least one"),
        (f"ops=json://{SECRET}\x00", "(line 1)"),
    ],
)
def test_a_wrong_line_is_a_fault_that_names_it_without_showing_it(tmp_path: Path, text: str, words: str) -> None:
    file = urls(tmp_path, text)
    found = faults(tmp_path, f'[notify]\nurls_file = "{file}"\n')
    assert found.startswith('/config.toml: notify.urls_file: found "/urls": ')
    assert words in found
    assert SECRET not in found
    assert len(found.splitlines()) == 1


@pytest.mark.parametrize("key", ["urls_file", "ping_url_file"])
def test_a_url_in_the_place_of_its_file_is_not_shown(tmp_path: Path, key: str) -> None:
    text = f'{key} = "https://hc-ping.com/{SECRET}"\n'
    found = faults(tmp_path, f"[notify]\n{text}" if key == "urls_file" else POLICY + text)
    assert "an absolute path" in found
    assert SECRET not in found


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET,
        f"ftp://h/{SECRET}",
        f"https:///{SECRET}",
        f"http://h/{SECRET}\nhttp://b",
        "http://[::",
        f"http://h:99999/{SECRET}",
        f"http://h/{SECRET}#x",
    ],
)
def test_a_ping_file_with_anything_but_one_url_is_a_fault(tmp_path: Path, text: str) -> None:
    found = faults(tmp_path, f'{POLICY}ping_url_file = "{urls(tmp_path, text)}"\n')
    assert "one http or https URL and nothing else" in found
    assert SECRET not in found


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"json://h/" + b"x" * 70000])
def test_a_file_that_is_no_text_of_its_size_is_a_fault(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "urls").write_bytes(raw)
    assert "a text file in UTF-8" in faults(tmp_path, f'[notify]\nurls_file = "{tmp_path}/urls"\n')


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_whatever_stands_in_a_file_is_read_or_refused_in_words(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "urls").write_bytes(raw)
    for read in (read_channels, read_ping_url):
        try:
            read(tmp_path / "urls")
        except ValueError as error:
            assert str(error).startswith(("a file", "a text file", "a name"))  # noqa: PT017 -- it may pass as well


def test_neither_show_nor_the_configuration_itself_holds_a_secret(tmp_path: Path) -> None:
    file = urls(tmp_path, f"ops=json://{SECRET}\n")
    ping = tmp_path / "ping"
    ping.write_text(f"https://hc-ping.com/{SECRET}\n")
    config = tmp_path / "config.toml"
    config.write_text(f'[notify]\nurls_file = "{file}"\n{POLICY}ping_url_file = "{ping}"\nnotify = ["failure"]\n')
    loaded = load(config, {})
    assert SECRET not in show(loaded) + repr(loaded)
    assert loaded.policies[0].ping_url_file == ping
    assert loaded.policies[0].notify == (Kind.FAILURE,)
    assert read_ping_url(ping) == f"https://hc-ping.com/{SECRET}"


def test_without_apprise_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_module, "find_spec", lambda _name: None)
    file = urls(tmp_path, "ops=json://host\n")
    assert "pip install 'lhbackupd[notify]'" in faults(tmp_path, f'[notify]\nurls_file = "{file}"\n')
    assert faults(tmp_path, "[notify]\n") == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[notify]\ndigest = "8"', '"off", or a time of day such as "08:00"'),
        ('[notify]\ndigest = "24:00"', '"off", or a time of day such as "08:00"'),
        ('[notify]\ntimezone = "Mars"', "an IANA name"),
        ('[notify]\nevery = "0s"', "a duration"),
        (POLICY + 'notify = "failure"', 'a list with any of "failure", "recovery", "rpo", or [] for none'),
        (POLICY + 'notify = ["digest"]', 'a list with any of "failure", "recovery", "rpo", or [] for none'),
    ],
)
def test_other_keys_say_what_is_allowed(tmp_path: Path, text: str, words: str) -> None:
    found = faults(tmp_path, text)
    assert words in found
    assert len(found.splitlines()) == 1


def test_nobody_is_told_of_a_policy_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(POLICY + "notify = []\n")
    assert load(tmp_path / "config.toml", {}).policies[0].notify == ()
