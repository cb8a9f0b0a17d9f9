"""How Longhorn's answers are read, by recordings and by what may come instead."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lhbackupd.core.cluster import Volume
from lhbackupd.core.recurring import Membership
from lhbackupd.longhorn import wire
from lhbackupd.longhorn.errors import SHOWN, WrongShape
from lhbackupd.longhorn.listing import Listing
from lhbackupd.longhorn.scalars import LARGEST, moment, size
from tests.longhorn.replay import RECORDINGS, answer, recorded


def volume(number: str, **changed: Any) -> Volume:
    body = recorded(number)["response"]["body"]
    return wire.decode_volume(json.dumps({**body, **changed}).encode())


def decode_volumes(raw: bytes) -> tuple[tuple[Volume, ...], tuple[wire.Broken, ...]]:
    return Listing().reading().finish(raw)


def listed(*elements: Any, **more: Any) -> bytes:
    return json.dumps({"type": "collection", "data": list(elements), **more}).encode()


def test_every_recorded_volume_can_be_read() -> None:
    exchanges = [json.loads(path.read_text()) for path in RECORDINGS.glob("*/[0-9]*.json")]
    bodies = [exchange.get("response", {}).get("body") for exchange in exchanges]
    volumes = [body for body in bodies if isinstance(body, dict) and body.get("type") == "volume"]
    assert len(volumes) > 80
    for body in volumes:
        read = wire.decode_volume(json.dumps(body).encode())
        assert read.name == body["name"]
        assert not read.restoring or body["name"] == "rec-r"
        assert read.image_ready


def test_attached_volume_has_engine_replicas_and_ticket() -> None:
    read = volume("103")
    assert read.size == 1_073_741_824
    assert read.attached
    assert [(replica.node, replica.mode, replica.failed) for replica in read.replicas] == [
        ("node-1", "RW", False),
        ("node-2", "RW", False),
    ]
    (ticket,) = read.tickets
    assert (ticket.id, ticket.kind, ticket.node) == ("backup-client-1", "longhorn-api", "node-2")
    assert ticket.satisfied
    assert ticket.frontend_disabled
    assert ticket.attached_by == "backup-client"


def test_detached_volume_is_plainly_so_and_its_image_ready() -> None:
    read = volume("307")
    assert read.plainly_detached
    assert read.image_ready
    assert not read.engine_node


def test_ticket_that_waits_says_why() -> None:
    ticket = volume("107").ticket("backup-client-2")
    assert ticket is not None
    assert not ticket.satisfied
    assert ticket.message == "the volume is currently attached to different node node-2"


def test_ticket_of_longhorns_own_controller_does_not_ask_for_a_disabled_frontend() -> None:
    ticket = volume("232").ticket("backup-controller-backup-5a3e32666edb4ab3")
    assert ticket is not None
    assert not ticket.frontend_disabled


def test_pods_and_claim_are_read() -> None:
    read = volume("502")
    assert (read.pvc_namespace, read.pvc) == ("default", "rec-w")
    assert [(pod.name, pod.status) for pod in read.pods] == [("pod-rec-w-node-3", "Running")]
    assert any(ticket.of_workload for ticket in read.tickets)


def test_running_backup_shows_its_progress() -> None:
    progress = volume("232").backup("backup-5a3e32666edb4ab3")
    assert progress is not None
    assert (progress.snapshot, progress.state, progress.progress) == ("snap-2", "InProgress", 57)


def test_volume_made_from_a_backup_restores_until_longhorn_requires_it_no_more() -> None:
    assert volume("840").restoring
    assert volume("840", restoreInitiated=True, restoreRequired=True).restoring
    assert not volume("841").restoring
    assert volume("841").origin_data.startswith("s3://")


@pytest.mark.parametrize(("state", "restoring"), [("initiated", True), ("failed", True), ("completed", False)])
def test_clone_is_restoring_until_it_is_completed(state: str, restoring: bool) -> None:
    read = volume("307", dataSource="vol://other", cloneStatus={"state": state})
    assert read.restoring is restoring
    assert read.origin_data == "vol://other"


def test_engine_upgrade_under_way_is_not_ready_attached_or_not() -> None:
    assert not volume("103", image="longhorn-engine:v2").image_ready
    assert not volume("307", image="longhorn-engine:v2").image_ready


def test_volume_that_no_controller_has_seen_yet_has_no_wrong_image() -> None:
    assert volume("043").image_ready


def test_conditions_tell_scheduling_and_too_many_snapshots() -> None:
    assert not volume("056").scheduled
    assert volume("042").scheduled
    many = {"TooManySnapshots": {"type": "TooManySnapshots", "status": "True"}}
    assert volume("307", conditions=many).too_many_snapshots
    assert not volume("307").too_many_snapshots


def test_null_stands_for_an_empty_list_or_map() -> None:
    absent = dict.fromkeys(("conditions", "controllers", "replicas", "backupStatus", "kubernetesStatus"))
    read = volume("103", **absent, volumeAttachment=None, cloneStatus=None)
    assert (read.engines, read.replicas, read.tickets, read.backups, read.pods) == ((), (), (), (), ())
    assert volume("103", volumeAttachment={"attachments": None}).tickets == ()
    assert decode_volumes(b'{"type":"collection","data":null}') == ((), ())


def test_fields_of_a_newer_longhorn_do_no_harm() -> None:
    assert volume("103", future={"deep": [1, None]}) == volume("103")


def test_volume_of_an_older_longhorn_gets_what_was_true_then() -> None:
    old = {"name": "v", "size": "1024", "state": "detached", "engineImage": "e:1", "currentImage": "e:1"}
    read = wire.decode_volume(json.dumps({**old, "backendStoreDriver": "v2"}).encode())
    assert (read.data_engine, read.backup_target, read.access_mode, read.restoring) == ("v2", "default", "rwo", False)
    assert read.image_ready


@pytest.mark.parametrize("missing", ["name", "size", "state"])
def test_volume_without_what_matters_is_no_volume(missing: str) -> None:
    body = recorded("103")["response"]["body"]
    del body[missing]
    with pytest.raises(WrongShape):
        wire.decode_volume(json.dumps(body).encode())


def test_broken_volume_in_a_list_is_named_and_does_not_hide_the_others() -> None:
    good = recorded("103")["response"]["body"]
    raw = listed(good, {**good, "name": "odd", "size": "big"}, 17, {**good, "name": "odder", "replicas": "none"})
    volumes, broken = decode_volumes(raw)
    assert [v.name for v in volumes] == ["rec-a"]
    assert [b.name for b in broken] == ["odd", "", "odder"]
    assert "big" in broken[0].reason


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b'{"data":[]}', b'{"type":"error","data":[]}', b"\xff\xfe"]
)
def test_what_is_not_a_list_is_never_an_empty_one(raw: bytes) -> None:
    with pytest.raises(WrongShape):
        decode_volumes(raw)
    with pytest.raises(WrongShape):
        wire.decode_backups(raw)


def test_cut_answer_is_no_answer() -> None:
    raw = answer("220")
    with pytest.raises(WrongShape):
        wire.decode_chain(raw[: len(raw) // 2])


def test_chain_with_one_unreadable_snapshot_is_unreadable() -> None:
    head = {"name": "volume-head", "size": "0", "parent": "s"}
    with pytest.raises(WrongShape):
        wire.decode_chain(listed(head, {"name": "s", "size": "?"}))
    with pytest.raises(WrongShape, match="one name"):
        wire.decode_chain(listed(head, head))


def test_head_stands_on_the_snapshot_it_names() -> None:
    head = wire.decode_chain(answer("294")).head
    assert head is not None
    assert head.parent == "snap-3"
    assert wire.decode_chain(answer("294")).snapshots["snap-3"].removed


def test_failed_backup_has_neither_labels_nor_sizes() -> None:
    backups = {backup.name: backup for backup in wire.decode_backups(answer("281"))}
    failed = backups["backup-16efd653cf5a4f50"]
    assert (failed.state, failed.size, failed.created, dict(failed.labels)) == ("Error", 0, None, {})
    assert "no space" in failed.error


def test_node_that_is_not_ready_says_why() -> None:
    (node,) = wire.decode_nodes(listed(recorded("560")["response"]["body"]))
    assert not node.ready
    assert "NodeStatusUnknown" in node.message


def test_node_that_does_not_say_whether_it_is_ready_is_not() -> None:
    (node,) = wire.decode_nodes(listed({"name": "n"}))
    assert not node.ready


@pytest.mark.parametrize(
    ("changed", "cordoned"),
    [
        ({"allowScheduling": False}, True),
        ({"conditions": {"Schedulable": {"status": "False", "reason": "KubernetesNodeCordoned"}}}, True),
        ({"conditions": {"Schedulable": {"status": "False", "reason": "DiskPressure"}}}, False),
        ({"conditions": None}, False),
    ],
)
def test_node_is_cordoned_in_longhorn_or_in_kubernetes(changed: dict[str, Any], cordoned: bool) -> None:
    (node,) = wire.decode_nodes(listed({"name": "n", **changed}))
    assert node.cordoned is cordoned


def test_unavailable_target_says_why_in_few_printable_words() -> None:
    (target,) = wire.decode_targets(listed(recorded("270")["response"]["body"]))
    assert not target.available
    assert len(target.message) <= SHOWN
    assert target.message.isprintable()


@pytest.mark.parametrize(("value", "setting"), [("true", "true"), ("True", "true"), ("1", "true"), ("f", "false")])
def test_setting_is_read_as_go_reads_a_boolean(value: str, setting: str) -> None:
    assert wire.decode_setting(json.dumps({"value": value}).encode()) == setting


def test_setting_that_is_neither_is_not_guessed() -> None:
    with pytest.raises(WrongShape, match="neither"):
        wire.decode_setting(b'{"value":""}')


def test_volume_without_any_job_is_in_the_default_group() -> None:
    assert wire.decode_groups(listed()) == Membership(groups=frozenset({"default"}))
    own = wire.decode_groups(listed({"name": "nightly", "isGroup": False}))
    assert own == Membership(jobs=frozenset({"nightly"}))


def test_engine_image_is_usable_where_it_is_deployed() -> None:
    images = wire.decode_engine_images(
        listed(
            {"image": "a", "state": "deploying", "nodeDeploymentMap": {"n1": True, "n2": False}},
            {"image": "b", "state": "error", "nodeDeploymentMap": {"n1": True}},
            {"image": "c", "state": "deployed", "incompatible": True, "nodeDeploymentMap": {"n1": True}},
        )
    )
    assert images == {"a": {"n1"}, "b": set(), "c": set()}


def test_schema_without_attachment_ids_is_of_the_old_generation() -> None:
    fields: dict[str, dict[str, str]] = {"hostId": {}, "disableFrontend": {}, "attachedBy": {}}
    raw = json.dumps({"id": "attachInput", "resourceFields": fields}).encode()
    assert wire.decode_generation(raw) is wire.Generation.SINGLE


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-11-22T11:31:43Z", datetime(2026, 11, 22, 11, 31, 43, tzinfo=UTC)),
        ("2026-11-22T12:31:43.123456789+01:00", datetime(2026, 11, 22, 11, 31, 43, 123456, tzinfo=UTC)),
        ("2026-11-22 11:31:01 +0000 UTC", datetime(2026, 11, 22, 11, 31, 1, tzinfo=UTC)),
        ("2026-11-22T11:31:43", None),
        ("0001-01-01 00:00:00 +0000 UTC", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_time_is_read_or_unknown(text: str, when: datetime | None) -> None:
    assert moment(text) == when


@pytest.mark.parametrize("value", ["-1", "1.5", " 1", "\u0661", "1e3", -1, LARGEST + 1, "9" * 5000])
def test_size_that_is_none_is_an_error(value: int | str) -> None:
    with pytest.raises(WrongShape):
        size(value, "size")


@pytest.mark.parametrize(("value", "number"), [("", 0), (None, 0), ("0", 0), ("42", 42), (42, 42), (LARGEST, LARGEST)])
def test_size_is_read_in_either_spelling(value: int | str | None, number: int) -> None:
    assert size(value, "size") == number


def test_snapshot_records_have_their_labels_and_a_volume_without_any_has_none() -> None:
    (record,) = wire.decode_snapshot_records(answer("831"))
    assert record.name == "nightly--8f8de099-3629-4ea8-b60c-d75106f89c3c"
    assert record.labels == {"RecurringJob": "nightly", "by": "me"}
    assert record.created == datetime(2026, 11, 22, 11, 43, 14, tzinfo=UTC)
    assert not record.removed
    assert wire.decode_snapshot_records(answer("322")) == ()
