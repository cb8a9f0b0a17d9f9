"""`lhbackupd doctor`: why does it not work? Gathers facts, changes nothing, and says what to do next.

Exit codes: 0 all is well, 1 something is not, 2 usage or configuration, 3 Longhorn cannot be reached.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from lhbackupd import __version__
from lhbackupd.assembly import Unusable, connect
from lhbackupd.cli.asking import Refused, fetch
from lhbackupd.cli.door import Declined, Unanswered, ask
from lhbackupd.cli.options import FAILED, UNREACHABLE, USAGE, clock_option, config_option, say
from lhbackupd.clock import Clock
from lhbackupd.config import Config, ConfigFault, load
from lhbackupd.core.model import Run
from lhbackupd.core.selection import wants_groups
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.survey import Survey, Surveyor
from lhbackupd.longhorn.errors import LonghornError
from lhbackupd.surface.doctor import diagnose
from lhbackupd.surface.findings import DaemonFacts, Diagnosis, Facts, Finding, JournalFacts, Level, fault, worst
from lhbackupd.surface.report import Report

_TIMEOUT = 5.0
_SIGNS = {Level.OK: "ok     ", Level.WARNING: "warning", Level.FAULT: "FAULT  "}


@click.command("doctor")
@config_option
@clock_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def command(config_path: Path, clock: Clock, as_json: bool) -> None:
    """Say why it does not work, line by line, each with the next step; also with the daemon down. Changes nothing.

    Exit code 0 if all is well, 1 for a warning or fault, 2 for a wrong configuration, 3 if Longhorn cannot be reached.

    \b
    lhbackupd doctor
    lhbackupd doctor --json
    """
    try:
        config = load(config_path)
        facts = gather(config, clock)
    except (ConfigFault, Unusable) as error:
        step = "correct it; see lhbackupd config example"
        found = error.faults if isinstance(error, ConfigFault) else (error,)
        findings: tuple[Finding, ...] = tuple(fault("config", str(one), step) for one in found)
        code = USAGE
    else:
        findings = diagnose(facts)
        code = FAILED if worst(findings) is not Level.OK else 0
        code = UNREACHABLE if facts.survey is None else code
    if as_json:
        diagnosis = Diagnosis(at=clock.now(), worst=worst(findings), findings=findings)
        click.echo(msgspec.json.encode(diagnosis).decode())
    else:
        _show(findings)
    raise SystemExit(code)


def _show(findings: Iterable[Finding]) -> None:
    for finding in findings:
        say(f"{_SIGNS[finding.level]} {finding.check}: {finding.text}")
        if finding.next:
            say(f"        → {finding.next}")


def gather(config: Config, clock: Clock) -> Facts:
    """All that can be found out. Raises Unusable."""
    daemon = _daemon(config)
    runs = _journal(config).runs
    survey, unreachable = asyncio.run(_survey(config, clock))
    # a run is in the journal before its ticket is in Longhorn, and may have ended since
    journal = _journal(config, also=runs)
    return Facts(
        now=clock.now(),
        version=__version__,
        instance=config.instance,
        url=config.longhorn.url,
        policies=config.policies,
        excludes=config.excludes,
        journal=journal,
        daemon=daemon,
        survey=survey,
        unreachable=unreachable,
    )


def _daemon(config: Config) -> DaemonFacts:
    try:
        _, report = ask(config.control.socket, "GET", "/v1/status", Report, timeout=_TIMEOUT)
        return DaemonFacts(report=report)
    except (Unanswered, Declined) as error:
        control = str(error)
    try:
        _, report = fetch(config, "status.json", Report, timeout=_TIMEOUT)
        return DaemonFacts(report=report, control=control)
    except (OSError, Refused):
        return DaemonFacts(control=control)


def _journal(config: Config, also: Iterable[Run] = ()) -> JournalFacts:
    path = config.state.path
    try:
        journal = Journal(url=config.state.url, readonly=True)
    except JournalError as error:
        return JournalFacts(name=config.state.url.partition(":")[0], fault=str(error))
    try:
        if path is not None:
            path.stat()
        journal.identify()
        unfinished = journal.unfinished()
        known = {run.id for run in unfinished}
        runs = (*unfinished, *(run for run in also if run.id not in known))
        name = str(path) if path is not None else journal.name
        return JournalFacts(name=name, origin=journal.origin, runs=runs, protections=journal.protections())
    except FileNotFoundError:
        return JournalFacts(name=str(path), made=False)
    except OSError as error:
        return JournalFacts(name=str(path), fault=f"journal {path} cannot be read: {(error.strerror or '').lower()}")
    except JournalError as error:
        return JournalFacts(name=journal.name, fault=str(error))
    finally:
        journal.close()


async def _survey(config: Config, clock: Clock) -> tuple[Survey | None, str]:
    longhorn = connect(config, clock=clock)
    groups = wants_groups(config.policies, config.excludes)
    try:
        return await Surveyor(longhorn=longhorn, now=clock.now).survey(groups=groups), ""
    except LonghornError as error:
        return None, str(error)
    finally:
        await longhorn.aclose()
