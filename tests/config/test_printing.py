"""The configuration in force, the example that comes with the project, and the reference of all keys."""

import re
import tomllib
from pathlib import Path

from pydantic import Field

from lhbackupd.config import check, example, load, reference, show
from lhbackupd.config.fault import SECRET_PATHS
from lhbackupd.config.reference import entries
from lhbackupd.config.section import Amount, Flag, Section
from lhbackupd.core.model import Keep, Policy

ROOT = Path(__file__).parent.parent.parent


def test_the_example_in_the_repository_is_the_one_that_is_printed() -> None:
    assert (ROOT / "config.example.toml").read_text() == example()


def test_the_reference_in_the_documents_is_the_one_that_is_printed() -> None:
    """If it is not: `lhbackupd config reference > docs/configuration.md`."""
    assert (ROOT / "docs" / "configuration.md").read_text() == reference()


def test_the_reference_has_every_key_of_the_example_with_its_default_and_its_variable() -> None:
    text, section = reference(), ""
    for line in example().splitlines():
        if found := re.fullmatch(r"(?:# )?\[+(\w+)\]+", line):
            section = found[1]
        key, equals, value = line.removeprefix("# ").partition(" = ")
        if not equals or not key.isidentifier():
            continue
        _, _, entry = text.partition(f"\n### `{section}.{key}`\n" if section else f"\n### `{key}`\n")
        entry = " ".join(entry.partition("\n#")[0].split())
        assert entry, f"{section}.{key} is missing"
        assert "Allowed: " in entry or "table" in entry
        if section not in {"policy", "exclude"}:
            assert f"`LHBACKUPD_{f'{section}__' if section else ''}{key}`".upper() in entry.upper()
            assert line.startswith("#") or f"default `{value}`" in entry
        assert ("*secret*" in entry) is (key in SECRET_PATHS)


def test_a_key_that_comes_into_the_schema_comes_into_the_reference() -> None:
    class Later(Section):
        """A section."""

        no_touch: Flag = Field(default=True, description="Leave it.")
        tries: Amount = Field(description="Count.")

    text = "\n".join(entries(("later",), Later))
    assert "### `later.no_touch`" in text
    assert "Leave it." in text
    assert "Allowed: true or false; default `true`; variable `LHBACKUPD_LATER__NO_TOUCH`." in text
    assert "Allowed: a whole number from 1 to 10000; required" in text


def test_the_example_loads_and_says_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(example())
    assert check(file, {}) == ()
    config, default = load(file, {}), load(None, {})
    assert config.policies == (Policy(name="nightly", cron="0 2 * * *", keep=Keep(last=7)),)
    assert config.settings.model_copy(update={"policy": ()}) == default.settings


def test_the_example_has_every_key_and_what_is_commented_out_is_allowed(tmp_path: Path) -> None:
    text = example()
    text = text.replace("# [[exclude]]", "[[exclude]]")
    for line in text.splitlines():
        key, equals, _ = line.removeprefix("# ").partition(" = ")
        if line.startswith("# ") and equals and key.isidentifier():
            text = text.replace(line, line.removeprefix("# "))
    text = text.replace("/etc/lhbackupd/", f"{tmp_path}/").replace(f'token_file = "{tmp_path}/token"', "")
    for name in ("ca.crt", "client.crt", "client.key", "password"):
        (tmp_path / name).touch()
    (tmp_path / "notify").write_text("ops=json://host")
    (tmp_path / "ping-nightly").write_text("https://host/uuid")
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert check(file, {}) == ()
    written = tomllib.loads(text)
    expected = load(file, {}).settings.model_dump()
    expected["longhorn"].pop("token_file")
    assert set(written["policy"][0]) == set(expected["policy"][0])
    assert set(written["exclude"][0]) <= set(expected["exclude"][0])
    for section in set(expected) - {"policy", "exclude", "instance"}:
        assert set(written[section]) == set(expected[section])


def test_what_is_in_force_is_shown_with_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[longhorn]\npoll = "20s"\n[[policy]]\nname = "a"\ncron = "@daily"\nmatch = { pvc = ["db-*"] }')
    shown = show(load(file, {"LHBACKUPD_LIMITS__CLUSTER": "9"})).splitlines()
    assert f'poll = "20s"  # {file}' in shown
    assert "cluster = 9  # environment LHBACKUPD_LIMITS__CLUSTER" in shown
    assert "per_node = 1  # default" in shown
    assert "# token_file is not set" in shown
    assert f'match.pvc = ["db-*"]  # {file}' in shown
    assert 'patience.backup = "15m"  # default' in shown


def test_policies_of_the_environment_are_shown_as_such(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[[policy]]\nname = "a"\ncron = "@daily"\ntimezone = "UTC"')
    shown = show(load(file, {"LHBACKUPD_POLICY": '[{"name": "b", "cron": "@hourly"}]'}))
    assert 'name = "b"  # environment LHBACKUPD_POLICY' in shown
    assert 'timezone = "UTC"  # default' in shown


def test_what_is_shown_loads_as_the_same_configuration(tmp_path: Path) -> None:
    file, again = tmp_path / "config.toml", tmp_path / "again.toml"
    file.write_text(example())
    again.write_text(show(load(file, {"LHBACKUPD_RETRY__LONGEST": "90m"})))
    assert load(again, {}) == load(file, {"LHBACKUPD_RETRY__LONGEST": "90m"})


def test_a_database_password_is_masked_and_paths_of_secrets_are_shown(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hush")
    environ = {"LHBACKUPD_STATE__URL": "postgresql://me:hush@db/x", "LHBACKUPD_LONGHORN__TOKEN_FILE": str(token)}
    shown = show(load(None, environ))
    assert "hush" not in shown
    assert 'url = "postgresql://me:***@db/x"  # environment LHBACKUPD_STATE__URL' in shown
    assert f'token_file = "{token}"' in shown
