"""What the documents say that can be held against the truth: commands, configurations, data, links and files.

Each check takes a page and gives its faults, one line each; `faults` gives all of them.
"""

import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import yaml

from lhbackupd.cli.main import main
from lhbackupd.config import check, reference
from lhbackupd.config.schema import Settings
from tests.deploy.alarms import ROOT

#: programs that documents name beside ours, and what stands in for running them here
PROGRAMS = {
    "curl": "a probe by hand; tests/e2e asks the same route",
    "docker": "no engine here: test_the_container_is_run_as_its_file_says, and hadolint in CI",
    "editor": "the reader's own",
    "eval": "what it evaluates is looked at as well",
    "export": "the shell's own; the variables must be keys",
    "journalctl": "the service's log, on a machine with systemd",
    "kubectl": "no cluster here: the folders that it applies must exist, and are held against Kubernetes' schemas",
    "pip": "CI installs the wheel; the extras that it names must exist",
    "python": "modules must exist",
    "systemctl": "a machine with systemd; CI has systemd-analyze verify the unit",
    "systemd/install": "test_the_files_are_installed_where_the_unit_and_getting_started_look_for_them",
}
#: languages of code blocks; one without a language is a drawing, an answer or a file of some other kind
LANGUAGES = frozenset({"", "ini", "json", "mermaid", "sh", "toml", "yaml"})
#: variables that tests read, not the daemon
OF_TESTS = frozenset({"LHBACKUPD_AXE", "LHBACKUPD_SCREENSHOTS"})
#: where names of files in running text start from
_BASES = (ROOT, ROOT / "lhbackupd")
#: files of Longhorn's manager and of client-go, labels, and what is put behind an address
_ELSEWHERE = re.compile(r"(?:api|manager|engineapi)/\w+\.go|tools/record|[\w.-]+\.io/\w+|URL/\w+")
_OPERATORS = frozenset("();<>|&")


@dataclass(frozen=True)
class Page:
    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "Page":
        return cls(path, path.read_text())

    def blocks(self, *languages: str) -> Iterator[str]:
        """Texts of the code blocks in these languages."""
        for _, language, text in self._fenced:
            if language in languages:
                yield text

    @cached_property
    def _fenced(self) -> list[tuple[str, str, str]]:
        """Indent, language and text of all code blocks."""
        return re.findall(r"^( *)```(\S*)\n(.*?)^\1```$", self.text, re.MULTILINE | re.DOTALL)

    @cached_property
    def prose(self) -> str:
        """The page without its code blocks."""
        return re.sub(r"^( *)```.*?^\1```$", "", self.text, flags=re.MULTILINE | re.DOTALL)

    def spans(self) -> Iterator[str]:
        """What stands between backticks in running text."""
        for span in re.findall(r"`([^`]+)`", self.prose):
            yield " ".join(span.split())

    def anchors(self) -> set[str]:
        """The names of its headings in links, as GitHub makes them."""
        found: set[str] = set()
        for heading in re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE):
            slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            found.add(slug if slug not in found else f"{slug}-1")
        return found


def lines(page: Page, *languages: str) -> Iterator[str]:
    """The lines of a page's code blocks, continued ones as one, without their comments."""
    for block in page.blocks(*languages):
        for line in block.replace("\\\n", " ").splitlines():
            if text := re.sub(r"(^|\s)#.*", "", line).strip():
                yield text


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands of a line of shell, each as words: taken apart at pipes, without redirections and variables."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    target = False
    for word in (*lexer, ";"):
        if set(word) <= _OPERATORS:
            if word[0] not in "<>":
                yield from _unwrapped(words)
                words = []
            target = word[0] in "<>"
        elif target or (not words and re.match(r"\w+=", word)):
            target = False
        else:
            words.append(word)


def _unwrapped(words: list[str]) -> Iterator[list[str]]:
    """A command, and the one that it runs inside a container or evaluates."""
    if not words:
        return
    yield words
    if words[:2] == ["docker", "exec"]:
        yield words[3:]
    if "--" in words:
        yield words[words.index("--") + 1 :]
    for word in words:
        if word.startswith("$("):
            yield from simple_commands(word[2:-1])


def program(words: list[str]) -> str:
    """The program's name, wherever it lies; pythons are one."""
    name = words[0] if words[0].startswith("systemd/") else words[0].rpartition("/")[2]
    return re.sub(r"(?<=python)[\d.]+$", "", name)


def ours(page: Page) -> Iterator[list[str]]:
    """Arguments of our own commands, in code blocks and in running text, with what is optional in brackets."""
    spoken = (re.sub(r"[\[\]]|\.\.\.|\|\w+", "", span) for span in page.spans() if re.match(r"lhbackupd \S", span))
    for line in (*lines(page, "sh"), *spoken):
        for words in simple_commands(line):
            if program(words) == "lhbackupd":
                yield words[1:]


def commands(page: Page) -> Iterator[str]:
    """Our commands take what they are given."""
    for given in ours(page):
        try:
            parse(given)
        except click.exceptions.Exit:
            continue  # it was asked for help, or its version
        except click.ClickException as error:
            yield f"lhbackupd {shlex.join(given)}: {error.format_message()}"
    for line in lines(page, ""):
        if line.startswith(("lhbackupd ", "$ ")):
            yield f"{line}: a command in a block that is not marked as sh"


def parse(given: list[str]) -> None:
    """Have the command line take arguments, without doing anything. Raises click.ClickException."""
    command: click.Command = main
    context, arguments = click.Context(command, info_name="lhbackupd", **command.context_settings), [*given]
    while isinstance(command, click.Group):
        if not arguments:
            raise click.UsageError("names a group of commands, and none of it")
        if arguments[0].startswith("-"):
            break  # an option of the group itself
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None, name
        command, context = found, click.Context(found, info_name=name, parent=context)
    command.parse_args(context, arguments)


def programs(page: Page) -> Iterator[str]:
    """Other programs are known ones, and what they are given of ours is there."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in lines(page, "sh"):
        for words in simple_commands(line):
            name = program(words)
            if name != "lhbackupd" and name not in PROGRAMS:
                yield f"{line}: {name} is not among the programs that are known"
            if name == "python" and words[1] == "-m" and importlib.util.find_spec(words[2]) is None:
                yield f"{line}: there is no module {words[2]}"
            if name == "kubectl" and words[1:3] == ["apply", "-k"] and not (ROOT / words[3]).is_dir():
                yield f"{line}: there is no {words[3]}"
            for extra in re.findall(r"\[([\w,]+)\]", line) if name == "pip" else ():
                yield from (f"{line}: there is no extra {one}" for one in extra.split(",") if one not in extras)


def configurations(page: Page) -> Iterator[str]:
    """Configurations, whole, of one policy or of one key, are taken by the loader; variables are keys."""
    assignments = (span for span in page.spans() if re.match(r"[a-z_.]+ = ", span))
    for text in (*page.blocks("toml"), *assignments):
        yield from _refused(text)
    for name in re.findall(r"\bLHBACKUPD_[A-Z_]+\b", page.text):
        if f"`{name}`" not in reference() and name not in OF_TESTS:
            yield f"{name} is no variable of the configuration"


def _refused(text: str) -> Iterator[str]:
    """What the loader says against a configuration, with files as they are named; a policy's keys are made one."""
    try:
        keys = set(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        yield f"{text}: {error}"
        return
    if not keys <= set(Settings.model_fields) or text.startswith(
        ("exclude =", "notify =")
    ):  # both are sections as well
        needs = {"name": '"example"', "cron": '"0 2 * * *"'}
        text = "\n".join(("[[policy]]", *(f"{key} = {one}" for key, one in needs.items() if key not in keys), text))
    with TemporaryDirectory() as folder:
        for name in re.findall(r'"/[\w/.-]*/([\w.-]+)"', text):
            (Path(folder) / name).write_text("https://host/path\n")
        file = Path(folder) / "config.toml"
        file.write_text(re.sub(r'"/[\w/.-]*/([\w.-]+)"', rf'"{folder}/\1"', text))
        yield from check(file, {})


def data(page: Page) -> Iterator[str]:
    """Blocks in other languages can be read by what reads these."""
    for _, language, _ in page._fenced:
        if language not in LANGUAGES:
            yield f"a block of {language}, which no test reads"
    readers = {"json": json.loads, "yaml": lambda text: list(yaml.safe_load_all(text)), "ini": _read_ini}
    for language, reader in readers.items():
        for text in page.blocks(language):
            try:
                reader(text)
            except (ValueError, yaml.YAMLError, Error) as error:
                yield f"a block of {language}: {error}"


def _read_ini(text: str) -> None:
    RawConfigParser(strict=False, delimiters=("=",)).read_string(text)


def links(page: Page) -> Iterator[str]:
    """Links lead to files and headings that there are."""
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", page.prose):
        if target.startswith("https://"):
            continue
        path = page.path.parent / target
        if not path.exists():
            yield f"{target}: there is no such file"
        elif anchor and anchor[1:] not in (Page.read(path) if target else page).anchors():
            yield f"{target}{anchor}: there is no such heading"


def files(page: Page) -> Iterator[str]:
    """Files that are named in running text exist, and tests in them."""
    for span in page.spans():
        name = span.partition(":")[0].rstrip("/")
        if not re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+", name) or _ELSEWHERE.fullmatch(name):
            continue
        paths = [base / each for base in (*_BASES, page.path.parent) for each in (name, f"{name}.py")]
        found = next((path for path in paths if path.exists()), None)
        if found is None:
            yield f"{span}: there is no such file"
        elif "::" in span and f"def {span.partition('::')[2]}(" not in found.read_text():
            yield f"{span}: there is no such test"


CHECKS = (commands, programs, configurations, data, links, files)


def faults(page: Page) -> list[str]:
    """All that is wrong with a page."""
    return [fault for check_ in CHECKS for fault in check_(page)]
