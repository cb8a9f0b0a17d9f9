"""Recorded traces: the same things, done to a simulated cluster, lead through the same states."""

import json
from typing import Any

import pytest

from tests.simulator.driving import Driver
from tests.simulator.replaying import RECORDINGS
from tests.simulator.scenario_traces import SCENARIOS
from tests.simulator.tracing import Rows, comparable, order, recorded_rows, tracks

#: traces that are not of one volume's states, with where they are compared
ELSEWHERE = {
    "recurring-job-own": "results of runs, compared in test_jobs.py",
    "ws-four-connections": "what four streams saw, compared in test_streams.py",
}
#: aspects that are left out for a trace, with the reason
LEFT_OUT: dict[str, dict[str, str]] = {}
SECONDS = 1.1  #: how far the beginning of a state may be from the recorded one


def trace_of(name: str) -> list[dict[str, Any]]:
    loaded: dict[str, Any] = json.loads((RECORDINGS / "traces" / f"{name}.json").read_text())
    found: list[dict[str, Any]] = loaded["trace"]
    return found


def test_every_trace_is_replayed_or_listed_with_a_reason() -> None:
    recorded = {path.stem for path in (RECORDINGS / "traces").glob("*.json")}
    assert recorded == set(SCENARIOS) | set(ELSEWHERE)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_states_follow_each_other_as_recorded(name: str) -> None:
    want = tracks(recorded_rows(trace_of(name)))
    rows: Rows = []
    async with Driver(seed=3) as driver:
        await SCENARIOS[name](driver, rows)
    got = tracks(rows)
    for aspect, track in want.items():
        if aspect not in LEFT_OUT.get(name, {}):
            wanted, seen = comparable(aspect, track, got[aspect])
            assert order(seen) == order(wanted), aspect


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_states_last_as_long_as_recorded(name: str) -> None:
    want = tracks(recorded_rows(trace_of(name)))["state"]
    rows: Rows = []
    async with Driver(seed=4) as driver:
        await SCENARIOS[name](driver, rows)
    want, got = comparable("state", want, tracks(rows)["state"])
    for (want_at, state), (got_at, _) in zip(want[1:], got[1:], strict=True):
        assert abs((got_at - got[0][0]) - (want_at - want[0][0])) < SECONDS, state
