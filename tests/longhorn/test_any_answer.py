"""Whatever comes instead of an answer, there is a value or an error of the tree, and never another exception."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.errors import LonghornError
from tests.longhorn.replay import client, recorded

CALLS: tuple[Callable[[Longhorn], Awaitable[object]], ...] = (
    lambda longhorn: longhorn.setting(),
    lambda longhorn: longhorn.volumes(),
    lambda longhorn: longhorn.volume("v"),
    lambda longhorn: longhorn.nodes(),
    lambda longhorn: longhorn.attaches(),
    lambda longhorn: longhorn.targets(),
    lambda longhorn: longhorn.engine_images(),
    lambda longhorn: longhorn.backup_volumes(),
    lambda longhorn: longhorn.generation(),
    lambda longhorn: longhorn.jobs(),
    lambda longhorn: longhorn.groups("v"),
    lambda longhorn: longhorn.snapshots("v"),
    lambda longhorn: longhorn.snapshot_ready("v", "s"),
    lambda longhorn: longhorn.backups("v"),
    lambda longhorn: longhorn.attach("v", "n", "t", "us"),
    lambda longhorn: longhorn.detach("v", "t"),
    lambda longhorn: longhorn.create_snapshot("v", "s", {}),
    lambda longhorn: longhorn.delete_snapshot("v", "s"),
    lambda longhorn: longhorn.backup("v", "s", {}),
    lambda longhorn: longhorn.delete_backup("v", "b"),
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
STATUS = st.sampled_from([200, 201, 204, 301, 400, 401, 404, 405, 429, 500, 501, 503])
SAMPLES = [
    recorded(f"{number:03}")["response"]["body"]
    for number in (11, 19, 30, 33, 35, 52, 103, 107, 220, 213, 233, 240, 281, 403, 423)
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a value."""
    keys = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [path, *(place for key, inner in keys for place in places(inner, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another one at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """A recorded answer with one value in it replaced."""
    sample = draw(st.sampled_from(SAMPLES))
    return replaced(sample, draw(st.sampled_from(places(sample))), draw(VALUES))


async def error_of(call: Awaitable[object]) -> LonghornError | None:
    try:
        await call
    except LonghornError as error:
        return error
    return None


class Door:
    """A client that gets whatever was set last; one for all examples, since making one reads certificates."""

    def __init__(self) -> None:
        self.answer = (200, b"")
        self.longhorn = client(self._handle)

    async def _handle(self, _: httpx.Request) -> httpx.Response:
        status, body = self.answer
        return httpx.Response(status, content=body)


DOOR = Door()


def check(status: int, body: bytes) -> None:
    DOOR.answer = (status, body)
    # a loop of its own: asyncio.run would take away the one that the other tests' plugin has set
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        errors = loop.run_until_complete(errors_of_all_calls())
    assert all(str(error).isprintable() and error.fault.text == str(error) for error in errors)


async def errors_of_all_calls() -> list[LonghornError]:
    errors = [await error_of(call(DOOR.longhorn)) for call in CALLS]
    return [error for error in errors if error is not None]


@given(STATUS, VALUES)
def test_any_json_is_a_value_or_an_error_of_the_tree(status: int, value: Any) -> None:
    check(status, json.dumps(value).encode())


@given(spoiled())
def test_any_spoiled_recording_is_a_value_or_an_error_of_the_tree(value: Any) -> None:
    check(200, json.dumps(value).encode())


@given(STATUS, st.binary(max_size=200))
@example(200, b'{"name":"\\ud800","size":"1","state":""}')
@example(200, b'{"name":"\xff","size":"1","state":""}')
@example(200, b'{"name":"v","size":1e400,"state":""}')
@example(500, b'{"type":"error","message":"\\udfff"}')
def test_any_bytes_are_a_value_or_an_error_of_the_tree(status: int, body: bytes) -> None:
    check(status, body)
