"""What Prometheus reads off the present state, made from the report at every scrape.

So every gauge is right at once after a restart, the series of a volume that is gone go with it, and page and metrics
can never tell two stories. A volume has series for what is always asked of it, and others only while there is something
to tell: ten thousand volumes are a scrape of 5 MB, and not of 9. Every name here is described in docs/metrics.md.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

from msgspec.structs import asdict
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from lhbackupd.core.model import Phase
from lhbackupd.surface.report import Report
from lhbackupd.surface.series import Series
from lhbackupd.surface.standing import Standing, Wait

#: what a run in the queue waits for if there are too many at once
_PLACES = frozenset({Wait.CLUSTER, Wait.NODE, Wait.TARGET})


class Gauges(Collector):
    """Collects from the report; to be registered once."""

    def __init__(self, *, report: Callable[[], Report], series: Series | None = None) -> None:
        self._report = report
        self._series = series or Series()

    @override
    def collect(self) -> Iterator[Metric]:
        report = self._report()
        yield from self._series.of(report.volumes)
        yield from _volumes(report)
        yield from _runs(report)
        yield from _pauses(report)
        yield from _workings(report)

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register must not make a report."""
        return iter(())


def _volumes(report: Report) -> Iterator[Metric]:
    standing = GaugeMetricFamily("lhbackupd_volumes", "Volumes by how they stand.", labels=["standing"])
    for name, number in asdict(report.totals).items():
        standing.add_metric([name], number)
    yield standing
    double = {row.volume for row in report.volumes if row.jobs and row.standing is not Standing.SHADOW}
    yield _one("volumes_double_covered", "Volumes under a policy that a recurring job backs up as well.", len(double))
    yield _one("policies_unused", "Policies that match no volume.", len(report.unused))


def _runs(report: Report) -> Iterator[Metric]:
    active = GaugeMetricFamily("lhbackupd_runs_active", "Runs that are going on.", labels=["phase"])
    phases = Counter(run.phase for run in report.running)
    for phase in Phase:
        if phase is not Phase.QUEUED:
            active.add_metric([phase.value], phases[phase])
    yield active
    queue = GaugeMetricFamily("lhbackupd_queue_length", "Runs that wait to start.", labels=["waits_for"])
    waits = Counter(run.waits_for for run in report.waiting)
    for wait in Wait:
        queue.add_metric([wait.value], waits[wait])
    yield queue
    held = [run.ticket_since for run in report.running if run.ticket_since is not None]
    yield _one("tickets_held", "Attachment tickets that runs hold.", len(held))
    age = (report.at - min(held)).total_seconds() if held else 0
    yield _one("oldest_ticket_age_seconds", "Age of the oldest such ticket; 0 if there is none.", max(0, age))
    waiters = sum(run.waiting_since is not None for run in report.running)
    yield _one("workloads_waiting", "Workloads that wait for a volume that a run holds.", waiters)
    yield from _oldest(report)


def _oldest(report: Report) -> Iterator[Metric]:
    """The oldest of each kind, to be compared with what `goals` says was promised."""
    phases = GaugeMetricFamily(
        "lhbackupd_phase_oldest_age_seconds",
        "For how long the run that has been in a phase longest has been in it; no series where none is.",
        labels=["policy", "phase"],
    )
    queue = GaugeMetricFamily(
        "lhbackupd_queue_oldest_wait_seconds",
        "For how long the run that has waited longest for a place has waited; no series where none does.",
        labels=["policy"],
    )
    ages: dict[tuple[str, str], timedelta] = {}
    for active in report.running:
        key = active.policy, active.phase.value
        ages[key] = max(ages.get(key, timedelta()), report.at - active.since)
    for (policy, phase), age in ages.items():
        phases.add_metric([policy, phase], age.total_seconds())
    waits: dict[str, timedelta] = {}
    for run in report.waiting:
        if run.waits_for in _PLACES:
            since = max(run.queued_at, run.not_before) if run.not_before else run.queued_at
            waits[run.policy] = max(waits.get(run.policy, timedelta()), report.at - since)
    for policy, wait in waits.items():
        queue.add_metric([policy], wait.total_seconds())
    yield phases
    yield queue


def _pauses(report: Report) -> Iterator[Metric]:
    started = GaugeMetricFamily(
        "lhbackupd_pause_started_timestamp_seconds",
        'Since when a policy ("*": every policy) is paused; no series while it is not.',
        labels=["policy"],
    )
    until = GaugeMetricFamily(
        "lhbackupd_paused_until_timestamp_seconds",
        "When that pause was to be over; it holds until it is resumed.",
        labels=["policy"],
    )
    for pause in report.paused:
        started.add_metric([pause.policy], pause.since.timestamp())
        until.add_metric([pause.policy], pause.until.timestamp())
    yield started
    yield until


def _workings(report: Report) -> Iterator[Metric]:
    daemon, longhorn = report.daemon, report.longhorn
    yield _one("longhorn_up", "1 if the last poll of Longhorn got all it asked for.", longhorn.reachable)
    polled = GaugeMetricFamily("lhbackupd_longhorn_last_poll_timestamp_seconds", "When volumes were last listed.")
    if longhorn.last_poll is not None:
        polled.add_metric([], longhorn.last_poll.timestamp())
    yield polled
    available = GaugeMetricFamily(
        "lhbackupd_target_available", "1 if Longhorn can use the backup target.", labels=["target"]
    )
    bound = GaugeMetricFamily(
        "lhbackupd_target_volumes", "Volumes under a policy that are backed up to the target.", labels=["target"]
    )
    for target in longhorn.targets:
        available.add_metric([target.name], target.available)
        bound.add_metric([target.name], target.volumes)
    yield available
    yield bound
    yield _one("schedules", "Schedules, one per policy and volume.", report.schedules)
    turned = daemon.last_turn.timestamp()
    yield _one("scheduler_last_turn_timestamp_seconds", "When the scheduler's loop last turned.", turned)
    yield _one("journal_trouble", "1 while the journal cannot be read or written.", bool(daemon.journal_trouble))
    yield _one("ready", "1 while lhbackupd is ready.", daemon.ready)
    build = GaugeMetricFamily("lhbackupd_build_info", "Always 1.", labels=["version"])
    build.add_metric([daemon.version], 1)
    yield build


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"lhbackupd_{name}", text, value=float(value))
