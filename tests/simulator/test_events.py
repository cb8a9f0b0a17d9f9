"""Kubernetes events as client-go writes them, and loses them; held against recordings 037 and 700."""

import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from lhbackupd.simulator.events import Event, Recorder
from lhbackupd.simulator.timing import Timing
from tests.simulator.driving import Driver
from tests.simulator.replaying import RECORDINGS

T0 = datetime(2026, 3, 1, tzinfo=UTC)


class Manager:
    """One manager that writes events of one volume."""

    def __init__(self) -> None:
        self.recorder = Recorder(random.Random(1))
        self.at = T0

    def says(self, reason: str, message: str, *, after: float = 1.0, manager: str = "node-1", of: str = "db") -> None:
        self.at += timedelta(seconds=after)
        self.recorder.add(
            self.at, Timing(), manager=manager, component="c", kind="Volume", subject=of, reason=reason, message=message
        )

    def shown(self) -> list[Event]:
        return sorted(self.recorder.kept(self.at, Timing()), key=lambda event: event.message)


def test_equal_events_are_one_whose_count_goes_up_and_whose_time_moves_on() -> None:
    manager = Manager()
    for _ in range(3):
        manager.says("Attached", "to node-1")
    manager.says("Attached", "to node-2")
    one, other = manager.shown()
    assert (one.count, one.first, one.last) == (3, T0 + timedelta(seconds=1), T0 + timedelta(seconds=3))
    assert (other.count, one.name != other.name) == (1, True)


def test_each_manager_has_events_and_an_allowance_of_its_own() -> None:
    manager = Manager()
    for _ in range(25):
        manager.says("Attached", "to node-1")
    manager.says("Attached", "to node-1", manager="node-2")
    assert sorted(event.count for event in manager.shown()) == [1, 25]
    assert manager.recorder.dropped == 0


def test_the_26th_event_at_once_is_dropped_and_one_in_five_minutes_gets_through_with_the_dropped_in_its_count() -> None:
    manager = Manager()
    for number in range(30):
        manager.says(("Attached", "Detached")[number % 2], "x")
    assert (manager.recorder.dropped, [event.count for event in manager.shown()]) == (5, [13, 12])
    manager.says("Attached", "x", after=310)
    assert {event.reason: event.count for event in manager.shown()} == {"Attached": 16, "Detached": 12}
    manager.says("Detached", "x", after=10)
    assert manager.recorder.dropped == 6


def test_another_object_has_an_allowance_of_its_own_also_under_the_same_name() -> None:
    manager = Manager()
    for _ in range(30):
        manager.says("Attached", "x")
    manager.says("Attached", "x", of="other")
    assert manager.recorder.dropped == 5
    manager.says("Delete", "x", after=400)
    manager.says("Attached", "x")
    mine = [event.count for event in manager.shown() if (event.reason, event.subject) == ("Attached", "db")]
    assert sorted(mine) == [1, 25]


def test_ten_events_that_differ_by_their_words_alone_are_combined_from_then_on() -> None:
    manager = Manager()
    for number in range(12):
        manager.says("Failed", f"words {number:02}")
    *single, combined = sorted(manager.shown(), key=lambda event: event.message.startswith("("))
    assert [event.count for event in single] == [1] * 9
    assert (combined.count, combined.message) == (3, "(combined from similar events): words 11")
    manager.says("Failed", "words 12", after=601)
    assert any(event.message == "words 12" for event in manager.shown())


def test_an_event_is_forgotten_an_hour_after_it_was_last_written_and_comes_back_with_its_count() -> None:
    manager = Manager()
    manager.says("Attached", "x")
    (before,) = manager.shown()
    name, uid = before.name, before.uid
    manager.says("Other", "y", after=3601)
    assert [event.reason for event in manager.shown()] == ["Other"]
    manager.says("Attached", "x", after=86400)
    (after,) = manager.shown()
    assert (after.name, after.count, after.first) == (name, 2, T0 + timedelta(seconds=1))
    assert after.uid != uid


def recorded() -> list[dict[str, Any]]:
    """The events of recording 700, which came in frames, each as it was last shown."""
    last: dict[str, dict[str, Any]] = {}

    def walk(value: Any) -> None:
        if isinstance(value, dict) and "involvedObject" in value:
            known = last.get(value["metadata"]["uid"])
            if known is None or known["count"] <= value["count"]:
                last[value["metadata"]["uid"]] = value
        elif isinstance(value, dict | list):
            for each in value.values() if isinstance(value, dict) else value:
                walk(each)
        elif isinstance(value, str) and value[:1] in "{[":
            try:
                walk(json.loads(value))
            except ValueError:
                return  # a frame holds a part of a message

    walk(json.loads((RECORDINGS / "exchanges" / "700-ws-events.json").read_text()))
    return list(last.values())


async def test_an_attach_here_writes_what_it_wrote_there() -> None:
    """The same keys and types, words and counts; the node that a volume is attached to writes of it."""
    async with Driver() as d:
        await d.make("db-1")
        for node in ("node-2", "node-2", "node-1"):
            await d.attach("db-1", node, wait=2.5)
            await d.act("db-1", "detach", attachmentID="t")
            d.pass_time(3)
        here = [e["event"] for e in (await d.http.get("/v1/events")).json()["data"]]
    there = [event for event in recorded() if event["involvedObject"]["kind"] == "Volume"]
    shapes: dict[str, list[Any]] = defaultdict(list)
    for event in there + here:
        of = event["involvedObject"]
        if event["reason"] in {"Attached", "Detached"} and of["kind"] == "Volume":
            shape = {key: type(value).__name__ for key, value in event.items()}
            words = event["message"].replace(of["name"], "*").rstrip("123")
            shapes[event["reason"]].append((shape, event["type"], event["source"], words))
    for found in shapes.values():
        assert all(shape == found[0] for shape in found)
    mine = {(e["reason"], e["message"][-6:]): e["count"] for e in here if e["involvedObject"]["name"] == "db-1"}
    assert (mine["Attached", "node-2"], mine["Attached", "node-1"]) == (2, 1)
    assert sum(e["count"] for e in here if e["reason"] == "Detached") == 4  # with the one of its making
    assert len([e for e in here if e["reason"] == "Detached"]) == 2
    assert any(e["count"] > 1 for e in there)
