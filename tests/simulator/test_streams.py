"""Websocket streams: recorded messages, the cutting into frames, and the shared event channel."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets

from lhbackupd.clock import Clock
from lhbackupd.simulator.cluster import Cluster
from lhbackupd.simulator.server import serve
from lhbackupd.simulator.stream import Hub, Stream, Streams, frames, parse_path
from lhbackupd.simulator.volumewire import Cache
from tests.simulator.driving import Driver
from tests.simulator.replaying import RECORDINGS
from tests.simulator.shapes import differences


def recording(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((RECORDINGS / "exchanges" / f"{name}.json").read_text())
    return loaded


def stems() -> list[str]:
    return sorted(path.stem for path in (RECORDINGS / "exchanges").glob("7*.json") if path.stem != "701-ws-unknown")


@asynccontextmanager
async def served(speed: float) -> AsyncIterator[tuple[int, Cluster]]:
    cluster = Cluster(Clock(speed=speed, epoch=1_700_000_000.0))
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(cluster, ready=port.set_result, stop=stop))
        try:
            yield await port, cluster
        finally:
            stop.set()


@pytest.mark.parametrize("name", stems())
def test_messages_are_cut_into_the_recorded_frames(name: str) -> None:
    seen = recording(name)["frames"]
    texts: list[list[tuple[int, bool]]] = []
    for frame in seen:
        if frame["opcode"] == 1:
            texts.append([])
        if frame["opcode"] in {0, 1}:
            texts[-1].append((frame["length"], bool(frame["fin"])))
    for cut in texts:
        whole = b"x" * sum(length for length, _ in cut)
        assert [(len(piece), last) for piece, last in frames(whole)] == cut


@pytest.mark.parametrize("name", [name for name in stems() if name.startswith("700")])
async def test_a_streams_message_is_of_the_recorded_kind(name: str) -> None:
    want = recording(name)["response"]["body"][0]["data"]
    async with Driver() as d:
        await d.post(
            "/v1/recurringjobs",
            name="j",
            task="backup",
            cron="0 2 * * *",
            retain=1,
            concurrency=1,
            labels={"a": "b"},
        )
        if not name.endswith("volumeattachments"):
            await backed_up(d)
        path = recording(name)["request"]["path"]
        kind, period = parse_path(path) or ("", 0.0)
        streams = Streams(d.cluster, Cache(d.cluster.world))
        got = json.loads(streams.listing(Stream(kind, period, "http://127.0.0.1:9500", path)))
    kept = (
        "message", "reason", "definition", "event", "status", "state", "error", "applied", "Schedulable",
        "eventType",
        "messages", "labels",
    )  # fmt: skip
    assert differences(want, got, loose=frozenset(kept)) == []


async def backed_up(d: Driver) -> None:
    await d.make("v")
    await d.attach("v", "node-1", wait=9)
    await d.sim("volumes/v/write", bytes=2**20, force=True)
    await d.snapshot("v", "s")
    await d.act("v", "snapshotBackup", name="s")
    d.pass_time(6)


async def test_a_client_sees_whole_collections_while_a_volume_is_attached() -> None:
    want = [m["data"] for m in recording("710-ws-volumes-attach")["response"]["body"] if m["type"] == "text"]
    got = []
    async with served(20) as (port, _), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        await http.post("/sim/volumes", json={"count": 1, "prefix": "ws", "replicas": 2})
        async with websockets.connect(f"ws://127.0.0.1:{port}/v1/ws/volumes") as ws:
            body = {"hostId": "node-1", "disableFrontend": True, "attachmentID": "t"}
            await http.post("/v1/volumes/ws0001?action=attach", json=body)
            async with asyncio.timeout(20):
                while not got or got[-1]["data"][0]["robustness"] != "healthy":
                    got.append(json.loads(await ws.recv()))

    def states(messages: list[Any]) -> list[str]:
        found = [message["data"][0]["state"] for message in messages]
        return [state for number, state in enumerate(found) if number == 0 or found[number - 1] != state]

    assert states(got) == states(want)
    assert got[0]["links"]["self"].endswith("/v1/ws/volumes")
    assert set(got[0]) == set(want[0])


async def test_an_idle_stream_is_pinged_every_fifteen_seconds() -> None:
    pings = [m["t"] for m in recording("711-ws-volumes-idle-ping")["response"]["body"] if m["type"] == "ping"]
    assert pings
    assert all(abs(t % 15) < 0.5 for t in pings)
    pinged = asyncio.Event()
    async with (
        served(100) as (port, _),
        websockets.connect(f"ws://127.0.0.1:{port}/v1/ws/settings", ping_interval=None) as ws,
        asyncio.timeout(10),
    ):
        plain = ws.protocol.receive_data

        def watching(data: bytes) -> None:
            if data[:1] == b"\x89":
                pinged.set()
            plain(data)

        ws.protocol.receive_data = watching  # type: ignore[method-assign]
        await pinged.wait()


async def test_an_unknown_stream_is_a_plain_404() -> None:
    want = recording("701-ws-unknown")["response"]
    async with served(1) as (port, _):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{port}/v1/ws/nothing")
    assert refused.value.response.status_code == want["status"]
    assert refused.value.response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_each_event_wakes_one_connection_only() -> None:
    recorded = json.loads((RECORDINGS / "traces" / "ws-four-connections.json").read_text())["seen"]
    assert sum(seen[-1][2] == "unknown" for seen in recorded) == 3
    async with Driver() as d:
        hub, world = Hub(), d.cluster.world
        four = [Stream("volumes", 0.0, "http://x", "/v1/ws/volumes", woken=False) for _ in range(4)]
        for stream in four:
            hub.join(world, stream)
        world.changed("volumes")
        hub.deliver(world, "volumes")
        assert [stream.woken for stream in four] == [True, False, False, False]
        world.changed("volumes")
        world.changed("volumes")
        hub.deliver(world, "volumes")
        assert [stream.woken for stream in four] == [True, True, True, False]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/ws/volumes", ("volumes", 0.0)),
        ("/v1/ws/1s/volumes", ("volumes", 1.0)),
        ("/v1/ws/500ms/settings", ("settings", 0.5)),
        ("/v1/ws/2m/nodes", ("nodes", 15.0)),
        ("/v1/ws/nothing", None),
        ("/v1/ws/soon/volumes", None),
    ],
)
def test_a_period_is_a_go_duration_of_at_most_fifteen_seconds(path: str, expected: tuple[str, float] | None) -> None:
    assert parse_path(path) == expected
