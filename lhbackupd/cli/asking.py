"""Asks a running daemon on its HTTP port."""

import urllib.error
import urllib.request

from lhbackupd.cli.options import UNREACHABLE, USAGE, die
from lhbackupd.config import Config

_REFUSED = (400, 404)


class Refused(Exception):  # noqa: N818 -- says what is the case
    """The daemon answered that there is no such thing, or that the question makes no sense; the text is its own."""


def fetch(config: Config, route: str = "status.json", *, timeout: float) -> bytes:
    """What the daemon answers. `timeout` is seconds. Raises OSError where nobody answers, and Refused."""
    if config.http.address is None:
        raise OSError('http.listen is "off"')
    host, port = config.http.address
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared, not bound
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/{route}"
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        words = error.read().decode(errors="replace").strip()
        if error.code in _REFUSED and words not in {"", "Not Found"}:
            raise Refused(words) from error
        raise OSError(f"the daemon does not answer at {url}: {error}") from error
    except (urllib.error.URLError, OSError) as error:
        raise OSError(f"the daemon does not answer at {url}: {getattr(error, 'reason', error)}") from error


def ask(config: Config, route: str, *, timeout: float) -> bytes:
    """What the daemon answers, or the end of the command with the exit code that says why not."""
    if config.http.address is None:
        die(['http.listen is "off": this daemon cannot be asked'], USAGE)
    try:
        return fetch(config, route, timeout=timeout)
    except Refused as error:
        die([str(error)], USAGE)
    except OSError as error:
        die([f"{error}; is it running? see its log"], UNREACHABLE)
