"""Each method against what a manager answered to it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from lhbackupd.core.cluster import Setting
from lhbackupd.core.recurring import NativeJob, membership
from lhbackupd.longhorn.elements import PIECE
from lhbackupd.longhorn.errors import Missing, Refused, Unreachable, WrongShape
from lhbackupd.longhorn.request import Exchange
from lhbackupd.longhorn.wire import BackupVolume, Generation
from tests.longhorn.replay import answer, client, failing, replaying, saying

TICKET = "backup-client-1"


async def test_setting_that_is_off_is_forbidden() -> None:
    assert await replaying("011").setting() is Setting.FORBIDDEN


async def test_setting_that_longhorn_does_not_know_is_absent() -> None:
    unknown = answer("019").replace(b"no-such-setting", b"allow-recurring-job-while-volume-detached")
    assert await saying(500, unknown).setting() is Setting.ABSENT


async def test_setting_that_longhorn_cannot_read_is_an_error_and_not_absent() -> None:
    with pytest.raises(Refused):
        await saying(500, answer("321")).setting()


@pytest.mark.parametrize("page", [b"", b"404 page not found\n", b"<html>default backend - 404</html>"])
async def test_setting_behind_a_door_that_knows_no_way_is_an_error_and_not_absent(page: bytes) -> None:
    with pytest.raises(Unreachable):
        await saying(404, page).setting()


async def test_volumes_are_all_listed() -> None:
    volumes, broken = await replaying("052").volumes()
    assert [volume.name for volume in volumes] == ["rec-a", "rec-b"]
    assert broken == ()


async def test_no_volumes_are_no_fault() -> None:
    assert await replaying("040").volumes() == ((), ())


async def test_volume_is_read() -> None:
    volume = await replaying("103").volume("rec-a")
    assert volume is not None
    assert volume.attached
    assert volume.engine_node == "node-2"


async def test_volume_that_longhorn_says_is_missing_is_none() -> None:
    assert await replaying("041").volume("no-such-volume") is None


@pytest.mark.parametrize("page", [b"404 page not found\n", b"<html>default backend - 404</html>"])
async def test_volume_behind_a_door_that_knows_no_way_is_not_missing(page: bytes) -> None:
    with pytest.raises(Unreachable):
        await saying(404, page).volume("rec-a")


async def test_nodes_are_listed() -> None:
    nodes = await replaying("030").nodes()
    assert [(node.name, node.ready, node.cordoned) for node in nodes] == [
        ("node-1", True, False),
        ("node-2", True, False),
        ("node-3", True, False),
    ]


async def test_targets_are_listed() -> None:
    (target,) = await replaying("035").targets()
    assert (target.name, target.available) == ("default", True)


async def test_engine_images_are_listed_with_their_nodes() -> None:
    images = await replaying("033").engine_images()
    assert images == {"longhornio/longhorn-engine:v1.13.0-dev": frozenset({"node-1", "node-2", "node-3"})}


async def test_backup_volumes_are_listed() -> None:
    listed = await replaying("240").backup_volumes()
    assert listed == (BackupVolume(name="rec-a-c7e65643", volume="rec-a", target="default"),)


async def test_generation_is_told_by_the_schema() -> None:
    assert await replaying("005").generation() is Generation.TICKETS


async def test_jobs_come_with_what_they_do_and_how_long_it_stays() -> None:
    assert await replaying("400").jobs() == ()
    assert await replaying("403").jobs() == (
        NativeJob(name="nightly", task="backup", cron="0 2 * * *", retain=3, retention="count-based", retain_age="0s"),
    )


async def test_groups_and_single_jobs_are_told_apart() -> None:
    assert await replaying("423").groups("rec-d") == membership(groups=["gold", "default"], jobs=["nightly"])


async def test_snapshots_form_a_chain_from_the_head() -> None:
    chain = await replaying("220").snapshots("rec-a")
    walk = [(snapshot.name, snapshot.size) for snapshot in chain.from_head()]
    assert walk[0] == ("volume-head", 10_485_760)
    assert [name for name, _ in walk][-2:] == ["snapcr-1", "snap-1"]


async def test_snapshots_of_a_detached_volume_are_refused() -> None:
    with pytest.raises(Refused, match="engine is not running"):
        await replaying("321").snapshots("rec-d")


async def test_snapshot_is_first_not_ready_and_then_ready() -> None:
    before = await replaying("212").snapshot_ready("rec-a", "snapcr-1")
    after = await replaying("213").snapshot_ready("rec-a", "snapcr-1")
    assert before is not None
    assert after is not None
    assert (before.ready, before.created) == (False, None)
    assert (after.ready, after.created) == (True, datetime(2026, 11, 22, 11, 31, 21, tzinfo=UTC))


async def test_snapshot_that_is_not_there_is_none() -> None:
    assert await replaying("210").snapshot_ready("rec-a", "nope") is None


async def test_another_volumes_snapshot_is_never_ready() -> None:
    found = await saying(200, answer("213")).snapshot_ready("rec-b", "snapcr-1")
    assert found is not None
    assert not found.ready
    assert "rec-a" in found.error


async def test_snapshot_is_created() -> None:
    await replaying("211").create_snapshot("rec-a", "snapcr-1", {"owner": "backup-client"})


async def test_snapshot_that_was_created_before_is_success() -> None:
    await replaying("214", body={"name": "snapcr-1", "labels": {}}).create_snapshot("rec-a", "snapcr-1", {})


async def test_snapshot_of_a_bad_name_is_refused() -> None:
    with pytest.raises(Refused, match="RFC 1123"):
        await replaying("219", body={"name": "Bad_Name!", "labels": {}}).create_snapshot("rec-a", "Bad_Name!", {})


@pytest.mark.parametrize(("number", "name"), [("289", "snapcr-1"), ("292", "nope")])
async def test_snapshot_is_deleted_whether_there_or_not(number: str, name: str) -> None:
    await replaying(number).delete_snapshot("rec-a", name)


async def test_backups_are_listed_by_the_volumes_name() -> None:
    longhorn = replaying("247", path="/v1/backupvolumes/rec-a?action=backupListByVolume")
    (backup,) = await longhorn.backups("rec-a")
    assert (backup.name, backup.snapshot, backup.completed) == ("backup-5a3e32666edb4ab3", "snap-2", True)
    assert backup.labels["owner"] == "backup-client"


async def test_backup_is_started_and_shows_in_the_answer() -> None:
    volume = await replaying("230").backup("rec-a", "snap-2", {"owner": "backup-client"})
    (progress,) = volume.backups
    assert (progress.name, progress.snapshot, progress.running) == ("backup-5a3e32666edb4ab3", "", True)


async def test_backup_to_an_unavailable_target_is_refused() -> None:
    longhorn = replaying("271", body={"name": "snap-3", "labels": {}, "backupMode": "incremental"})
    with pytest.raises(Refused, match="backup target default is not available"):
        await longhorn.backup("rec-a", "snap-3", {})


@pytest.mark.parametrize("number", ["280", "283"])
async def test_backup_is_deleted_whether_there_or_not(number: str) -> None:
    name = "backup-5a3e32666edb4ab3" if number == "280" else "backup-0000000000000000"
    await replaying(number, path="/v1/backupvolumes/rec-a?action=backupDelete").delete_backup("rec-a", name)


async def test_attach_asks_for_a_ticket_of_its_own_with_the_frontend_disabled() -> None:
    await replaying("100").attach("rec-a", "node-2", TICKET, "backup-client")


async def test_attach_to_a_node_that_is_not_there_is_missing() -> None:
    with pytest.raises(Missing, match="node-9"):
        await replaying("105").attach("rec-a", "node-9", "x9", "backup-client")


async def test_attach_of_strict_local_elsewhere_is_refused_in_longhorns_words() -> None:
    with pytest.raises(Refused, match="strict-local requires"):
        await replaying("611").attach("rec-sl", "node-2", "bk-1", "backup-client")


async def test_detach_withdraws_one_ticket() -> None:
    await replaying("340").detach("rec-d", "bk-1")


async def test_detach_of_a_missing_volume_is_missing() -> None:
    with pytest.raises(Missing):
        await replaying("309").detach("nope", "bk-1")


async def test_the_ticket_without_a_name_is_never_used() -> None:
    longhorn = saying(200, answer("100"))
    with pytest.raises(ValueError, match="shared"):
        await longhorn.detach("rec-a", "")
    with pytest.raises(ValueError, match="shared"):
        await longhorn.attach("rec-a", "node-1", "", "us")


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_name_that_would_climb_the_path_is_not_sent(name: str) -> None:
    with pytest.raises(Missing):
        await failing(AssertionError("sent")).detach(name, "bk-1")


async def test_names_are_quoted_in_paths() -> None:
    paths = []

    async def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(404)

    await client(handler).volume("a/b?c#d e%f")
    assert paths == [b"/v1/volumes/a%2Fb%3Fc%23d%20e%25f"]


async def test_server_date_is_the_last_answers() -> None:
    longhorn = saying(200, answer("040"), {"Date": "Sun, 22 Nov 2026 11:31:01 GMT"})
    assert longhorn.server_date is None
    await longhorn.volumes()
    assert longhorn.server_date == datetime(2026, 11, 22, 11, 31, 1, tzinfo=UTC)


@pytest.mark.parametrize("date", ["soon", "", "Sun, 22 Nov 2026 11:31:01 -0000", "Fri, 31 Dec 9999 23:59:59 -0100"])
async def test_server_date_that_is_none_or_of_no_zone_is_unknown(date: str) -> None:
    longhorn = saying(200, answer("040"), {"Date": date})
    await longhorn.volumes()
    assert longhorn.server_date is None


async def test_each_exchange_is_observed_without_names() -> None:
    seen: list[Exchange] = []
    await saying(200, answer("103"), observe=seen.append).volume("rec-a")
    with pytest.raises(Unreachable):
        await failing(httpx.ConnectError("no"), observe=seen.append).detach("rec-a", "t")
    assert [(e.method, e.route, e.status, e.error) for e in seen] == [
        ("GET", "/v1/volumes/{name}", 200, ""),
        ("POST", "/v1/volumes/{name}?action=detach", None, "Unreachable"),
    ]


async def test_big_list_is_decoded_off_the_loop_in_pieces_and_a_small_one_is_not() -> None:
    sizes = []

    async def offload(function, given):  # type: ignore[no-untyped-def] # generic protocol, a test's stand-in
        sizes.append(len(given) if isinstance(given, bytes) else sum(map(len, given)))
        return function(given)

    big = b'{"type":"collection","data":[' + b",".join([answer("103")] * 200) + b"]}"

    async def handler(_: httpx.Request) -> httpx.Response:
        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(big), 2**16):
                yield big[start : start + 2**16]

        return httpx.Response(200, content=parts())

    volumes, _ = await client(handler, offload=offload).volumes()
    await saying(200, answer("052"), offload=offload).volumes()
    assert len(volumes) == 200
    assert max(sizes) < len(big) / 4
    assert len(big) - sum(sizes) < PIECE


async def test_big_answer_of_another_kind_is_joined_and_decoded_off_the_loop() -> None:
    sizes = []

    async def offload(function, given):  # type: ignore[no-untyped-def] # generic protocol, a test's stand-in
        sizes.append(len(given) if isinstance(given, bytes) else sum(map(len, given)))
        return function(given)

    big = b'{"type":"collection","data":[' + b",".join([b'{"name":"n"}'] * 200_000) + b"]}"
    assert len(await saying(200, big, offload=offload).nodes()) == 200_000
    assert sizes == [len(big), len(big)]


async def test_success_that_is_not_longhorns_is_ambiguous_for_what_changes_something() -> None:
    with pytest.raises(WrongShape) as caught:
        await saying(200, "<html>log in</html>").detach("rec-a", "bk-1")
    assert caught.value.ambiguous
    with pytest.raises(WrongShape) as caught:
        await saying(200, "<html>log in</html>").volume("rec-a")
    assert not caught.value.ambiguous
