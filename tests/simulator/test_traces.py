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


#: traces made with the real engine processes, with the scenario that does the same
REAL_ENGINE = {
    "trace-attach-disablefrontend": "attach-disablefrontend",
    "trace-backup": "backup",
    "trace-best-effort-frontend": "locality-best-effort-frontend-other-node",
}


@pytest.mark.parametrize("name", sorted(REAL_ENGINE))
async def test_the_real_engine_goes_through_the_same_states(name: str) -> None:
    recorded = json.loads((RECORDINGS / "real-engine" / f"{name}.json").read_text())["trace"]
    want = tracks(recorded_rows(recorded))
    rows: Rows = []
    async with Driver(seed=5) as driver:
        await SCENARIOS[REAL_ENGINE[name]](driver, rows)
    got = tracks(rows)
    wanted, seen = comparable("state", want["state"], got["state"])
    states = order(wanted)
    assert order(seen)[: len(states)] == states, "these recordings end sooner than what the scenario does"


def test_every_trace_of_the_real_engine_is_compared() -> None:
    assert {path.stem for path in (RECORDINGS / "real-engine").glob("trace-*.json")} == set(REAL_ENGINE)
