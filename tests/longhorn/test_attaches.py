"""The attaches that events show: of volumes alone, each told from the next, and a list that makes no sense refused."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from lhbackupd.longhorn.attaches import Attaches, Reading
from lhbackupd.longhorn.elements import PIECE
from lhbackupd.longhorn.errors import WrongShape
from tests.longhorn.replay import replaying

AT = "2026-11-22T11:31:06Z"


def event(volume: str = "db", **changes: Any) -> dict[str, Any]:
    """As recording 700 has it."""
    body = {"count": 1, "eventTime": None, "firstTimestamp": AT, "lastTimestamp": AT, "reason": "Attached"}
    body |= {"involvedObject": {"kind": "Volume", "name": volume, "namespace": "longhorn-system"}, "type": "Normal"}
    return {"actions": {}, "event": body | changes, "id": f"{volume}.18ea5aa50a335f40", "type": "event"}


def read(*events: Any, raw: bytes | None = None) -> Attaches:
    body = json.dumps({"data": events, "type": "collection"}, separators=(",", ":")).encode() if raw is None else raw
    reading = Reading()
    for start in range(0, len(body), PIECE):
        reading.feed(body[start : start + PIECE])
    return reading.finish(reading.rest())


async def test_a_cluster_in_which_nothing_was_attached_shows_none() -> None:
    assert await replaying("037").attaches() == {}


def test_an_attach_is_known_by_its_event_count_and_time() -> None:
    ((volume, marks),) = read(event()).items()
    assert (volume, list(marks.values())) == ("db", [datetime(2026, 11, 22, 11, 31, 6, tzinfo=UTC)])
    again = read(event(count=2, lastTimestamp="2026-11-22T11:32:06Z"))["db"]
    assert not marks.keys() & again.keys()
    assert read(event()) == {"db": marks}


@pytest.mark.parametrize("changes", [{"reason": "Detached"}, {"involvedObject": {"kind": "Engine", "name": "db-e-0"}},
                                     {"involvedObject": None}])  # fmt: skip
def test_what_is_no_attach_of_a_volume_is_left_out_whatever_else_it_says(changes: dict[str, Any]) -> None:
    assert read(event(**changes, lastTimestamp=None)) == {}


@pytest.mark.parametrize(
    "changes",
    [{"eventTime": AT}, {"series": {"count": 3, "lastObservedTime": AT}}, {"eventTime": AT, "count": None}],
)
def test_events_of_the_newer_kind_are_read_as_well(changes: dict[str, Any]) -> None:
    assert read(event(**{"lastTimestamp": None, **changes})).keys() == {"db"}


@pytest.mark.parametrize(
    "odd",
    [
        event(lastTimestamp=None),
        event(lastTimestamp="yesterday"),
        event(lastTimestamp=5),
        event(count="many"),
        {"type": "event", "id": "x"},
        {"type": "event", "id": "x", "event": None},
        {**event(), "id": ""},
        [],
        None,
    ],
)
def test_a_list_with_one_event_that_makes_no_sense_is_not_read_at_all(odd: Any) -> None:
    with pytest.raises(WrongShape):
        read(event("other"), odd)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"type":"collection"}', b'{"type":"error"}', b"<html>"])
def test_what_is_no_list_is_refused(raw: bytes) -> None:
    with pytest.raises(WrongShape):
        read(raw=raw)


def test_thousands_of_events_are_taken_apart_as_they_come() -> None:
    events = [event(f"vol-{number}", reason=("Attached", "Detached")[number % 2]) for number in range(6000)]
    body = msgspec.json.encode({"data": events, "type": "collection"})
    reading = Reading()
    longest = 0
    for start in range(0, len(body), PIECE):
        reading.feed(body[start : start + PIECE])
        longest = max(longest, len(reading.rest()))
    assert longest < 3 * PIECE < len(body)
    assert len(reading.finish(reading.rest())) == 3000
    with pytest.raises(WrongShape):
        read(raw=body[:-500])


def test_of_one_volume_no_more_is_kept_than_the_latest_few() -> None:
    events = [
        event(count=number, lastTimestamp=f"2026-11-22T11:{number // 60:02}:{number % 60:02}Z")
        for number in range(1, 500)
    ]
    (marks,) = read(*events).values()
    assert len(marks) == 32
    assert max(marks.values()) == datetime(2026, 11, 22, 11, 8, 19, tzinfo=UTC)
