import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from lhbackupd.core.audit import Loss
from lhbackupd.core.cluster import Backup, Fault, FaultKind, Target
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Outcome, Phase
from lhbackupd.core.pausing import Pause
from lhbackupd.core.retention import Verdict
from lhbackupd.core.rpo import Rpo
from lhbackupd.engine.events import (
    BackupLost,
    Defect,
    Event,
    JournalTrouble,
    Missed,
    Moved,
    Polled,
    Pruned,
    Rescheduled,
)
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.scheduler import Changes
from lhbackupd.longhorn.request import Exchange
from lhbackupd.surface.gauges import Gauges
from lhbackupd.surface.goals import Goals
from lhbackupd.surface.metrics import Metrics
from lhbackupd.surface.report import CoveredVolume
from lhbackupd.surface.series import Encode, Series, exposition
from lhbackupd.surface.standing import Standing
from tests.surface.house import NIGHTLY, NOON, TODAY, House, ended, queued, running, volume

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
FAULT = Fault(FaultKind.UNREACHABLE, "no route")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry=registry)


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _gauges(registry: CollectorRegistry, house: House, faults: list[str]) -> None:
    registry.register(Gauges(report=house.report))
    goals = Goals(
        rules=lambda: house.keeper.rules,
        active=lambda: tuple(house.keeper.active.values()),
        now=house.clock.now,
        faults=lambda: faults,
    )
    registry.register(goals)


def labels(name: str, policy: str = "nightly") -> dict[str, str]:
    return {"volume": f"pvc-{name}", "pvc": name, "pvc_namespace": "shop", "policy": policy}


def test_a_run_is_counted_once_with_all_its_phases(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics(Moved(None, queued("pvc-a")))
    assert registry.get_sample_value("lhbackupd_runs_total", {"policy": "nightly", "outcome": "failed"}) == 0
    metrics(Moved(queued("pvc-a"), running("pvc-a", waited=3.0)))
    metrics(Moved(running("pvc-a"), running("pvc-a", waited=12.0)))
    metrics(Moved(running("pvc-a"), ended("pvc-a", Outcome.COMPLETED, waited=12.0)))
    assert registry.get_sample_value("lhbackupd_runs_total", {"policy": "nightly", "outcome": "completed"}) == 1
    assert registry.get_sample_value("lhbackupd_workload_wait_seconds_total") == 12
    sums = dict.fromkeys(("queued", "attaching", "backing-up", "detaching"), 0.0)
    for phase in sums:
        assert registry.get_sample_value("lhbackupd_phase_duration_seconds_count", {"phase": phase}) == 1
        sums[phase] = registry.get_sample_value("lhbackupd_phase_duration_seconds_sum", {"phase": phase}) or 0
    assert sums == {"queued": 1, "attaching": 7, "backing-up": 22, "detaching": 10}


def test_hidden_writes_are_counted_when_they_are_found(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics(Moved(None, queued("pvc-a")))
    assert registry.get_sample_value("lhbackupd_hidden_writes_total", {"policy": "nightly"}) == 0
    metrics(Moved(running("pvc-a"), ended("pvc-a", Outcome.COMPLETED)))
    metrics(Moved(running("pvc-a"), ended("pvc-a", Outcome.COMPLETED, hidden=True)))
    assert registry.get_sample_value("lhbackupd_hidden_writes_total", {"policy": "nightly"}) == 1


def test_a_volume_that_is_let_alone_has_no_outcome_to_tell_and_is_checked_no_later(
    registry: CollectorRegistry, house: House
) -> None:
    house.has(volume("pvc-a"))
    house.let_alone("pvc-a")
    outcome = {**labels("a"), "outcome": "not-inspected"}
    assert registry.get_sample_value("lhbackupd_volume_last_outcome", outcome) is None
    checked = registry.get_sample_value("lhbackupd_volume_last_check_timestamp_seconds", labels("a"))
    assert checked == (TODAY + timedelta(seconds=40)).timestamp()
    assert registry.get_sample_value("lhbackupd_volumes", {"standing": "protected"}) == 1


def test_the_wait_before_another_attempt_is_no_time_in_the_queue(registry: CollectorRegistry, metrics: Metrics) -> None:
    again = replace(ended("pvc-a", Outcome.COMPLETED), queued_at=TODAY - timedelta(hours=1), not_before=TODAY)
    metrics(Moved(None, again))
    assert registry.get_sample_value("lhbackupd_phase_duration_seconds_sum", {"phase": "queued"}) == 1


def test_a_skipped_run_is_counted_although_it_never_moved(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics(Moved(None, ended("pvc-a", Outcome.SKIPPED)))
    assert registry.get_sample_value("lhbackupd_runs_total", {"policy": "nightly", "outcome": "skipped"}) == 1


def test_missed_pruned_and_defects_are_counted(registry: CollectorRegistry, metrics: Metrics) -> None:
    backup = Backup(name="b", volume="pvc-a", snapshot="s", state="Completed")
    for event in (
        Missed(queued("pvc-a"), 3),
        Pruned("nightly", "pvc-a", (Verdict(backup), Verdict(backup)), FAULT),
        BackupLost(Loss(policy="nightly", volume="pvc-a", backup="b", left="", until=None)),
        Defect(running("pvc-a"), ValueError("x")),
        Rescheduled(Changes()),
        JournalTrouble("full"),
    ):
        metrics(event)
    nightly = {"policy": "nightly"}
    assert registry.get_sample_value("lhbackupd_runs_missed_total", nightly) == 3
    assert registry.get_sample_value("lhbackupd_backups_pruned_total", nightly) == 2
    assert registry.get_sample_value("lhbackupd_prune_failures_total", nightly) == 1
    assert registry.get_sample_value("lhbackupd_backups_lost_total", nightly) == 1
    assert registry.get_sample_value("lhbackupd_defects_total") == 1


@pytest.mark.parametrize(("status", "outcome"), [(200, "2xx"), (404, "4xx"), (500, "5xx"), (None, "none")])
def test_requests_are_told_apart_by_route_and_class_of_answer(
    registry: CollectorRegistry, metrics: Metrics, status: int | None, outcome: str
) -> None:
    metrics.observe(Exchange(method="GET", route="/v1/volumes/{name}", seconds=0.2, status=status))
    found = {"method": "GET", "route": "/v1/volumes/{name}", "outcome": outcome}
    assert registry.get_sample_value("lhbackupd_longhorn_request_duration_seconds_sum", found) == pytest.approx(0.2)


def test_gauges_of_a_volume_say_how_it_is_protected(registry: CollectorRegistry, house: House) -> None:
    house.has(volume("pvc-a"))
    assert registry.get_sample_value("lhbackupd_volume_last_success_timestamp_seconds", labels("a")) is None
    done = ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY)
    look = replace(ended("pvc-a", Outcome.BELOW_THRESHOLD, new_bytes=4096), finished_at=NOON)
    house.knows(done, look)
    value = registry.get_sample_value
    assert done.finished_at is not None
    assert value("lhbackupd_volume_last_success_timestamp_seconds", labels("a")) == done.finished_at.timestamp()
    assert value("lhbackupd_volume_last_check_timestamp_seconds", labels("a")) == NOON.timestamp()
    assert value("lhbackupd_volume_protected_until_timestamp_seconds", labels("a")) == TODAY.timestamp()
    assert value("lhbackupd_volume_unprotected_bytes", labels("a")) == 4096
    outcomes = [
        sample.labels["outcome"]
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "lhbackupd_volume_last_outcome"
    ]
    assert outcomes == ["below-threshold"]


def test_the_series_of_a_volume_that_is_gone_go(registry: CollectorRegistry, house: House) -> None:
    house.has(volume("pvc-a"))
    house.knows(ended("pvc-a", Outcome.COMPLETED))
    assert registry.get_sample_value("lhbackupd_volume_last_check_timestamp_seconds", labels("a")) is not None
    house.scheduler.sync({})
    assert registry.get_sample_value("lhbackupd_volume_last_check_timestamp_seconds", labels("a")) is None


def test_gauges_are_there_before_longhorn_answers(registry: CollectorRegistry, house: House) -> None:
    house.has(volume("pvc-a"))
    house.knows(ended("pvc-a", Outcome.COMPLETED))
    house.inventory.picture = Picture()
    unnamed = labels("a") | {"pvc": "", "pvc_namespace": ""}
    assert registry.get_sample_value("lhbackupd_volume_last_check_timestamp_seconds", unnamed) is not None
    assert registry.get_sample_value("lhbackupd_longhorn_up") == 0


def test_queue_tickets_and_waiters_are_counted(registry: CollectorRegistry, house: House) -> None:
    house.keeper.active["a"] = running("pvc-a", waiter="pod shop/a", waiting_since=NOON)
    house.keeper.active["b"] = running("pvc-b", ticket="")
    house.keeper.waiting["c"] = queued("pvc-c", reason="waits for run x of the same volume")
    value = registry.get_sample_value
    assert value("lhbackupd_runs_active", {"phase": "backing-up"}) == 2
    assert value("lhbackupd_runs_active", {"phase": "attaching"}) == 0
    assert value("lhbackupd_queue_length", {"waits_for": "volume"}) == 1
    assert value("lhbackupd_queue_length", {"waits_for": "node"}) == 0
    assert value("lhbackupd_tickets_held") == 1
    assert value("lhbackupd_oldest_ticket_age_seconds") == 10 * 3600 - 1
    assert value("lhbackupd_workloads_waiting") == 1
    house.keeper.active.clear()
    assert value("lhbackupd_oldest_ticket_age_seconds") == 0


def test_workings_show_trouble(registry: CollectorRegistry, house: House) -> None:
    value = registry.get_sample_value
    assert (value("lhbackupd_journal_trouble"), value("lhbackupd_ready"), value("lhbackupd_longhorn_up")) == (0, 1, 1)
    house.keeper.books.trouble = "disk is full"
    house.look(fault=FAULT)
    assert (value("lhbackupd_journal_trouble"), value("lhbackupd_ready"), value("lhbackupd_longhorn_up")) == (1, 0, 0)
    house.clock.turn(20)
    assert value("lhbackupd_scheduler_last_turn_timestamp_seconds") == NOON.timestamp()


def everything(house: House, metrics: Metrics) -> None:
    house.keeper.orders._pauses = {"*": Pause(policy="*", since=TODAY, until=NOON, by="uid 0")}
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, rpo=timedelta(hours=26)))
    house.knows(
        ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY),
        ended("pvc-a", Outcome.BELOW_THRESHOLD, new_bytes=4096),
    )
    house.keeper.active["a"] = running("pvc-a")
    house.keeper.waiting["b"] = queued("pvc-b", reason="waits for one of 4 places in the cluster (limits.cluster)")
    house.exposed(Exposure(policy="nightly", volume="pvc-a", born=TODAY, clear=TODAY, since=NOON - timedelta(days=9)))
    happened: tuple[Event, ...] = (
        Moved(None, ended("pvc-a", Outcome.COMPLETED)),
        Polled(Picture(), house.inventory.picture),
        Missed(queued("pvc-a"), 1),
        Pruned("nightly", "pvc-a", (), None),
        BackupLost(Loss(policy="nightly", volume="pvc-a", backup="b", left="", until=None)),
    )
    for event in happened:
        metrics(event)
    metrics.notified("ops", "delivered")
    metrics.observe(Exchange(method="GET", route="/v1/volumes", seconds=0.1, status=200))


def test_the_oldest_of_each_kind_can_be_compared_with_what_was_promised(
    registry: CollectorRegistry, house: House
) -> None:
    house.has(volume("pvc-a"))
    value = registry.get_sample_value
    nightly = {"policy": "nightly"}
    for phase in ("attaching", "inspecting", "snapshotting", "detaching"):
        assert value("lhbackupd_policy_patience_seconds", {**nightly, "phase": phase}) == 300
        assert value("lhbackupd_phase_oldest_age_seconds", {**nightly, "phase": phase}) is None
    assert value("lhbackupd_policy_patience_seconds", {**nightly, "phase": "backing-up"}) == 900
    assert value("lhbackupd_policy_interval_seconds", nightly) == 24 * 3600
    assert value("lhbackupd_policy_rpo_seconds", nightly) is None
    house.has(volume("pvc-b"), policy=replace(NIGHTLY, rpo=timedelta(hours=26)))
    assert value("lhbackupd_policy_rpo_seconds", nightly) == 26 * 3600
    assert [value("lhbackupd_limit_runs", {"scope": scope}) for scope in ("cluster", "node", "target")] == [4, 1, 4]
    for name, phase, seconds in (("a", Phase.DETACHING, 400), ("b", Phase.DETACHING, 30), ("c", Phase.ATTACHING, 7)):
        entered = {phase.value: NOON - timedelta(seconds=seconds)}
        house.keeper.active[name] = replace(running(f"pvc-{name}", phase), entered=entered)
    assert value("lhbackupd_phase_oldest_age_seconds", {**nightly, "phase": "detaching"}) == 400
    assert value("lhbackupd_phase_oldest_age_seconds", {**nightly, "phase": "attaching"}) == 7


def test_only_runs_that_wait_for_a_place_make_the_queue_old(registry: CollectorRegistry, house: House) -> None:
    house.has(volume("pvc-a"))
    value = registry.get_sample_value
    house.keeper.waiting["x"] = queued("pvc-x", reason="waits for run y of the same volume")
    assert value("lhbackupd_queue_oldest_wait_seconds", {"policy": "nightly"}) is None
    place = "waits for one of 1 places on node-1 (limits.per_node)"
    house.keeper.waiting["a"] = queued("pvc-a", reason=place, not_before=NOON - timedelta(minutes=5))
    assert value("lhbackupd_queue_oldest_wait_seconds", {"policy": "nightly"}) == 300
    house.keeper.waiting["b"] = queued("pvc-b", reason=place)
    assert value("lhbackupd_queue_oldest_wait_seconds", {"policy": "nightly"}) == 10 * 3600


def test_a_target_is_shown_with_the_volumes_that_need_it(registry: CollectorRegistry, house: House) -> None:
    house.look(targets={name: Target(name=name, available=name == "minio") for name in ("default", "minio")})
    house.has(volume("pvc-a"), volume("pvc-b", backup_target="minio"), volume("pvc-c", backup_target="minio"))
    value = registry.get_sample_value
    shown = {
        name: (
            value("lhbackupd_target_available", {"target": name}),
            value("lhbackupd_target_volumes", {"target": name}),
        )
        for name in ("default", "minio")
    }
    assert shown == {"default": (0, 1), "minio": (1, 2)}


def test_a_reload_that_failed_is_shown(registry: CollectorRegistry, faults: list[str]) -> None:
    assert registry.get_sample_value("lhbackupd_config_last_reload_successful") == 1
    faults.append("config.toml: policy[1].cron: five fields")
    assert registry.get_sample_value("lhbackupd_config_last_reload_successful") == 0


def test_ten_thousand_volumes_are_a_scrape_below_6_mb(house: House) -> None:
    row = CoveredVolume(
        policy="nightly",
        volume="",
        pvc="data-postgres-0",
        pvc_namespace="team-12",
        standing=Standing.PROTECTED,
        protection="",
        reason="",
        last_run="",
        last_outcome=Outcome.UNCHANGED,
        last_at=TODAY,
        last_success=TODAY,
        last_check=TODAY,
        protected_until=TODAY,
        unprotected_bytes=0,
        failures=0,
        next_due=NOON,
    )
    rows = tuple(structs.replace(row, volume=f"pvc-{uuid5(NAMESPACE_DNS, str(number))}") for number in range(10_000))
    crowd = structs.replace(house.report(), volumes=rows)
    registry = CollectorRegistry()
    registry.register(Gauges(report=lambda: crowd))
    for encode in (generate_latest, openmetrics):
        assert 3_000_000 < len(encode(registry)) < 6_000_000


@pytest.mark.parametrize(
    ("encode", "parse"), [(generate_latest, read_text), (openmetrics, read_openmetrics)], ids=["text", "openmetrics"]
)
def test_the_lines_that_are_kept_say_what_the_library_would_say(
    encode: Encode, parse: Callable[[str], Iterable[Metric]], registry: CollectorRegistry, house: House
) -> None:
    house.has(volume('pvc-"odd"\\name\n'), *(volume(f"pvc-{name}") for name in ("ok", "new", "bad", "part")))

    def told() -> dict[str, Metric]:
        by_library = {metric.name: metric for metric in parse(encode(registry).decode())}
        by_us = {metric.name: metric for metric in parse(exposition(registry, encode).decode())}
        assert by_us == by_library
        return by_us

    first = told()
    house.knows(
        ended("pvc-ok", Outcome.COMPLETED, protected_until=TODAY),
        ended("pvc-bad", Outcome.FAILED),
        ended("pvc-part", Outcome.BELOW_THRESHOLD, new_bytes=2**62 + 1),
    )
    second = told()
    assert not first["lhbackupd_volume_last_check_timestamp_seconds"].samples
    assert len(second["lhbackupd_volume_last_check_timestamp_seconds"].samples) == 2
    assert second["lhbackupd_volume_unprotected_bytes"].samples
    house.scheduler.sync({key: NIGHTLY for key in house.scheduler.schedules if key[1] != "pvc-bad"})
    assert "pvc-bad" not in {sample.labels.get("volume") for metric in told().values() for sample in metric.samples}


def test_only_lines_of_rows_that_have_changed_are_written_anew(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"))
    house.knows(*(ended(f"pvc-{name}", Outcome.COMPLETED, protected_until=TODAY) for name in "ab"))
    series = Series()
    kept, changed = house.report().volumes
    before = series.lines((kept, changed))
    told_otherwise = structs.replace(kept, next_due=NOON, reason="no metric says so")
    after = series.lines((told_otherwise, structs.replace(changed, last_success=NOON)))
    assert after[0] is before[0]
    assert [one != other for one, other in zip(before[1], after[1], strict=True)].count(True) == 1


def test_lines_are_written_ahead_once_there_has_been_a_scrape(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.has(volume("pvc-a"))
    rows = house.report().volumes
    fresh = (structs.replace(rows[0], last_success=NOON),)
    wanted = Series().lines(fresh)

    def late(_: CoveredVolume) -> Iterator[str]:
        raise AssertionError("now somebody waits for it")

    scraped, never = Series(), Series()
    scraped.lines(rows)
    scraped.ahead(fresh)
    monkeypatch.setattr("lhbackupd.surface.series._write", late)
    never.ahead(fresh)
    assert scraped.lines(fresh) == wanted


OTHERWISE: dict[str, object] = {
    "volume": "pvc-z", "policy": "other", "pvc": "db", "pvc_namespace": "shop-2", "standing": Standing.FAILING,
    "rpo": Rpo.VIOLATED, "last_outcome": Outcome.FAILED, "unprotected_bytes": 7, "failures": 7, "hidden": 7,
    "jobs": ("nightly",),
}  # fmt: skip


@pytest.mark.parametrize("name", [one.name for one in structs.fields(CoveredVolume)])
def test_lines_that_are_kept_say_what_fresh_ones_would_whatever_has_changed(house: House, name: str) -> None:
    house.has(volume("pvc-a"))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    (row,) = house.report().volumes
    times = name in {"unprotected_since", "misses_rpo_at", "next_due"} or name.startswith(("last_", "protected_"))
    other = structs.replace(row, **{name: OTHERWISE.get(name, NOON + timedelta(hours=1) if times else "other words")})
    assert other != row
    series = Series()
    series.lines((row,))
    assert series.lines((other,)) == Series().lines((other,))


def documented() -> Iterator[tuple[str, str, frozenset[str]]]:
    for line in DOCS.read_text().splitlines():
        if row := re.fullmatch(r"\| `(\w+)` \| (\w+) \|([^|]*)\| .+ \|", line):
            yield row[1], row[2], frozenset(re.findall(r"`(\w+)`", row[3]))


def exposed(metric: Metric) -> tuple[str, str, frozenset[str]]:
    assert metric.samples, f"{metric.name} has no sample"
    assert metric.documentation.endswith(".")
    found = frozenset(label for sample in metric.samples for label in sample.labels) - {"le"}
    return metric.name + ("_total" if metric.type == "counter" else ""), metric.type, found


def test_the_documentation_and_the_registry_agree(registry: CollectorRegistry, house: House, metrics: Metrics) -> None:
    everything(house, metrics)
    assert sorted(documented()) == sorted(exposed(metric) for metric in registry.collect())


def test_no_label_ever_holds_the_id_of_a_run_or_backup(
    registry: CollectorRegistry, house: House, metrics: Metrics
) -> None:
    everything(house, metrics)
    house.keeper.active["x"] = running("pvc-a", Phase.DETACHING, backup="backup-1")
    values = {value for metric in registry.collect() for sample in metric.samples for value in sample.labels.values()}
    assert not {value for value in values if "run-" in value or "backup-1" in value or "ticket" in value}


def test_a_pause_has_its_times_while_it_holds(registry: CollectorRegistry, house: House) -> None:
    started, until = "lhbackupd_pause_started_timestamp_seconds", "lhbackupd_paused_until_timestamp_seconds"
    assert registry.get_sample_value(started, {"policy": "*"}) is None
    pause = Pause(policy="*", since=TODAY, until=NOON, by="uid 0")
    house.keeper.orders._pauses = {"*": pause}
    assert registry.get_sample_value(started, {"policy": "*"}) == TODAY.timestamp()
    assert registry.get_sample_value(until, {"policy": "*"}) == NOON.timestamp()


def test_a_run_whose_policy_is_gone_is_compared_with_the_usual_patience(
    registry: CollectorRegistry, house: House
) -> None:
    detaching = {"policy": "renamed", "phase": "detaching"}
    house.keeper.active["a"] = replace(running("pvc-a", Phase.DETACHING), policy="renamed")
    assert registry.get_sample_value("lhbackupd_policy_patience_seconds", detaching) == 300
    assert registry.get_sample_value("lhbackupd_phase_oldest_age_seconds", detaching) is not None
    house.keeper.active.clear()
    assert registry.get_sample_value("lhbackupd_policy_patience_seconds", detaching) is None
