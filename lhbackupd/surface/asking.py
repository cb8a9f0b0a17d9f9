"""What the commands of the control socket share: how a request is read, refused and answered.

Bodies are small JSON objects of known fields; whatever else comes is refused in words, with a 4xx and nothing done.
Answers are JSON with a `version`, which counts up when a field changes its meaning or goes.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from lhbackupd.engine.journal import JournalError
from lhbackupd.surface.words import alike

#: of the answers' shape
VERSION = 1
#: bytes of a request's body
LIMIT = 64 * 2**10

#: HTTP's words for why nothing was done
MALFORMED, UNKNOWN, CONFLICT, TOO_LARGE, UNAVAILABLE = 400, 404, 409, 413, 503

T = TypeVar("T")


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What all bodies have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why a command did nothing."""

    version: int = VERSION
    error: str


class Refused(Exception):  # noqa: N818 -- says what is the case
    """A command that is not carried out; the text says why, and what to do."""

    def __init__(self, why: str, *, status: int = CONFLICT) -> None:
        super().__init__(why)
        self.status = status


async def read(request: Request, type_: type[T]) -> T:
    """The body of a request. Raises Refused."""
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > LIMIT:
            raise Refused(f"the request's body has more than {LIMIT} bytes", status=TOO_LARGE)
    try:
        return msgspec.json.decode(raw or b"{}", type=type_)
    except msgspec.MsgspecError as error:
        raise Refused(f"the request's body is not as it should be: {error}", status=MALFORMED) from error


def asker(request: Request) -> str:
    """Who asks, as far as the kernel says."""
    return request.client.host if request.client and request.client.host else "somebody"


def answer(value: object, status: int = 200) -> Response:
    """`value` as JSON; 503 where a command could do nothing."""
    status = UNAVAILABLE if isinstance(value, Failed) and status == 200 else status  # noqa: PLR2004 -- the usual one
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


def answered(command: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    """A route of `command`: its answer, or why there is none."""

    async def route(request: Request) -> Response:
        try:
            return answer(await command(request))
        except Refused as error:
            return answer(Failed(error=str(error)), error.status)
        except JournalError as error:
            # an order for several volumes may have been written down in part
            return answer(Failed(error=f"{error}; once it can be written, ask again, which is safe"), UNAVAILABLE)

    return route


def near(name: str, names: Iterable[str]) -> str:
    """What may have been meant by a name that is unknown, as the end of a sentence."""
    known = tuple(names)
    found = alike(name, known)
    return f"; did you mean {' or '.join(found)}?" if found else f" (there are {len(known)})"
