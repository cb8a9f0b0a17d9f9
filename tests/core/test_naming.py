"""Names that we leave in Longhorn are known again, and nobody else's are taken for ours."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.naming import TicketName, attached_by, attempt_id, labels, made_by, snapshot_name

from .examples import ORIGIN, TWIN, run

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=20)
MOMENT = st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.sampled_from([UTC]))  # noqa: DTZ001


@given(instance=st.one_of(WORD, st.just("site:a")), journal=WORD, run_id=WORD, deadline=MOMENT)
def test_a_tickets_id_is_read_as_it_was_written(instance: str, journal: str, run_id: str, deadline: datetime) -> None:
    name = TicketName(instance=instance, journal=journal, run=run_id, deadline=deadline.replace(microsecond=0))
    assert TicketName.parse(str(name)) == name


@given(st.text())
def test_what_is_read_as_ours_is_written_the_same(text: str) -> None:
    name = TicketName.parse(f"lhbackupd:a:b:c:{text}")
    assert name is None or str(name) == f"lhbackupd:a:b:c:{text}"


def test_a_deadline_is_written_in_utc() -> None:
    berlin = datetime(2026, 3, 1, 2, 0, tzinfo=timezone(timedelta(hours=1)))
    assert str(TicketName(instance="i", journal="j", run="r", deadline=berlin)) == "lhbackupd:i:j:r:20260301T010000Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "csi-7b6cd3e41cbf",
        "lhbackupd",
        "lhbackupd:i:j:r",
        "lhbackupd:i:j:r:soon",
        "lhbackupd:i:j:r:2026031T1:0:0Z",
        "lhbackupd:i:j:r:20261301T000000Z",
        "lhbackupd2:i:j:r:20260301T010000Z",
        "lhbackupd:j:r:20260301T010000Z",
    ],
)
def test_other_ids_are_not_ours(text: str) -> None:
    assert TicketName.parse(text) is None


def test_labels_say_policy_run_and_origin() -> None:
    ours = labels(run(id="r7"), ORIGIN)
    assert made_by(ours, policy="nightly", origin=ORIGIN)
    assert not made_by(ours, policy="weekly", origin=ORIGIN)
    assert not made_by(ours, policy="nightly", origin=TWIN)
    assert not made_by({}, policy="nightly", origin=ORIGIN)
    assert "r7" in ours.values()


def test_no_recurring_job_can_be_called_like_us() -> None:
    assert attached_by(ORIGIN) == "lhbackupd:lhbackupd"


def test_attempts_of_a_run_have_names_of_their_own() -> None:
    assert [attempt_id("k3v9", 1), attempt_id("k3v9", 2), attempt_id("k3v9-2", 3)] == ["k3v9", "k3v9-2", "k3v9-3"]
    assert snapshot_name(run(id="k3v9-2")) == "lhbackupd-k3v9-2"
