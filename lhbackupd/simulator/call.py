"""One request to the simulated Longhorn, and its answer.

Handlers are plain functions from a Call to an Answer; they know no HTTP library. `base` is the address by
which the client called us; `owner_base` the one of the manager that Longhorn would have passed the request on
to.
"""

from dataclasses import dataclass, field
from typing import Any

from lhbackupd.simulator.gojson import Struct, read
from lhbackupd.simulator.model import Volume
from lhbackupd.simulator.world import World

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


@dataclass(slots=True)
class Call:
    """A request, taken apart."""

    world: World
    method: str
    path: str
    action: str
    body: bytes
    base: str
    names: dict[str, str] = field(default_factory=dict)
    link_base: str = ""

    @property
    def name(self) -> str:
        """The resource's name in the path."""
        return self.names.get("name", "")

    @property
    def url(self) -> str:
        """This request's address without its query."""
        return f"{self.link_base or self.base}{self.path}"

    def read(self, struct: Struct) -> dict[str, Any]:
        """The body, strictly typed."""
        return read(self.body, struct)

    def at_owner(self, volume: Volume) -> str:
        """The base address when the volume's owner answers; other managers pass such requests on."""
        node = self.world.nodes.get(volume.owner)
        scheme, _, host = self.base.partition("://")
        name, _, port = host.partition(":")
        managers = {n.address for n in self.world.nodes.values()}
        first = next(iter(self.world.nodes.values()))
        here = name if name in managers else first.address
        if node and node.address != here and port:
            self.link_base = f"{scheme}://{node.address}:{port}"
        return self.link_base or self.base


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body (JSON-able, or ready bytes, or None for empty) and content type."""

    status: int = 200
    body: Any = None
    content_type: str | None = JSON
    headers: tuple[tuple[str, str], ...] = ()


EMPTY = Answer(200, None, None)
NOT_FOUND = Answer(404, b"404 page not found\n", TEXT, (("X-Content-Type-Options", "nosniff"),))

CODES = {
    400: "Bad Request", 404: "Not Found", 409: "Conflict", 429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip


def error(url: str, status: int, message: str) -> Answer:
    """Longhorn's error resource, which it sends as text/plain."""
    body = {
        "actions": {},
        "code": CODES.get(status, "Error"),
        "detail": "",
        "links": {"self": url},
        "message": message,
        "status": status,
        "type": "error",
    }
    return Answer(status, body, TEXT)
