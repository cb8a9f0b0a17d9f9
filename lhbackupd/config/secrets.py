"""Files with secret URLs: the channels of notifications, and what a policy pings.

The secret lives in its file: it is read here when it is checked and when it is used, so that a new one takes effect
without a restart. What is raised says the file, the line and what is allowed, and never what stands there.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from lhbackupd.config.values import read_file_path

#: bytes that such a file may have
_LARGEST = 65536
_NAMED = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?)=(.+)", re.ASCII)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where notifications go."""

    name: str
    #: counted from 1, in its file
    line: int
    #: as Apprise reads it
    url: str = field(repr=False)


def read_channels(path: Path) -> tuple[Channel, ...]:
    """The channels in a file: a line each, `name=URL` or a URL alone, which is called by its line.

    Empty lines and those that begin with # are left out. Raises ValueError.
    """
    found: dict[str, Channel] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        named = _NAMED.fullmatch(text)
        name, url = (named[1], named[2].strip()) if named else (f"line-{number}", text)
        if not _URL.fullmatch(url) or not url.isprintable():
            raise ValueError(
                f'a file with an Apprise URL on each line, or name=URL, as in "ops=json://host" (line {number})'
            )
        if name in found:
            raise ValueError(f"a name of its own for each URL (line {number} has that of line {found[name].line})")
        found[name] = Channel(name=name, line=number, url=url)
    if not found:
        raise ValueError("a file with at least one Apprise URL")
    return tuple(found.values())


def read_channels_file(value: object) -> Path:
    """An absolute path to a file with channels."""
    path = read_file_path(value)
    read_channels(path)
    return path


def read_ping_url(path: Path) -> str:
    """The URL in a file. Raises ValueError."""
    url = _text(path).strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or not url.isascii() or " " in url:
        raise ValueError("a file with one http or https URL and nothing else")
    return url


def read_ping_file(value: object) -> Path:
    """An absolute path to a file with one URL."""
    path = read_file_path(value)
    read_ping_url(path)
    return path


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ValueError(f"a file that can be read ({error.strerror or type(error).__name__})") from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:  # without its cause, which holds the bytes
        text = ""
    if len(raw) > _LARGEST or (raw and not text):
        raise ValueError(f"a text file in UTF-8 of at most {_LARGEST} bytes")
    return text
