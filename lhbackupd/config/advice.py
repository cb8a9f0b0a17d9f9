"""What is wrong with a configuration that can be used all the same: said by `config check`, and no fault.

Every warning says what to write instead.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from lhbackupd.config import values
from lhbackupd.config.loading import Config
from lhbackupd.core.model import Policy
from lhbackupd.core.timetable import longest_gap, parse_cron, parse_zone

#: due times that are looked through: a year of nightly ones, with both nights in which clocks move
_TIMES = 400
#: nothing depends on the year but leap days
_FROM = datetime(2026, 1, 1, tzinfo=UTC)


def advice(config: Config) -> tuple[str, ...]:
    """All warnings, one line each, in the order of the policies."""
    return tuple(warning for policy in config.policies for warning in _objective(policy))


def _objective(policy: Policy) -> Iterator[str]:
    """An RPO that the schedule cannot keep on a volume that is always in use."""
    if policy.rpo is None:
        return
    cron, zone = parse_cron(policy.cron), parse_zone(policy.timezone)
    # of a schedule that is due every minute, a year would take long to look through, and its gaps are all alike
    gap = longest_gap(cron, zone, _FROM, _TIMES)
    if policy.rpo < gap:
        rpo, least = values.write_duration(policy.rpo), values.write_duration(gap)
        yield (
            f'policy "{policy.name}": rpo = "{rpo}" is shorter than the {least} between two due times of cron = '
            f'"{policy.cron}", so a volume in use will miss it: write an rpo of more than {least}, or a cron that is '
            "due more often"
        )
