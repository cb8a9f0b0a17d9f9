"""What a configuration says that is no fault, and that its author hardly meant: one line each.

Unlike a fault it keeps nothing from running. `config check` prints it, and the daemon logs it at a start and a
reload.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from lhbackupd.config import values
from lhbackupd.config.loading import Config
from lhbackupd.config.printing import flat
from lhbackupd.config.schema import RELOADED
from lhbackupd.core.model import Detached, Policy
from lhbackupd.core.timetable import longest_gap, minutes_of_week, parse_cron, parse_zone
from lhbackupd.core.windows import open_week

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
#: due times that are looked through: a year of nightly ones, with both nights in which clocks move
_TIMES = 400
#: nothing depends on the year but leap days
_FROM = datetime(2026, 1, 1, tzinfo=UTC)


def advice(config: Config) -> tuple[str, ...]:
    """All that there is to say about a configuration without faults."""
    return tuple(_lines(config.policies))


def left_for_restart(running: Config, read: Config) -> tuple[str, ...]:
    """What of the configuration that was `read` again differs from the `running` one, and that a reload cannot take."""
    before, after = (flat(config.settings.model_dump(exclude=set(RELOADED))) for config in (running, read))
    return tuple(
        f"{key} has changed, which a reload does not take: restart the daemon"
        for key, value in after.items()
        if value != before[key]
    )


def _lines(policies: Iterable[Policy]) -> Iterator[str]:
    for policy in policies:
        yield from _outside_window(policy)
        yield from _short_objective(policy)
        if policy.on_detach is not None and policy.detached is Detached.NEVER:
            yield (
                f'policy "{policy.name}": on_detach is for detached volumes, and detached = "never" leaves these '
                'alone: write detached = "follow-setting" or "always", or leave on_detach out'
            )


def _outside_window(policy: Policy) -> Iterator[str]:
    """Runs that are only ever due while their window is shut all start together when it opens."""
    week, dues = open_week(policy.window, policy.blackout), minutes_of_week(parse_cron(policy.cron))
    length = int(policy.spread.total_seconds() / 60) if policy.spread else 0
    if any(week[(due + later) % len(week)] for due in dues for later in range(length + 1)):
        return
    openings = [minute for minute in range(len(week)) if week[minute] and not week[minute - 1]]
    hour, minute = divmod(openings[0] % _DAY, 60)
    days = [day for day, name in enumerate(_WEEKDAYS) if openings[0] % _DAY + day * _DAY in openings]
    weekdays = "*" if len(days) == len(_WEEKDAYS) else ",".join(_WEEKDAYS[day] for day in days)
    spread = ", nor any moment of its spread," if policy.spread else ""
    yield (
        f'policy "{policy.name}": no due time of cron "{policy.cron}"{spread} is in its window: each run waits until '
        "the window opens, and then all start together; write a cron inside the window, such as "
        f'"{minute} {hour} * * {weekdays}"'
    )


def _short_objective(policy: Policy) -> Iterator[str]:
    """An RPO that the schedule cannot keep on a volume that is always in use."""
    if policy.rpo is None:
        return
    gap = longest_gap(parse_cron(policy.cron), parse_zone(policy.timezone), _FROM, _TIMES)
    if policy.rpo < gap:
        rpo, least = values.write_duration(policy.rpo), values.write_duration(gap)
        yield (
            f'policy "{policy.name}": rpo = "{rpo}" is shorter than the {least} between two due times of cron = '
            f'"{policy.cron}", so a volume in use will miss it: write an rpo of more than {least}, or a cron that is '
            "due more often"
        )
