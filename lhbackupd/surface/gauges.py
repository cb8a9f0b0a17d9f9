"""What Prometheus reads off the present state, made from the report at every scrape.

So every gauge is right at once after a restart, the series of a volume that is gone go with it, and page and metrics
can never tell two stories. Every name here is described in docs/metrics.md.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from lhbackupd.core.model import Phase
from lhbackupd.surface.report import CoveredVolume, Report
from lhbackupd.surface.standing import Standing, Wait

VOLUME_LABELS = ("volume", "pvc", "pvc_namespace", "policy")


class Gauges(Collector):
    """Collects from the report; to be registered once."""

    def __init__(self, *, report: Callable[[], Report]) -> None:
        self._report = report

    @override
    def collect(self) -> Iterator[Metric]:
        report = self._report()
        yield from _volumes(report)
        yield from _runs(report)
        yield from _workings(report)

    def describe(self) -> Iterator[Metric]:
        """Nothing: to register must not make a report."""
        return iter(())


def _volumes(report: Report) -> Iterator[Metric]:
    rows = report.volumes
    yield _times("last_success", "When a backup was last completed.", rows, lambda row: row.last_success)
    yield _times("last_check", "When the volume was last inspected.", rows, lambda row: row.last_check)
    yield _times("protected_until", "Up to when its data is in a backup.", rows, lambda row: row.protected_until)
    unprotected = GaugeMetricFamily(
        "lhbackupd_volume_unprotected_bytes",
        "Bytes that the last inspection found and no backup holds.",
        labels=VOLUME_LABELS,
    )
    outcome = GaugeMetricFamily(
        "lhbackupd_volume_last_outcome",
        "1 for the outcome of the last run; other outcomes have no series.",
        labels=(*VOLUME_LABELS, "outcome"),
    )
    for row in rows:
        if row.last_check is not None or row.unprotected_bytes:
            unprotected.add_metric(_labels(row), row.unprotected_bytes)
        if row.last_outcome is not None:
            outcome.add_metric((*_labels(row), row.last_outcome.value), 1)
    yield unprotected
    yield outcome
    standing = GaugeMetricFamily("lhbackupd_volumes", "Volumes by how they stand.", labels=["standing"])
    for name, number in asdict(report.totals).items():
        standing.add_metric([name], number)
    yield standing
    double = {row.volume for row in rows if row.jobs and row.standing is not Standing.SHADOW}
    yield _one("volumes_double_covered", "Volumes under a policy that a recurring job backs up as well.", len(double))
    yield _one("policies_unused", "Policies that match no volume.", len(report.unused))


def _times(
    name: str, text: str, rows: tuple[CoveredVolume, ...], pick: Callable[[CoveredVolume], datetime | None]
) -> Metric:
    family = GaugeMetricFamily(f"lhbackupd_volume_{name}_timestamp_seconds", text, labels=VOLUME_LABELS)
    for row in rows:
        if (when := pick(row)) is not None:
            family.add_metric(_labels(row), when.timestamp())
    return family


def _labels(row: CoveredVolume) -> tuple[str, str, str, str]:
    return row.volume, row.pvc, row.pvc_namespace, row.policy


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


def _workings(report: Report) -> Iterator[Metric]:
    daemon, longhorn = report.daemon, report.longhorn
    yield _one("longhorn_up", "1 if the last poll of Longhorn got all it asked for.", longhorn.reachable)
    polled = GaugeMetricFamily("lhbackupd_longhorn_last_poll_timestamp_seconds", "When volumes were last listed.")
    if longhorn.last_poll is not None:
        polled.add_metric([], longhorn.last_poll.timestamp())
    yield polled
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
