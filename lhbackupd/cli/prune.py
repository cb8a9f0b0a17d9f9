"""`lhbackupd prune`: what retention says of every backup, and let the daemon delete now what no rule keeps."""

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
import msgspec

from lhbackupd.assembly import Unusable
from lhbackupd.cli.options import FAILED, UNREACHABLE, USAGE, clock_option, config_option, die, order, read_config, say
from lhbackupd.cli.origins import Unknown, known_origin, surveyed
from lhbackupd.cli.screen import Screen, table
from lhbackupd.clock import Clock
from lhbackupd.config import Config
from lhbackupd.core.model import Origin
from lhbackupd.core.retention import verdicts
from lhbackupd.core.selection import covering
from lhbackupd.core.timetable import parse_zone
from lhbackupd.engine.survey import Survey
from lhbackupd.longhorn.errors import LonghornError
from lhbackupd.surface.asking import near
from lhbackupd.surface.retaining import PrunedNow

#: seconds: a thousand volumes are a thousand lists
_TIMEOUT = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A completed backup of ours, and what retention says of it."""

    policy: str
    volume: str
    backup: str
    created: datetime | None
    #: every rule that keeps it; none, and it goes
    kept_by: tuple[str, ...]
    #: why it goes; "" where it is kept
    why: str


@click.command("prune")
@config_option
@click.option("--dry-run", is_flag=True, help="Delete nothing: show for each backup which rule keeps it.")
@click.option("--policy", help="Only backups of this policy.")
@click.option("--volume", help="Only backups of this volume.")
@click.option(
    "--origin", "origins", multiple=True, help="With --dry-run: as though this lost journal's origin was adopted."
)
@clock_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def command(
    *,
    config_path: Path,
    dry_run: bool,
    policy: str | None,
    volume: str | None,
    origins: tuple[str, ...],
    clock: Clock,
    as_json: bool,
) -> None:
    """Delete now the backups that no rule of their policy keeps; the daemon does so anyhow after every backup.

    With --dry-run nothing is deleted, and the daemon need not run: the rules are those of the configuration file, so
    that a change can be looked at before it is reloaded. Only backups of volumes that are still under their policy are
    ever deleted, and never the newest completed one of a policy or of a volume.

    Exit code 0 if all went well, 1 if something could not be deleted or read, or was refused, 2 for a wrong
    configuration, 3 if the daemon (with --dry-run: Longhorn) cannot be reached.

    \b
    lhbackupd prune --dry-run --policy nightly
    lhbackupd prune --volume pvc-4f1c2a
    """
    config = read_config(config_path)
    if origins and not dry_run:
        raise click.UsageError("--origin goes with --dry-run; to adopt one: lhbackupd adopt --origin ORIGIN")
    if dry_run:
        _dry_run(config, clock, policy, volume, origins, as_json=as_json)
        return
    raw, answer = order(config, "/v1/prune", {"policy": policy, "volume": volume}, PrunedNow, timeout=_TIMEOUT)
    if as_json:
        click.echo(raw)
    else:
        for one in answer.deleted:
            say(f"deleted {one.backup} of {one.volume} ({one.policy}): {one.why}")
        for fault in answer.faults:
            say(f"NOT all deleted: {fault}")
        say(f"{len(answer.deleted)} deleted; {answer.looked_at} pairs of policy and volume looked at")
    if answer.faults:
        raise SystemExit(FAILED)


def _dry_run(
    config: Config, clock: Clock, policy: str | None, volume: str | None, origins: Iterable[str], *, as_json: bool
) -> None:
    names = [each.name for each in config.policies]
    if policy is not None and policy not in names:
        die([f"there is no policy {policy}{near(policy, names)}"], FAILED)
    try:
        with ExitStack() as stack:
            origin = known_origin(config, stack)
        survey = asyncio.run(surveyed(config, clock))
    except Unknown as error:
        die([str(error)], FAILED)
    except Unusable as error:
        die([str(error)], USAGE)
    except LonghornError as error:
        die([f"Longhorn at {config.longhorn.url} cannot be reached: {error}"], UNREACHABLE)
    listed = [each.name for each in survey.volumes]
    if volume is not None and volume not in listed:
        die([f"there is no volume {volume}{near(volume, listed)}"], FAILED)
    origin = Origin(instance=origin.instance, journal=origin.journal, adopted=origin.adopted | set(origins))
    found = [
        judged
        for judged in judge(config, survey, origin)
        if policy in {None, judged.policy} and volume in {None, judged.volume}
    ]
    if as_json:
        click.echo(msgspec.json.encode({"version": 1, "backups": found, "faults": survey.faults}))
    else:
        _show(found, survey.faults)
    if survey.faults:
        raise SystemExit(FAILED)


def judge(config: Config, survey: Survey, origin: Origin) -> list[Judged]:
    """What retention says of every completed backup of ours whose volume is under its policy."""
    found: list[Judged] = []
    for volume in sorted(survey.volumes, key=lambda volume: volume.name):
        backups = [backup for backup in survey.backups if backup.volume == volume.name]
        for policy in covering(config.policies, volume, survey.groups.get(volume.name)).policies:
            zone = parse_zone(policy.timezone)
            found += [
                Judged(
                    policy=policy.name,
                    volume=volume.name,
                    backup=verdict.backup.name,
                    created=verdict.backup.created,
                    kept_by=verdict.kept_by,
                    why=verdict.why,
                )
                for verdict in verdicts(
                    backups, volume=volume.name, policy=policy.name, origin=origin, keep=policy.keep, zone=zone
                )
            ]
    return found


def _show(found: list[Judged], faults: Iterable[str]) -> None:
    rows = table("volume", "policy", "backup", "made (UTC)", "", last="why")
    for each in found:
        made = f"{each.created:%Y-%m-%d %H:%M:%S}" if each.created else ""
        verdict, why = ("stays", ", ".join(each.kept_by)) if each.kept_by else ("GOES", each.why)
        rows.add_row(each.volume, each.policy, each.backup, made, verdict, why)
    console = Screen()
    if found:
        console.print(rows)
    gone = sum(not each.kept_by for each in found)
    console.print(f"{gone} of {len(found)} backups would be deleted; nothing was")
    for fault in faults:
        console.print(f"could not be read, so this list lacks something: {fault}")
