"""What Prometheus counts as things happen. What can be read off the present state is in `gauges`.

A counter is moved once per run, when the run has ended and from what the run itself has written down: a restart in the
middle of a run loses and doubles nothing. Labels are few by nature: volume names and run ids are in no counter. Every
name here is described in docs/metrics.md.
"""

from itertools import pairwise
from typing import assert_never

from prometheus_client import CollectorRegistry, Counter, Histogram

from lhbackupd.core.leases import Claim
from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.engine.events import (
    BackupLost,
    ClockStepped,
    CoverChanged,
    Defect,
    Event,
    ExposuresMoved,
    GaveBack,
    JournalReplaced,
    JournalTrouble,
    Missed,
    Moved,
    Ordered,
    PauseOverdue,
    Polled,
    Pruned,
    PruningRests,
    Rescheduled,
    RpoMoved,
)
from lhbackupd.longhorn.request import Exchange
from lhbackupd.surface.words import waited

#: upper bounds in seconds: of a run's phases, of requests and polls
PHASES = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)
REQUESTS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """A listener to the engine's events, and an observer of requests to Longhorn."""

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self._runs = Counter(
            "lhbackupd_runs", "Runs that have ended, by outcome.", ["policy", "outcome"], registry=registry
        )
        self._missed = Counter(
            "lhbackupd_runs_missed",
            "Due times that passed while lhbackupd was not running, but for the last one, which is made up for.",
            ["policy"],
            registry=registry,
        )
        self._hidden = Counter(
            "lhbackupd_hidden_writes",
            "Inspections that found data which no sign had shown, after runs that had let the volume alone.",
            ["policy"],
            registry=registry,
        )
        self._phases = Histogram(
            "lhbackupd_phase_duration_seconds",
            "How long the phases of runs that have ended lasted.",
            ["phase"],
            buckets=PHASES,
            registry=registry,
        )
        self._waited = Counter(
            "lhbackupd_workload_wait_seconds",
            "Time that workloads waited for a volume that a run held, counted when the run has ended.",
            registry=registry,
        )
        self._lost = Counter(
            "lhbackupd_backups_lost",
            "Backups that protected a volume and that somebody else has taken off their backup target.",
            ["policy"],
            registry=registry,
        )
        self._pruned = Counter(
            "lhbackupd_backups_pruned",
            "Backups deleted because their policy no longer keeps them.",
            ["policy"],
            registry=registry,
        )
        self._prune_faults = Counter(
            "lhbackupd_prune_failures", "Times that deleting such backups failed.", ["policy"], registry=registry
        )
        self._given_back = Counter(
            "lhbackupd_tickets_given_back",
            "Attachment tickets of ours that no run held and that were withdrawn, by what they were.",
            ["claim"],
            registry=registry,
        )
        for claim in (Claim.ORPHAN, Claim.EXPIRED):  # there before it counts, so that its first increase is seen
            self._given_back.labels(claim.value)
        self._defects = Counter("lhbackupd_defects", "Defects of lhbackupd that were met.", registry=registry)
        self._notifications = Counter(
            "lhbackupd_notifications",
            "Messages and pings by channel: delivered, attempts that failed, dropped because too many waited.",
            ["channel", "outcome"],
            registry=registry,
        )
        #: policies whose counters are there
        self._expected: set[str] = set()
        self._polls = Histogram(
            "lhbackupd_longhorn_poll_duration_seconds",
            "How long polls of Longhorn took.",
            buckets=REQUESTS,
            registry=registry,
        )
        self._requests = Histogram(
            "lhbackupd_longhorn_request_duration_seconds",
            "How long requests to Longhorn took.",
            ["method", "route", "outcome"],
            buckets=REQUESTS,
            registry=registry,
        )

    def __call__(self, event: Event) -> None:
        """Count what an event tells."""
        match event:
            case Moved(before=None, after=run) if not run.finished:
                self._expect(run.policy)
            case Moved(after=run):
                if run.finished:
                    self._ended(run)
            case Polled(after=picture):
                self._polls.observe(picture.took)
            case Missed():
                self._missed.labels(event.run.policy).inc(event.count)
            case Pruned():
                self._pruned.labels(event.policy).inc(len(event.deleted))
                self._prune_faults.labels(event.policy).inc(1 if event.fault else 0)
            case BackupLost(loss):
                self._lost.labels(loss.policy).inc()
            case Defect():
                self._defects.inc()
            case GaveBack(fault=None):
                self._given_back.labels(event.lease.claim.value).inc()
            case (
                Rescheduled()
                | CoverChanged()
                | JournalTrouble()
                | JournalReplaced()
                | GaveBack()
                | ClockStepped()
                | PruningRests()
                | Ordered()
                | PauseOverdue()
                | RpoMoved()
                | ExposuresMoved()
            ):
                pass  # gauges show how it stands now
            case _:
                assert_never(event)

    def _expect(self, policy: str) -> None:
        """Show a policy's counters before they count: only then is their first increase seen."""
        if policy not in self._expected:
            self._expected.add(policy)
            self._hidden.labels(policy)
            for outcome in Outcome:
                self._runs.labels(policy, outcome.value)

    def notified(self, channel: str, outcome: str, number: int = 1) -> None:
        """Count messages to a channel."""
        self._notifications.labels(channel, outcome).inc(number)

    def _ended(self, run: Run) -> None:
        if run.outcome is not None:
            self._runs.labels(run.policy, run.outcome.value).inc()
        self._hidden.labels(run.policy).inc(run.hidden)
        self._waited.inc(waited(run))
        start = max(run.queued_at, run.not_before) if run.not_before else run.queued_at
        entered = sorted(run.entered.items(), key=lambda entry: entry[1])
        line = [(Phase.QUEUED.value, start), *entered]
        for (phase, since), (_, until) in pairwise(line):
            self._phases.labels(phase).observe(max(0.0, (until - since).total_seconds()))

    def observe(self, exchange: Exchange) -> None:
        """Count a request to Longhorn."""
        outcome = "none" if exchange.status is None else f"{exchange.status // 100}xx"
        self._requests.labels(exchange.method, exchange.route, outcome).observe(exchange.seconds)
