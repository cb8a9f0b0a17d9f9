"""Faults of the network, of backups and of nodes."""

from itertools import pairwise

import pytest

from tests.simulator.driving import Driver


async def armed(d: Driver, **fault: object) -> int:
    return int((await d.sim("faults", **fault))["id"])


async def test_a_status_may_hide_that_the_request_took_effect() -> None:
    async with Driver() as d:
        await d.make("v")
        body = {"hostId": "node-1", "attachmentID": "t"}
        await armed(
            d,
            kind="status",
            status=502,
            body="bad gateway",
            act="before",
            times=1,
            match={"action": "attach"},
        )
        assert (await d.ask("POST", "/v1/volumes/v?action=attach", body)).status_code == 502
        assert list((await d.volume("v"))["volumeAttachment"]["attachments"]) == ["t"]
        await d.act("v", "detach", attachmentID="t")
        await armed(d, kind="status", status=503, times=1, match={"action": "attach", "volume": "v*"})
        assert (await d.ask("POST", "/v1/volumes/v?action=attach", body)).status_code == 503
        assert (await d.volume("v"))["volumeAttachment"]["attachments"] == {}


@pytest.mark.parametrize(("act", "tickets"), [("never", []), ("before", ["t"]), ("after", ["t"])])
async def test_a_reset_connection_says_nothing_about_what_happened(act: str, tickets: list[str]) -> None:
    async with Driver() as d:
        await d.make("v")
        await armed(d, kind="reset", act=act, times=1)
        with pytest.raises(ConnectionResetError):
            await d.ask("POST", "/v1/volumes/v?action=attach", {"hostId": "node-1", "attachmentID": "t"})
        assert list((await d.volume("v"))["volumeAttachment"]["attachments"]) == tickets


async def test_lists_can_be_halved_fields_added_and_shapes_broken() -> None:
    async with Driver() as d:
        await d.sim("volumes", count=4)
        await armed(d, kind="half-list", times=1, match={"path": "/v1/volumes"})
        assert len((await d.http.get("/v1/volumes")).json()["data"]) == 2
        await armed(d, kind="extra-fields", times=1)
        assert "fromTheFuture" in (await d.http.get("/v1/volumes")).json()["data"][0]
        await armed(d, kind="wrong-shape", times=1)
        assert isinstance((await d.http.get("/v1/volumes")).json()["data"], dict)
        await armed(d, kind="not-json", times=1)
        assert (await d.http.get("/v1/volumes")).headers["content-type"].startswith("text/html")
        assert len((await d.http.get("/v1/volumes")).json()["data"]) == 4


async def test_a_fault_of_one_volume_strikes_what_is_asked_for_its_backups_too() -> None:
    async with Driver() as d:
        await d.sim("volumes", count=2, prefix="v-")
        one, other = (each["name"] for each in (await d.http.get("/v1/volumes")).json()["data"])
        await armed(d, kind="status", status=503, match={"volume": one})
        ask = "/v1/backupvolumes/{}?action=backupListByVolume"
        answers = [await d.http.post(ask.format(name), json={"name": name}) for name in (one, other)]
        assert [answer.status_code for answer in answers] == [503, 200]


async def test_a_delay_passes_on_the_clusters_clock() -> None:
    async with Driver() as d:
        await armed(d, kind="delay", seconds=30, times=1, after=1)
        began = d.clock.t
        await d.http.get("/v1/nodes")
        assert d.clock.t == began
        await d.http.get("/v1/nodes")
        assert d.clock.t == began + 30


async def test_the_ledger_tells_when_a_request_came_in_that_is_acted_on_later() -> None:
    async with Driver() as d:
        await d.make("v")
        await armed(d, kind="delay", seconds=30, times=1, match={"action": "attach"})
        await d.act("v", "attach", hostId="node-1", attachmentID="t")
        entries = (await d.http.get("/sim/ledger")).json()["entries"]
        struck, added = (next(e for e in entries if e["kind"] == kind) for kind in ("fault-struck", "ticket-added"))
    assert (struck["volume"], struck["what"]) == ("v", "delay")
    assert struck["request"].endswith("?action=attach")
    assert struck["seconds"] == added["t"] - struck["t"] == 30


async def test_faults_are_listed_and_cleared() -> None:
    async with Driver() as d:
        one = await armed(d, kind="down")
        await armed(d, kind="backup-vanish", percent=10)
        assert len((await d.http.get("/sim/faults")).json()["faults"]) == 2
        assert (await d.http.delete(f"/sim/faults/{one}")).json() == {"cleared": 1}
        assert (await d.http.delete("/sim/faults")).json() == {"cleared": 1}
        assert (await d.ask("POST", "/sim/faults", {"kind": "earthquake"})).status_code == 400


@pytest.mark.parametrize(
    ("fault", "states"),
    [
        ({"kind": "backup-error-at-start", "message": "no space"}, ["Error"]),
        ({"kind": "backup-error-at", "percent": 40}, ["Error"]),
        ({"kind": "backup-unknown", "percent": 10}, ["Unknown"]),
        ({"kind": "backup-stuck-at", "percent": 30}, ["InProgress"]),
        ({"kind": "backup-vanish", "percent": 10}, []),
        ({"kind": "backup-progress-falls"}, ["Completed"]),
    ],
)
async def test_a_backup_can_end_in_every_bad_way(fault: dict[str, object], states: list[str]) -> None:
    async with Driver() as d:
        await d.make("v")
        await d.sim("volumes/v/prefill", bytes=2**20)
        await d.sim("volumes/v/timing", backup=20)
        await d.attach("v", "node-1", wait=8)
        await d.snapshot("v", "s")
        await armed(d, **fault)
        await d.act("v", "snapshotBackup", name="s")
        seen = []
        for _ in range(60):
            d.pass_time(0.5)
            status = (await d.volume("v"))["backupStatus"]
            seen.append(status[0]["progress"] if status else None)
        assert [b["state"] for b in (await d.volume("v"))["backupStatus"]] == states
        if fault["kind"] == "backup-progress-falls":
            known = [p for p in seen if p is not None]
            assert any(later < sooner for sooner, later in pairwise(known))


async def test_a_node_that_is_switched_off_takes_its_engine_along_and_an_attach_to_it_is_refused() -> None:
    async with Driver() as d:
        await d.make("v", numberOfReplicas=3)
        await d.attach("v", "node-2", wait=9)
        await d.sim("nodes/node-2", power="off")
        d.pass_time(1)
        assert (await d.volume("v"))["robustness"] == "faulted"
        answer = await d.ask("POST", "/v1/volumes/v?action=attach", {"hostId": "node-2", "attachmentID": "u"})
        assert answer.status_code == 500
        assert "is not ready" in answer.json()["message"]
        await d.act("v", "detach", attachmentID="t")
        await d.attach("v", "node-1", wait=15)
        assert (await d.volume("v"))["robustness"] == "degraded"


async def test_cordoning_refuses_nothing_but_a_setting_makes_it_remove_our_ticket() -> None:
    async with Driver() as d:
        await d.make("v")
        await d.sim("nodes/node-1", cordoned=True)
        await d.attach("v", "node-1", wait=3)
        assert (await d.volume("v"))["state"] == "attached"
        await d.ask("PUT", "/v1/settings/detach-manually-attached-volumes-when-cordoned", {"value": "true"})
        d.pass_time(3)
        assert (await d.volume("v"))["state"] == "detached"
