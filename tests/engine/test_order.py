"""The order in which runs of a real night are let in."""

from datetime import timedelta
from itertools import pairwise

import pytest

from lhbackupd.core.model import Outcome, Run
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime

ONE_AT_A_TIME = '[limits]\ncluster = 1\n[[policy]]\nname = "often"\ncron = "0 * * * *"\n'


def begun(runs: list[Run]) -> list[str]:
    return [run.volume for run in sorted(runs, key=lambda run: run.started_at or run.queued_at)]


async def test_the_run_that_took_longest_goes_first_also_after_a_restart(rig: Rig) -> None:
    for name, seconds in (("a", 5), ("b", 60), ("c", 20)):
        await rig.volume(name, data=MIB)
        await rig.call("POST", f"/sim/volumes/{name}/timing", {"backup": seconds})
    config = rig.config(ONE_AT_A_TIME)
    async with rig.daemon(config):
        first = await rig.finished(3)
    assert begun(first) == ["a", "b", "c"]
    for name in "abc":
        await rig.call("POST", f"/sim/volumes/{name}/prefill", {"bytes": MIB})
    async with rig.daemon(config) as engine:
        second = (await rig.finished(6, seconds=7200))[3:]
        assert engine.keeper.books.durations.expected("often", "b") > 60
    assert begun(second) == ["b", "c", "a"]
    assert {run.outcome for run in second} == {Outcome.COMPLETED}


async def test_the_node_with_the_most_to_do_goes_first(rig: Rig) -> None:
    """Four volumes have their replica on one node, two on others: by name the four would come last, in four turns."""
    homes = {"a": "node-2", "b": "node-3", **dict.fromkeys(("w", "x", "y", "z"), "node-1")}
    for name, home in homes.items():
        for node in ("node-1", "node-2", "node-3"):
            await rig.call("POST", f"/sim/nodes/{node}", {"allowScheduling": node == home})
        await rig.volume(name, data=MIB, replicas=1)
        await rig.call("POST", f"/sim/volumes/{name}/timing", {"backup": 30})
        assert (await rig.shows(name))["replicas"][0]["hostId"] == home
    for node in ("node-1", "node-2", "node-3"):
        await rig.call("POST", f"/sim/nodes/{node}", {"allowScheduling": True})
    async with rig.daemon(rig.config(ONE_AT_A_TIME.replace("cluster = 1", "cluster = 2"))):
        runs = await rig.finished(6, seconds=7200)
    there = sorted((run for run in runs if run.node == "node-1"), key=lambda run: run.finished_at or run.due)
    assert [run.volume for run in there] == ["w", "x", "y", "z"]
    for before, after in pairwise(there):
        assert before.finished_at
        assert after.started_at
        assert after.started_at - before.finished_at < timedelta(seconds=5)
    assert there[-1] is runs[-1]
