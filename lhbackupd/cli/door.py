"""Asks a running daemon over its control socket."""

import http.client
import os
import socket
from pathlib import Path
from typing import TypeVar

import msgspec
from typing_extensions import override

from lhbackupd.surface.asking import Failed

T = TypeVar("T")

_OK, _DEFECT = 200, 500


class Unanswered(Exception):  # noqa: N818 -- says what is the case
    """Nobody answers at the socket; `why` says it in words, `absent` whether there is nobody at all."""

    def __init__(self, why: str, *, absent: bool) -> None:
        super().__init__(why)
        self.absent = absent


class Declined(Exception):  # noqa: N818 -- says what is the case
    """The daemon answered that it could not do it."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("lhbackupd", timeout=timeout)
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


def ask(path: Path, method: str, route: str, shape: type[T], *, timeout: float, body: object = None) -> tuple[bytes, T]:
    """The daemon's answer, as it came and as a value; `body` is sent as JSON, `timeout` is seconds.

    Raises Unanswered, also where somebody answers who is no lhbackupd of this version, or Declined where it could not
    or would not do it.
    """
    connection = _Connection(path, timeout)
    try:
        connection.request(method, route, body=None if body is None else msgspec.json.encode(body))
        answer = connection.getresponse()
        raw = answer.read()
    except (OSError, http.client.HTTPException) as error:
        absent = isinstance(error, FileNotFoundError | ConnectionRefusedError)
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unanswered(f"no daemon answers at {path}: {why}", absent=absent) from error
    finally:
        connection.close()
    if answer.status != _OK:
        words = _words(raw)
        if not words and answer.status < _DEFECT:
            text = f"what answers at {path} is no lhbackupd of this version: it answered {answer.status}"
            raise Unanswered(text, absent=False)
        raise Declined(words or f"the daemon answered {answer.status}")
    try:
        return raw, msgspec.json.decode(raw, type=shape)
    except (msgspec.MsgspecError, UnicodeError) as error:
        done = "" if method == "GET" else ", and may have done what it was asked for"
        raise Unanswered(
            f"what answers at {path} is no lhbackupd of this version{done}: {error}", absent=False
        ) from error


def _words(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Failed).error
    except (msgspec.MsgspecError, UnicodeError):
        return ""
