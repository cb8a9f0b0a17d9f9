"""What the configuration in force promises, as gauges: alarms compare what is with these, and never with constants.

So an alarm follows a reload by itself, and a policy with more patience needs no rule of its own. Every name here is
described in docs/metrics.md.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from lhbackupd.core.model import Patience, Phase, Policy, Run
from lhbackupd.core.moves import patience_of
from lhbackupd.core.timetable import next_due, parse_cron, parse_zone, previous_due
from lhbackupd.engine.rules import Rules


class Goals(Collector):
    """Collects from the rules in force; to be registered once.

    `faults` is what was wrong at the last reload; `active` are the runs that go on, also of policies that are gone.
    """

    def __init__(
        self,
        *,
        rules: Callable[[], Rules],
        active: Callable[[], Iterable[Run]],
        now: Callable[[], datetime],
        faults: Callable[[], Iterable[str]],
    ) -> None:
        self._rules = rules
        self._active = active
        self._now = now
        self._faults = faults

    @override
    def collect(self) -> Iterator[Metric]:
        rules, now = self._rules(), self._now()
        patience = GaugeMetricFamily(
            "lhbackupd_policy_patience_seconds",
            "How long a run may be in a phase, for backing-up without progress.",
            labels=["policy", "phase"],
        )
        interval = GaugeMetricFamily(
            "lhbackupd_policy_interval_seconds",
            "Time between the last due time and the next.",
            labels=["policy"],
        )
        rpo = GaugeMetricFamily(
            "lhbackupd_policy_rpo_seconds",
            "For how long data may be in no backup; no series for a policy that promises nothing.",
            labels=["policy"],
        )
        for name, policy in sorted(rules.policies.items()):
            if policy.rpo is not None:
                rpo.add_metric([name], policy.rpo.total_seconds())
            interval.add_metric([name], _interval(policy, now).total_seconds())
        for name in sorted({*rules.policies, *(run.policy for run in self._active())}):
            for phase, seconds in _patience(patience_of(rules.policies.get(name))):
                patience.add_metric([name, phase.value], seconds)
        yield rpo
        yield patience
        yield interval
        limit = GaugeMetricFamily("lhbackupd_limit_runs", "How many runs may hold a volume at once.", labels=["scope"])
        for scope, number in asdict(rules.limits).items():
            limit.add_metric([scope.removeprefix("per_")], number)
        yield limit
        yield GaugeMetricFamily(
            "lhbackupd_config_last_reload_successful",
            "1 unless the configuration had faults when it was last read.",
            value=0 if any(self._faults()) else 1,
        )

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register must not ask for anything."""
        return iter(())


def _patience(patience: Patience) -> tuple[tuple[Phase, float], ...]:
    return (
        (Phase.ATTACHING, patience.attach),
        (Phase.INSPECTING, patience.inspect),
        (Phase.SNAPSHOTTING, patience.snapshot),
        (Phase.BACKING_UP, patience.backup),
        (Phase.DETACHING, patience.detach),
    )


def _interval(policy: Policy, now: datetime) -> timedelta:
    cron, zone = parse_cron(policy.cron), parse_zone(policy.timezone)
    return next_due(cron, zone, now) - previous_due(cron, zone, now)
