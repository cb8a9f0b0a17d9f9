"""Whose backups are ours: the origin that the daemon or its journal has, and what is in Longhorn besides."""

from collections import Counter
from contextlib import ExitStack

from lhbackupd.assembly import connect
from lhbackupd.cli.door import Declined, Unanswered, ask
from lhbackupd.clock import Clock
from lhbackupd.config import Config
from lhbackupd.core.model import Origin
from lhbackupd.core.naming import LABEL_ORIGIN
from lhbackupd.core.selection import wants_groups
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.orders import ADOPTED
from lhbackupd.engine.survey import Survey, Surveyor
from lhbackupd.surface.report import Report

_TIMEOUT = 10.0


class Unknown(Exception):  # noqa: N818 -- says what is the case
    """Neither the daemon nor its journal says which origin is ours."""


def known_origin(config: Config, stack: ExitStack) -> Origin:
    """Our origin, with those adopted: as the daemon says, or its journal while it is down. Raises Unknown."""
    try:
        _, report = ask(config.control.socket, "GET", "/v1/status", Report, timeout=_TIMEOUT)
    except (Unanswered, Declined):
        pass
    else:
        daemon = report.daemon
        return Origin(instance=daemon.instance, journal=daemon.origin, adopted=frozenset(daemon.adopted))
    try:
        journal = Journal(url=config.state.url, readonly=True)
        stack.callback(journal.close)
        journal.identify()
        adopted = journal.notes(ADOPTED, str)
    except JournalError as error:
        raise Unknown(
            f"{error}; whose backups are ours is not known: start the daemon, or ask as its user (sudo -u lhbackupd)"
        ) from error
    return Origin(instance=config.instance, journal=journal.origin, adopted=frozenset(adopted))


async def surveyed(config: Config, clock: Clock) -> Survey:
    """All that is in Longhorn. Raises LonghornError and Unusable."""
    longhorn = connect(config, clock=clock)
    try:
        groups = wants_groups(config.policies, config.excludes)
        return await Surveyor(longhorn=longhorn, now=clock.now).survey(groups=groups)
    finally:
        await longhorn.aclose()


def origins(survey: Survey) -> Counter[str]:
    """How many completed backups bear which origin."""
    labels = (backup.labels.get(LABEL_ORIGIN) for backup in survey.backups if backup.completed)
    return Counter(label for label in labels if label)
