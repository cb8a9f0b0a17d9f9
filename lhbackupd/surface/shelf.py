"""The rows of the last report, kept for the next one: of ten thousand few change between two.

A row keeps with it what it was made from, and until when time alone cannot change it. Several threads may make reports
at the same time; what one of them puts here serves the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from lhbackupd.core.model import Mode, Run
from lhbackupd.core.rpo import UNASKED, Judgement
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.keeper import Keeper
from lhbackupd.engine.scheduler import Key
from lhbackupd.engine.trigger import CronTrigger
from lhbackupd.surface import rows
from lhbackupd.surface.report import CoveredVolume, WaitingRun
from lhbackupd.surface.rows import Asking, Given, Made, Queued, Times

#: a report's place for a row
_PLACE = attrgetter("place")


@dataclass(slots=True)
class Shelf:
    """Rows of volumes under policies, and of runs that wait, by their ids."""

    volumes: dict[Key, Made] = field(default_factory=dict)
    queue: dict[str, Queued] = field(default_factory=dict)

    def covered(
        self, keeper: Keeper, picture: Picture, schedules: Mapping[Key, CronTrigger], times: Times
    ) -> tuple[CoveredVolume, ...]:
        """A row for each of `schedules`, worst first."""
        policies, covers, detached = keeper.rules.policies, keeper.coverage.covers.volumes, keeper.detachments.due
        protections, exposures, listed = dict(keeper.books.protections), dict(keeper.watch.exposures), picture.volumes
        runs, kept = {(run.policy, run.volume): run for run in keeper.unfinished()}, self.volumes
        now, found = times.now, list[Made]()
        for key, trigger in schedules.items():
            policy, volume = key
            # a plain tuple: to make one with names takes as long as all the rest
            given = (
                protections.get(key),
                listed.get(volume),
                exposures.get(key),
                policies.get(policy),
                trigger,
                detached.get(key),
                covers[volume].jobs if volume in covers else (),
            )
            run, made = runs.get(key), kept.get(key)
            begun = None if run is None else (run.started_at, run.not_before)
            holds = made is not None and made.given == given and made.since <= now < made.until
            if made is None or not holds or made.going != begun:
                known = Given(*given)
                judged = _judged(keeper, key, known, times, run)
                if made is not None and holds and made.judged == judged:
                    made = made._replace(going=begun)
                else:
                    made = _with_row_of(made, rows.covered(key, known, begun, judged, times))
                kept[key] = made
            found.append(made)
        return tuple(made.row for made in sorted(found, key=_PLACE))

    def waiting(self, keeper: Keeper, picture: Picture, now: datetime) -> tuple[WaitingRun, ...]:
        """A row for each run that waits, those that have to start soonest first.

        What a run asks of the order is looked up again when more is known of its volume, not when others have ended.
        """
        volumes, exposures = picture.volumes, keeper.watch.exposures
        found: dict[str, Queued] = {}
        fresh: list[Asking] = []
        for run in dict(keeper.waiting).values():
            key, kept = (run.policy, run.volume), self.queue.get(run.id)
            given = Asking(run, volumes.get(run.volume), exposures.get(key), keeper.policy(run.policy))
            if kept is not None and kept.given == given and run.not_before is None:
                found[run.id] = kept
            else:
                fresh.append(given)
        claims = keeper.claims([given.run for given in fresh])
        found |= {given.run.id: rows.waiting(given, claims[given.run.id], now) for given in fresh}
        self.queue = found
        return tuple(one.row for one in sorted(found.values(), key=_PLACE))

    def forget(self, schedules: Mapping[Key, CronTrigger]) -> None:
        """Let go of the rows of schedules that are not there any more."""
        for key in self.volumes.keys() - schedules.keys():
            self.volumes.pop(key, None)


def _judged(keeper: Keeper, key: Key, given: Given, times: Times, run: Run | None) -> Judgement:
    """How a volume stands to its policy's RPO; a shadow promises nothing."""
    if given.policy is not None and given.policy.mode is Mode.SHADOW:
        return UNASKED
    return keeper.watch.verdict(key, now=times.now, next_due=times.next_due(given), run=run)


def _with_row_of(former: Made | None, fresh: Made) -> Made:
    """`fresh`, with the row that was there if it says the same: what was made from that holds on."""
    return fresh._replace(row=former.row) if former is not None and former.row == fresh.row else fresh
