"""What people and Prometheus are shown of exposure and RPO, and what the log says of it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Outcome
from lhbackupd.core.rpo import Judgement, Rpo
from lhbackupd.surface import words
from lhbackupd.surface.gauges import Gauges
from lhbackupd.surface.pages.frame import Frame
from lhbackupd.surface.pages.overview import overview
from lhbackupd.surface.standing import Standing
from tests.surface.house import NIGHTLY, NOON, TODAY, House, ended, queued, volume

HOUR = timedelta(hours=1)
PROMISED = replace(NIGHTLY, rpo=26 * HOUR)
CLEAR = Exposure(policy="nightly", volume="pvc-a", born=TODAY - 99 * HOUR, clear=TODAY)


def written(since: datetime, **fields: object) -> Exposure:
    return replace(CLEAR, since=since, sign="attached read-write by csi-attacher on node-1", **fields)  # type: ignore[arg-type]


def gauge(house: House, name: str, **more: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(Gauges(report=house.report))
    labels = {"volume": "pvc-a", "pvc": "a", "pvc_namespace": "shop", "policy": "nightly"}
    return registry.get_sample_value(name, labels | more)


SINCE = "lhbackupd_volume_unprotected_since_timestamp_seconds"


def test_a_parked_volume_stays_protected_however_old_its_last_backup_is(house: House) -> None:
    house.has(volume("pvc-a"), policy=PROMISED)
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    house.exposed(CLEAR)
    house.clock.turn(88 * 86400)
    row = house.report().volumes[0]
    assert (row.standing, row.rpo, row.unprotected_since) == (Standing.PROTECTED, Rpo.COMPLIANT, None)
    assert row.protection == "protected as of 2026-10-22 02:00:00 UTC"
    assert row.exposure == "nothing has touched it since 2026-10-22 02:00:00 UTC"
    assert gauge(house, SINCE) is None
    assert gauge(house, "lhbackupd_volume_rpo", state="compliant") is None


def test_what_is_exposed_beyond_its_rpo_is_a_problem(house: House) -> None:
    house.has(volume("pvc-a"), policy=PROMISED)
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    house.exposed(written(NOON - 27 * HOUR))
    report = house.report()
    row = report.volumes[0]
    assert (row.standing, row.rpo, row.misses_rpo_at) == (Standing.UNPROTECTED, Rpo.VIOLATED, NOON - HOUR)
    assert row.reason == "its RPO of 1 d 2 h was missed at 2026-10-22 11:00:00 UTC"
    assert report.totals.unprotected == 1
    assert gauge(house, SINCE) == (NOON - 27 * HOUR).timestamp()
    assert gauge(house, "lhbackupd_volume_rpo", state="violated") == 1
    assert gauge(house, "lhbackupd_volume_rpo", state="compliant") is None
    assert "was missed at 2026-10-22 11:00:00 UTC" in overview(Frame(report=report, version="v", path=""))


def test_a_miss_is_foretold_from_the_next_due_time_and_how_long_a_run_takes(house: House) -> None:
    house.has(volume("pvc-a"), policy=PROMISED)
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    due = NOON.replace(hour=2) + timedelta(days=1)
    house.exposed(written(due - 25 * HOUR))
    assert house.report().volumes[0].rpo is Rpo.COMPLIANT
    house.exposed(written(due - 25 * HOUR, took=2 * 3600.0))
    row = house.report().volumes[0]
    assert (row.rpo, row.misses_rpo_at, row.standing) == (Rpo.AT_RISK, due + HOUR, Standing.PROTECTED)
    assert row.objective == "it will miss its RPO of 1 d 2 h at 2026-10-23 03:00:00 UTC"
    house.keeper.waiting["x"] = queued("pvc-a")
    assert house.report().volumes[0].rpo is Rpo.COMPLIANT


def test_what_nobody_watched_is_uncertain_and_never_green(house: House) -> None:
    house.has(volume("pvc-a"), policy=PROMISED)
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    house.exposed(replace(CLEAR, doubt=TODAY + HOUR, why="nobody has looked at it for a while"))
    row = house.report().volumes[0]
    assert (row.rpo, row.misses_rpo_at, row.standing) == (Rpo.UNCERTAIN, None, Standing.PROTECTED)
    assert row.exposure == "uncertain since 2026-10-22 03:00:00 UTC: nobody has looked at it for a while"
    assert gauge(house, SINCE) == (TODAY + HOUR).timestamp()
    house.clock.turn(86400)
    row = house.report().volumes[0]
    assert (row.rpo, row.standing) == (Rpo.UNCERTAIN, Standing.UNPROTECTED)
    assert row.reason == "nobody knows whether its RPO of 1 d 2 h is kept, or missed at 2026-10-23 05:00:00 UTC"


def test_without_an_objective_none_is_shown(house: House) -> None:
    house.has(volume("pvc-a"))
    house.exposed(written(NOON))
    row = house.report().volumes[0]
    assert (row.rpo, row.objective) == (Rpo.NONE, "")
    assert gauge(house, "lhbackupd_volume_rpo", state="none") is None


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (replace(CLEAR, clear=None), "empty"),
        (written(NOON), "exposed since 2026-10-22 12:00:00 UTC: attached read-write by csi-attacher on node-1"),
        (
            written(NOON, doubt=TODAY, why="nobody looked"),
            (
                "exposed since 2026-10-22 12:00:00 UTC: attached read-write by csi-attacher on node-1; "
                "uncertain since 2026-10-22 02:00:00 UTC: nobody looked"
            ),
        ),
    ],
)
def test_exposure_in_words(known: Exposure, expected: str) -> None:
    assert words.exposure(known) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Rpo.COMPLIANT, "its RPO of 1 h is kept"),
        (Rpo.AT_RISK, "it will miss its RPO of 1 h"),
        (Rpo.VIOLATED, "its RPO of 1 h was missed"),
        (Rpo.UNCERTAIN, "nobody knows whether its RPO of 1 h is kept"),
    ],
)
def test_an_objective_in_words(state: Rpo, expected: str) -> None:
    assert words.objective(Judgement(state=state), HOUR) == expected


def test_each_policy_has_an_exposure_of_its_own_and_only_those_that_are_asked_for_are_given(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"))
    house.has(volume("pvc-a"), volume("pvc-b"), policy=replace(NIGHTLY, name="hourly"))
    early, late = NOON - 5 * HOUR, NOON - 2 * HOUR
    house.exposed(written(late), written(early, policy="hourly"), replace(CLEAR, volume="pvc-b"))
    assert house.keeper.watch.exposed() == {("nightly", "pvc-a"): late, ("hourly", "pvc-a"): early}
    assert house.keeper.watch.exposed([("nightly", "pvc-a"), ("nightly", "pvc-b")]) == {("nightly", "pvc-a"): late}
