"""What the documents show is so: commands, configurations, links; and what a fault in them would look like."""

import re
import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from lhbackupd.cli.main import main
from lhbackupd.config import load
from lhbackupd.core.machine import EDGES
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.recurring import NativeJob
from lhbackupd.surface.imported import policies
from tests.config.test_deployment import unit
from tests.deploy.alarms import ROOT
from tests.deploy.pages import Page, commands, faults, lines, ours

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_COMMENTS = [
    ROOT / "Dockerfile",
    ROOT / "config.example.toml",
    *sorted(path for folder in ("deploy", "systemd") for path in (ROOT / folder).rglob("*") if path.is_file()),
]
START = Page.read(ROOT / "docs" / "getting-started.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_on_the_page_is_wrong(path: Path) -> None:
    assert faults(Page.read(path)) == []


@pytest.mark.parametrize("path", WITH_COMMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_comments_name_commands_and_files_that_there_are(path: Path) -> None:
    page = Page.read(path)
    named = re.findall(r"(?<![\w/.-])(?:deploy|docs|systemd)/[\w./-]*\w", page.text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert list(commands(page)) == []


def test_comments_name_files_at_all() -> None:
    assert sum("docs/getting-started.md" in path.read_text() for path in WITH_COMMENTS) > 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```sh\nlhbackupd run --colour red\n```\n", "No such option"),
        ("```sh\nlhbackupd start\n```\n", "No such command"),
        ("```sh\nlhbackupd config\n```\n", "none of it"),
        ("```sh\nkubectl exec deploy/lhbackupd -- lhbackupd doctor --all\n```\n", "No such option"),
        ("```sh\ndocker exec lhbackupd lhbackupd doctors\n```\n", "No such command"),
        ("```sh\npython3 -m venv x && x/bin/lhbackupd demos > out\n```\n", "No such command"),
        ('```sh\neval "$(lhbackupd completion tcsh)"\n```\n', "completion tcsh"),
        ("1. Do\n\n   ```sh\n   lhbackupd plan \\\n     --after 7d\n   ```\n", "No such option"),
        ("Call `lhbackupd explain` then.", "Missing argument"),
        ("Or `lhbackupd --versions`.", "No such option"),
        ("```\nlhbackupd status\n```\n", "not marked as sh"),
        ("```sh\nhelm install lhbackupd\n```\n", "helm is not among the programs"),
        ("```sh\npython3 -m tests.rain\n```\n", "no module tests.rain"),
        ("```sh\nkubectl apply -k deploy/helm\n```\n", "no deploy/helm"),
        ("```sh\npip install 'lhbackupd[mail]'\n```\n", "no extra mail"),
        ('```toml\n[longhorn]\nurl = "longhorn"\n```\n', "a URL such as"),
        ("```toml\nspread = 2h\n```\n", "spread = 2h"),
        ('```toml\nspreads = "2h"\n```\n', 'did you mean "spread"'),
        ("```toml\n[limits]\nnode = 1\n```\n", "an unknown key"),
        ('Write `detached = "sometimes"` there.', '"always" or "never"'),
        ("Set `LHBACKUPD_LIMITS__NODE` for it.", "no variable"),
        ('```json\n{"version": 1,}\n```\n', "a block of json"),
        ("```yaml\na: [\n```\n", "a block of yaml"),
        ("```ini\nA=b\n```\n", "a block of ini"),
        ("```hcl\n```\n", "which no test reads"),
        ("See [there](nowhere.md).", "nowhere.md: there is no such file"),
        ("See [there](design.md#five-wishes).", "no such heading"),
        ("See [below](#nothing).", "no such heading"),
        ("See `core/oracle.py`.", "there is no such file"),
        ("Held by `tests/core/test_machine.py::test_all`.", "there is no such test"),
    ],
)
def test_a_fault_on_a_page_is_found(text: str, fault: str) -> None:
    (found,) = faults(Page(ROOT / "docs" / "planted.md", f"# A page\n\n{text}\n"))
    assert fault in found


def test_what_is_right_is_no_fault() -> None:
    text = (
        "# A page\n\n## Five rules\n\n```sh\nlhbackupd status   # all --of it\nlhbackupd config example > /etc/x\n```\n"
        'Set `LHBACKUPD_LIMITS__CLUSTER`, `rpo = "26h"`, see [rules](#five-rules), `core/machine.py` and '
        "[theirs](design.md#five-rules); `lhbackupd backup VOLUME... [--wait]`, `lhbackupd plan -h`.\n"
        '```toml\n[longhorn]\ntoken_file = "/etc/lhbackupd/token"\n```\n'
    )
    assert faults(Page(ROOT / "docs" / "planted.md", text)) == []


#: commands that do not end by themselves, or are run elsewhere, and where
STAY = {
    "demo": "CI, from the wheel",
    "run": "until SIGTERM: tests/e2e",
    "simulate": "until interrupted: tests/e2e",
    "--watch": "until interrupted: tests/cli",
}
#: commands and options that need nothing but themselves
ALONE = frozenset({"config", "completion", "-h", "--help", "--version"})
#: words for what the reader puts in
PUT_IN = {"VOLUME": "db", "NAME": "nightly", "RUN": "69a4f30c1b22aa7d03e9", "ORIGIN": "5eed0001"}
EVERY = sorted({tuple(given) for path in PAGES for given in ours(Page.read(path)) if not set(given) & set(STAY)})


@pytest.mark.parametrize("given", EVERY, ids=" ".join)
def test_commands_do_what_they_can_without_a_daemon_and_say_what_is_missing(
    given: tuple[str, ...], tmp_path: Path
) -> None:
    done = alone(given, tmp_path)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.exit_code in ({0} if ALONE & {given[0], given[-1]} else {1, 3}), done.output
    assert done.output.strip()


def test_an_argument_that_only_shows_to_be_wrong_when_it_is_run_is_found(tmp_path: Path) -> None:
    assert alone(("explain", "no volume"), tmp_path).exit_code == 2


def alone(given: tuple[str, ...], folder: Path) -> Result:
    """What a command does where neither daemon nor Longhorn answers."""
    nowhere = "http://127.0.0.1:9"
    (folder / "channels").write_text("json://127.0.0.1:9\n")
    config = folder / "config.toml"
    config.write_text(
        f'[longhorn]\nurl = "{nowhere}"\n[http]\nlisten = "127.0.0.1:9"\n[control]\nsocket = "{folder}/none.sock"\n'
        f'[state]\nurl = "sqlite:///{folder}/state.db"\n[notify]\nurls_file = "{folder}/channels"\n'
        '[[policy]]\nname = "nightly"\ncron = "0 2 * * *"\n'
    )
    words = [nowhere if word.startswith("http://") else PUT_IN.get(word, word) for word in given]
    return CliRunner().invoke(main, words, default_map=defaults(main, str(config)))


def defaults(command: click.Command, config: str) -> dict[str, Any]:
    """The configuration of every command that takes one."""
    found: dict[str, Any] = {"config_path": config} if any(p.name == "config_path" for p in command.params) else {}
    if isinstance(command, click.Group):
        context = click.Context(command)
        inner = {name: command.get_command(context, name) for name in command.list_commands(context)}
        found |= {name: defaults(one, config) for name, one in inner.items() if one is not None}
    return found


def drawn() -> str:
    """The moves of a run, in the order of its phases."""
    order = list(Phase)
    lines = ["flowchart TD", *(f"    {phase.name}([{phase.value}])" for phase in order)]
    edges = sorted(EDGES, key=lambda edge: tuple(map(order.index, edge)))
    return "\n".join((*lines, *(f"    {before.name} --> {after.name}" for before, after in edges))) + "\n"


def test_the_way_of_a_run_is_drawn_as_the_code_goes() -> None:
    page = Page.read(ROOT / "docs" / "how-a-run-works.md")
    assert list(page.blocks("mermaid")) == [drawn()]
    assert re.findall(r"^\| `([\w-]+)` \|", page.text, re.MULTILINE) == list(Phase)


def test_the_readme_names_all_phases_and_outcomes() -> None:
    text = Page.read(ROOT / "README.md")
    assert " → ".join(Phase) + "\n" in set(text.blocks(""))
    rows = re.findall(r"^\| (`[\w`, -]+`) \|", text.prose, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"[\w-]+", row)} == set(Outcome)


def test_the_job_to_go_back_to_is_the_policy_as_it_would_be_imported(tmp_path: Path) -> None:
    page = Page.read(ROOT / "docs" / "native-jobs.md")
    (written,), (job,) = page.blocks("toml"), page.blocks("yaml")
    spec = yaml.safe_load(job)["spec"]
    native = NativeJob(
        name=spec["name"],
        task=spec["task"],
        cron=spec["cron"],
        groups=tuple(spec["groups"]),
        retain=spec["retain"],
        concurrency=spec["concurrency"],
    )
    loaded = []
    for text in (textwrap.dedent(written), policies([native], {}).replace('"shadow"', '"active"')):
        (tmp_path / "config.toml").write_text(text)
        loaded.append(load(tmp_path / "config.toml", {}).policies)
    assert loaded[0] == loaded[1]


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
    venv = next(line.split()[-1] for line in lines(START, "sh") if "-m venv" in line)
    program = tmp_path / "usr" / "bin" / "lhbackupd"
    assert program.parent.joinpath(program.readlink()).resolve() == tmp_path / venv.strip("/") / "bin" / "lhbackupd"
    assert unit()["Service"]["ExecStart"].split()[0] == "/usr/bin/lhbackupd"


def test_the_credential_in_getting_started_is_the_one_in_the_unit() -> None:
    commented = [line.removeprefix("#") for line in (ROOT / "systemd" / "lhbackupd.service").read_text().splitlines()]
    block = [line for line in lines(START, "ini") if line != "[Service]"]
    assert len(block) == 2
    assert set(block) <= set(commented)


def test_the_container_is_run_as_its_file_says() -> None:
    """With the same restrictions and time-out as in the first lines of the Dockerfile."""
    (command,) = (shlex.split(line) for line in lines(START, "sh") if line.startswith("docker run"))
    head = (
        (ROOT / "Dockerfile")
        .read_text()
        .partition("\nFROM")[0]
        .replace("-v ", "--volume ")
        .replace("-p ", "--publish ")
    )
    said = shlex.split(re.search(r"docker run.*", head.replace("#", "").replace("\\\n", " "))[0])  # type: ignore[index]
    assert set(said) - {"lhbackupd"} <= set(command)
