"""What is asked of Longhorn, and what came of it: requests as values.

URLs are built here and nowhere else, because the links in Longhorn's answers may carry the address of another manager's
pod. Names go into paths quoted; a name of nothing but dots would climb the path and is refused by the client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

import msgspec

from lhbackupd.longhorn.errors import visible

#: bytes of an answer that are read at most: of one thing, and of a list (10,000 volumes are 90 MB)
ONE = 16 * 2**20
LIST = 512 * 2**20

NO_ADDRESS = "not the address of a Longhorn, like http://longhorn-backend:9500"

_VOLUME = "/v1/volumes/{{name}}?action={}"
#: any path element will do: Longhorn goes by the body [248, 251], before the first backup volume exists as well
_BACKUPS = "/v1/backupvolumes/{{name}}?action={}"


class Pieces(Protocol):
    """What takes an answer's bytes as they come, and says in the end what is left to be decoded."""

    def feed(self, part: bytes, /) -> None: ...
    def rest(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `route` is its path with `{name}` for the name in it."""

    method: str
    route: str
    name: str = ""
    body: Mapping[str, object] | None = None
    #: whether it changes something in the cluster
    writes: bool = False
    #: whether Longhorn's 404 to it has no body
    bodiless: bool = False
    limit: int = ONE
    #: takes a list apart while it comes in
    pieces: Pieces | None = None

    @property
    def path(self) -> str:
        return self.route.replace("{name}", quote(self.name, safe="", errors="replace"))

    @property
    def nameless(self) -> bool:
        """Whether the name in the path is none: with it the request would ask for something else."""
        return "{name}" in self.route and not self.name.strip(".")

    @property
    def content(self) -> bytes | None:
        return None if self.body is None else msgspec.json.encode(self.body)

    @property
    def tried(self) -> str:
        return f"{self.method} {visible(self.path)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its end, for metrics; `route` holds no names and so has few values."""

    method: str
    #: for example `/v1/volumes/{name}?action=attach`
    route: str
    seconds: float
    #: None where no answer came
    status: int | None = None
    #: class of the error that came of it before the answer was decoded, or ""
    error: str = ""


def look(volume: str, action: str, **body: str) -> Request:
    """An action on a volume that changes nothing, although it is a POST."""
    return Request(method="POST", route=_VOLUME.format(action), name=volume, body=body)


def change(volume: str, action: str, body: Mapping[str, object]) -> Request:
    """An action on a volume that changes something."""
    return Request(method="POST", route=_VOLUME.format(action), name=volume, body=body, writes=True)


def look_at_backups(volume: str, action: str, **body: str) -> Request:
    """The like of `look` for a volume's backups."""
    return Request(method="POST", route=_BACKUPS.format(action), name=volume, body=body)


def change_backups(volume: str, action: str, body: Mapping[str, object]) -> Request:
    """The like of `change` for a volume's backups."""
    return Request(method="POST", route=_BACKUPS.format(action), name=volume, body=body, writes=True)


def own(ticket: str) -> str:
    """A ticket's id; ValueError for the empty one, which all clients share that name none [112]."""
    if not ticket:
        raise ValueError("a ticket without an id is shared by all clients that name none")
    return ticket


def address(url: str) -> str:
    """What comes before `/v1` in every path. ValueError, without the URL in it, for what will not do."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        # without the cause: a password with a slash reads as a bad port, and the library's words would show it
        raise ValueError(NO_ADDRESS) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong into a URL: use token_file, or username and password_file")
    if not sound or parts.query or parts.fragment:
        raise ValueError(NO_ADDRESS)
    return url.rstrip("/").removesuffix("/v1")
