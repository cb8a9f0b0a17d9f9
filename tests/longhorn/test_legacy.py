"""Longhorn before tickets, as its source has it: no recording of it exists, so a small model of it answers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lhbackupd.core.cluster import BackupProgress
from lhbackupd.core.naming import TicketName
from lhbackupd.core.recurring import Membership
from lhbackupd.longhorn import legacywire
from lhbackupd.longhorn.api import Api, Release
from lhbackupd.longhorn.errors import LonghornError, Missing, Refused, Unreachable, WrongShape
from lhbackupd.longhorn.legacy import Legacy
from tests.longhorn.replay import client

OURS = str(TicketName(instance="a", journal="j", run="r1", deadline=datetime(2026, 3, 2, 2, tzinfo=UTC)))
OTHER = str(TicketName(instance="b", journal="k", run="r9", deadline=datetime(2026, 3, 2, 2, tzinfo=UTC)))


def volume(**fields: Any) -> dict[str, Any]:
    plain = {"type": "volume", "name": "v", "size": "1024", "state": "detached", "lastAttachedBy": "", "actions": {}}
    return plain | {"disableFrontend": False, "controllers": [], "backupStatus": []} | fields


def attached(by: str, *, disabled: bool = True, node: str = "n1", **fields: Any) -> dict[str, Any]:
    engine = {"hostId": node, "running": True}
    return volume(state="attached", lastAttachedBy=by, disableFrontend=disabled, controllers=[engine], **fields)


@dataclass
class Old:
    """Answers for one volume, and notes what was asked of it."""

    volume: dict[str, Any] | None
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    changed: list[tuple[str, Any]] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        action = request.url.params.get("action")
        if request.url.path in self.answers:
            status, body = self.answers[request.url.path]
            return httpx.Response(status, content=body)
        if action in self.answers:
            status, body = self.answers[action]
            self.changed.append((action, json.loads(request.content or b"{}")))
            return httpx.Response(status, content=body) if isinstance(body, str) else httpx.Response(status, json=body)
        if action is not None:
            self.changed.append((action, json.loads(request.content or b"{}")))
        return httpx.Response(404) if self.volume is None else httpx.Response(200, json=self.volume)

    @property
    def legacy(self) -> Legacy:
        return Legacy(longhorn=client(self))


def refused(message: str) -> tuple[int, Any]:
    return 500, {"type": "error", "message": message, "status": 500}


def listed(*data: Any) -> tuple[int, Any]:
    return 200, {"type": "collection", "data": list(data)}


@settings(deadline=None)  # each example makes a client with its TLS context
@given(
    by=st.sampled_from(["", "job", "lhbackupd", "lhbackupd:a", OTHER, OURS]) | st.text(max_size=30),
    disabled=st.booleans(),
    state=st.sampled_from(["attached", "attaching", "detached", "detaching", "", "creating"]),
    running=st.booleans(),
    expanding=st.booleans(),
)
async def test_detach_is_sent_only_for_what_we_have_attached(
    by: str, disabled: bool, state: str, running: bool, expanding: bool
) -> None:
    engine = {"hostId": "n1", "running": running, "isExpanding": expanding}
    old = Old(volume(state=state, lastAttachedBy=by, disableFrontend=disabled, controllers=[engine]))
    await old.legacy.detach("v", OURS)
    ours = by == OURS and disabled and not expanding
    assert old.changed == ([("detach", {"hostId": "n1"})] if ours else [])


@pytest.mark.parametrize("ticket", ["", OURS])
async def test_detach_of_a_volume_that_is_gone_or_of_no_ticket_changes_nothing(ticket: str) -> None:
    old = Old(None if ticket else attached(""))
    with pytest.raises((Missing, ValueError)):
        await old.legacy.detach("v", ticket)
    assert old.changed == []


async def test_our_name_goes_whole_into_the_attachment() -> None:
    old = Old(volume())
    await old.legacy.attach("v", "n1", OURS, "lhbackupd:a")
    assert old.changed == [("attach", {"hostId": "n1", "disableFrontend": True, "attachedBy": OURS})]


@pytest.mark.parametrize("by", ["", "job", OTHER, OURS])
async def test_a_volume_that_is_attached_is_not_asked_for(by: str) -> None:
    old = Old(attached(by))
    await old.legacy.attach("v", "n1", OURS, "lhbackupd:a")
    assert old.changed == []


@pytest.mark.parametrize("shown", [volume(accessMode="rwx"), volume(accessMode="rwx", migratable=True)])
async def test_a_shared_volume_is_not_asked_for(shown: dict[str, Any]) -> None:
    old = Old(shown)
    with pytest.raises(Refused, match="RWX"):
        await old.legacy.attach("v", "n1", OURS, "lhbackupd:a")
    assert old.changed == []


@pytest.mark.parametrize(
    ("shown", "tickets"),
    [
        (attached(OURS), [(OURS, "longhorn-api", True)]),
        (volume(state="attaching", lastAttachedBy=OURS, disableFrontend=True), [(OURS, "longhorn-api", False)]),
        (volume(lastAttachedBy=OURS, disableFrontend=True), [(OURS, "longhorn-api", False)]),
        (volume(lastAttachedBy=OURS), []),
        (attached(OURS, disabled=False), [(f"attachedBy={OURS}", "other-client", True)]),
        (attached("job"), [("attachedBy=job", "other-client", True)]),
        (attached("", disabled=False), [("attachedBy=", "other-client", True)]),
        (volume(state="attaching"), [("attachedBy=", "other-client", False)]),
        (volume(state="detaching", lastAttachedBy="job"), []),
    ],
)
async def test_an_attachment_is_shown_as_the_one_ticket_that_it_comes_to(
    shown: dict[str, Any], tickets: list[Any]
) -> None:
    found = await Old(shown).legacy.volume("v")
    assert found is not None
    assert [(ticket.id, ticket.kind, ticket.satisfied) for ticket in found.tickets] == tickets


SNAPSHOT = {"name": "s", "size": "4096", "parent": "", "created": "2026-03-02T01:00:00Z"}


@pytest.mark.parametrize(
    ("answers", "raises"),
    [
        ({"snapshotCreate": (200, {"type": "snapshot"})}, None),
        ({"snapshotCreate": refused("whatever words"), "snapshotList": listed(SNAPSHOT)}, None),
        ({"snapshotCreate": refused("whatever words"), "snapshotList": listed()}, Refused),
        ({"snapshotCreate": refused("no"), "snapshotList": refused("engine is not running")}, Refused),
    ],
)
async def test_a_snapshot_of_that_name_is_success_whatever_the_engine_calls_it(
    answers: dict[str, Any], raises: type[LonghornError] | None
) -> None:
    legacy = Old(attached(OURS), answers).legacy
    if raises is None:
        await legacy.create_snapshot("v", "s", {})
    else:
        with pytest.raises(raises):
            await legacy.create_snapshot("v", "s", {})


@pytest.mark.parametrize(("data", "ready"), [([SNAPSHOT], True), ([SNAPSHOT | {"removed": True}], False), ([], None)])
async def test_a_snapshot_is_ready_once_the_engine_lists_it(data: list[Any], ready: bool | None) -> None:
    found = await Old(attached(OURS), {"snapshotList": listed(*data)}).legacy.snapshot_ready("v", "s")
    assert (found.ready if found else None) is ready


async def test_a_deleted_snapshot_is_merged_as_well() -> None:
    old = Old(attached(OURS))
    await old.legacy.delete_snapshot("v", "s")
    assert [action for action, _ in old.changed] == ["snapshotDelete", "snapshotPurge"]


DONE = {"name": "b", "snapshotName": "s", "created": "2026-03-02T01:05:00Z", "labels": {"k": "v"}, "size": "4096"}


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        (DONE, "Completed"),
        (DONE | {"messages": {"error": "cannot read"}}, "Unknown"),
        (DONE | {"created": ""}, "Unknown"),
        (DONE | {"state": "InProgress"}, "InProgress"),
        (DONE | {"state": ""}, ""),
        (DONE | {"state": "Completed"}, "Completed"),
    ],
)
def test_a_backup_without_a_state_is_completed_only_if_it_says_when_and_no_error(
    entry: dict[str, Any], state: str
) -> None:
    (backup,) = legacywire.decode_backups(json.dumps({"type": "collection", "data": [entry]}).encode(), "v")
    assert (backup.state, backup.volume, backup.target) == (state, "v", "default")


@pytest.mark.parametrize(
    ("said", "state"), [("in_progress", "InProgress"), ("complete", "InProgress"), ("error", "Error")]
)
async def test_a_backup_that_only_the_engine_shows_is_found_and_not_taken_for_completed(said: str, state: str) -> None:
    status = {"id": "b2", "snapshot": "s", "state": said, "progress": 100}
    old = Old(attached(OURS, backupStatus=[status]), {"backupList": listed(DONE)})
    assert [(b.name, b.state) for b in await old.legacy.backups("v")] == [("b", "Completed"), ("b2", state)]


async def test_a_backup_that_is_listed_is_not_shown_twice_and_one_without_a_snapshot_is_nobodys() -> None:
    status = [{"id": "b", "snapshot": "s", "state": "complete"}, {"id": "b2", "snapshot": "", "state": ""}]
    old = Old(attached(OURS, backupStatus=status), {"backupList": listed(DONE)})
    assert [backup.name for backup in await old.legacy.backups("v")] == ["b"]


async def test_the_engines_words_are_todays_in_a_volume() -> None:
    found = await Old(attached(OURS, backupStatus=[{"id": "b", "snapshot": "s", "state": "complete"}])).legacy.volume(
        "v"
    )
    assert found is not None
    assert found.backups == (BackupProgress(name="b", snapshot="s", state="Completed", progress=0),)


async def test_a_backup_that_is_gone_needs_no_deleting() -> None:
    gone = 404, {"type": "error", "message": 'backups.longhorn.io "b" not found'}
    await Old(volume(), {"backupDelete": gone}).legacy.delete_backup("v", "b")


PLAIN = 404, "404 page not found\n"


async def test_groups_are_none_where_longhorn_knows_none_and_an_error_where_it_did_not_answer() -> None:
    assert await Old(volume(), {"recurringJobList": PLAIN}).legacy.groups("v") == Membership()
    with pytest.raises(Unreachable):
        await Old(volume(), {"recurringJobList": (503, "")}).legacy.groups("v")


async def test_jobs_are_not_known_where_longhorn_lists_none_and_an_error_where_it_did_not_answer() -> None:
    assert await Old(volume(), {"/v1/recurringjobs": PLAIN}).legacy.jobs() is None
    with pytest.raises(Unreachable):
        await Old(volume(), {"/v1/recurringjobs": (503, "")}).legacy.jobs()


@pytest.mark.parametrize(("status", "body", "count"), [(404, "404 page not found\n", 0), (200, None, 1)])
async def test_a_target_is_unknown_where_there_is_no_list_of_targets(status: int, body: str | None, count: int) -> None:
    target = {"id": "default", "type": "backupTarget", "available": False, "message": "no"}

    async def handler(_: httpx.Request) -> httpx.Response:
        return (
            httpx.Response(status, json={"type": "collection", "data": [target]})
            if body is None
            else (httpx.Response(status, text=body))
        )

    assert len(await Legacy(longhorn=client(handler)).targets()) == count


async def test_a_target_that_could_not_be_asked_for_is_an_error() -> None:
    async def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    with pytest.raises(Unreachable):
        await Legacy(longhorn=client(handler)).targets()


def schema(name: str, part: str, *names: str) -> dict[str, Any]:
    return {"id": name, "type": "schema", part: {one: {} for one in names}}


@dataclass
class Speaking:
    """A Longhorn that can be replaced by another release, or be away."""

    tickets: bool = True
    by_volume: bool = True
    away: bool = False
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        action = request.url.params.get("action")
        self.asked.append(action or request.url.path.rpartition("/")[2])
        if self.away:
            return httpx.Response(503)
        match action or request.url.path:
            case "/v1/schemas/attachInput":
                body = schema("attachInput", "resourceFields", "hostId", *(["attachmentID"] if self.tickets else []))
            case "/v1/schemas/backupVolume":
                by_volume = ["backupListByVolume"] if self.by_volume else []
                body = schema("backupVolume", "resourceActions", "backupList", *by_volume)
            case "backupList" | "backupListByVolume":
                body = {"type": "collection", "data": [DONE | {"state": "Completed"}]}
            case _:
                body = volume()
        return httpx.Response(200, json=body)


@pytest.mark.parametrize(
    ("tickets", "by_volume", "release", "action"),
    [
        (True, True, Release.NEW, "backupListByVolume"),
        (True, False, Release.MIDDLE, "backupList"),
        (False, False, Release.OLD, "backupList"),
    ],
)
async def test_each_release_is_asked_in_its_language(
    tickets: bool, by_volume: bool, release: Release, action: str
) -> None:
    speaking = Speaking(tickets=tickets, by_volume=by_volume)
    api = Api(longhorn=client(speaking))
    assert [backup.name for backup in await api.backups("v")] == ["b"]
    assert api.release is release
    assert action in speaking.asked


async def test_what_it_is_is_asked_once_and_again_after_no_answer() -> None:
    speaking = Speaking()
    api = Api(longhorn=client(speaking))
    await api.volume("v")
    await api.volume("v")
    assert speaking.asked.count("attachInput") == 1
    speaking.away = True
    with pytest.raises(Unreachable):
        await api.volume("v")
    speaking.away, speaking.tickets = False, False
    await api.volume("v")
    assert api.release is Release.OLD


@pytest.mark.parametrize("change", [lambda api: api.attach("v", "n1", OURS, "us"), lambda api: api.detach("v", OURS)])
async def test_a_release_without_tickets_is_asked_what_it_is_before_it_is_told_to_attach_or_detach(
    change: Callable[[Api], Any],
) -> None:
    speaking = Speaking(tickets=False)
    api = Api(longhorn=client(speaking))
    await api.volume("v")
    speaking.tickets = True  # it has been upgraded meanwhile
    await change(api)
    assert api.release is Release.NEW


async def test_a_schema_that_makes_no_sense_is_no_release() -> None:
    async def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="[]")

    api = Api(longhorn=client(handler))
    with pytest.raises(WrongShape):
        await api.volume("v")
    assert api.release is None
