"""A cluster with a clock driven by hand, asked over HTTP without a network."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx

from lhbackupd.simulator.cluster import Cluster
from lhbackupd.simulator.server import application


class ManualClock:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.t = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 5, 30, tzinfo=UTC) + timedelta(seconds=self.t - 1000.0)

    def monotonic(self) -> float:
        return self.t

    async def sleep(self, seconds: float) -> None:
        self.t += seconds


class Driver:
    """A client of one simulated cluster."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.cluster = Cluster(self.clock, **options)
        transport = httpx.ASGITransport(application(self.cluster))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9500", follow_redirects=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self.http.aclose()

    def pass_time(self, seconds: float) -> None:
        self.clock.t += seconds
        self.cluster.advance()

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        content = None if body is None else (body if isinstance(body, str) else json.dumps(body))
        given = {"Content-Type": "application/json", **(headers or {})}
        return await self.http.request(method, path, content=content, headers=given)

    async def post(self, path: str, /, **body: Any) -> Any:
        answer = await self.ask("POST", path, body)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    async def act(self, volume: str, action: str, /, **body: Any) -> Any:
        return await self.post(f"/v1/volumes/{volume}?action={action}", **body)

    async def sim(self, path: str, /, **body: Any) -> Any:
        return await self.post(f"/sim/{path}", **body)

    async def volume(self, name: str) -> Any:
        return (await self.http.get(f"/v1/volumes/{name}")).json()

    async def summary(self, name: str) -> Any:
        return (await self.http.get(f"/sim/ledger/summary?volume={name}")).json()["volumes"][name]

    async def make(self, name: str, **body: Any) -> None:
        await self.post("/v1/volumes", name=name, **{"size": "3Gi", "numberOfReplicas": 2, **body})
        self.pass_time(1)

    async def attach(
        self, name: str, node: str, ticket: str = "t", *, frontend: bool = False, wait: float = 2.3
    ) -> None:
        await self.act(
            name, "attach", hostId=node, disableFrontend=not frontend, attachmentID=ticket, attachedBy="test"
        )
        self.pass_time(wait)

    async def snapshot(self, name: str, snapshot: str, **more: Any) -> None:
        await self.act(name, "snapshotCRCreate", name=snapshot, **more)
        for _ in range(12):
            self.pass_time(1)
            if (await self.act(name, "snapshotCRGet", name=snapshot))["readyToUse"]:
                return
        raise AssertionError(f"{snapshot} never became ready")
