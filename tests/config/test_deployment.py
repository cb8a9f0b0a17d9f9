"""The unit and the container file say what the configuration understands."""

import json
import re
from configparser import RawConfigParser
from datetime import timedelta
from pathlib import Path

from lhbackupd.config import check, load
from lhbackupd.core.model import Patience

ROOT = Path(__file__).parent.parent.parent


def unit() -> RawConfigParser:
    parser = RawConfigParser(strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys tell upper from lower case
    parser.read(ROOT / "systemd" / "lhbackupd.service")
    return parser


def test_the_unit_waits_longer_at_stop_than_a_detach_may_take() -> None:
    assert timedelta(seconds=int(unit()["Service"]["TimeoutStopSec"])) > timedelta(seconds=Patience().detach)


def test_the_unit_makes_the_directories_of_the_defaults() -> None:
    service, config = unit()["Service"], load(None, {})
    assert config.state.path == Path("/var/lib") / service["StateDirectory"] / "state.db"
    assert config.control.socket == Path("/run") / service["RuntimeDirectory"] / "control.sock"


def test_the_unit_checks_the_file_that_it_runs_with() -> None:
    service = unit()["Service"]
    assert service["ExecStartPre"].split("--config")[1] == service["ExecStart"].split("--config")[1]


def test_variables_in_unit_and_container_file_are_keys(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch()
    container = (ROOT / "Dockerfile").read_text()
    found = dict(re.findall(r"^ {4}(LHBACKUPD_\w+)=(\S+)", container, re.MULTILINE))
    assert set(found) == {"LHBACKUPD_HTTP__LISTEN", "LHBACKUPD_CONTROL__SOCKET"}
    assert check(None, found) == ()
    service = (ROOT / "systemd" / "lhbackupd.service").read_text()
    examples = [re.findall(r"(LHBACKUPD_\w+)=(\S+)", line) for line in service.splitlines() if "Environment=" in line]
    assert len(examples) == 2
    for example in examples:
        assert check(None, {name: str(secret) if "%d" in value else value for name, value in example}) == ()


def test_the_container_starts_the_program_without_a_shell() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    commands = {
        line.split(" ", 1)[0]: json.loads(line.split(" ", 1)[1])
        for line in lines
        if line.startswith(("ENTRYPOINT", "CMD"))
    }
    assert commands == {"ENTRYPOINT": ["lhbackupd"], "CMD": ["run"]}
    assert any(re.fullmatch(r"USER [1-9]\d+:[1-9]\d+", line) for line in lines)


def test_configuration_and_secrets_lie_where_the_unit_looks_and_root_alone_reads_secrets() -> None:
    tmpfiles = (ROOT / "systemd" / "lhbackupd.tmpfiles").read_text()
    rules = {line.split()[1]: line.split()[2:5] for line in tmpfiles.splitlines() if line[:1] in {"d", "z"}}
    service = (ROOT / "systemd" / "lhbackupd.service").read_text()
    secrets = {path for _, path in re.findall(r"^#LoadCredential=([\w-]+):(\S+)", service, re.MULTILINE)}
    config = unit()["Service"]["ExecStart"].split("--config ")[1]
    assert rules == {
        str(Path(config).parent): ["0755", "root", "root"],
        config: ["0640", "root", "lhbackupd"],
        **{secret: ["0600", "root", "root"] for secret in secrets},
    }
    assert len(secrets) == 2
