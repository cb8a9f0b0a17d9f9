"""Tickets that no run holds, as the keeper sees them in virtual time."""

import pytest

from lhbackupd.core.model import Outcome
from lhbackupd.engine.events import GaveBack
from tests.rig import MIB, Rig

pytestmark = pytest.mark.looptime


async def test_the_ticket_of_a_run_that_ended_while_a_poll_was_under_way_is_no_orphan(rig: Rig) -> None:
    await rig.volume("db", data=8 * MIB)
    fault = {"kind": "delay", "match": {"path": "/v1/volumes"}, "seconds": 20, "act": "after"}
    await rig.call("POST", "/sim/faults", fault)
    config = rig.config('[longhorn]\npoll = "1s"\n[[policy]]\nname = "often"\ncron = "* * * * *"\n')
    async with rig.daemon(config):
        await rig.finished(4)
    assert rig.outcomes()[0] is Outcome.COMPLETED
    assert [event for event in rig.events if isinstance(event, GaveBack)] == []
