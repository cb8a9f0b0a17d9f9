"""Asks a running daemon on its HTTP port."""

import http.client
import urllib.error
import urllib.request
from typing import TypeVar

import msgspec

from lhbackupd.cli.options import UNREACHABLE, USAGE, die
from lhbackupd.config import Config

T = TypeVar("T")

_REFUSED = (400, 404)
#: a proxy of the environment's is for the world outside, and not for the way to a daemon on this machine
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):  # noqa: N818 -- says what is the case
    """The daemon answered that there is no such thing, or that the question makes no sense; the text is its own."""


def fetch(config: Config, route: str, shape: type[T], *, timeout: float) -> tuple[bytes, T]:
    """What the daemon answers, as it came and as a value. `timeout` is seconds.

    Raises OSError where nobody answers, or somebody who is no lhbackupd of this version, and Refused.
    """
    if config.http.address is None:
        raise OSError('http.listen is "off"')
    host, port = config.http.address
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared, not bound
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/{route}"
    try:
        with _OPENER.open(url, timeout=timeout) as answer:
            body: bytes = answer.read()
        return body, msgspec.json.decode(body, type=shape)
    except urllib.error.HTTPError as error:
        words = _words(error)
        plain = error.headers.get_content_type() == "text/plain"
        if error.code in _REFUSED and plain and words not in {"", "Not Found"}:
            raise Refused(words) from error
        raise OSError(f"the daemon does not answer at {url}: {error}") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        why = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise OSError(f"the daemon does not answer at {url}: {why}") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise OSError(f"what answers at {url} is no lhbackupd of this version: {error}") from error


def _words(error: urllib.error.HTTPError) -> str:
    """What an answer says; "" where it breaks off."""
    try:
        return error.read().decode(errors="replace").strip()
    except (http.client.HTTPException, OSError):
        return ""


def ask(config: Config, route: str, shape: type[T], *, timeout: float) -> tuple[bytes, T]:
    """What the daemon answers, or the end of the command with the exit code that says why not."""
    askable(config)
    try:
        return fetch(config, route, shape, timeout=timeout)
    except Refused as error:
        die([str(error)], USAGE)
    except OSError as error:
        die([f"{error}; is it running? see its log"], UNREACHABLE)


def askable(config: Config) -> None:
    """End the command where the configuration says that the daemon answers nobody."""
    if config.http.address is None:
        die(['http.listen is "off": this daemon cannot be asked'], USAGE)
