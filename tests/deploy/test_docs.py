"""Commands in the documents are commands that there are, and links lead somewhere."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lhbackupd.cli.main import main
from tests.config.test_deployment import unit
from tests.deploy.alarms import ROOT, RUNBOOKS

PAGES = [ROOT / "docs" / "getting-started.md", *sorted(RUNBOOKS.glob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
#: commands that runbooks name already, and that are not there yet
COMING: frozenset[str] = frozenset()


def lines(page: Path, language: str = "sh") -> Iterator[str]:
    """The lines of a document's code blocks, without their comments."""
    for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        yield from (line.split("  #")[0].strip() for line in block.splitlines() if line.strip())


def ours(page: Path) -> Iterator[list[str]]:
    """Arguments of our own commands, in code blocks and in running text."""
    for text in (*lines(page), *re.findall(r"`(lhbackupd [^`]+)`", page.read_text())):
        words = shlex.split(text)
        if "lhbackupd" in words[:1] or "--" in words:
            start = words.index("--") + 1 if "--" in words else 0
            if words[start : start + 1] == ["lhbackupd"] and len(words) > start + 1:
                yield words[start + 1 :]


@every_page
def test_our_commands_take_what_they_are_given(page: Path) -> None:
    for given in ours(page):
        command: click.Command = main
        context, arguments = click.Context(command, info_name="lhbackupd"), given
        if arguments[0] in COMING:
            assert isinstance(command, click.Group)
            assert arguments[0] not in command.list_commands(context), f"{arguments[0]} is there: no longer to come"
            continue
        while isinstance(command, click.Group):
            name, found, arguments = command.resolve_command(context, arguments)
            assert found is not None, name
            command, context = found, click.Context(found, info_name=name, parent=context)
        command.parse_args(context, [*arguments])


def folders(page: Path) -> Iterator[str]:
    for line in lines(page):
        words = shlex.split(line)
        if words[:3] == ["kubectl", "apply", "-k"]:
            yield f"{words[3]}/kustomization.yaml"
        if words[0].startswith("systemd/"):
            yield words[0]


def test_what_getting_started_applies_is_there() -> None:
    found = set(folders(PAGES[0]))
    assert len(found) == 3
    assert all((ROOT / path).exists() for path in found)


def test_the_files_are_installed_where_the_unit_and_getting_started_look_for_them(tmp_path: Path) -> None:
    for _ in range(2):  # the second time over the first, which keeps the configuration
        subprocess.run(
            [ROOT / "systemd" / "install"], env={"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=True
        )
        config = tmp_path / "etc" / "lhbackupd" / "config.toml"
        config.write_text(f"{config.read_text()}# mine\n")
    assert config.read_text() == (ROOT / "config.example.toml").read_text() + "# mine\n" * 2
    installed = {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    assert installed == {
        "etc/lhbackupd/config.toml",
        "usr/bin/lhbackupd",
        "usr/lib/systemd/system/lhbackupd.service",
        "usr/lib/sysusers.d/lhbackupd.conf",
        "usr/lib/tmpfiles.d/lhbackupd.conf",
    }
    venv = next(line.split()[-1] for line in lines(PAGES[0]) if "-m venv" in line)
    program = tmp_path / "usr" / "bin" / "lhbackupd"
    assert program.parent.joinpath(program.readlink()).resolve() == tmp_path / venv.strip("/") / "bin" / "lhbackupd"
    assert unit()["Service"]["ExecStart"].split()[0] == "/usr/bin/lhbackupd"


def test_the_credential_in_getting_started_is_the_one_in_the_unit() -> None:
    commented = [line.removeprefix("#") for line in (ROOT / "systemd" / "lhbackupd.service").read_text().splitlines()]
    block = [line for line in lines(PAGES[0], "ini") if line != "[Service]"]
    assert len(block) == 2
    assert set(block) <= set(commented)


def test_the_container_is_run_as_its_file_says() -> None:
    """With the same restrictions and time-out as in the first lines of the Dockerfile."""
    (command,) = (shlex.split(line) for line in lines(PAGES[0]) if line.startswith("docker run"))
    head = (
        (ROOT / "Dockerfile")
        .read_text()
        .partition("\nFROM")[0]
        .replace("-v ", "--volume ")
        .replace("-p ", "--publish ")
    )
    said = shlex.split(re.search(r"docker run.*", head.replace("#", "").replace("\\\n", " "))[0])  # type: ignore[index]
    assert set(said) - {"lhbackupd"} <= set(command)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target
