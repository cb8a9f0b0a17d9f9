"""Longhorn's REST API as methods.

Every method sends one request and gives one value, or raises an error of the tree in `errors`; none retries (but once
after a 401, with the secret read anew: a request that was not let in did nothing). Retrying is for those who know
whether asking twice is harmless. An exchange has one time limit, from the wait for a connection to the last byte, and a
limit of bytes.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from lhbackupd.core.cluster import Backup, Chain, Node, Setting, Snapshot, SnapshotReadiness, Target, Volume
from lhbackupd.core.recurring import Membership, NativeJob
from lhbackupd.longhorn import attaches, wire
from lhbackupd.longhorn.body import OFFLOAD, Offload, read_body
from lhbackupd.longhorn.connections import FAILURES, NOT_SENT, Connections, Transport
from lhbackupd.longhorn.credentials import Credentials
from lhbackupd.longhorn.errors import Missing, Refused, Unreachable, WrongShape, visible
from lhbackupd.longhorn.listing import Listing
from lhbackupd.longhorn.request import (
    LIST,
    Exchange,
    Request,
    address,
    change,
    change_backups,
    look,
    look_at_backups,
    own,
)
from lhbackupd.longhorn.verdict import UNAUTHORISED, Answer, fault_of

SETTING = "allow-recurring-job-while-volume-detached"
#: requests that are under way at once
CONNECTIONS = 8

T = TypeVar("T")


class Longhorn:
    """A client of one Longhorn at `url` (a path before `/v1` is kept), which is not contacted before the first call.

    Raises ValueError for a URL that is none or holds credentials, for credentials of two kinds or half of one, and
    OSError (ssl.SSLError is one) for certificates that cannot be read. `timeout` is seconds for a whole exchange.
    """

    def __init__(
        self,
        *,
        url: str,
        timeout: float = 30.0,
        token_file: Path | None = None,
        username: str = "",
        password_file: Path | None = None,
        ca_file: Path | None = None,
        client_cert: Path | None = None,
        client_key: Path | None = None,
        transport: Transport | None = None,
        observe: Callable[[Exchange], None] | None = None,
        max_connections: int = CONNECTIONS,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        self._base = address(url)
        self._credentials = Credentials(token_file=token_file, username=username, password_file=password_file)
        self._timeout = timeout
        self._observe = observe
        self._offload = offload
        self._identity = (client_cert, client_key) if client_cert else None
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._read_identity()
        # a connection that cannot be had is told apart from an answer that does not come
        self._connections = Connections(count=max_connections, tls=self._tls, patience=timeout / 3, transport=transport)
        self._listing = Listing()
        #: the `Date` of the last answer, by which a wrong clock is noticed; None before the first
        self.server_date: datetime | None = None

    async def aclose(self) -> None:
        """Close all connections; the client is of no use afterwards."""
        await self._connections.aclose()

    # What is there

    async def setting(self) -> Setting:
        """ALLOWED, FORBIDDEN, or ABSENT where this Longhorn does not know it [019]; never UNREAD: that raises."""
        try:
            return await self._get(f"/v1/settings/{SETTING}", wire.decode_setting)
        except Missing:
            return Setting.ABSENT
        except Refused as error:
            if f"setting {SETTING} is not supported" in error.what:
                return Setting.ABSENT
            raise

    async def volumes(self) -> tuple[tuple[Volume, ...], tuple[wire.Broken, ...]]:
        """All volumes, and those in the list that could not be read."""
        reading = self._listing.reading()
        return await self.value(Request(method="GET", route="/v1/volumes", limit=LIST, pieces=reading), reading.finish)

    async def volume(self, name: str) -> Volume | None:
        """One volume; None once Longhorn says that it is not there [041]."""
        request = Request(method="GET", route="/v1/volumes/{name}", name=name, bodiless=True)
        try:
            return await self.value(request, wire.decode_volume)
        except Missing:
            return None

    async def nodes(self) -> tuple[Node, ...]:
        return await self._get("/v1/nodes", wire.decode_nodes)

    async def targets(self) -> tuple[Target, ...]:
        return await self._get("/v1/backuptargets", wire.decode_targets)

    async def engine_images(self) -> Mapping[str, frozenset[str]]:
        """Engine images, each with the nodes on which it can be used."""
        return await self._get("/v1/engineimages", wire.decode_engine_images)

    async def backup_volumes(self) -> tuple[wire.BackupVolume, ...]:
        return await self._get("/v1/backupvolumes", wire.decode_backup_volumes)

    async def generation(self) -> wire.Generation:
        """Whether this Longhorn knows attachment tickets."""
        return await self._get("/v1/schemas/attachInput", wire.decode_generation)

    async def jobs(self) -> tuple[NativeJob, ...]:
        return await self._get("/v1/recurringjobs", wire.decode_jobs)

    async def attaches(self) -> attaches.Attaches:
        """The attaches that Kubernetes still has events of."""
        reading = attaches.Reading()
        return await self.value(Request(method="GET", route="/v1/events", limit=LIST, pieces=reading), reading.finish)

    async def groups(self, volume: str) -> Membership:
        return await self.value(look(volume, "recurringJobList"), wire.decode_groups)

    async def snapshots(self, volume: str) -> Chain:
        """The snapshots and the head; Refused while the engine does not run [321]."""
        return await self.value(look(volume, "snapshotList"), wire.decode_chain)

    async def snapshot_ready(self, volume: str, name: str) -> SnapshotReadiness | None:
        """How far a snapshot that was asked for is; None if it is not there [210]."""
        try:
            return await self.value(
                look(volume, "snapshotCRGet", name=name), lambda raw: wire.decode_readiness(raw, volume)
            )
        except Missing:
            return None

    async def snapshot_records(self, volume: str) -> tuple[Snapshot, ...]:
        """The snapshot CRs, of a detached volume too [322]; parents and sizes are not read."""
        return await self.value(look(volume, "snapshotCRList"), wire.decode_snapshot_records)

    async def backups(self, volume: str) -> tuple[Backup, ...]:
        """All backups of a volume's name on its present target; Longhorn reads the name of the body alone [248]."""
        return await self.value(look_at_backups(volume, "backupListByVolume", name=volume), wire.decode_backups)

    # What changes something

    async def attach(self, volume: str, node: str, ticket: str, attached_by: str) -> None:
        """Ask for a volume by a ticket, the frontend disabled; look at the volume for whether it was granted.

        Longhorn answers before anything has happened, with a volume that lacks engines and replicas [100], which
        therefore is not returned. ValueError for an empty ticket, which would be shared with others.
        """
        body = {"hostId": node, "disableFrontend": True, "attachedBy": attached_by}
        body |= {"attacherType": "longhorn-api", "attachmentID": own(ticket)}
        await self.value(change(volume, "attach", body), wire.decode_acknowledgement)

    async def detach(self, volume: str, ticket: str) -> None:
        """Withdraw one ticket; Longhorn says yes to a ticket that is not there as well [300], so read back."""
        await self.value(change(volume, "detach", {"attachmentID": own(ticket)}), wire.decode_acknowledgement)

    async def create_snapshot(self, volume: str, name: str, labels: Mapping[str, str]) -> None:
        """Ask for a snapshot; one of that name is success [214], since its name is ours. See `snapshot_ready`."""
        try:
            request = change(volume, "snapshotCRCreate", {"name": name, "labels": dict(labels)})
            await self.value(request, wire.decode_acknowledgement)
        except Refused as error:
            if "already exists" not in error.what:
                raise

    async def delete_snapshot(self, volume: str, name: str) -> None:
        """Ask for a snapshot's end; one that is not there is success [292]."""
        await self.value(change(volume, "snapshotCRDelete", {"name": name}), wire.decode_acknowledgement)

    async def backup(self, volume: str, snapshot: str, labels: Mapping[str, str], *, full: bool = False) -> Volume:
        """Start a backup; asking twice makes two [264, 265]. The answer's `backups` has it, without its snapshot."""
        body = {"name": snapshot, "labels": dict(labels), "backupMode": "full" if full else "incremental"}
        return await self.value(change(volume, "snapshotBackup", body), wire.decode_volume)

    async def delete_backup(self, volume: str, name: str) -> None:
        """Ask for a backup's end, a running one's as well; one that is not there is success [283]."""
        await self.value(change_backups(volume, "backupDelete", {"name": name}), wire.decode_acknowledgement)

    # How

    async def _get(self, route: str, decode: Callable[[bytes], T]) -> T:
        return await self.value(Request(method="GET", route=route, limit=LIST), decode)

    async def value(self, request: Request, decode: Callable[[bytes], T]) -> T:
        """What `decode` makes of the answer to `request`; the methods above are all made of this."""
        if request.nameless:
            raise Missing(f"nothing can be called {request.name!r}", tried=request.tried)
        answer = await self._send(request)
        if answer.status == UNAUTHORISED and self._credentials.forget():
            answer = await self._send(request)
        fault = fault_of(answer, tried=request.tried, writes=request.writes, bodiless=request.bodiless)
        if fault is not None:
            raise fault
        try:
            return await self._offload(decode, answer.body) if len(answer.body) > OFFLOAD else decode(answer.body)
        except WrongShape as error:
            raise WrongShape(error.what, tried=request.tried, ambiguous=request.writes) from error.__cause__

    async def _send(self, request: Request) -> Answer:
        loop = asyncio.get_running_loop()
        start, status, error = loop.time(), None, ""
        try:
            answer = await self._exchange(request)
            status = answer.status
        except BaseException as reason:
            error = type(reason).__name__
            raise
        else:
            return answer
        finally:
            if self._observe is not None:
                method, route, seconds = request.method, request.route, loop.time() - start
                self._observe(Exchange(method=method, route=route, seconds=seconds, status=status, error=error))

    async def _exchange(self, request: Request) -> Answer:
        headers = await self._credentials.headers()
        if (content := request.content) is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._connections.answer(
                    request.method, self._base + request.path, headers=headers, content=content
                ) as came,
            ):
                self.server_date = _moment(came.headers.get("Date", "")) or self.server_date
                return Answer(
                    status=came.status_code,
                    body=await read_body(came.status_code, came.aiter_bytes(), request, self._offload),
                    location=came.headers.get("Location", ""),
                )
        except FAILURES as error:
            self._lost()
            what = f"{type(error).__name__} {visible(str(error))}".strip()
            ambiguous = request.writes and not isinstance(error, NOT_SENT)
            raise Unreachable(what, tried=request.tried, ambiguous=ambiguous) from error

    def _lost(self) -> None:
        """Read secrets anew for the next connection; a pair half-way through its replacement is read once more then."""
        self._credentials.forget()
        with contextlib.suppress(OSError):
            self._read_identity()

    def _read_identity(self) -> None:
        if self._identity is not None:
            # a key that wants a passphrase fails instead of asking the terminal for it
            self._tls.load_cert_chain(*self._identity, password="")


@lru_cache(maxsize=1)  # a hundred answers may come in one second
def _moment(date: str) -> datetime | None:
    """When an answer says that it was made; None where it does not."""
    try:
        when = parsedate_to_datetime(date)
        return when.astimezone(UTC) if when.tzinfo is not None else None
    except (ValueError, OverflowError):  # the year 9999 has an end
        return None
