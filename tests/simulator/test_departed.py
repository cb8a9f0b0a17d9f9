"""Clients that leave before they have sent their whole request."""

from typing import Any

from lhbackupd.clock import Clock
from lhbackupd.simulator.cluster import Cluster
from lhbackupd.simulator.server import Exposed, application


async def test_a_client_that_leaves_in_the_middle_of_its_request_changes_nothing_and_breaks_nothing() -> None:
    cluster = Cluster(Clock())

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        """Nobody hears it."""

    scope = {"type": "http", "method": "POST", "path": "/v1/volumes", "query_string": b"", "headers": []}
    scope |= {"scheme": "http", "server": ("longhorn", 80), "root_path": ""}
    await Exposed(application(cluster), cluster.clock)(scope, receive, send)
    assert cluster.world.volumes == {}
